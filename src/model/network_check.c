/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one network can say about itself: each check says at which key it found something, for the
 * place in the file. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "model/name.h"
#include "model/network.h"

#define MTU_IPV6 1280 /* RFC 8200 section 5 */

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
		bool managed = network->dhcp && /* no autoconfiguration */
			       (network->lan == LAN_PROXY || ip_is_set(&network->dhcp6_first));
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

static int refuse_on_uplink(struct error *err)
{
	return error_set(err, EINVAL,
			 "a bridge of ours with the host's NIC in it carries all VLANs to all "
			 "ports; make a bridge that keeps them apart by the host's own means, and "
			 "name it under 'bridge'");
}

static int check_vlan_filtering(const struct network *network, struct error *err)
{
	if (!network->vlan_filtering || network->mode != NETWORK_BRIDGED)
		return 0;
	if (network->bridge[0])
		return error_set(
			err, EINVAL,
			"bridge %s keeps VLANs apart or not as who made it has set it, and "
			"ports have 'vlan' and 'trunk' where it does; leave it out",
			network->bridge);
	return refuse_on_uplink(err);
}

int network_check_vlans(const struct network *network, const struct vlans *vlans, struct error *err)
{
	if (!vlans_are_set(vlans))
		return 0;
	if (network->mode == NETWORK_BRIDGED)
		return network->bridge[0] ? 0 : refuse_on_uplink(err);
	if (!network->vlan_filtering)
		return error_set(err, EINVAL,
				 "network '%s' keeps no VLANs apart; give it vlan_filtering: true, "
				 "or take 'vlan' and 'trunk' away",
				 network->name);
	if (vlans->native != NETWORK_VLAN &&
	    !vlan_ranges_have(vlans->tagged, NETWORK_VLAN, NETWORK_VLAN))
		return 0;
	return error_set(
		err, EINVAL,
		"VLAN %d is the network '%s' itself, where frames without a tag are unless "
		"'vlan' says another one; leave it out",
		NETWORK_VLAN, network->name);
}

/* What it keeps off is kept off in all other modes: no frame of theirs gets into the LAN. */
static int check_guard(const struct network *network, struct error *err)
{
	if (!network->guard && network->mode != NETWORK_BRIDGED)
		return error_set(
			err, EINVAL,
			"'guard: false' is for mode 'bridged': only there machines' frames "
			"reach the LAN; leave it out");
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

static int check_via(const struct network *network, struct error *err)
{
	bool forwards = network->mode == NETWORK_NAT || network->mode == NETWORK_ROUTED ||
			network->mode == NETWORK_OPEN;
	for (size_t i = 0; i < NETWORK_VIAS && network->via[i][0]; i++) {
		const char *via = network->via[i];
		if (!forwards)
			return error_set(err, EINVAL,
					 "'via' is for the modes nat, routed and open");
		if (strncmp(via, "ly", 2) == 0 || strcmp(via, "lo") == 0)
			return error_set(err, EINVAL,
					 "via '%s' is no way out: name an interface of the host's "
					 "own",
					 via);
	}
	return 0;
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

static int check_range6(const struct network *network, struct error *err)
{
	const struct ip *first = &network->dhcp6_first, *last = &network->dhcp6_last;
	const struct ip *gateway = &network->ipv6[0];
	char a[IP_TEXT_SIZE], b[IP_TEXT_SIZE], in[IP_TEXT_SIZE];
	if (!ip_is_set(first))
		return 0;
	ip_format(first, a);
	ip_format(last, b);
	if (!ip_is_set(gateway))
		return error_set(err, EINVAL,
				 "range6 %s-%s needs a prefix to lie in; write one under 'ipv6'", a,
				 b);
	if (gateway->length < 64)
		return error_set(err, EINVAL,
				 "range6 %s-%s: DHCPv6 needs a prefix of /64 or longer, not %s", a,
				 b, ip_format_prefix(gateway, in));
	if (ip_compare(first, last) > 0)
		return error_set(err, EINVAL, "range6 %s-%s ends before it begins", a, b);
	struct ip prefix = ip_network(gateway), host = ip_host(gateway);
	if (!ip_contains(gateway, first) || !ip_contains(gateway, last))
		return error_set(err, EINVAL, "range6 %s-%s is not inside %s", a, b,
				 ip_format_prefix(&prefix, in));
	if (ip_compare(first, &host) <= 0 && ip_compare(&host, last) <= 0)
		return error_set(err, EINVAL, "range6 %s-%s holds the gateway %s; leave it out", a,
				 b, ip_format(gateway, in));
	return 0;
}

static int check_extra(const struct network *network, struct error *err)
{
	return dhcp_extra_check(&network->dhcp_extra, err);
}

static const struct {
	const char *key;
	int (*check)(const struct network *network, struct error *err);
} checks[] = {
	{"mode", check_mode},
	{"bridge", check_bridge},
	{"lan", check_lan},
	{"vlan_filtering", check_vlan_filtering},
	{"guard", check_guard},
	{"peers", check_peers},
	{"ipv4", check_ipv4},
	{"ipv6", check_ipv6},
	{"mtu", check_mtu},
	{"domain", check_domain},
	{"forwarders", check_forwarders},
	{"routes", check_routes},
	{"via", check_via},
	{"dhcp", check_range},
	{"dhcp", check_range6},
	{"dhcp", check_extra},
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
