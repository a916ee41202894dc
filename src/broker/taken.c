/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/taken.h"

#include <errno.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/file.h"
#include "kern/address.h"
#include "kern/netlink.h"

struct taken {
	struct ip *items;
	size_t count, room;
};

static void add(struct taken *taken, const struct ip *prefix)
{
	if (!ip_is_set(prefix))
		return;
	taken->items = memory_grow(taken->items, &taken->room, taken->count + 1, sizeof(struct ip));
	taken->items[taken->count++] = *prefix;
}

static int on_route(const struct ip *prefix, int ifindex, void *data)
{
	(void)ifindex;
	add(data, prefix);
	return 0;
}

static int add_routes(struct taken *taken, struct error *err)
{
	struct netlink netlink;
	int r = netlink_open(&netlink, NETLINK_ROUTE, err);
	if (r < 0)
		return r;
	r = route_dump(&netlink, on_route, taken, err);
	netlink_close(&netlink);
	return r;
}

static void add_networks(struct taken *taken, const struct state *state,
			 const struct network *except)
{
	for (size_t i = 0; i < state->n_networks; i++) {
		const struct network *other = state->networks[i];
		if (strcmp(other->name, except->name) == 0)
			continue;
		for (size_t j = 0; j < NETWORK_SUBNETS; j++) {
			add(taken, &other->ipv4[j]);
			add(taken, &other->ipv6[j]);
		}
	}
}

int taken_allocate(const struct state *state, const char *instance, struct network *network,
		   struct error *err)
{
	struct taken taken = {0};
	int r = 0;
	if (network->ipv4_choice == FAMILY_AUTO || network->ipv6_choice == FAMILY_AUTO) {
		add_networks(&taken, state, network);
		r = add_routes(&taken, err);
	}
	if (r == 0)
		r = network_allocate(network, instance, taken.items, taken.count, err);
	free(taken.items);
	return r;
}

/* What one look at the host's routes compares. */
struct comparison {
	const struct state *state;
	const struct network *network, *before;
	struct error *err;
};

static bool has_subnet(const struct network *network, const struct ip *subnet)
{
	for (size_t i = 0; network && i < NETWORK_SUBNETS; i++)
		if (ip_equal(&network->ipv4[i], subnet) || ip_equal(&network->ipv6[i], subnet))
			return true;
	return false;
}

static bool is_ours(const struct state *state, const char *ifname)
{
	for (size_t i = 0; i < state->n_networks; i++)
		if (strcmp(state->networks[i]->ifname, ifname) == 0)
			return true;
	return false;
}

/* A part of a wide route (a VPN's, a provider's) may be ours; of a LAN's it may not. */
static bool collides(const struct ip *route, const struct ip *subnet)
{
	uint8_t wide = route->family == AF_INET ? 16 : 48;
	if (!ip_is_set(subnet) || route->length == 0 || !ip_overlaps(route, subnet))
		return false;
	return route->length >= subnet->length || route->length >= wide;
}

static int compare_route(const struct ip *route, int ifindex, void *data)
{
	const struct comparison *comparison = data;
	const struct network *network = comparison->network;
	char ifname[IF_NAMESIZE] = "", ours[IP_TEXT_SIZE], theirs[IP_TEXT_SIZE];
	for (size_t i = 0; i < 2 * NETWORK_SUBNETS; i++) {
		const struct ip *subnet = i < NETWORK_SUBNETS ? &network->ipv4[i]
							      : &network->ipv6[i - NETWORK_SUBNETS];
		if (network->lan == LAN_PROXY && route->length < subnet->length)
			continue; /* it is to be a part of the LAN's */
		if (!collides(route, subnet) || has_subnet(comparison->before, subnet))
			continue;
		if_indextoname((unsigned)ifindex, ifname);
		if (is_ours(comparison->state, ifname))
			return 0;
		return error_set(comparison->err, EINVAL,
				 "network '%s': %s overlaps with %s, which the host reaches by %s; "
				 "choose another prefix, or auto",
				 network->name, ip_format_prefix(subnet, ours),
				 ip_format_prefix(route, theirs),
				 ifname[0] ? ifname : "a route of its own");
	}
	return 0;
}

int taken_check(const struct state *state, const struct network *network,
		const struct network *before, struct error *err)
{
	struct error collision = {0}; /* apart: what the dump fails of is prefixed */
	struct comparison comparison = {state, network, before, &collision};
	bool is_new = false;
	for (size_t i = 0; i < NETWORK_SUBNETS; i++)
		is_new |=
			(ip_is_set(&network->ipv4[i]) && !has_subnet(before, &network->ipv4[i])) ||
			(ip_is_set(&network->ipv6[i]) && !has_subnet(before, &network->ipv6[i]));
	if (!is_new)
		return 0;
	struct netlink netlink;
	int r = netlink_open(&netlink, NETLINK_ROUTE, err);
	if (r < 0)
		return r;
	r = route_dump(&netlink, compare_route, &comparison, err);
	netlink_close(&netlink);
	if (!collision.code)
		return r;
	*err = collision;
	return -collision.code;
}
