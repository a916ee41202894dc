/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/taken.h"

#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

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
