/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/egress.h"

#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "kern/address.h"
#include "kern/link.h"
#include "kern/netlink.h"

#define MTU_DEFAULT 1500
#define MTU_LEAST   576
#define PROXIES_MAX 4096 /* addresses of one DHCP range */
#define MTU_IPV6    1280 /* RFC 8200 section 5 */

static struct object_forwarding *obtain(struct object_list *list, const char *ifname)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].kind == OBJECT_FORWARDING &&
		    strcmp(list->items[i].forwarding.ifname, ifname) == 0)
			return &list->items[i].forwarding;
	struct object_forwarding *forwarding =
		&object_list_add(list, OBJECT_FORWARDING, 0)->forwarding;
	memcpy(forwarding->ifname, ifname, strlen(ifname));
	return forwarding;
}

struct egress {
	struct object_list *list;
	bool ipv4, ipv6; /* still to be found */
	bool learns;
};

/* The first default route of a family is the way out; all that may have been learnt are kept. */
static int on_route(const struct ip *prefix, int ifindex, void *data)
{
	struct egress *egress = data;
	char ifname[IFNAMSIZ] = "";
	bool *sought = prefix->family == AF_INET ? &egress->ipv4 : &egress->ipv6;
	bool learns = prefix->family == AF_INET6 && egress->learns;
	if (prefix->length > 0 || ifindex <= 0 || (!*sought && !learns) ||
	    !if_indextoname((unsigned)ifindex, ifname))
		return 0;
	struct object_forwarding *forwarding = obtain(egress->list, ifname);
	forwarding->learns |= learns;
	if (*sought && prefix->family == AF_INET)
		forwarding->ipv4 = 1;
	else if (*sought)
		forwarding->ipv6 = 1;
	*sought = false;
	return 0;
}

void egress_expand(struct object_list *list)
{
	struct egress egress = {.list = list};
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].kind != OBJECT_FORWARDING)
			continue;
		egress.ipv4 |= list->items[i].forwarding.ipv4;
		egress.ipv6 |= list->items[i].forwarding.ipv6;
	}
	egress.learns = egress.ipv6;
	struct netlink netlink;
	if ((!egress.ipv4 && !egress.ipv6) || netlink_open(&netlink, NETLINK_ROUTE, NULL) < 0)
		return;
	route_dump(&netlink, on_route, &egress, NULL);
	netlink_close(&netlink);
}

static struct object_forwarding *way_out(struct object_list *list, int family)
{
	for (size_t i = 0; i < list->count; i++) {
		struct object *object = &list->items[i];
		if (object->kind == OBJECT_FORWARDING && object->network == 0 &&
		    (family == AF_INET ? object->forwarding.ipv4 : object->forwarding.ipv6))
			return &object->forwarding;
	}
	return NULL;
}

/* Somebody has made the host a router: that is not ours to restrict. */
static bool is_router(void)
{
	static const char *const switches[] = {"/proc/sys/net/ipv4/ip_forward",
					       "/proc/sys/net/ipv6/conf/all/forwarding"};
	bool result = false;
	for (size_t i = 0; i < 2; i++) {
		AUTO_FREE char *text = NULL;
		result |= file_read(switches[i], 16, &text, NULL) > 0 && text[0] != '0';
	}
	return result;
}

static bool has_filter(const struct object_list *list, const char *ifname)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].kind == OBJECT_FILTER &&
		    strcmp(list->items[i].filter.ifname, ifname) == 0)
			return true;
	return false;
}

static void go_via(const struct network *network, const char *ifname, struct object_list *list)
{
	if (!if_nametoindex(ifname)) /* a VPN that is down; its routes will tell of it */
		return;
	struct object_forwarding *forwarding = obtain(list, ifname);
	forwarding->ipv4 |= ip_is_set(&network->ipv4[0]);
	forwarding->ipv6 |= ip_is_set(&network->ipv6[0]);
	forwarding->learns |= ip_is_set(&network->ipv6[0]);
	if (has_filter(list, ifname) || is_router())
		return;
	struct object_filter *fence = &object_list_add(list, OBJECT_FILTER, network->id)->filter;
	memcpy(fence->ifname, ifname, strlen(ifname));
	fence->mode = FILTER_FENCE;
}

static void answer_for(const struct network *network, const char *ifname, const struct ip *address,
		       struct object_list *list)
{
	if (!ip_is_set(address))
		return;
	struct object_proxy *proxy = &object_list_add(list, OBJECT_PROXY, network->id)->proxy;
	memcpy(proxy->ifname, ifname, IFNAMSIZ);
	proxy->address = ip_host(address);
}

static bool is_in_range(const struct ip *first, const struct ip *address, const struct ip *last)
{
	return ip_is_set(first) && ip_compare(first, address) <= 0 &&
	       ip_compare(address, last) <= 0;
}

/* For the addresses of a family that machines can have. */
static void answer_for_all(const struct network *network, const char *ifname, int family,
			   struct object_list *list)
{
	bool is6 = family == AF_INET6;
	const struct ip *subnet = is6 ? &network->ipv6[0] : &network->ipv4[0];
	const struct ip *first = is6 ? &network->dhcp6_first : &network->dhcp_first;
	const struct ip *last = is6 ? &network->dhcp6_last : &network->dhcp_last;
	size_t before = list->count;
	if (ip_is_set(first)) {
		uint64_t begin = ip_offset(subnet, first), end = ip_offset(subnet, last);
		for (uint64_t n = begin; n <= end && n < begin + PROXIES_MAX; n++) {
			struct ip address = ip_nth(subnet, n);
			answer_for(network, ifname, &address, list);
		}
	}
	for (size_t i = 0; i < network->n_reservations; i++) {
		const struct reservation *reservation = &network->reservations[i];
		const struct ip *address = is6 ? &reservation->ipv6 : &reservation->ipv4;
		if (!is_in_range(first, address, last))
			answer_for(network, ifname, address, list);
	}
	if (is6 && list->count > before)
		obtain(list, ifname)->proxies = 1;
}

/* The interface on whose link a prefix is a part of the whole: the LAN. */
struct lan {
	const struct ip *part;
	uint8_t length; /* of the longest prefix so far */
	int ifindex;
};

static int on_address(int ifindex, const struct ip *address, void *data)
{
	struct lan *lan = data;
	if (address->length >= lan->part->length || address->length < lan->length ||
	    !ip_contains(address, lan->part))
		return 0;
	lan->length = address->length;
	lan->ifindex = ifindex;
	return 0;
}

/* ifname: IFNAMSIZ bytes, the rest zero. Where the host has no address of the LAN's, the way out
 * is the LAN. */
static bool lan_find(struct netlink *netlink, const struct ip *part, struct object_list *list,
		     char *ifname)
{
	struct lan lan = {.part = part};
	const struct object_forwarding *out = way_out(list, part->family);
	memset(ifname, 0, IFNAMSIZ);
	if (ip_is_set(part) && address_dump(netlink, on_address, &lan, NULL) == 0 && lan.ifindex &&
	    if_indextoname((unsigned)lan.ifindex, ifname))
		return true;
	if (out)
		memcpy(ifname, out->ifname, IFNAMSIZ);
	return out != NULL;
}

static bool is_found_by_proxy(const struct network *network)
{
	return network->mode == NETWORK_ROUTED && network->lan == LAN_PROXY;
}

static void proxy_one(struct netlink *netlink, const struct network *network, int family,
		      struct object_list *list)
{
	const struct ip *part = family == AF_INET ? network->ipv4 : network->ipv6;
	const struct object_forwarding *out = way_out(list, family);
	char ifname[IFNAMSIZ];
	if (!lan_find(netlink, part, list, ifname))
		return;
	if (!out || strcmp(out->ifname, ifname) != 0)
		go_via(network, ifname, list);
	answer_for_all(network, ifname, family, list);
}

void egress_proxy(const struct state *state, struct object_list *list)
{
	struct netlink netlink;
	bool any = false;
	for (size_t i = 0; i < state->n_networks; i++)
		any |= is_found_by_proxy(state->networks[i]);
	if (!any || netlink_open(&netlink, NETLINK_ROUTE, NULL) < 0)
		return;
	for (size_t i = 0; i < state->n_networks; i++) {
		if (!is_found_by_proxy(state->networks[i]))
			continue;
		proxy_one(&netlink, state->networks[i], AF_INET, list);
		proxy_one(&netlink, state->networks[i], AF_INET6, list);
	}
	netlink_close(&netlink);
}

static bool follows_uplink(const struct network *network)
{
	return network->mtu == 0 &&
	       (network->mode == NETWORK_NAT || network->mode == NETWORK_ROUTED ||
		network->mode == NETWORK_OPEN);
}

static void fit(struct object *object, const struct network *network, uint32_t mtu)
{
	uint32_t least = ip_is_set(&network->ipv6[0]) && mtu < MTU_IPV6 ? MTU_IPV6 : mtu;
	if (object->kind == OBJECT_BRIDGE && object->bridge.mtu > least)
		object->bridge.mtu = least;
	if (object->kind == OBJECT_SERVICE && object->service.mtu > least)
		object->service.mtu = least;
}

/* The smallest MTU of the interfaces by which the default routes lead; 0: none. */
static uint32_t uplink_mtu(void)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct netlink netlink;
	uint32_t mtu = 0;
	if (netlink_open(&netlink, NETLINK_ROUTE, NULL) < 0)
		return 0;
	for (size_t i = 0; i < 2; i++) {
		struct link link;
		int ifindex = 0;
		if (route_default(&netlink, families[i], &ifindex, NULL) == 0 && ifindex > 0 &&
		    link_get_index(&netlink, ifindex, &link, NULL) == 0 &&
		    (mtu == 0 || link.mtu < mtu))
			mtu = link.mtu;
	}
	netlink_close(&netlink);
	return mtu;
}

void egress_fit(const struct state *state, struct object_list *list)
{
	bool follows = false;
	for (size_t i = 0; i < state->n_networks; i++)
		follows |= follows_uplink(state->networks[i]);
	uint32_t mtu = follows ? uplink_mtu() : 0;
	for (size_t i = 0; i < list->count && mtu >= MTU_LEAST && mtu < MTU_DEFAULT; i++)
		for (size_t j = 0; j < state->n_networks; j++)
			if (state->networks[j]->id == list->items[i].network &&
			    follows_uplink(state->networks[j]))
				fit(&list->items[i], state->networks[j], mtu);
}

void egress_via(const struct state *state, struct object_list *list)
{
	for (size_t i = 0; i < state->n_networks; i++)
		for (size_t j = 0; j < NETWORK_VIAS && state->networks[i]->via[j][0]; j++)
			go_via(state->networks[i], state->networks[i]->via[j], list);
}

void egress_translate(const struct state *state, struct object_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct object *object = &list->items[i];
		if (object->kind != OBJECT_FILTER || object->filter.mode != NETWORK_ROUTED)
			continue;
		for (size_t j = 0; j < state->n_networks; j++)
			if (state->networks[j]->id == object->network)
				object_filter_translate(state->networks[j], &object->filter);
	}
}
