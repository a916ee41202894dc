/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of bridges and their ports, of other managers, and of what guests do on a segment. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "diagnosis/doctor.h"

#define STATE_FORWARDING 3 /* linux/if_bridge.h */
#define ADDRESS_SET	 3 /* linux/netdevice.h: NET_ADDR_SET */

static bool is_ours(const json_t *link)
{
	return strncmp(text_of(link, "alias"), "lanyard:", 8) == 0;
}

static const json_t *bridge_of(const struct examination *examination, const json_t *network)
{
	return link_by_name(examination->world, text_of(network, "ifname"));
}

/* The bridges that the networks have, one after the other; *index is 0 before the first. */
static const json_t *next_bridge(const struct examination *examination, size_t *index)
{
	const json_t *networks = networks_of(examination);
	while (*index < json_array_size(networks)) {
		const json_t *bridge = bridge_of(examination, json_array_get(networks, (*index)++));
		if (bridge)
			return bridge;
	}
	return NULL;
}

static void look_stp(struct examination *examination)
{
	const json_t *bridge;
	if (!need_world(examination, "links"))
		return;
	for (size_t index = 0; (bridge = next_bridge(examination, &index));) {
		const char *name = text_of(bridge, "name");
		bool stp = number_of(bridge, "stp") > 0;
		if (!stp && number_of(bridge, "delay") <= 0)
			continue;
		found(examination, stp ? VERDICT_ERROR : VERDICT_WARNING,
		      "%s: %s: a machine that is plugged in is deaf for %lld s", name,
		      stp ? "spanning tree is on" : "ports wait before they forward",
		      number_of(bridge, "delay") / 100 * 2);
		remedy_command(examination, IN_WORLD, "ip", "link", "set", name, "type", "bridge",
			       "stp_state", "0", "forward_delay", "0", NULL);
	}
}

static void look_state(struct examination *examination)
{
	static const char *const states[] = {"disabled", "listening", "learning", "forwarding",
					     "blocking"};
	const json_t *link;
	size_t index;
	if (!need_world(examination, "links"))
		return;
	json_array_foreach (json_object_get(examination->world, "links"), index, link) {
		const json_t *master = link_by_index(examination->world, number_of(link, "master"));
		long long state = number_of(link, "state");
		const char *name = text_of(link, "name");
		if (!is_ours(master) || state < 0 || state == STATE_FORWARDING)
			continue;
		bool guarded = number_of(link, "bpdu_guard") > 0 && flag_of(link, "carrier");
		found(examination, flag_of(link, "carrier") ? VERDICT_ERROR : VERDICT_OK,
		      "%s is %s%s", owner_of_link(examination, name),
		      state <= 4 ? states[state] : "in an unknown state",
		      !flag_of(link, "up")	  ? ": it is down"
		      : !flag_of(link, "carrier") ? ": nothing is plugged in at its other end"
						  : "");
		if (guarded)
			remedy(examination,
			       "the machine sent spanning tree packets; end that, then: "
			       "ip link set %s down && ip link set %s up",
			       name, name);
		else if (flag_of(link, "carrier"))
			remedy_command(examination, IN_WORLD, "bridge", "link", "set", "dev", name,
				       "state", "3", NULL);
	}
}

static void look_pinned(struct examination *examination)
{
	const json_t *network;
	size_t index;
	if (!need_instance(examination))
		return;
	json_array_foreach (networks_of(examination), index, network) {
		const char *name = text_of(network, "ifname");
		AUTO_FREE char *path = text_format("/sys/class/net/%s/addr_assign_type", name);
		AUTO_FREE char *text = examination->system ? read_text(path) : NULL;
		if (flag_of(network, "openvswitch")) /* its owner's business */
			continue;
		if (!text) {
			found(examination, VERDICT_UNKNOWN,
			      "%s: /sys shows the host's interfaces only", name);
			return;
		}
		if (strtol(text, NULL, 10) == ADDRESS_SET)
			continue;
		found(examination, VERDICT_WARNING,
		      "the MAC of %s follows its ports: it changes when a machine stops", name);
		remedy_command(examination, IN_WORLD, "ip", "link", "set", name, "address",
			       text_of(bridge_of(examination, network), "mac"), NULL);
	}
}

/* A bridge with a NIC is in the form of whoever configures the NIC as well (lanyard uplink add). */
static bool is_shared(const struct examination *examination, const json_t *link)
{
	const json_t *network;
	size_t index;
	json_array_foreach (networks_of(examination), index, network)
		if (strcmp(text_of(network, "ifname"), text_of(link, "name")) == 0)
			return *text_of(network, "uplink");
	return false;
}

/* What a manager has written about each of our links. */
typedef void judgement(struct examination *examination, const json_t *link, const char *text);
static void ask_manager(struct examination *examination, const char *folder, judgement *judge)
{
	const json_t *link;
	size_t index;
	if (!examination->system || access(folder, F_OK) != 0)
		return;
	json_array_foreach (json_object_get(examination->world, "links"), index, link) {
		if (!is_ours(link) || is_shared(examination, link))
			continue;
		AUTO_FREE char *path = text_format("%s/%lld", folder, number_of(link, "index"));
		AUTO_FREE char *text = read_text(path);
		if (text)
			judge(examination, link, text);
	}
}

static void judge_networkmanager(struct examination *examination, const json_t *link,
				 const char *text)
{
	char value[32];
	if (!assignment_of(text, "managed", value, sizeof(value)) || strcmp(value, "true") != 0)
		return;
	found(examination, VERDICT_ERROR, "NetworkManager manages %s", text_of(link, "name"));
	remedy_command(examination, ON_HOST_AS_ROOT, "nmcli", "device", "set",
		       text_of(link, "name"), "managed", "no", NULL);
}

static void look_networkmanager(struct examination *examination)
{
	ask_manager(examination, "/run/NetworkManager/devices", judge_networkmanager);
}

static void judge_networkd(struct examination *examination, const json_t *link, const char *text)
{
	char value[32];
	if (!assignment_of(text, "ADMIN_STATE", value, sizeof(value)) ||
	    strcmp(value, "unmanaged") == 0 || strcmp(value, "initialized") == 0)
		return;
	found(examination, VERDICT_ERROR, "systemd-networkd manages %s (%s)", text_of(link, "name"),
	      value);
	remedy(examination, "printf '[Match]\\nName=ly*\\n[Link]\\nUnmanaged=yes\\n' > "
			    "/etc/systemd/network/05-lanyard.network && networkctl reload");
}

static void look_networkd(struct examination *examination)
{
	ask_manager(examination, "/run/systemd/netif/links", judge_networkd);
}

static void judge_boot(struct examination *examination, const json_t *link, const char *text)
{
	char state[32], needed[16];
	if (!assignment_of(text, "ADMIN_STATE", state, sizeof(state)) ||
	    strcmp(state, "unmanaged") == 0 ||
	    !assignment_of(text, "REQUIRED_FOR_ONLINE", needed, sizeof(needed)) ||
	    strcmp(needed, "no") == 0)
		return;
	found(examination, VERDICT_WARNING, "booting waits until %s is online",
	      text_of(link, "name"));
	remedy(examination, "see BR-05: systemd-networkd has to leave ly* alone");
}

static void look_boot(struct examination *examination)
{
	ask_manager(examination, "/run/systemd/netif/links", judge_boot);
}

static const json_t *network_named(const struct examination *examination, const char *name)
{
	const json_t *network;
	size_t index;
	json_array_foreach (networks_of(examination), index, network)
		if (strcmp(text_of(network, "name"), name) == 0)
			return network;
	return NULL;
}

/* What is in an Open vSwitch bridge says its database. */
static void look_switch(struct examination *examination, const json_t *network)
{
	struct error why = {0};
	const char *name = text_of(network, "name");
	const json_t *port, *other;
	size_t index, i;
	json_t *ports = examination_bridge_ports(examination, name, &why);
	if (!ports) {
		found(examination, VERDICT_ERROR, "network %s: %s", name, why.text);
		remedy_command(examination, ON_HOST_AS_ROOT, "systemctl", "start",
			       "openvswitch-switch", NULL);
		return;
	}
	json_array_foreach (ports_of(examination), index, port) {
		bool is_there = strcmp(text_of(port, "network"), name) != 0;
		json_array_foreach (ports, i, other)
			is_there |= strcmp(text_of(other, "name"), text_of(port, "ifname")) == 0;
		if (is_there)
			continue;
		found(examination, VERDICT_ERROR, "%s is not in the Open vSwitch bridge %s",
		      owner_of_link(examination, text_of(port, "ifname")),
		      text_of(network, "ifname"));
		remedy_command(examination, AS_CALLER, "lanyard", "net", "check", name, NULL);
	}
	json_decref(ports);
}

static void look_membership(struct examination *examination)
{
	const json_t *port;
	size_t index;
	const json_t *network;
	if (!need_world(examination, "links"))
		return;
	json_array_foreach (networks_of(examination), index, network)
		if (flag_of(network, "openvswitch"))
			look_switch(examination, network);
	json_array_foreach (ports_of(examination), index, port) {
		const char *name = text_of(port, "ifname");
		const json_t *link = link_by_name(examination->world, name);
		network = network_named(examination, text_of(port, "network"));
		const json_t *bridge = network ? bridge_of(examination, network) : NULL;
		if (!bridge || flag_of(network, "openvswitch") ||
		    (link && number_of(link, "master") == number_of(bridge, "index")))
			continue;
		found(examination, VERDICT_ERROR, "%s %s", owner_of_link(examination, name),
		      link ? "is not on the bridge of its network" : "is gone");
		if (link)
			remedy_command(examination, IN_WORLD, "ip", "link", "set", name, "master",
				       text_of(bridge, "name"), NULL);
		else
			remedy_command(examination, AS_CALLER, "lanyard", "port", "remove",
				       text_of(port, "id"), NULL);
	}
}

static void look_vlan(struct examination *examination)
{
	const json_t *bridge;
	if (!need_world(examination, "links"))
		return;
	for (size_t index = 0; (bridge = next_bridge(examination, &index));) {
		if (strcmp(text_of(bridge, "kind"), "bridge") != 0 ||
		    number_of(bridge, "vlan_filtering") >= 0)
			continue;
		found(examination, VERDICT_WARNING,
		      "the kernel was built without CONFIG_BRIDGE_VLAN_FILTERING");
		remedy(examination, "use one network each instead of VLANs");
		return;
	}
}

static void check_mac(struct examination *examination, const json_t *mac)
{
	const json_t *port;
	size_t index;
	const char *where =
		text_of(link_by_index(examination->world, number_of(mac, "index")), "name");
	if (flag_of(mac, "local"))
		return;
	json_array_foreach (ports_of(examination), index, port) {
		if (strcmp(text_of(port, "mac"), text_of(mac, "mac")) != 0 ||
		    strcmp(text_of(port, "ifname"), where) == 0)
			continue;
		AUTO_FREE char *owner =
			text_copy(owner_of_link(examination, text_of(port, "ifname")));
		found(examination, VERDICT_ERROR, "the MAC %s of %s is used by %s, too",
		      text_of(mac, "mac"), owner, owner_of_link(examination, where));
		remedy(examination, "stop one of them, or give it another MAC");
	}
}

static void look_macs(struct examination *examination)
{
	const json_t *mac, *a, *b;
	size_t i, j;
	if (!need_world(examination, "macs"))
		return;
	json_array_foreach (json_object_get(examination->world, "macs"), i, mac)
		check_mac(examination, mac);
	json_array_foreach (ports_of(examination), i, a) {
		json_array_foreach (ports_of(examination), j, b) {
			if (j <= i || !*text_of(a, "mac") ||
			    strcmp(text_of(a, "mac"), text_of(b, "mac")) != 0 ||
			    strcmp(text_of(a, "network"), text_of(b, "network")) != 0)
				continue;
			found(examination, VERDICT_ERROR,
			      "ports %s and %s of network %s have the "
			      "same MAC %s",
			      text_of(a, "id"), text_of(b, "id"), text_of(a, "network"),
			      text_of(a, "mac"));
			remedy_command(examination, AS_CALLER, "lanyard", "port", "remove",
				       text_of(b, "id"), NULL);
		}
	}
}

/* Where a MAC was last heard, as an interface's name. */
static const char *heard_at(const struct examination *examination, const char *mac)
{
	const json_t *entry;
	size_t index;
	json_array_foreach (json_object_get(examination->world, "macs"), index, entry)
		if (strcmp(text_of(entry, "mac"), mac) == 0 && !flag_of(entry, "local"))
			return text_of(link_by_index(examination->world, number_of(entry, "index")),
				       "name");
	return "";
}

static void report_server(struct examination *examination, const json_t *network,
			  const json_t *server, const char *what)
{
	const json_t *port;
	size_t index;
	const char *mac = text_of(server, "mac"), *ifname = heard_at(examination, mac);
	found(examination, VERDICT_ERROR, "network %s: %s %s by %s (%s)", text_of(network, "name"),
	      what, mac,
	      *ifname ? owner_of_link(examination, ifname) : "a port that has said nothing else",
	      *text_of(server, "server") ? text_of(server, "server") : text_of(server, "address"));
	json_array_foreach (ports_of(examination), index, port)
		if (strcmp(text_of(port, "ifname"), ifname) == 0 ||
		    strcmp(text_of(port, "mac"), mac) == 0) {
			remedy_command(examination, AS_CALLER, "lanyard", "port", "set",
				       text_of(port, "id"), "down=yes", NULL);
			return;
		}
	remedy(examination, "end the server in that machine");
}

static void look_servers(struct examination *examination)
{
	const json_t *network, *server;
	size_t index, i;
	if (!examination->runs) {
		found(examination, VERDICT_UNKNOWN, "%s", examination->world_error);
		return;
	}
	json_array_foreach (networks_of(examination), index, network) {
		const json_t *servers = servers_of(examination, text_of(network, "name"));
		const char *own = text_of(bridge_of(examination, network), "mac");
		if (flag_of(network, "openvswitch")) /* nor could it be seen */
			continue;
		if (!servers)
			found(examination, VERDICT_UNKNOWN, "network %s: %s",
			      text_of(network, "name"), examination->world_error);
		json_array_foreach (json_object_get(servers, "offers"), i, server)
			if (strcmp(text_of(server, "mac"), own) != 0)
				report_server(examination, network, server,
					      "addresses are offered by");
		json_array_foreach (json_object_get(servers, "routers"), i, server)
			if (strcmp(text_of(server, "mac"), own) != 0)
				report_server(examination, network, server,
					      "routes are announced by");
	}
}

/* A physical NIC on one of our bridges, and machines whose spanning tree packets it would send. */
static void look_bpdu(struct examination *examination)
{
	const json_t *link, *other, *table;
	size_t i, j;
	if (!need_world(examination, "links"))
		return;
	const json_t *tables =
		json_object_get(json_object_get(examination->world, "firewall"), "tables");
	json_array_foreach (tables, i, table)
		if (strncmp(json_string_value(table), "bridge lanyard_", 15) == 0)
			return; /* the guard against them is there */
	json_array_foreach (json_object_get(examination->world, "links"), i, link) {
		const json_t *master = link_by_index(examination->world, number_of(link, "master"));
		if (*text_of(link, "kind") || !is_ours(master))
			continue;
		json_array_foreach (json_object_get(examination->world, "links"), j, other) {
			if (number_of(other, "master") != number_of(link, "master") ||
			    other == link || number_of(other, "bpdu_guard") > 0)
				continue;
			found(examination, VERDICT_WARNING,
			      "%s could send spanning tree packets out of %s",
			      owner_of_link(examination, text_of(other, "name")),
			      text_of(link, "name"));
			remedy_command(examination, IN_WORLD, "bridge", "link", "set", "dev",
				       text_of(other, "name"), "guard", "on", NULL);
		}
	}
}

const struct check doctor_bridge[] = {
	{"BR-01", "spanning tree or a forward delay on a network's bridge",
	 "ports forward from the first moment", true, false, look_stp},
	{"BR-02", "a port does not forward", "all ports forward", true, false, look_state},
	{"BR-03", "a bridge's MAC is not pinned", "the bridges' MACs are pinned", true, false,
	 look_pinned},
	{"BR-04", "NetworkManager manages our interfaces",
	 "NetworkManager leaves our interfaces alone", true, false, look_networkmanager},
	{"BR-05", "systemd-networkd manages our interfaces",
	 "systemd-networkd leaves our interfaces alone", false, false, look_networkd},
	{"BR-06", "a port is not on its bridge", "all ports are on their bridges", true, false,
	 look_membership},
	{"BR-07", "the kernel has no VLAN filtering", "bridges can filter VLANs", false, false,
	 look_vlan},
	{"BR-08", "a MAC at two ports", "no MAC is at two ports", false, false, look_macs},
	{"BR-09", "a machine serves DHCP or router advertisements",
	 "nobody but us serves addresses and routes", false, true, look_servers},
	{"BR-10", "machines could send spanning tree packets to a physical NIC",
	 "no spanning tree packet of a machine gets to a NIC", true, false, look_bpdu},
	{"BR-11", "booting waits for our interfaces", "booting does not wait for us", false, false,
	 look_boot},
	{0},
};
