/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of addresses, routes, MTU and full tables. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "diagnosis/doctor.h"
#include "model/ip.h"

#define TABLE_LOCAL	255
#define PROTOCOL_KERNEL 2 /* linux/rtnetlink.h */
#define PROTOCOL_RA	9
#define FULL_PERCENT	80

/* The n-th subnet of a network; false when there is none. */
static bool subnet_of(const json_t *network, const char *key, size_t n, struct ip *ret)
{
	const json_t *value = json_object_get(network, key);
	const char *text = json_string_value(json_is_array(value) ? json_array_get(value, n)
					     : n == 0		  ? value
								  : NULL);
	return text && ip_parse_prefix(text, ret, NULL) == 0;
}

/* A /24 of 10.0.0.0/8 that no route of either world touches. */
static char *free_prefix(const struct examination *examination)
{
	const json_t *const worlds[] = {examination->host, examination->world};
	for (unsigned i = 77; i < 250; i++) {
		AUTO_FREE char *text = text_format("10.%u.%u.1/24", i, (i * 7) % 250);
		struct ip candidate, other;
		bool taken = ip_parse_prefix(text, &candidate, NULL) < 0;
		for (size_t w = 0; w < 2; w++) {
			const json_t *route;
			size_t index;
			json_array_foreach (json_object_get(worlds[w], "routes"), index, route)
				taken |= ip_parse_prefix(text_of(route, "to"), &other, NULL) == 0 &&
					 other.length > 0 && ip_overlaps(&candidate, &other);
		}
		if (!taken)
			return text_copy(text);
	}
	return text_copy("auto");
}

/* Does a route lead elsewhere although a network has these addresses? */
static void compare_routes(struct examination *examination, const json_t *facts,
			   const json_t *network, const char *key, const struct ip *subnet)
{
	const json_t *route, *own = link_by_name(facts, text_of(network, "ifname"));
	size_t index;
	char text[IP_TEXT_SIZE];
	struct ip prefix = ip_network(subnet), other;
	bool is_part = strcmp(text_of(network, "lan"), "proxy") == 0; /* of the LAN's prefix */
	json_array_foreach (json_object_get(facts, "routes"), index, route) {
		long long to = number_of(route, "index");
		if (own && to == number_of(own, "index") && examination->world == facts)
			continue;
		if (ip_parse_prefix(text_of(route, "to"), &other, NULL) < 0) {
			if (ip_parse(text_of(route, "to"), &other, NULL) < 0)
				continue;
		}
		if (is_part && other.length < prefix.length)
			continue;
		bool is_link_local = other.family == 10 && other.bytes[0] == 0xfe;
		if (other.length == 0 || is_link_local || !ip_overlaps(&prefix, &other))
			continue;
		const char *ifname = text_of(link_by_index(facts, to), "name");
		found(examination, VERDICT_ERROR,
		      "network %s has %s, and the route to %s (%s) leads to %s",
		      text_of(network, "name"), ip_format_prefix(&prefix, text),
		      text_of(route, "to"),
		      facts == examination->world ? "of the same world" : "of the host",
		      *ifname ? ifname : text_of(route, "type"));
		AUTO_FREE char *prefix_text = free_prefix(examination);
		AUTO_FREE char *word =
			text_format("%s=%s", key, strcmp(key, "ipv4") == 0 ? prefix_text : "auto");
		remedy_command(examination, AS_CALLER, "lanyard", "net", "set",
			       text_of(network, "name"), word, NULL);
		return;
	}
}

static void look_overlap(struct examination *examination)
{
	static const char *const keys[] = {"ipv4", "ipv6"};
	const json_t *network;
	size_t index;
	if (!need_instance(examination))
		return;
	if (!need_host(examination, "routes"))
		return;
	json_array_foreach (networks_of(examination), index, network) {
		for (size_t i = 0; i < 2; i++) {
			struct ip subnet;
			for (size_t n = 0; subnet_of(network, keys[i], n, &subnet); n++) {
				compare_routes(examination, examination->host, network, keys[i],
					       &subnet);
				if (examination->world &&
				    !json_equal(examination->world, examination->host))
					compare_routes(examination, examination->world, network,
						       keys[i], &subnet);
			}
		}
	}
}

static bool is_twin(const json_t *a, const json_t *b)
{
	return strcmp(text_of(a, "to"), text_of(b, "to")) == 0 &&
	       number_of(a, "index") != number_of(b, "index") &&
	       number_of(a, "protocol") == PROTOCOL_KERNEL &&
	       number_of(b, "protocol") == PROTOCOL_KERNEL &&
	       number_of(a, "table") == number_of(b, "table") &&
	       strncmp(text_of(a, "to"), "fe80:", 5) != 0;
}

static void look_twins(struct examination *examination)
{
	const json_t *routes = need_world(examination, "routes"), *a, *b;
	size_t i, j;
	json_array_foreach (routes, i, a) {
		json_array_foreach (routes, j, b) {
			if (j <= i || !is_twin(a, b) || number_of(a, "family") != 4)
				continue;
			const json_t *stale = flag_of(b, "linkdown") ? b : a;
			const json_t *one =
				link_by_index(examination->world, number_of(a, "index"));
			const json_t *other =
				link_by_index(examination->world, number_of(b, "index"));
			const json_t *down =
				link_by_index(examination->world, number_of(stale, "index"));
			bool ours = strncmp(text_of(down, "alias"), "lanyard:", 8) == 0;
			if (ours)
				down = down == one ? other : one;
			found(examination, VERDICT_ERROR, "%s is on %s and on %s: answers go to %s",
			      text_of(a, "to"), text_of(one, "name"), text_of(other, "name"),
			      "one of them only");
			remedy_command(examination, IN_WORLD, "ip", "address", "flush", "dev",
				       text_of(down, "name"), NULL);
		}
	}
}

static void look_ra(struct examination *examination)
{
	const json_t *route;
	size_t index;
	if (!need_world(examination, "routes"))
		return;
	json_array_foreach (json_object_get(examination->world, "routes"), index, route) {
		const json_t *link = link_by_index(examination->world, number_of(route, "index"));
		const char *name = text_of(link, "name");
		bool forwards = setting_of(examination->world, "ipv6.forwarding", name) == 1;
		if (number_of(route, "family") != 6 ||
		    number_of(route, "protocol") != PROTOCOL_RA ||
		    strcmp(text_of(route, "to"), "::/0") != 0 || !forwards ||
		    setting_of(examination->world, "ipv6.accept_ra", name) != 1)
			continue;
		AUTO_FREE char *word = text_format("net.ipv6.conf.%s.accept_ra=2", name);
		found(examination, VERDICT_ERROR,
		      "%s forwards IPv6 and no longer listens to its router: the default route "
		      "will "
		      "expire",
		      name);
		remedy_command(examination, IN_WORLD, "sysctl", "-w", word, NULL);
	}
}

static void check_port_mtu(struct examination *examination, const json_t *bridge)
{
	const json_t *link;
	size_t index;
	json_array_foreach (json_object_get(examination->world, "links"), index, link) {
		if (number_of(link, "master") != number_of(bridge, "index") ||
		    number_of(link, "mtu") >= number_of(bridge, "mtu"))
			continue;
		AUTO_FREE char *mtu = text_format("%lld", number_of(bridge, "mtu"));
		found(examination, VERDICT_ERROR, "%s takes packets of %lld bytes, %s of %s",
		      owner_of_link(examination, text_of(link, "name")), number_of(link, "mtu"),
		      text_of(bridge, "name"), mtu);
		remedy_command(examination, IN_WORLD, "ip", "link", "set", text_of(link, "name"),
			       "mtu", mtu, NULL);
	}
}

static void look_mtu(struct examination *examination)
{
	const json_t *network, *uplink = uplink_of(examination->host, 4);
	size_t index;
	if (!need_world(examination, "links"))
		return;
	json_array_foreach (networks_of(examination), index, network) {
		const json_t *bridge = link_by_name(examination->world, text_of(network, "ifname"));
		if (!bridge)
			continue;
		check_port_mtu(examination, bridge);
		if (!uplink || !is_forwarding_network(network) ||
		    number_of(uplink, "mtu") >= number_of(bridge, "mtu"))
			continue;
		AUTO_FREE char *word = text_format("mtu=%lld", number_of(uplink, "mtu"));
		found(examination, VERDICT_WARNING,
		      "network %s has an MTU of %lld, the uplink %s one of %lld: what is not TCP "
		      "may "
		      "get lost",
		      text_of(network, "name"), number_of(bridge, "mtu"), text_of(uplink, "name"),
		      number_of(uplink, "mtu"));
		remedy_command(examination, AS_CALLER, "lanyard", "net", "set",
			       text_of(network, "name"), word, NULL);
	}
}

static void look_duplicate(struct examination *examination)
{
	const json_t *address, *network, *mac;
	size_t index, i;
	if (!need_world(examination, "addresses"))
		return;
	json_array_foreach (json_object_get(examination->world, "addresses"), index, address) {
		if (!flag_of(address, "duplicate"))
			continue;
		const char *name = text_of(
			link_by_index(examination->world, number_of(address, "index")), "name");
		found(examination, VERDICT_ERROR, "%s on %s is used by somebody else, too",
		      text_of(address, "address"), name);
		remedy_command(examination, IN_WORLD, "ip", "address", "del",
			       text_of(address, "address"), "dev", name, NULL);
	}
	json_array_foreach (networks_of(examination), index, network) {
		const json_t *bridge = link_by_name(examination->world, text_of(network, "ifname"));
		const json_t *servers = servers_of(examination, text_of(network, "name"));
		json_array_foreach (json_object_get(servers, "gateways"), i, mac) {
			if (strcmp(json_string_value(mac), text_of(bridge, "mac")) == 0)
				continue;
			found(examination, VERDICT_ERROR,
			      "the gateway's address of network %s is used by a machine with the "
			      "MAC "
			      "%s, too",
			      text_of(network, "name"), json_string_value(mac));
			remedy(examination,
			       "give that machine another address ('lanyard net leases "
			       "%s' and 'lanyard port list' say which it is)",
			       text_of(network, "name"));
		}
	}
}

static void look_default(struct examination *examination)
{
	if (!need_host(examination, "routes"))
		return;
	const json_t *uplink = uplink_of(examination->host, 4);
	if (uplink || uplink_of(examination->host, 6)) {
		found(examination, VERDICT_OK, "the default route leads to %s",
		      text_of(uplink ? uplink : uplink_of(examination->host, 6), "name"));
		return;
	}
	found(examination, VERDICT_WARNING,
	      "the host has no default route: the machines cannot reach the outside either");
	remedy(examination, "connect the host; the networks follow by themselves");
}

static void check_full(struct examination *examination, const char *what, long long count,
		       long long most, const char *setting)
{
	if (count < 0 || most <= 0 || count * 100 < most * FULL_PERCENT)
		return;
	AUTO_FREE char *word = text_format("%s=%lld", setting, most * 4);
	found(examination, count >= most ? VERDICT_ERROR : VERDICT_WARNING,
	      "%lld of %lld %s are in use", count, most, what);
	remedy_command(examination, ON_HOST_AS_ROOT, "sysctl", "-w", word, NULL);
}

static void look_full(struct examination *examination)
{
	const json_t *neighbours = need_world(examination, "neighbours"), *neighbour;
	size_t index;
	long long count[2] = {0, 0};
	if (!neighbours)
		return;
	json_array_foreach (neighbours, index, neighbour)
		count[strchr(text_of(neighbour, "address"), ':') != NULL]++;
	const json_t *facts = examination->world;
	check_full(examination, "IPv4 neighbours", count[0],
		   setting_of(facts, "ipv4.neighbours_max", NULL),
		   "net.ipv4.neigh.default.gc_thresh3");
	check_full(examination, "IPv6 neighbours", count[1],
		   setting_of(facts, "ipv6.neighbours_max", NULL),
		   "net.ipv6.neigh.default.gc_thresh3");
	check_full(examination, "tracked connections", setting_of(facts, "conntrack.count", NULL),
		   setting_of(facts, "conntrack.max", NULL), "net.netfilter.nf_conntrack_max");
}

const struct check doctor_address[] = {
	{"IP-01", "a network's prefix overlaps with a route", "no prefix overlaps with a route",
	 true, false, look_overlap},
	{"IP-02", "one prefix on two interfaces", "no prefix is on two interfaces", true, false,
	 look_twins},
	{"IP-03", "IPv6 forwarding takes the host's default route away",
	 "the host's IPv6 default route is safe", true, false, look_ra},
	{"IP-04", "MTUs do not fit", "all MTUs fit", true, false, look_mtu},
	{"IP-05", "an address is used twice", "nobody else has an address of ours", false, true,
	 look_duplicate},
	{"IP-06", "the host has no default route", "the host has a default route", false, false,
	 look_default},
	{"IP-07", "neighbour or connection tables are nearly full", "the tables have room", true,
	 false, look_full},
	{0},
};
