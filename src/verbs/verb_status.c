/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lanyard status, plan: what is, and what would have to be done to make it what is wanted. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/table.h"
#include "ipc/varlink_client.h"
#include "machine/machine_store.h"
#include "machine/machine_view.h"
#include "verbs/verbs.h"

/* How many items of a list are of this network. */
static size_t count_of(const json_t *list, const json_t *network)
{
	size_t index, count = 0;
	json_t *item;
	json_array_foreach (list, index, item)
		count += json_equal(json_object_get(item, "network"),
				    json_object_get(network, "name"));
	return count;
}

static void print_networks(const json_t *status)
{
	static const char *const titles[] = {"NETWORK", "MODE",	   "IPV4",   "IPV6",
					     "DOMAIN",	"PLUGGED", "LEASES", "LAB"};
	static const char *const columns[] = {"name", "mode", "ipv4", "ipv6", "domain"};
	static const char *const spare[] = {"LEASES", "LAB", "DOMAIN", "PLUGGED", "IPV6", NULL};
	struct table table;
	table_init(&table, titles, sizeof(titles) / sizeof(titles[0]));
	table.spare = spare;
	size_t index;
	json_t *network;
	json_array_foreach (json_object_get(status, "networks"), index, network) {
		static const char *const lists[] = {"ports", "leases"};
		table_add_members(&table, network, columns, sizeof(columns) / sizeof(columns[0]));
		for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
			char number[24];
			snprintf(number, sizeof(number), "%zu",
				 count_of(json_object_get(status, lists[i]), network));
			table_add(&table, number);
		}
		AUTO_FREE char *lab = output_member(network, "lab");
		table_add(&table, lab);
	}
	table_print(&table, NULL);
	json_array_foreach (json_object_get(status, "networks"), index, network) {
		AUTO_FREE char *overlap = output_member(network, "overlap");
		AUTO_FREE char *name = output_member(network, "name");
		if (json_object_get(network, "overlap"))
			output_line("%snetwork %s:%s %s", output_style(STYLE_BAD), name,
				    output_style(STYLE_PLAIN), overlap);
	}
}

/* What of ours stands in other firewalls, and where. */
static void print_permits(const json_t *permits)
{
	size_t index;
	json_t *permit;
	json_array_foreach (permits, index, permit) {
		AUTO_FREE char *owner = output_member(permit, "owner");
		AUTO_FREE char *place = output_member(permit, "place");
		AUTO_FREE char *interfaces = output_member(permit, "interfaces");
		if (json_is_true(json_object_get(permit, "hands_off")))
			output_line("%s%s%s drops what networks forward and is left alone "
				    "(firewall: hands-off); 'lanyard doctor' says what mends it",
				    output_style(STYLE_WARN), owner, output_style(STYLE_PLAIN));
		else if (*interfaces)
			output_line("%s lets %s pass: %s", owner, interfaces, place);
	}
}

static void print_instance(const json_t *instance)
{
	AUTO_FREE char *name = output_member(instance, "instance");
	AUTO_FREE char *kind = output_member(instance, "kind");
	AUTO_FREE char *uplink = output_member(instance, "uplink");
	AUTO_FREE char *reason = output_member(instance, "uplink_reason");
	AUTO_FREE char *processes = output_member(instance, "processes");
	if (!json_is_true(json_object_get(instance, "running"))) {
		output_line("instance %s: %s, not running; it starts by itself with the first "
			    "change",
			    name, kind);
		return;
	}
	output_line("instance %s: %s, running, uplink %s%s%s", name, kind, uplink,
		    *reason ? ": " : "", reason);
	print_permits(json_object_get(instance, "permits"));
	output_detail("processes: %s", processes);
	const json_t *policy = json_object_get(instance, "policy");
	AUTO_FREE char *problem = output_member(policy, "problem");
	AUTO_FREE char *state = output_member(policy, "state");
	if (*problem)
		output_line("%spolicy:%s %s; %s", output_style(STYLE_BAD),
			    output_style(STYLE_PLAIN), problem,
			    strcmp(state, "closed") == 0
				    ? "until it is mended, nobody but root may do anything"
				    : "the policy that was in force stays so");
	AUTO_FREE char *unknown = output_member(policy, "unknown");
	if (*unknown)
		output_line("%spolicy:%s %s", output_style(STYLE_WARN), output_style(STYLE_PLAIN),
			    unknown);
}

/* Ports that belong to no machine of ours. */
static json_t *other_ports(const json_t *status)
{
	static const char *const keys[] = {"network", "machine", "ifname", "id", NULL};
	json_t *sorted = output_sorted(json_object_get(status, "ports"), keys);
	json_t *others = json_array(), *port, *machine;
	size_t i, j;
	json_array_foreach (sorted, i, port) {
		bool is_known = false;
		json_array_foreach (json_object_get(status, "machines"), j, machine)
			is_known |= json_equal(json_object_get(machine, "name"),
					       json_object_get(port, "machine"));
		if (!is_known)
			json_array_append(others, port);
	}
	json_decref(sorted);
	return others;
}

static void print_status(const json_t *status)
{
	const json_t *published = json_object_get(status, "published");
	json_t *others = other_ports(status);
	print_instance(json_object_get(status, "instance"));
	if (json_array_size(json_object_get(status, "networks"))) {
		output_line("%s", "");
		print_networks(status);
	}
	if (json_array_size(json_object_get(status, "machines"))) {
		output_line("%s", "");
		machine_view_table(json_object_get(status, "machines"));
	}
	if (json_array_size(others)) {
		output_line("%s", "");
		port_print_table(others, NULL);
	}
	if (json_array_size(published)) {
		output_line("%s", "");
		publish_print_list(published);
	}
	json_decref(others);
}

/* A user instance that does not run is a healthy one: it starts by itself. A system instance that
 * is asked for and does not answer is missing. */
static int read_status(struct invocation *invocation, json_t **ret, struct error *err)
{
	struct varlink_answer answer = {0};
	struct error absent = {0};
	int result = client_open_existing(invocation, &absent);
	if (result == -ENOENT && invocation->has_paths && !invocation->paths.system) {
		*ret = json_pack("{s:{s:s,s:s,s:b},s:[],s:[],s:[],s:[]}", "instance", "instance",
				 invocation->paths.instance, "kind", "user", "running", 0,
				 "networks", "ports", "leases", "published");
		return 0;
	}
	result = client_call(invocation, "Status", NULL, &answer, err);
	if (result == 0) {
		*ret = json_incref(answer.parameters);
		json_object_set_new(json_object_get(*ret, "instance"), "running", json_true());
	}
	varlink_answer_done(&answer);
	return result;
}

int status_run(struct invocation *invocation, struct error *err)
{
	struct machine_list stored = {0};
	json_t *status = NULL;
	int result = client_paths(invocation, err);
	if (result == 0)
		result = read_status(invocation, &status, err);
	if (result < 0)
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
