/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Seats for people and scripts: all of it follows from the ports that there are. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "ipc/varlink_client.h"
#include "model/port.h"
#include "verbs/seats.h"

uint32_t seat_of_port(const json_t *port)
{
	struct mac mac;
	const char *kind = json_string_value(json_object_get(port, "kind"));
	const char *text = json_string_value(json_object_get(port, "mac"));
	if (!kind || strcmp(kind, port_kind_name(PORT_TAP_NAMED)) != 0 || !text ||
	    mac_parse(text, &mac, NULL) < 0)
		return 0;
	return seat_of_mac(&mac);
}

json_t *seat_ask(struct invocation *invocation, const char *method, const char *network,
		 const char *member, struct error *err)
{
	struct varlink_answer answer = {0};
	json_t *list = NULL, *parameters = network ? json_pack("{s:s}", "network", network) : NULL;
	if (client_call(invocation, method, parameters, &answer, err) == 0)
		list = json_incref(json_object_get(answer.parameters, member));
	varlink_answer_done(&answer);
	return list;
}

/* The item of a list whose member is equal to another map's. */
static const json_t *find(const json_t *list, const char *key, const json_t *map, const char *its)
{
	size_t index;
	const json_t *item;
	json_array_foreach (list, index, item)
		if (json_equal(json_object_get(item, key), json_object_get(map, its)))
			return item;
	return NULL;
}

static json_t *who(const json_t *port)
{
	const json_t *owner = json_object_get(port, "owner"),
		     *group = json_object_get(port, "group");
	json_int_t id = json_integer_value(owner ? owner : group);
	const struct passwd *account = owner ? getpwuid((uid_t)id) : NULL;
	const struct group *members = owner ? NULL : getgrgid((gid_t)id);
	const char *name = account ? account->pw_name : members ? members->gr_name : NULL;
	AUTO_FREE char *number = text_format("%lld", (long long)id);
	AUTO_FREE char *text = text_format("%s %s", owner ? "user" : "group", name ? name : number);
	return json_string(text);
}

/* On the host it needs the name of the bridge, which has IPv6 where its network has. */
static json_t *link_local(const struct seat *seat, const json_t *network)
{
	char text[IP_TEXT_SIZE];
	AUTO_FREE char *mode = output_member(network, "mode");
	AUTO_FREE char *ipv6 = output_member(network, "ipv6");
	AUTO_FREE char *bridge = output_member(network, "ifname");
	bool is_reached = strcmp(mode, "bridged") == 0 || strchr(ipv6, ':');
	AUTO_FREE char *address = text_format("%s%s%s", ip_format(&seat->link_local, text),
					      is_reached ? "%" : "", is_reached ? bridge : "");
	return json_string(address);
}

/* What it has, else what it was promised. */
static json_t *ipv4(const json_t *port, const json_t *network, const json_t *leases)
{
	size_t index;
	json_t *lease;
	json_array_foreach (leases, index, lease) {
		const char *address = json_string_value(json_object_get(lease, "address"));
		if (json_equal(json_object_get(lease, "mac"), json_object_get(port, "mac")) &&
		    json_equal(json_object_get(lease, "network"),
			       json_object_get(port, "network")) &&
		    address && !strchr(address, ':'))
			return json_string(address);
	}
	const json_t *promise = find(json_object_get(network, "reservations"), "mac", port, "mac");
	return json_incref(json_object_get(promise, "address"));
}

/* What the machine's own command line needs. */
static void add_qemu(json_t *view, const struct seat *seat, const json_t *port)
{
	char mac[MAC_TEXT_SIZE];
	AUTO_FREE char *ifname = output_member(port, "ifname");
	json_int_t queues = json_integer_value(json_object_get(port, "queues"));
	AUTO_FREE char *more =
		queues > 1 ? text_format(",queues=%lld", (long long)queues) : text_copy("");
	AUTO_FREE char *nic =
		text_format("-netdev tap,id=net0,ifname=%s,script=no,downscript=no%s "
			    "-device virtio-net-pci,netdev=net0,mac=%s%s",
			    ifname, more, mac_format(&seat->mac, mac), queues > 1 ? ",mq=on" : "");
	json_object_set_new(view, "qemu", json_string(nic));
	if (!seat->ports[SEAT_SCREEN])
		return;
	AUTO_FREE char *screen = text_format("-object secret,id=ticket,file=ticket -spice "
					     "addr=127.0.0.1,port=%u,password-secret=ticket",
					     seat->ports[SEAT_SCREEN]);
	AUTO_FREE char *console = text_format("-serial telnet:127.0.0.1:%u,server=on,wait=off",
					      seat->ports[SEAT_CONSOLE]);
	json_object_set_new(view, "qemu_screen", json_string(screen));
	json_object_set_new(view, "qemu_console", json_string(console));
}

struct lists {
	json_t *ports, *networks, *leases, *published;
	bool is_system; /* instance */
};

static void add_reach(json_t *view, const struct seat *seat, const struct lists *lists)
{
	static const char *const keys[SEAT_PORTS] = {
		[SEAT_SCREEN] = "screen", [SEAT_CONSOLE] = "console", [SEAT_SSH] = "ssh"};
	for (size_t i = 0; i < SEAT_PORTS; i++)
		if (seat->ports[i])
			json_object_set_new(view, keys[i], json_integer(seat->ports[i]));
	const json_t *published = find(lists->published, "host_port", view, "ssh");
	if (published) {
		AUTO_FREE char *name = output_member(published, "name");
		AUTO_FREE char *port = output_member(published, "port");
		AUTO_FREE char *to = text_format("%s:%s", name, port);
		json_object_set_new(view, "ssh_leads_to", json_string(to));
	}
}

/* The commands that log in: from where the network is, and by a port of the host. */
static void add_commands(json_t *view, bool is_system)
{
	AUTO_FREE char *address = output_member(view, "link_local");
	AUTO_FREE char *ipv4 = output_member(view, "ipv4");
	AUTO_FREE char *ssh = output_member(view, "ssh");
	AUTO_FREE char *login = text_format("%sssh USER@%s", is_system ? "" : "lanyard exec -- ",
					    strchr(address, '%') ? address : ipv4);
	AUTO_FREE char *publish = text_format("lanyard publish %s %s:22", ssh, ipv4);
	if (*ipv4 || strchr(address, '%'))
		json_object_set_new(view, "login", json_string(login));
	if (*ipv4 && *ssh && !json_object_get(view, "ssh_leads_to"))
		json_object_set_new(view, "publish", json_string(publish));
}

static json_t *view_of(const json_t *port, uint32_t number, const struct lists *lists)
{
	struct seat seat;
	const json_t *network = find(lists->networks, "name", port, "network");
	json_t *view = json_pack(
		"{s:I,s:O,s:O,s:O,s:o,s:O}", "seat", (json_int_t)number, "network",
		json_object_get(port, "network"), "ifname", json_object_get(port, "ifname"), "port",
		json_object_get(port, "id"), "who", who(port), "mac", json_object_get(port, "mac"));
	(void)seat_make(number, &seat, NULL); /* it is one */
	json_object_set_new(view, "link_local", link_local(&seat, network));
	json_t *address = ipv4(port, network, lists->leases);
	if (address)
		json_object_set_new(view, "ipv4", address);
	add_reach(view, &seat, lists);
	add_commands(view, lists->is_system);
	add_qemu(view, &seat, port);
	return view;
}

static json_t *views_of(const struct lists *lists)
{
	static const char *const keys[] = {"seat", "network", NULL};
	json_t *views = json_array(), *port;
	size_t index;
	json_array_foreach (lists->ports, index, port) {
		uint32_t number = seat_of_port(port);
		if (number)
			json_array_append_new(views, view_of(port, number, lists));
	}
	json_t *sorted = output_sorted(views, keys);
	json_decref(views);
	return sorted;
}

json_t *seat_views(struct invocation *invocation, const char *network, struct error *err)
{
	struct lists lists = {0};
	const struct {
		json_t **list;
		const char *method, *network, *member;
	} parts[] = {{&lists.ports, "ListPorts", network, "ports"},
		     {&lists.networks, "ListNetworks", NULL, "networks"},
		     {&lists.leases, "ListLeases", network, "leases"},
		     {&lists.published, "ListPublished", NULL, "published"}};
	const size_t n_parts = sizeof(parts) / sizeof(parts[0]);
	bool is_whole = true;
	for (size_t i = 0; is_whole && i < n_parts; i++) {
		*parts[i].list = seat_ask(invocation, parts[i].method, parts[i].network,
					  parts[i].member, err);
		is_whole = *parts[i].list != NULL;
	}
	lists.is_system = invocation->paths.system;
	json_t *views = is_whole ? views_of(&lists) : NULL;
	for (size_t i = 0; i < n_parts; i++)
		json_decref(*parts[i].list);
	return views;
}
