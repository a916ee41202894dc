/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks: making, copying, comparing, and what one can say about itself. */
#include "model/network.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/file.h"
#include "model/name.h"

#define LEASE_SECONDS 3600
#define GRACE_SECONDS 3600
#define MTU_IPV6      1280 /* RFC 8200 section 5 */

static const char *const mode_names[NETWORK_MODES] = {
	[NETWORK_NAT] = "nat",		 [NETWORK_ROUTED] = "routed", [NETWORK_BRIDGED] = "bridged",
	[NETWORK_ISOLATED] = "isolated", [NETWORK_OPEN] = "open",
};

const char *network_mode_name(enum network_mode mode)
{
	return mode < NETWORK_MODES ? mode_names[mode] : "?";
}

struct network *network_new(void)
{
	struct network *network = memory_zero(1, sizeof(*network));
	network->dhcp = network->dns = network->ra = network->guard = true;
	network->lease_seconds = LEASE_SECONDS;
	network->grace_seconds = GRACE_SECONDS;
	return network;
}

void network_done(struct network *network)
{
	if (!network)
		return;
	free(network->reservations);
	network->reservations = NULL;
	network->n_reservations = 0;
}

void network_free(struct network *network)
{
	network_done(network);
	free(network);
}

struct network *network_copy(const struct network *network)
{
	struct network *copy = memory_zero(1, sizeof(*copy));
	*copy = *network;
	copy->reservations = memory_zero(network->n_reservations, sizeof(*copy->reservations));
	if (network->n_reservations)
		memcpy(copy->reservations, network->reservations,
		       network->n_reservations * sizeof(*copy->reservations));
	return copy;
}

static bool ips_equal(const struct ip *a, const struct ip *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ip_compare(&a[i], &b[i]) != 0)
			return false;
	return true;
}

static bool reservation_equal(const struct reservation *a, const struct reservation *b)
{
	return !strcmp(a->name, b->name) && mac_equal(&a->mac, &b->mac) &&
	       ips_equal(&a->ipv4, &b->ipv4, 1) && ips_equal(&a->ipv6, &b->ipv6, 1) &&
	       a->automatic == b->automatic;
}

bool network_equal(const struct network *a, const struct network *b)
{
	bool same = !strcmp(a->name, b->name) && !strcmp(a->lab, b->lab) && a->id == b->id &&
		    !strcmp(a->ifname, b->ifname) && a->mode == b->mode &&
		    a->ipv4_choice == b->ipv4_choice && a->ipv6_choice == b->ipv6_choice &&
		    a->dhcp == b->dhcp && a->dns == b->dns && a->ra == b->ra &&
		    a->guard == b->guard && a->lan == b->lan &&
		    a->lease_seconds == b->lease_seconds && !strcmp(a->domain, b->domain) &&
		    a->mtu == b->mtu && !strcmp(a->uplink, b->uplink) &&
		    mac_equal(&a->mac, &b->mac) && a->unconfirmed == b->unconfirmed &&
		    a->n_reservations == b->n_reservations;
	same = same && ips_equal(a->ipv4, b->ipv4, NETWORK_SUBNETS) &&
	       ips_equal(a->ipv6, b->ipv6, NETWORK_SUBNETS) &&
	       ips_equal(&a->dhcp_first, &b->dhcp_first, 1) &&
	       ips_equal(&a->dhcp_last, &b->dhcp_last, 1) &&
	       ips_equal(a->forwarders, b->forwarders, NETWORK_FORWARDERS);
	same = same && !strcmp(a->bridge, b->bridge) &&
	       !memcmp(a->peers, b->peers, sizeof(a->peers)) &&
	       a->grace_seconds == b->grace_seconds;
	for (size_t i = 0; same && i < NETWORK_ROUTES; i++)
		same = ips_equal(&a->routes[i].to, &b->routes[i].to, 1) &&
		       ips_equal(&a->routes[i].via, &b->routes[i].via, 1);
	for (size_t i = 0; same && i < 2 * NETWORK_SUBNETS; i++)
		same = ips_equal(&a->leaving[i].address, &b->leaving[i].address, 1) &&
		       a->leaving[i].until == b->leaving[i].until;
	for (size_t i = 0; same && i < a->n_reservations; i++)
		same = reservation_equal(&a->reservations[i], &b->reservations[i]);
	return same;
}

/* Checks. Each says at which key it found something, for the place in the file. */

/* Prefixes that hosts treat in ways of their own (RFC 6890), and the uplink's name server
 * (169.254.1.1). */
static const char *purpose_of(const struct ip *gateway)
{
	static const struct {
		uint8_t first, mask;
		const char *purpose;
	} special[] = {
		{0, 0xff, "\"this network\""},
		{127, 0xff, "loopback"},
		{224, 0xf0, "multicast"},
		{240, 0xf0, "future use"},
	};
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if ((gateway->bytes[0] & special[i].mask) == special[i].first)
			return special[i].purpose;
	return gateway->bytes[0] == 169 && gateway->bytes[1] == 254 ? "link-local addresses" : NULL;
}

static int check_ipv4(const struct network *network, struct error *err)
{
	for (size_t i = 0; i < NETWORK_SUBNETS && ip_is_set(&network->ipv4[i]); i++) {
		const struct ip *gateway = &network->ipv4[i];
		char text[IP_TEXT_SIZE], right[IP_TEXT_SIZE];
		ip_format_prefix(gateway, text);
		if (gateway->family != AF_INET)
			return error_set(err, EINVAL, "%s is not IPv4; write it under 'ipv6'",
					 text);
		if (gateway->length < 8 || gateway->length > 30)
			return error_set(err, EINVAL,
					 "%s has a prefix length that no network can use; it is "
					 "from /8 to /30",
					 text);
		const char *purpose = purpose_of(gateway);
		if (purpose)
			return error_set(err, EINVAL,
					 "%s lies in the prefix for %s; use one out of 10.0.0.0/8, "
					 "or 'auto'",
					 text, purpose);
		struct ip first = ip_nth(gateway, 0), last = ip_last(gateway);
		struct ip usual = ip_nth(gateway, 1);
		usual.length = gateway->length;
		ip_format_prefix(&usual, right);
		if (ip_equal(gateway, &first))
			return error_set(
				err, EINVAL,
				"%s is the network's own address; write the gateway's, like "
				"%s",
				text, right);
		if (ip_equal(gateway, &last))
			return error_set(
				err, EINVAL,
				"%s is the broadcast address; write the gateway's, like %s", text,
				right);
		for (size_t j = 0; j < i; j++)
			if (ip_overlaps(gateway, &network->ipv4[j]))
				return error_set(
					err, EINVAL,
					"%s overlaps with the subnet %s of the same network", text,
					ip_format_prefix(&network->ipv4[j], right));
	}
	return 0;
}

static int check_ipv6(const struct network *network, struct error *err)
{
	for (size_t i = 0; i < NETWORK_SUBNETS && ip_is_set(&network->ipv6[i]); i++) {
		const struct ip *gateway = &network->ipv6[i];
		char text[IP_TEXT_SIZE], other[IP_TEXT_SIZE];
		ip_format_prefix(gateway, text);
		if (gateway->family != AF_INET6)
			return error_set(err, EINVAL, "%s is not IPv6; write it under 'ipv4'",
					 text);
		bool managed =
			network->lan == LAN_PROXY && network->dhcp; /* no autoconfiguration */
		if (network->ra && !managed ? gateway->length != 64
					    : gateway->length < 16 || gateway->length > 126)
			return error_set(err, EINVAL, "%s has a prefix length that %s", text,
					 network->ra && !managed
						 ? "router advertisements cannot use; write /64, "
						   "or set 'ra: false'"
						 : "no network can use; it is from /16 to /126");
		if (gateway->bytes[0] == 0xff ||
		    (gateway->bytes[0] == 0xfe && gateway->bytes[1] >> 6 == 2))
			return error_set(
				err, EINVAL,
				"%s is not a unicast prefix that can be routed; use one out of "
				"fd00::/8, or 'auto'",
				text);
		for (size_t j = 0; j < i; j++)
			if (ip_overlaps(gateway, &network->ipv6[j]))
				return error_set(
					err, EINVAL,
					"%s overlaps with the subnet %s of the same network", text,
					ip_format_prefix(&network->ipv6[j], other));
	}
	return 0;
}

static int check_mode(const struct network *network, struct error *err)
{
	bool bridged = network->mode == NETWORK_BRIDGED;
	if (bridged && !network->bridge[0] && !network->uplink[0])
		return error_set(err, EINVAL,
				 "mode 'bridged' needs a bridge of the host: write it under "
				 "'bridge', like bridge: br0; or let 'lanyard uplink add' make one "
				 "with the host's NIC in it");
	if (bridged &&
	    (network->ipv4_choice == FAMILY_GIVEN || network->ipv6_choice == FAMILY_GIVEN))
		return error_set(err, EINVAL,
				 "a bridged network has the LAN's addresses; leave 'ipv4' and "
				 "'ipv6' out");
	return 0;
}

static int check_lan(const struct network *network, struct error *err)
{
	if (network->lan != LAN_PROXY)
		return 0;
	if (network->mode != NETWORK_ROUTED)
		return error_set(err, EINVAL, "'lan: proxy' is for mode 'routed'");
	if (network->ipv4_choice == FAMILY_AUTO)
		return error_set(err, EINVAL,
				 "'lan: proxy' needs a free part of the LAN's own prefix; write it "
				 "under 'ipv4', like 192.168.1.225/27");
	return 0;
}

static int check_bridge(const struct network *network, struct error *err)
{
	if (network->uplink[0] && (network->mode != NETWORK_BRIDGED || network->bridge[0]))
		return error_set(err, EBUSY,
				 "it has the host's NIC %s in its bridge, so it stays bridged; "
				 "'lanyard uplink remove %s' ends that",
				 network->uplink, network->uplink);
	if (!network->bridge[0])
		return 0;
	if (network->mode != NETWORK_BRIDGED)
		return error_set(err, EINVAL, "'bridge' is for mode 'bridged'; leave it out");
	if (!name_is_interface(network->bridge))
		return error_set(err, EINVAL, "'%.16s' cannot be an interface's name",
				 network->bridge);
	return 0;
}

/* Both sides need rules for it; an open one has none, a bridged one is the LAN. */
static int check_peers(const struct network *network, struct error *err)
{
	if (network->peers[0][0] &&
	    (network->mode == NETWORK_BRIDGED || network->mode == NETWORK_OPEN))
		return error_set(err, EINVAL,
				 "mode '%s' has no peers: no rule of ours separates it",
				 network_mode_name(network->mode));
	for (size_t i = 0; i < NETWORK_PEERS && network->peers[i][0]; i++)
		if (!strcmp(network->peers[i], network->name))
			return error_set(err, EINVAL, "a network is no peer of itself");
	return 0;
}

static bool is_member(const struct network *network, const struct ip *address)
{
	const struct ip *subnets = address->family == AF_INET ? network->ipv4 : network->ipv6;
	for (size_t i = 0; i < NETWORK_SUBNETS; i++)
		if (ip_is_set(&subnets[i]) && ip_contains(&subnets[i], address))
			return true;
	return false;
}

/* What guests ask our resolver would leave an isolated network by it. */
static int check_forwarders(const struct network *network, struct error *err)
{
	char text[IP_TEXT_SIZE];
	bool chosen = ip_is_set(&network->ipv4[0]) || ip_is_set(&network->ipv6[0]);
	for (size_t i = 0; i < NETWORK_FORWARDERS && ip_is_set(&network->forwarders[i]); i++)
		if (network->mode == NETWORK_ISOLATED && chosen &&
		    !is_member(network, &network->forwarders[i]))
			return error_set(err, EINVAL,
					 "an isolated network asks no name server outside: %s is "
					 "none of its own addresses",
					 ip_format(&network->forwarders[i], text));
	return 0;
}

static int check_route(const struct network *network, const struct static_route *route,
		       struct error *err)
{
	char to[IP_TEXT_SIZE], via[IP_TEXT_SIZE];
	const struct ip *subnets =
		route->to.family == AF_INET ? &network->ipv4[0] : &network->ipv6[0];
	struct ip network_address = ip_network(&route->to);
	ip_format_prefix(&route->to, to);
	ip_format(&route->via, via);
	if (network->mode == NETWORK_BRIDGED)
		return error_set(err, EINVAL, "a bridged network has the LAN's routes");
	if (!ip_equal(&network_address, &route->to))
		return error_set(err, EINVAL, "route to %s: bits of it are set beyond its length",
				 to);
	if (route->to.length == 0)
		return error_set(err, EINVAL, "route to %s: the default route is the host's", to);
	if (route->via.family != route->to.family)
		return error_set(err, EINVAL, "route to %s: %s is of the other family", to, via);
	for (size_t i = 0; i < NETWORK_SUBNETS && ip_is_set(&subnets[i]); i++) {
		if (ip_overlaps(&subnets[i], &route->to))
			return error_set(err, EINVAL, "route to %s: it is the network's own prefix",
					 to);
		if (ip_equal(&subnets[i], &route->via))
			return error_set(err, EINVAL, "route to %s: %s is the gateway itself", to,
					 via);
	}
	if (ip_is_set(&subnets[0]) && !is_member(network, &route->via))
		return error_set(err, EINVAL, "route to %s: %s is none of the network's addresses",
				 to, via);
	return 0;
}

static int check_routes(const struct network *network, struct error *err)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < NETWORK_ROUTES && ip_is_set(&network->routes[i].to); i++)
		r = check_route(network, &network->routes[i], err);
	return r;
}

static int check_mtu(const struct network *network, struct error *err)
{
	bool ipv6 = network->ipv6_choice != FAMILY_NONE;
	if (network->mtu && ipv6 && network->mtu < MTU_IPV6)
		return error_set(err, EINVAL,
				 "mtu %u is too small for IPv6; write at least %d, or 'ipv6: none'",
				 network->mtu, MTU_IPV6);
	return 0;
}

static int check_domain(const struct network *network, struct error *err)
{
	if (network->domain[0] && !name_is_domain(network->domain))
		return error_set(
			err, EINVAL,
			"'%.64s' is not a domain; write lowercase labels with dots between, "
			"like lab.internal",
			network->domain);
	/* RFC 6762 section 3, RFC 6761 section 6.3 */
	const char *last = strrchr(network->domain, '.');
	last = last ? last + 1 : network->domain;
	if (strcmp(last, "local") == 0 || strcmp(last, "localhost") == 0)
		return error_set(err, EINVAL,
				 "domain '%.64s' ends in '%s', which name servers are not asked "
				 "for; write one like lab.internal",
				 network->domain, last);
	return 0;
}

static int check_range(const struct network *network, struct error *err)
{
	const struct ip *first = &network->dhcp_first, *last = &network->dhcp_last;
	const struct ip *gateway = &network->ipv4[0];
	if (!ip_is_set(first) && !ip_is_set(last))
		return 0;
	char a[IP_TEXT_SIZE], b[IP_TEXT_SIZE], in[IP_TEXT_SIZE];
	ip_format(first, a);
	ip_format(last, b);
	if (network->ipv4_choice == FAMILY_NONE)
		return error_set(err, EINVAL, "range %s-%s needs IPv4, which is 'none'", a, b);
	if (!ip_is_set(gateway))
		return error_set(err, EINVAL,
				 "range %s-%s needs a prefix to lie in; write one under 'ipv4'", a,
				 b);
	if (ip_compare(first, last) > 0)
		return error_set(err, EINVAL, "range %s-%s ends before it begins", a, b);
	struct ip network_address = ip_nth(gateway, 0), broadcast = ip_last(gateway);
	struct ip prefix = ip_network(gateway);
	if (!ip_contains(gateway, first) || !ip_contains(gateway, last) ||
	    ip_equal(first, &network_address) || ip_equal(last, &broadcast))
		return error_set(
			err, EINVAL,
			"range %s-%s is not inside %s (without its first and last address)", a, b,
			ip_format_prefix(&prefix, in));
	struct ip host = ip_host(gateway);
	if (ip_compare(first, &host) <= 0 && ip_compare(&host, last) <= 0)
		return error_set(err, EINVAL, "range %s-%s holds the gateway %s; leave it out", a,
				 b, ip_format(gateway, in));
	return 0;
}

static const struct {
	const char *key;
	int (*check)(const struct network *network, struct error *err);
} checks[] = {
	{"mode", check_mode},
	{"bridge", check_bridge},
	{"lan", check_lan},
	{"peers", check_peers},
	{"ipv4", check_ipv4},
	{"ipv6", check_ipv6},
	{"mtu", check_mtu},
	{"domain", check_domain},
	{"forwarders", check_forwarders},
	{"routes", check_routes},
	{"dhcp", check_range},
	{"reservations", network_check_reservations},
};

int network_check(const struct network *network, const char **ret_key, struct error *err)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		int r = checks[i].check(network, err);
		if (r < 0) {
			if (ret_key)
				*ret_key = checks[i].key;
			return r;
		}
	}
	return 0;
}

/* .100 to .199 of a /24 and its like elsewhere; the upper half of a small subnet. Where the gateway
 * lies in it, the larger part beside it. */
void network_choose_range(struct network *network)
{
	const struct ip *gateway = &network->ipv4[0];
	if (!network->dhcp || !ip_is_set(gateway) || gateway->length > 30 ||
	    ip_is_set(&network->dhcp_first))
		return;
	uint64_t size = (uint64_t)1 << (32 - gateway->length);
	uint64_t first = size >= 64 ? size * 100 / 256 : size / 2;
	uint64_t last = size >= 64 ? size * 200 / 256 - 1 : size - 2;
	uint64_t own = ip_offset(gateway, gateway);
	if (own >= first && own <= last) {
		if (last > own && (last - own >= own - first))
			first = own + 1;
		else if (own > first)
			last = own - 1;
		else
			first = last = own == 1 ? 2 : 1; /* a /30: the only other one */
	}
	network->dhcp_first = ip_nth(gateway, first);
	network->dhcp_last = ip_nth(gateway, last);
}

static bool is_resolved(const struct network *network, enum network_family choice,
			const struct ip *subnets)
{
	if (network->mode == NETWORK_BRIDGED)
		return true;
	return (choice == FAMILY_NONE) == !ip_is_set(&subnets[0]);
}

int network_settle(struct network *network, struct error *err)
{
	int r = name_check(network->name, "network", err);
	if (r < 0)
		return r;
	r = network_check(network, NULL, err);
	if (r == 0 && (!is_resolved(network, network->ipv4_choice, network->ipv4) ||
		       !is_resolved(network, network->ipv6_choice, network->ipv6)))
		r = error_set(err, EINVAL, "its addresses have not been chosen yet");
	if (r < 0)
		return error_prefix(err, "network '%s'", network->name);
	network_choose_range(network);
	if (!network->domain[0])
		snprintf(network->domain, sizeof(network->domain), "%s.internal", network->name);
	if (network->mode == NETWORK_BRIDGED && network->bridge[0]) {
		memset(network->ifname, 0, sizeof(network->ifname));
		snprintf(network->ifname, sizeof(network->ifname), "%s", network->bridge);
	} else if (network->id)
		network_ifname(network->name, network->id, network->ifname);
	return 0;
}

/* Its n-th prefix, those that are leaving among them; NULL beyond the last. */
static const struct ip *prefix_of(const struct network *network, size_t n)
{
	if (n < NETWORK_SUBNETS)
		return &network->ipv4[n];
	if (n < 2 * NETWORK_SUBNETS)
		return &network->ipv6[n - NETWORK_SUBNETS];
	if (n < 4 * NETWORK_SUBNETS)
		return &network->leaving[n - 2 * NETWORK_SUBNETS].address;
	return NULL;
}

bool network_overlaps(const struct network *a, const struct network *b, struct ip *ret_a,
		      struct ip *ret_b)
{
	const struct ip *one, *other;
	for (size_t i = 0; (one = prefix_of(a, i)); i++)
		for (size_t j = 0; ip_is_set(one) && (other = prefix_of(b, j)); j++)
			if (ip_is_set(other) && ip_overlaps(one, other)) {
				*ret_a = *one;
				*ret_b = *other;
				return true;
			}
	return false;
}

void network_ifname(const char *name, uint32_t id, char ret[IFNAMSIZ])
{
	memset(ret, 0, IFNAMSIZ);
	if (strlen(name) + 3 < IFNAMSIZ)
		snprintf(ret, IFNAMSIZ, "ly-%.12s", name);
	else
		snprintf(ret, IFNAMSIZ, "ly--%u", id); /* no label begins with a hyphen */
}
