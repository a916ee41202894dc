/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lab file: networks first, then machines, then what ties them together (lab_nics.c).
 */
#include "model/lab_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "model/name.h"
#include "model/schema.h"

AUTO_DEFINE(node)
AUTO_DEFINE(lab)
AUTO_DEFINE(network)
AUTO_DEFINE(machine)

/* The file's keys. */
struct document {
	char name[NAME_SIZE];
	const struct node *networks, *machines;
	struct proxy proxy;
};

const struct node *lab_at_key(const struct node *map, const char *key)
{
	const struct node *child = key ? node_child(map, key) : NULL;
	return child ? child : map;
}

void lab_free(struct lab *lab)
{
	if (!lab)
		return;
	for (size_t i = 0; i < lab->n_networks; i++)
		network_free(lab->networks[i]);
	for (size_t i = 0; i < lab->n_places; i++)
		free(lab->image_places[i]);
	for (size_t i = 0; i < lab->n_machines; i++)
		machine_free(lab->machines[i]);
	for (size_t i = 0; i < lab->n_needs; i++)
		free(lab->needs[i].place);
	free(lab->needs);
	free(lab->image_places);
	free(lab->networks);
	free(lab->machines);
	free(lab);
}

struct network *lab_network(const struct lab *lab, const char *name)
{
	for (size_t i = 0; i < lab->n_networks; i++)
		if (!strcmp(lab->networks[i]->name, name))
			return lab->networks[i];
	return NULL;
}

static int decode_section(const struct node *node, const char *what, const struct node **ret,
			  struct error *err)
{
	char text[NODE_DESCRIBE_SIZE];
	if (node->kind != NODE_MAP && node->kind != NODE_NULL)
		return node_error(node, err, EINVAL,
				  "%ss are %s; they have to be a map of NAME: { ... }", what,
				  node_describe(node, text));
	*ret = node;
	return 0;
}

static int decode_networks(const struct node *node, void *object, struct error *err)
{
	return decode_section(node, "network", &((struct document *)object)->networks, err);
}

static int decode_machines(const struct node *node, void *object, struct error *err)
{
	return decode_section(node, "machine", &((struct document *)object)->machines, err);
}

static int decode_proxy(const struct node *node, void *object, struct error *err)
{
	return proxy_decode(node, &((struct document *)object)->proxy, err);
}

static json_t *encode_nothing(const void *object)
{
	(void)object;
	return NULL;
}

static const struct schema_key lab_keys[] = {
	{.key = "name",
	 .type = SCHEMA_NAME,
	 .offset = offsetof(struct document, name),
	 .size = NAME_SIZE,
	 .help = "the lab's name; its folder's when left out"},
	{.key = "networks",
	 .type = SCHEMA_CUSTOM,
	 .decode = decode_networks,
	 .encode = encode_nothing,
	 .help = "map of the networks, by name"},
	{.key = "machines",
	 .type = SCHEMA_CUSTOM,
	 .decode = decode_machines,
	 .encode = encode_nothing,
	 .help = "map of the machines, by name"},
	{.key = "proxy",
	 .type = SCHEMA_CUSTOM,
	 .decode = decode_proxy,
	 .encode = encode_nothing,
	 .help = "the web proxy that its machines are told of"},
};

const struct schema lab_schema = {
	.entity = "lab",
	.help = "A file that describes networks and machines together.",
	.keys = lab_keys,
	.n_keys = sizeof(lab_keys) / sizeof(lab_keys[0]),
};

/* The name of the folder that the file is in, made a label. */
static void name_by_folder(const char *file, char name[NAME_SIZE])
{
	const char *end = strrchr(file, '/');
	const char *begin = end;
	while (begin && begin > file && begin[-1] != '/')
		begin--;
	size_t n = 0;
	for (const char *c = begin; c && c < end && n < NAME_SIZE - 1; c++) {
		char lower = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
		bool good = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9');
		if (good)
			name[n++] = lower;
		else if (n > 0 && name[n - 1] != '-')
			name[n++] = '-';
	}
	while (n > 0 && name[n - 1] == '-')
		n--;
	memset(name + n, 0, NAME_SIZE - n);
	if (n == 0)
		snprintf(name, NAME_SIZE, "lab");
}

static int check_entity_name(const struct node *node, const char *what, struct error *err)
{
	int r = name_check(node->key, what, err);
	return r < 0 ? error_prefix(err, "%s", node->key_place) : r;
}

/* Networks */

static int check_overlap(struct lab_reader *reader, const struct node *node,
			 const struct network *network)
{
	for (size_t i = 0; i < reader->lab->n_networks; i++) {
		const struct network *other = reader->lab->networks[i];
		struct ip own, theirs;
		char text[IP_TEXT_SIZE], other_text[IP_TEXT_SIZE];
		if (!network_overlaps(network, other, &own, &theirs))
			continue;
		const char *key = own.family == AF_INET6 ? "ipv6" : "ipv4";
		ip_format_prefix(&own, text);
		return node_error(lab_at_key(node, key), reader->err, EEXIST,
				  "%s overlaps with %s of network '%s'; choose another prefix, or "
				  "auto",
				  text, ip_format_prefix(&theirs, other_text), other->name);
	}
	return 0;
}

static int check_network(struct lab_reader *reader, const struct node *node,
			 const struct network *network)
{
	const char *key = NULL;
	if (network_check(network, &key, reader->err) < 0)
		return node_prefix(lab_at_key(node, key), reader->err);
	for (size_t i = 0; i < network->n_reservations; i++)
		if (network->reservations[i].automatic)
			return node_error(lab_at_key(node, "reservations"), reader->err, EINVAL,
					  "'automatic' of a reservation is not yours to set; leave "
					  "it out");
	return check_overlap(reader, node, network);
}

static int read_network(struct lab_reader *reader, const struct node *node)
{
	struct lab *lab = reader->lab;
	AUTO(network) struct network *network = network_new();
	int r = check_entity_name(node, "network", reader->err);
	if (r < 0)
		return r;
	memcpy(network->name, node->key, strlen(node->key));
	memcpy(network->lab, lab->name, sizeof(network->lab));
	if ((r = schema_decode(&network_schema, node, network, false, reader->err)) < 0 ||
	    (r = check_network(reader, node, network)) < 0)
		return r;
	lab->networks[lab->n_networks++] = TAKE(network);
	return 0;
}

/* Machines */

/* A machine that says nothing about NICs has one on the only network. Among several it has to
 * choose. */
static int add_default_nic(const struct lab *lab, const struct node *node, struct machine *machine,
			   struct error *err)
{
	if (node_child(node, "nics"))
		return 0;
	if (lab->n_networks != 1)
		return error_set(err, EINVAL,
				 "machine '%s': the lab has %s; write nics: [ { network: %s } ], "
				 "or nics: [] for none",
				 machine->name, lab->n_networks ? "several networks" : "no network",
				 lab->n_networks ? lab->networks[0]->name : "NAME");
	machine->nics = memory_zero(1, sizeof(struct nic));
	machine->n_nics = 1;
	machine->nics[0] = (struct nic){.queues = 1, .model = "virtio"};
	memcpy(machine->nics[0].network, lab->networks[0]->name, NAME_SIZE);
	return 0;
}

static int read_machine(struct lab_reader *reader, const struct node *node)
{
	struct lab *lab = reader->lab;
	AUTO(machine) struct machine *machine = machine_new();
	int r = check_entity_name(node, "machine", reader->err);
	if (r < 0)
		return r;
	memcpy(machine->name, node->key, strlen(node->key));
	memcpy(machine->lab, lab->name, sizeof(machine->lab));
	if ((r = schema_decode(&machine_schema, node, machine, false, reader->err)) < 0)
		return r;
	const struct node *own = node_child(node, "proxy");
	if (!own || own->kind == NODE_NULL)
		machine->proxy = *reader->proxy;
	if (add_default_nic(lab, node, machine, reader->err) < 0 ||
	    machine_settle(machine, reader->err) < 0)
		return node_prefix(node, reader->err);
	reader->machine_nodes[lab->n_machines] = node;
	lab->image_places[lab->n_places++] = text_copy(lab_at_key(node, "image")->place);
	lab->machines[lab->n_machines++] = TAKE(machine);
	return 0;
}

static size_t count(const struct node *section)
{
	return section ? section->n_children : 0;
}

static int read_lab(struct lab_reader *reader, const struct document *document)
{
	struct lab *lab = reader->lab;
	int r = 0;
	lab->networks = memory_zero(count(document->networks), sizeof(struct network *));
	lab->machines = memory_zero(count(document->machines), sizeof(struct machine *));
	lab->image_places = memory_zero(count(document->machines), sizeof(char *));
	for (size_t i = 0; r == 0 && i < count(document->networks); i++)
		r = read_network(reader, document->networks->children[i]);
	for (size_t i = 0; r == 0 && i < count(document->machines); i++)
		r = read_machine(reader, document->machines->children[i]);
	return r == 0 ? lab_plug(reader) : r;
}

int lab_parse(const char *file, const char *path, const char *text, size_t length,
	      const char *instance, struct lab **ret, struct error *err)
{
	AUTO(node) struct node *node = NULL;
	int r = node_from_yaml(file, text, length, &node, err);
	if (r < 0)
		return r;
	if (node->kind == NODE_NULL)
		return node_error(node, err, EINVAL,
				  "the file is empty; it needs 'networks:' and 'machines:'");
	struct document document = {0};
	if ((r = schema_decode(&lab_schema, node, &document, false, err)) < 0)
		return r;
	AUTO(lab) struct lab *lab = memory_zero(1, sizeof(*lab));
	if (document.name[0])
		memcpy(lab->name, document.name, sizeof(lab->name));
	else
		name_by_folder(path ? path : file, lab->name);
	AUTO_FREE const struct node **machine_nodes =
		memory_zero(count(document.machines), sizeof(struct node *));
	struct lab_reader reader = {.instance = instance,
				    .lab = lab,
				    .proxy = &document.proxy,
				    .machine_nodes = machine_nodes,
				    .err = err};
	if ((r = read_lab(&reader, &document)) < 0)
		return r;
	*ret = TAKE(lab);
	return 0;
}
