/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of networks and reservations, and how their lists and maps are read and written. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "model/dhcp_schema.h"
#include "model/name.h"
#include "model/network.h"
#include "model/schema.h"

#define DAY 86400u

/* Families: auto, none, one prefix or a list of them. */

static const char *const family_examples[] = {"10.20.0.1/24", "fd00:20::1/64"};

static int decode_prefix(const struct node *node, int family, struct ip *ret, struct error *err)
{
	char text[NODE_DESCRIBE_SIZE];
	const char *example = family_examples[family == AF_INET6];
	if (node->kind != NODE_SCALAR)
		return node_error(
			node, err, EINVAL,
			"%s is no prefix; write auto, none, one like %s, or a list of these",
			node_describe(node, text), example);
	struct ip ip;
	int r = ip_parse_prefix(node->text, &ip, err);
	if (r < 0)
		return node_prefix(node, err);
	if (ip.family != family)
		return node_error(node, err, EINVAL, "%s is IPv%d; here it has to be like %s",
				  node->text, family == AF_INET ? 6 : 4, example);
	*ret = ip;
	return 0;
}

/* An IPv6 prefix may be written without a host part: then the gateway is its first address. */
static void complete(struct ip *gateway)
{
	struct ip network = ip_network(gateway);
	uint8_t length = gateway->length;
	if (gateway->family != AF_INET6 || length > 126 || !ip_equal(gateway, &network))
		return;
	*gateway = ip_nth(gateway, 1);
	gateway->length = length;
}

static int decode_list(const struct node *node, int family, struct ip *subnets, struct error *err)
{
	if (node->n_children == 0 || node->n_children > NETWORK_SUBNETS)
		return node_error(node, err, EINVAL,
				  "a network has 1 to %d subnets of a family, or "
				  "write none",
				  NETWORK_SUBNETS);
	for (size_t i = 0; i < node->n_children; i++) {
		int r = decode_prefix(node->children[i], family, &subnets[i], err);
		if (r < 0)
			return r;
		complete(&subnets[i]);
	}
	return 0;
}

static int decode_family(const struct node *node, int family, enum network_family *choice,
			 struct ip subnets[NETWORK_SUBNETS], struct error *err)
{
	struct ip found[NETWORK_SUBNETS] = {0};
	enum network_family chosen = FAMILY_GIVEN;
	int r = 0;
	if (node->kind == NODE_NULL || (node->kind == NODE_SCALAR && !strcmp(node->text, "auto"))) {
		chosen = FAMILY_AUTO;
	} else if (node->kind == NODE_SCALAR && !strcmp(node->text, "none")) {
		chosen = FAMILY_NONE;
	} else if (node->kind == NODE_LIST) {
		r = decode_list(node, family, found, err);
	} else {
		r = decode_prefix(node, family, &found[0], err);
		complete(&found[0]);
	}
	if (r < 0)
		return r;
	*choice = chosen;
	memcpy(subnets, found, sizeof(found));
	return 0;
}

/* A range that was chosen for the prefix before makes room for one in the new prefix. */
static int decode_ipv4(const struct node *node, void *object, struct error *err)
{
	struct network *network = object;
	int r = decode_family(node, AF_INET, &network->ipv4_choice, network->ipv4, err);
	if (r == 0 && !ip_contains(&network->ipv4[0], &network->dhcp_first))
		network->dhcp_first = network->dhcp_last = (struct ip){0};
	return r;
}

static int decode_ipv6(const struct node *node, void *object, struct error *err)
{
	struct network *network = object;
	return decode_family(node, AF_INET6, &network->ipv6_choice, network->ipv6, err);
}

static json_t *encode_family(enum network_family choice, const struct ip *subnets)
{
	char text[IP_TEXT_SIZE];
	if (choice == FAMILY_NONE)
		return json_string("none");
	if (!ip_is_set(&subnets[0]))
		return json_string("auto");
	if (!ip_is_set(&subnets[1]))
		return json_string(ip_format_prefix(&subnets[0], text));
	json_t *list = json_array();
	for (size_t i = 0; i < NETWORK_SUBNETS && ip_is_set(&subnets[i]); i++)
		json_array_append_new(list, json_string(ip_format_prefix(&subnets[i], text)));
	return list;
}

static json_t *encode_ipv4(const void *object)
{
	const struct network *network = object;
	return encode_family(network->ipv4_choice, network->ipv4);
}

static json_t *encode_ipv6(const void *object)
{
	const struct network *network = object;
	return encode_family(network->ipv6_choice, network->ipv6);
}

/* Lists of one text each. */

static int decode_forwarder(const char *text, void *item, struct error *err)
{
	return ip_parse(text, item, err);
}

static json_t *encode_forwarder(const void *item)
{
	char text[IP_TEXT_SIZE];
	return ip_is_set(item) ? json_string(ip_format(item, text)) : NULL;
}

static const struct schema_list forwarders = {"the address of a name server", sizeof(struct ip),
					      decode_forwarder, encode_forwarder};

static int decode_peer(const char *text, void *item, struct error *err)
{
	int r = name_check(text, "network", err);
	if (r == 0)
		snprintf(item, NAME_SIZE, "%s", text);
	return r;
}

static json_t *encode_peer(const void *item)
{
	const char *name = item;
	return name[0] ? json_string(name) : NULL;
}

static const struct schema_list peers = {"the name of a network", NAME_SIZE, decode_peer,
					 encode_peer};

static int decode_via(const char *text, void *item, struct error *err)
{
	if (!name_is_interface(text))
		return error_set(err, EINVAL, "'%.16s' cannot be an interface's name", text);
	snprintf(item, IFNAMSIZ, "%s", text);
	return 0;
}

static const struct schema_list vias = {"the name of an interface", IFNAMSIZ, decode_via,
					encode_peer};

#define ROUTE_FORM "like \"10.99.0.0/16 via 10.20.0.5\""

static int decode_route(const char *text, void *item, struct error *err)
{
	struct static_route *route = item;
	char to[IP_TEXT_SIZE], via[IP_TEXT_SIZE];
	if (sscanf(text, "%51s via %51s", to, via) != 2)
		return error_set(err, EINVAL,
				 "route '%.64s' is not understood; write it " ROUTE_FORM, text);
	int r = ip_parse_prefix(to, &route->to, err);
	return r < 0 ? r : ip_parse(via, &route->via, err);
}

static json_t *encode_route(const void *item)
{
	const struct static_route *route = item;
	char to[IP_TEXT_SIZE], via[IP_TEXT_SIZE];
	if (!ip_is_set(&route->to))
		return NULL;
	return json_sprintf("%s via %s", ip_format_prefix(&route->to, to),
			    ip_format(&route->via, via));
}

static const struct schema_list routes = {"a route " ROUTE_FORM, sizeof(struct static_route),
					  decode_route, encode_route};

/* "10.20.0.1/24 until 1764000000", seconds since 1970 */
static int decode_leaving(const char *text, void *item, struct error *err)
{
	struct leaving *leaving = item;
	char address[IP_TEXT_SIZE];
	long long until;
	if (sscanf(text, "%51s until %lld", address, &until) != 2)
		return error_set(err, EINVAL, "'%.64s' is no replaced prefix", text);
	leaving->until = until;
	return ip_parse_prefix(address, &leaving->address, err);
}

static json_t *encode_leaving(const void *item)
{
	const struct leaving *leaving = item;
	char text[IP_TEXT_SIZE];
	if (!ip_is_set(&leaving->address))
		return NULL;
	return json_sprintf("%s until %lld", ip_format_prefix(&leaving->address, text),
			    (long long)leaving->until);
}

static const struct schema_list leavings = {"a prefix and a time", sizeof(struct leaving),
					    decode_leaving, encode_leaving};

/* All of them are replaced. Whether they fit the network is network_check's business. */
static int decode_reservations(const struct node *node, void *object, struct error *err)
{
	struct network *network = object;
	char text[NODE_DESCRIBE_SIZE];
	if (node->kind != NODE_LIST && node->kind != NODE_NULL)
		return node_error(node, err, EINVAL,
				  "%s is no list of reservations; write [ { name: web, mac: "
				  "\"ba:ad:ca:fe:00:0a\", address: 10.20.0.10 } ]",
				  node_describe(node, text));
	AUTO_FREE struct reservation *found =
		memory_zero(node->n_children, sizeof(struct reservation));
	for (size_t i = 0; i < node->n_children; i++) {
		int r = schema_decode(&reservation_schema, node->children[i], &found[i], true, err);
		if (r < 0)
			return r;
	}
	network_done(network);
	network->reservations = TAKE(found);
	network->n_reservations = node->n_children;
	return 0;
}

static json_t *encode_reservations(const void *object)
{
	const struct network *network = object;
	if (network->n_reservations == 0)
		return NULL;
	json_t *list = json_array();
	for (size_t i = 0; i < network->n_reservations; i++)
		json_array_append_new(
			list, schema_encode(&reservation_schema, &network->reservations[i]));
	return list;
}

static const char *const modes[] = {
	[NETWORK_NAT] = "nat",		 [NETWORK_ROUTED] = "routed", [NETWORK_BRIDGED] = "bridged",
	[NETWORK_ISOLATED] = "isolated", [NETWORK_OPEN] = "open",     [NETWORK_MODES] = NULL,
};
static const char *const lans[] = {[LAN_ROUTE] = "route", [LAN_PROXY] = "proxy", NULL};
static_assert(sizeof(enum network_lan) == sizeof(int), "SCHEMA_CHOICE is an int");
static_assert(sizeof(enum network_mode) == sizeof(int), "SCHEMA_CHOICE is an int");

#define MEMBER(name)                                                                               \
	.offset = offsetof(struct network, name), .size = sizeof(((struct network *)0)->name)

static const struct schema_key network_keys[] = {
	{.key = "name", .type = SCHEMA_NAME, MEMBER(name), .read_only = true, .help = "its name"},
	{.key = "called",
	 .type = SCHEMA_NAME,
	 MEMBER(called),
	 .read_only = true,
	 .help = "what its owner calls it, where the name was somebody else's"},
	{.key = "lab",
	 .type = SCHEMA_NAME,
	 MEMBER(lab),
	 .read_only = true,
	 .help = "the lab that defines it"},
	{.key = "owner",
	 .type = SCHEMA_COUNT,
	 MEMBER(owner),
	 .read_only = true,
	 .help = "the uid of who made it, where that is not root"},
	{.key = "id",
	 .type = SCHEMA_COUNT,
	 MEMBER(id),
	 .read_only = true,
	 .help = "its number within the instance"},
	{.key = "ifname",
	 .type = SCHEMA_TEXT,
	 MEMBER(ifname),
	 .read_only = true,
	 .help = "its interface"},
	{.key = "mode",
	 .type = SCHEMA_CHOICE,
	 MEMBER(mode),
	 .words = modes,
	 .fallback = "nat",
	 .help = "how it reaches beyond itself"},
	{.key = "ipv4",
	 .type = SCHEMA_CUSTOM,
	 .fallback = "auto",
	 .decode = decode_ipv4,
	 .encode = encode_ipv4,
	 .help = "the gateway's address with prefix length, a list of them, auto or none"},
	{.key = "ipv6",
	 .type = SCHEMA_CUSTOM,
	 .fallback = "auto",
	 .decode = decode_ipv6,
	 .encode = encode_ipv6,
	 .help = "the gateway's address or a prefix, a list of them, auto or none"},
	{.key = "dhcp",
	 .type = SCHEMA_CUSTOM,
	 .fallback = "true",
	 .decode = dhcp_decode,
	 .encode = dhcp_encode,
	 .help = "hand out addresses; false, or { range: FIRST-LAST, range6: FIRST-LAST, lease: "
		 "1h, "
		 "boot: FILE, tftp: ADDRESS, ntp: ADDRESS, options: { NUMBER: VALUE } }"},
	{.key = "dns",
	 .type = SCHEMA_BOOL,
	 MEMBER(dns),
	 .fallback = "true",
	 .help = "resolve the machines' names, forward the rest"},
	{.key = "ra",
	 .type = SCHEMA_BOOL,
	 MEMBER(ra),
	 .fallback = "true",
	 .help = "advertise the IPv6 prefix and router"},
	{.key = "domain",
	 .type = SCHEMA_TEXT,
	 MEMBER(domain),
	 .help = "domain of the machines' names; NAME.internal when left out"},
	{.key = "mtu",
	 .type = SCHEMA_COUNT,
	 MEMBER(mtu),
	 .min = 576,
	 .max = 65535,
	 .help = "largest packet in bytes; 1500 when left out"},
	{.key = "uplink",
	 .type = SCHEMA_TEXT,
	 MEMBER(uplink),
	 .read_only = true,
	 .help = "the host's NIC in its bridge; 'lanyard uplink add' puts it there"},
	{.key = "mac",
	 .type = SCHEMA_MAC,
	 MEMBER(mac),
	 .read_only = true,
	 .help = "the bridge's MAC where it has an uplink: the NIC's"},
	{.key = "forwarders",
	 .type = SCHEMA_LIST,
	 MEMBER(forwarders),
	 .list = &forwarders,
	 .help = "name servers to ask for other names; the host's when left out"},
	{.key = "bridge",
	 .type = SCHEMA_TEXT,
	 MEMBER(bridge),
	 .help = "bridged: the host's bridge to join, which stays as it is"},
	{.key = "openvswitch",
	 .type = SCHEMA_BOOL,
	 MEMBER(openvswitch),
	 .read_only = true,
	 .help = "that bridge is one of Open vSwitch"},
	{.key = "vlan_filtering",
	 .type = SCHEMA_BOOL,
	 MEMBER(vlan_filtering),
	 .if_true = true,
	 .fallback = "false",
	 .help = "its bridge keeps VLANs apart, and ports may be given some; VLAN 1 is the network "
		 "itself"},
	{.key = "lan",
	 .type = SCHEMA_CHOICE,
	 MEMBER(lan),
	 .words = lans,
	 .fallback = "route",
	 .help = "routed: the LAN has a route here, or the host answers for machines (proxy)"},
	{.key = "guard",
	 .type = SCHEMA_BOOL,
	 MEMBER(guard),
	 .fallback = "true",
	 .help = "bridged: keep machines' router advertisements, DHCP answers and BPDUs off the "
		 "LAN"},
	{.key = "peers",
	 .type = SCHEMA_LIST,
	 MEMBER(peers),
	 .list = &peers,
	 .help = "other networks that this one reaches, and that reach it; none when left out"},
	{.key = "routes",
	 .type = SCHEMA_LIST,
	 MEMBER(routes),
	 .list = &routes,
	 .help = "prefixes behind machines of the network, PREFIX via ADDRESS"},
	{.key = "via",
	 .type = SCHEMA_LIST,
	 MEMBER(via),
	 .list = &vias,
	 .help = "interfaces of the host by which its machines go out too, where the host's routes "
		 "lead "
		 "(a VPN, a second LAN)"},
	{.key = "grace",
	 .type = SCHEMA_SECONDS,
	 MEMBER(grace_seconds),
	 .min = 0,
	 .max = 365 * DAY,
	 .fallback = "1h",
	 .help = "how long a prefix goes on working after a change has replaced it"},
	{.key = "leaving",
	 .type = SCHEMA_LIST,
	 MEMBER(leaving),
	 .list = &leavings,
	 .read_only = true,
	 .help = "replaced prefixes that still work, and until when"},
	{.key = "planned",
	 .type = SCHEMA_TEXT,
	 MEMBER(planned),
	 .read_only = true,
	 .help = "settings that are to come ('lanyard net set --after')"},
	{.key = "planned_at",
	 .type = SCHEMA_COUNT,
	 MEMBER(planned_at),
	 .max = UINT32_MAX,
	 .read_only = true,
	 .help = "when they come, seconds since 1970"},
	{.key = "overlap",
	 .type = SCHEMA_TEXT,
	 MEMBER(overlap),
	 .read_only = true,
	 .help = "the host's route that overlaps with its prefix"},
	{.key = "reservations",
	 .type = SCHEMA_CUSTOM,
	 .decode = decode_reservations,
	 .encode = encode_reservations,
	 .help = "list of { name, mac, address, ipv6 }: who has which address"},
};

const struct schema network_schema = {
	.entity = "network",
	.help = "One Ethernet segment with its services.",
	.keys = network_keys,
	.n_keys = sizeof(network_keys) / sizeof(network_keys[0]),
};

#undef MEMBER
#define MEMBER(name)                                                                               \
	.offset = offsetof(struct reservation, name),                                              \
	.size = sizeof(((struct reservation *)0)->name)

static const struct schema_key reservation_keys[] = {
	{.key = "name",
	 .type = SCHEMA_NAME,
	 MEMBER(name),
	 .required = true,
	 .help = "the machine's name in DNS"},
	{.key = "mac",
	 .type = SCHEMA_MAC,
	 MEMBER(mac),
	 .help = "its MAC; a name and address without DHCP when left out"},
	{.key = "address",
	 .type = SCHEMA_ADDRESS,
	 MEMBER(ipv4),
	 .min = 4,
	 .max = 4,
	 .help = "its IPv4 address; chosen when left out"},
	{.key = "ipv6",
	 .type = SCHEMA_ADDRESS,
	 MEMBER(ipv6),
	 .min = 6,
	 .max = 6,
	 .help = "its IPv6 address; made of the MAC when left out"},
	{.key = "automatic",
	 .type = SCHEMA_BOOL,
	 MEMBER(automatic),
	 .read_only = true,
	 .help = "made for a machine of a lab"},
};

const struct schema reservation_schema = {
	.entity = "reservation",
	.help = "A promise: this machine has this address and name.",
	.keys = reservation_keys,
	.n_keys = sizeof(reservation_keys) / sizeof(reservation_keys[0]),
};
