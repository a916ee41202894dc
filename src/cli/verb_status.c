/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lanyard status, plan: what is, and what would have to be done to make it what is wanted. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/client.h"
#include "cli/machine_store.h"
#include "cli/machine_view.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "ipc/varlink_client.h"

static void print_networks(const json_t *networks)
{
	static const char *const titles[] = {"NETWORK", "MODE", "IPV4", "IPV6", "LAB", "INTERFACE"};
	static const char *const columns[] = {"name", "mode", "ipv4", "ipv6", "lab", "ifname"};
	struct table table;
	table_init(&table, titles, sizeof(titles) / sizeof(titles[0]));
	size_t index;
	json_t *network;
	json_array_foreach (networks, index, network) {
		for (size_t i = 0; i < table.n_columns; i++) {
			AUTO_FREE char *cell = output_member(network, columns[i]);
			table_add(&table, cell);
		}
	}
	table_print(&table);
}

static void print_instance(const json_t *instance)
{
	AUTO_FREE char *name = output_member(
		instance, json_object_get(instance, "instance") ? "instance" : "name");
	AUTO_FREE char *kind = output_member(instance, "kind");
	AUTO_FREE char *state = output_member(instance, "state");
	AUTO_FREE char *uplink = output_member(instance, "uplink");
	AUTO_FREE char *processes = output_member(instance, "processes");
	bool runs = !!*kind;
	output_line("instance %s: %s%s%s%s", name, runs ? kind : state, runs ? ", running" : "",
		    *uplink ? ", uplink " : "", uplink);
	if (runs)
		output_detail("processes: %s", processes);
}

static void print_status(const json_t *status)
{
	const json_t *published = json_object_get(status, "published");
	print_instance(json_object_get(status, "instance"));
	if (json_array_size(json_object_get(status, "networks"))) {
		output_line("%s", "");
		print_networks(json_object_get(status, "networks"));
	}
	if (json_array_size(json_object_get(status, "machines"))) {
		output_line("%s", "");
		machine_view_table(json_object_get(status, "machines"));
	}
	if (json_array_size(published)) {
		AUTO_FREE char *text = output_value(published);
		output_line("\npublished: %s", text);
	}
}

int status_run(struct invocation *invocation, struct error *err)
{
	struct varlink_answer answer = {0};
	struct machine_list stored = {0};
	json_t *status = NULL;
	int result = client_paths(invocation, err);
	if (result == 0)
		result = client_open_existing(invocation, err);
	if (result == 0)
		result = client_call(invocation, "Status", NULL, &answer, err);
	if (result == 0)
		status = json_incref(answer.parameters);
	else if (result == -ENOENT)
		status = json_pack("{s:{s:s,s:s}}", "instance", "name", invocation->paths.instance,
				   "state", "not running");
	varlink_answer_done(&answer);
	if (!status)
		return result;
	json_t *views = json_array();
	if (machine_store_list(&invocation->own, &stored, err) == 0)
		for (size_t i = 0; i < stored.count; i++)
			json_array_append_new(
				views,
				machine_view(stored.items[i], json_object_get(status, "networks")));
	machine_list_done(&stored);
	json_object_set_new(status, "machines", views);
	if (output_is_json())
		output_json(json_incref(status));
	else
		print_status(status);
	json_decref(status);
	return 0;
}

int plan_run(struct invocation *invocation, struct error *err)
{
	struct varlink_answer answer = {0};
	int result = client_call(invocation, "Plan", NULL, &answer, err);
	json_t *changes = json_object_get(answer.parameters, "changes");
	if (result == 0 && output_is_json())
		output_json(json_incref(changes));
	else if (result == 0)
		client_print_changes(changes, "nothing to do");
	varlink_answer_done(&answer);
	return result;
}
