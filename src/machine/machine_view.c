/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/machine_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/table.h"
#include "ipc/varlink_client.h"
#include "machine/machine_run.h"
#include "machine/machine_store.h"
#include "model/ip.h"
#include "model/mac.h"

static json_t *find_by(const json_t *list, const char *key, const char *value)
{
	size_t index;
	json_t *item;
	json_array_foreach (list, index, item) {
		const char *other = json_string_value(json_object_get(item, key));
		if (other && value && strcmp(other, value) == 0)
			return item;
	}
	return NULL;
}

/* A member that is a text or a list of them, the first one. */
static const char *first_text(const json_t *map, const char *key)
{
	const json_t *value = json_object_get(map, key);
	return json_string_value(json_is_array(value) ? json_array_get(value, 0) : value);
}

static void set_text(json_t *map, const char *key, const char *text)
{
	if (text && *text)
		json_object_set_new(map, key, json_string(text));
}

/* The address that the machine makes itself from its MAC (SLAAC). */
static void set_eui64(json_t *view, const char *key, const struct mac *mac, const char *prefix)
{
	struct ip network;
	char text[IP_TEXT_SIZE];
	if (!prefix || ip_parse_prefix(prefix, &network, NULL) < 0 || network.length != 64)
		return;
	struct ip address = mac_eui64(mac, &network);
	set_text(view, key, ip_format(&address, text));
}

static json_t *view_nic(const struct nic *nic, const char *machine, const json_t *ports,
			const json_t *networks)
{
	char mac[MAC_TEXT_SIZE], text[IP_TEXT_SIZE], trunk[VLAN_RANGES_TEXT];
	mac_format(&nic->mac, mac);
	json_t *view = json_pack("{s:s,s:s}", "network", nic->network, "mac", mac);
	const json_t *port = find_by(ports, "mac", mac);
	set_text(view, "port", first_text(port, "id"));
	set_text(view, "ifname", first_text(port, "ifname"));
	const json_t *network = find_by(networks, "name", nic->network);
	set_text(view, "mode", first_text(network, "mode"));
	set_eui64(view, "link_local", &nic->mac, "fe80::/64");
	if (nic->vlans.native)
		json_object_set_new(view, "vlan", json_integer(nic->vlans.native));
	set_text(view, "trunk", vlan_ranges_format(nic->vlans.tagged, trunk));
	if (nic->vlans.native) /* where nobody gives out the network's addresses */
		return view;
	const json_t *reservations = json_object_get(network, "reservations");
	const json_t *reservation = find_by(reservations, "mac", mac);
	if (!reservation)
		reservation = find_by(reservations, "name", machine);
	set_text(view, "ipv4", ip_is_set(&nic->ipv4) ? ip_format(&nic->ipv4, text) : NULL);
	set_text(view, "ipv4", first_text(reservation, "ipv4"));
	set_text(view, "ipv4", first_text(reservation, "address"));
	set_eui64(view, "ipv6", &nic->mac, first_text(network, "ipv6"));
	set_text(view, "ipv6", first_text(reservation, "ipv6"));
	return view;
}

/* What the definition says, or what the machine was started with where that still differs. */
static const char *state_of(const struct machine_entry *entry, const json_t *running)
{
	const json_t *started_with = json_object_get(running, "definition");
	if (!running)
		return "stopped";
	return !started_with || json_equal(started_with, entry->definition) ? "running" : "changed";
}

json_t *machine_view(const struct machine_entry *entry, const json_t *networks)
{
	const struct machine *machine = entry->machine;
	json_t *running = machine_entry_running(entry);
	const json_t *ports = json_object_get(running, "ports");
	json_t *view = json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:i}", "name", machine->name, "lab",
				 machine->lab, "state", state_of(entry, running), "driver",
				 machine->driver, "image", machine->image, "memory",
				 (json_int_t)machine->memory, "cpus", (int)machine->cpus);
	if (running) {
		AUTO_FREE char *ssh = text_format("lanyard ssh %s", machine->name);
		json_object_set_new(view, "pid", json_integer(machine_entry_pid(entry)));
		json_object_set_new(view, "ready", json_boolean(machine_is_ready(entry)));
		set_text(view, "accel", first_text(running, "accel"));
		set_text(view, "reason", first_text(running, "reason"));
		set_text(view, "console", entry->console);
		set_text(view, "ssh", ssh);
	}
	json_t *nics = json_array();
	for (size_t i = 0; i < machine->n_nics; i++)
		json_array_append_new(nics,
				      view_nic(&machine->nics[i], machine->name, ports, networks));
	json_object_set_new(view, "nics", nics);
	json_decref(running);
	return view;
}

json_t *machine_view_networks(struct invocation *invocation)
{
	struct varlink_answer answer = {0};
	struct error ignored;
	json_t *networks = NULL;
	if (client_open_running(invocation, &ignored) == 0 &&
	    client_call(invocation, "ListNetworks", NULL, &answer, &ignored) == 0)
		networks = json_incref(json_object_get(answer.parameters, "networks"));
	varlink_answer_done(&answer);
	return networks ? networks : json_array();
}

static void print_nic(const json_t *nic)
{
	AUTO_FREE char *network = output_member(nic, "network");
	AUTO_FREE char *mac = output_member(nic, "mac");
	AUTO_FREE char *port = output_member(nic, "ifname");
	AUTO_FREE char *ipv4 = output_member(nic, "ipv4");
	AUTO_FREE char *ipv6 = output_member(nic, "ipv6");
	AUTO_FREE char *link_local = output_member(nic, "link_local");
	output_line("  %-8s %s%s%s%s%s", network, ipv4, *ipv4 && *ipv6 ? ", " : "", ipv6,
		    *link_local ? ", " : "", link_local);
	AUTO_FREE char *mode = output_member(nic, "mode");
	AUTO_FREE char *vlan = output_member(nic, "vlan");
	AUTO_FREE char *trunk = output_member(nic, "trunk");
	output_line("  %-8s MAC %s%s%s%s%s%s%s%s%s", "", mac, *port ? ", port " : "", port,
		    *mode ? ", mode " : "", mode, *vlan ? ", VLAN " : "", vlan,
		    *trunk ? ", trunk " : "", trunk);
}

void machine_view_print(const json_t *view)
{
	AUTO_FREE char *name = output_member(view, "name");
	AUTO_FREE char *state = output_member(view, "state");
	AUTO_FREE char *image = output_member(view, "image");
	AUTO_FREE char *accel = output_member(view, "accel");
	AUTO_FREE char *reason = output_member(view, "reason");
	AUTO_FREE char *console = output_member(view, "console");
	bool runs = strcmp(state, "stopped") != 0;
	output_line("%s%s%s: %s%s%s", output_style(STYLE_BOLD), name, output_style(STYLE_PLAIN),
		    output_style(runs ? STYLE_GOOD : STYLE_WARN), state, output_style(STYLE_PLAIN));
	long long memory = json_integer_value(json_object_get(view, "memory"));
	long long cpus = json_integer_value(json_object_get(view, "cpus"));
	output_line("  %-8s %s, %lld MiB of memory, %lld CPU%s%s%s", "image", image, memory >> 20,
		    cpus, cpus == 1 ? "" : "s", *accel ? ", " : "", *reason ? reason : accel);
	size_t index;
	json_t *nic;
	json_array_foreach (json_object_get(view, "nics"), index, nic)
		print_nic(nic);
	if (!runs)
		return;
	output_line("  %-8s lanyard vm console %s (%s)", "console", name, console);
	output_line("  %-8s lanyard ssh %s", "ssh", name);
}

/* One NIC of a machine; what is the machine's stands in the first row. */
static void add_row(struct table *table, const json_t *view, size_t nic_index)
{
	static const char *const own[] = {"name", "state", "image", "accel"};
	static const char *const of_nic[] = {"network", "mac", "ipv4", "ipv6"};
	const json_t *nic = json_array_get(json_object_get(view, "nics"), nic_index);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		AUTO_FREE char *cell = output_member(view, own[i]);
		table_add(table, nic_index == 0 ? cell : " ");
	}
	table_add_members(table, nic, of_nic, sizeof(of_nic) / sizeof(of_nic[0]));
	AUTO_FREE char *lab = output_member(view, "lab");
	table_add(table, nic_index == 0 ? lab : " ");
}

void machine_view_table(const json_t *views)
{
	static const char *const titles[] = {"NAME", "STATE", "IMAGE", "ACCEL", "NETWORK",
					     "MAC",  "IPV4",  "IPV6",  "LAB"};
	static const char *const spare[] = {"ACCEL", "MAC", "LAB", "IPV6", "IMAGE", NULL};
	struct table table;
	table_init(&table, titles, sizeof(titles) / sizeof(titles[0]));
	table.spare = spare;
	size_t index;
	json_t *view;
	json_array_foreach (views, index, view) {
		size_t n_nics = json_array_size(json_object_get(view, "nics"));
		for (size_t i = 0; i < (n_nics ? n_nics : 1); i++)
			add_row(&table, view, i);
	}
	table_print(&table, "there is no machine; 'lanyard up' starts those of a lab's file");
}
