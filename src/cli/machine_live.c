/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/machine_live.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/client.h"
#include "cli/machine_store.h"
#include "cli/output.h"
#include "driver/qmp.h"
#include "ipc/varlink_client.h"

#define QMP_TIMEOUT 3000 /* ms */

/* The guest's DHCP client asks anew when the link comes back; the host cannot show that through the
 * tap. */
static void bounce_link(const struct machine_entry *entry, size_t index)
{
	struct qmp *qmp = NULL;
	char id[24];
	snprintf(id, sizeof(id), "nic%zu", index);
	if (qmp_connect(entry->qmp, QMP_TIMEOUT, &qmp, NULL) < 0)
		return;
	for (int up = 0; up < 2; up++)
		qmp_execute(qmp, "set_link", json_pack("{s:s,s:b}", "name", id, "up", up),
			    QMP_TIMEOUT, NULL, NULL);
	qmp_free(qmp);
}

static json_t *port_of(const json_t *running, const char *mac)
{
	size_t index;
	json_t *port;
	json_array_foreach (json_object_get(running, "ports"), index, port) {
		const char *other = json_string_value(json_object_get(port, "mac"));
		if (other && mac && strcmp(other, mac) == 0)
			return port;
	}
	return NULL;
}

static int move_nic(struct invocation *invocation, const struct machine_entry *entry,
		    json_t *running, size_t index, json_t *old, const json_t *new,
		    struct error *err)
{
	const char *network = json_string_value(json_object_get(new, "network"));
	json_t *port = port_of(running, json_string_value(json_object_get(old, "mac")));
	if (!network || !port)
		return 0;
	struct varlink_answer answer = {0};
	int result = client_call(invocation, "SetPort",
				 json_pack("{s:O,s:{s:s}}", "id", json_object_get(port, "id"),
					   "settings", "network", network),
				 &answer, err);
	varlink_answer_done(&answer);
	if (result < 0)
		return error_prefix(err, "machine '%s': NIC %zu", entry->machine->name, index + 1);
	output_line("machine %s: NIC %zu moved to network %s", entry->machine->name, index + 1,
		    network);
	json_object_set_new(port, "network", json_string(network));
	json_object_update(old, (json_t *)new);
	bounce_link(entry, index);
	return 0;
}

/* Same NIC (its MAC), another network? Other members make it another NIC. */
static bool is_moved(const json_t *old, const json_t *new)
{
	static const char *const same[] = {"mac", "model", "queues"};
	if (!old || !new ||
	    json_equal(json_object_get(old, "network"), json_object_get(new, "network")))
		return false;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		const json_t *a = json_object_get(old, same[i]), *b = json_object_get(new, same[i]);
		if (a != b && !json_equal(a, b))
			return false;
	}
	return true;
}

int machine_live_change(struct invocation *invocation, const struct machine_entry *entry,
			json_t *running, struct error *err)
{
	json_t *definition = json_deep_copy(json_object_get(running, "definition"));
	json_object_set_new(running, "definition", definition);
	json_t *olds = json_object_get(definition, "nics"), *new;
	size_t index;
	json_array_foreach (json_object_get(entry->definition, "nics"), index, new) {
		json_t *old = json_array_get(olds, index);
		if (!is_moved(old, new))
			continue;
		int result = move_nic(invocation, entry, running, index, old, new, err);
		if (result < 0)
			return result;
	}
	return machine_entry_set_running(entry, running, err);
}
