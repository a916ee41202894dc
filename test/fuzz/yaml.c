/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lab files. What is accepted is taken all the way: addresses chosen, objects that pass the
 * executor's check, and definitions that are read back as they were written.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "model/lab.h"
#include "model/plan.h"
#include "model/schema.h"

AUTO_DEFINE(lab)
AUTO_DEFINE(node)
AUTO_DEFINE(network)

static void read_back(const struct network *network)
{
	json_t *json = schema_encode(&network_schema, network);
	AUTO_FREE char *text = node_yaml_text(json);
	AUTO(node) struct node *node = NULL;
	AUTO(network) struct network *copy = network_new();
	json_decref(json);
	if (node_from_yaml("definition", text, strlen(text), &node, NULL) < 0 ||
	    schema_decode(&network_schema, node, copy, true, NULL) < 0 ||
	    !network_equal(network, copy))
		abort();
}

static bool settle(struct network *network, uint32_t id)
{
	struct error err;
	network->id = id;
	network_ifname(network->name, id, network->ifname);
	return network_allocate(network, "fuzz", NULL, 0, &err) == 0 &&
	       network_settle(network, &err) == 0;
}

static void check(struct lab *lab)
{
	struct object_list wanted = {0}, none = {0};
	struct plan plan;
	struct error err;
	for (size_t i = 0; i < lab->n_networks; i++) {
		if (!settle(lab->networks[i], (uint32_t)i + 1))
			return;
		read_back(lab->networks[i]);
	}
	object_expand(lab->networks, lab->n_networks, NULL, 0, &wanted);
	for (size_t i = 0; i < wanted.count; i++)
		if (object_check(&wanted.items[i], &err) < 0)
			abort();
	plan_build(&wanted, &none, &plan);
	free(plan_text(&plan));
	plan_done(&plan);
	object_list_done(&wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(lab) struct lab *lab = NULL;
	struct error err = {0};
	int r = lab_parse("fuzz/lab.yaml", NULL, (const char *)data, size, "fuzz", &lab, &err);
	if (r < 0 && (err.code != -r || !err.text[0]))
		abort();
	if (r == 0)
		check(lab);
	return 0;
}
