/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/overlap.h"

#include <linux/netlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/log.h"
#include "broker/broker.h"
#include "kern/address.h"
#include "kern/netlink.h"

struct search {
	const struct state *state;
	char (*texts)[OVERLAP_SIZE]; /* one per network, "" where there is none */
};

static bool is_ours(const struct state *state, const char *ifname)
{
	for (size_t i = 0; i < state->n_networks; i++)
		if (strcmp(state->networks[i]->ifname, ifname) == 0)
			return true;
	return false;
}

static const struct ip *find(const struct network *network, const struct ip *route)
{
	for (size_t i = 0; i < 2 * NETWORK_SUBNETS; i++) {
		const struct ip *subnet = i < NETWORK_SUBNETS ? &network->ipv4[i]
							      : &network->ipv6[i - NETWORK_SUBNETS];
		bool part = network->lan == LAN_PROXY && route->length < subnet->length;
		if (ip_is_set(subnet) && !part && ip_overlaps(route, subnet))
			return subnet;
	}
	return NULL;
}

static int on_route(const struct ip *route, int ifindex, void *data)
{
	const struct search *search = data;
	char ifname[IF_NAMESIZE] = "", ours[IP_TEXT_SIZE], theirs[IP_TEXT_SIZE];
	if (route->length == 0)
		return 0;
	if (ifindex > 0)
		if_indextoname((unsigned)ifindex, ifname);
	if (is_ours(search->state, ifname))
		return 0;
	for (size_t i = 0; i < search->state->n_networks; i++) {
		const struct network *network = search->state->networks[i];
		const struct ip *subnet = find(network, route);
		if (!subnet || search->texts[i][0])
			continue;
		struct ip prefix = ip_network(subnet);
		bool by_network = false; /* a route of its own to what lies behind a machine */
		for (size_t j = 0; j < NETWORK_ROUTES; j++)
			by_network |= ip_compare(&network->routes[j].to, route) == 0;
		if (!by_network)
			snprintf(search->texts[i], OVERLAP_SIZE,
				 "the host reaches %s by %s too, which overlaps with %s; choose "
				 "another prefix ('lanyard net set %s ipv%d=auto')",
				 ip_format_prefix(route, theirs), ifname[0] ? ifname : "a route",
				 ip_format_prefix(&prefix, ours), network->name,
				 subnet->family == AF_INET ? 4 : 6);
	}
	return 0;
}

static void tell(struct network *network, const char *text)
{
	if (strcmp(network->overlap, text) == 0)
		return;
	if (text[0])
		log_warning("network %s: %s", network->name, text);
	else
		log_info("network %s: its prefix is its own again", network->name);
	snprintf(network->overlap, sizeof(network->overlap), "%s", text);
}

void overlap_consider(struct broker *broker)
{
	struct state *state = &broker->state;
	struct netlink netlink;
	if (!broker->paths.system || netlink_open(&netlink, NETLINK_ROUTE, NULL) < 0)
		return;
	struct search search = {state, memory_zero(state->n_networks, OVERLAP_SIZE)};
	int r = route_dump(&netlink, on_route, &search, NULL);
	for (size_t i = 0; r == 0 && i < state->n_networks; i++)
		tell(state->networks[i], search.texts[i]);
	free(search.texts);
	netlink_close(&netlink);
}

void overlap_reconsider(struct broker *broker)
{
	for (size_t i = 0; i < broker->state.n_networks; i++)
		if (broker->state.networks[i]->overlap[0]) {
			overlap_consider(broker);
			return;
		}
}
