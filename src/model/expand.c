/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From definitions to objects: what each network and each live port wants of the machine. The list
 * comes out in plan's order (kind by kind, names of interfaces ascending), so that plan has nothing
 * to sort.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "model/object.h"

#define MTU_DEFAULT 1500
/* Seconds, while a change is planned: dnsmasq's least, half of which a machine waits until it asks.
 */
#define LEASE_SHORT 120

/* What the others say matters for peers. */
struct definitions {
	struct network *const *networks;
	size_t n_networks;
};

static bool is_on(const struct ip *subnets)
{
	return ip_is_set(&subnets[0]);
}

static uint32_t mtu_of(const struct network *network)
{
	return network->mtu ? network->mtu : MTU_DEFAULT;
}

static void set_ifname(char *member, const struct network *network)
{
	snprintf(member, IFNAMSIZ, "%s", network->ifname);
}

/* Everything that is ours, which of somebody's bridge is nothing but the ports. */
static bool is_ours(const struct network *network)
{
	return network->mode != NETWORK_BRIDGED;
}

/* An isolated network is a router only between peers. */
static bool forwards(const struct network *network, const struct definitions *all)
{
	if (network->mode == NETWORK_ISOLATED)
		return network_has_peers(network, all->networks, all->n_networks);
	return is_ours(network);
}

/* What the services can do depends on the families that are there. */
static uint32_t service_flags(const struct network *network, const struct definitions *all)
{
	bool ipv4 = is_on(network->ipv4), ipv6 = is_on(network->ipv6);
	uint32_t flags = 0;
	if (network->dhcp && (ipv4 || ipv6))
		flags |= SERVICE_DHCP;
	if (network->dns && (ipv4 || ipv6))
		flags |= SERVICE_DNS;
	if (network->ra && ipv6)
		flags |= SERVICE_RA;
	if (flags & SERVICE_DHCP && ipv6 && network->dhcp6_stateless)
		flags |= SERVICE_STATELESS;
	if (flags && !forwards(network, all))
		flags |= SERVICE_NO_ROUTER;
	if (flags && network->mode == NETWORK_ISOLATED)
		flags |= SERVICE_NO_UPSTREAM;
	return flags;
}

static void expand_bridge(const struct network *network, const struct definitions *all,
			  struct object_list *ret)
{
	(void)all;
	if (!is_ours(network) && !network->uplink[0])
		return;
	struct object_bridge *bridge = &object_list_add(ret, OBJECT_BRIDGE, network->id)->bridge;
	char text[NAME_SIZE + 16];
	snprintf(text, sizeof(text), "bridge:%s", network->name);
	set_ifname(bridge->ifname, network);
	bridge->mac = mac_hash(text, 0);
	bridge->up = 1;
	bridge->carrier = 1;
	bridge->mtu = mtu_of(network);
	bridge->vlan_filtering = network->vlan_filtering;
}

static void add_address(const struct network *network, const struct ip *ip, struct object_list *ret)
{
	struct object_address *address =
		&object_list_add(ret, OBJECT_ADDRESS, network->id)->address;
	set_ifname(address->ifname, network);
	address->address = *ip;
}

/* fe80::1 is the router that the advertisements name, the same on every network. */
static void expand_addresses(const struct network *network, const struct definitions *all,
			     struct object_list *ret)
{
	static const struct ip link_local = {
		.family = AF_INET6, .length = 64, .bytes = {0xfe, 0x80, [15] = 1}};
	(void)all;
	if (!is_ours(network))
		return;
	for (size_t i = 0; i < NETWORK_SUBNETS && ip_is_set(&network->ipv4[i]); i++)
		add_address(network, &network->ipv4[i], ret);
	for (size_t i = 0; i < NETWORK_SUBNETS && ip_is_set(&network->ipv6[i]); i++)
		add_address(network, &network->ipv6[i], ret);
	for (size_t i = 0; i < 2 * NETWORK_SUBNETS; i++)
		if (ip_is_set(&network->leaving[i].address))
			add_address(network, &network->leaving[i].address, ret);
	if (is_on(network->ipv6))
		add_address(network, &link_local, ret);
}

static void expand_routes(const struct network *network, const struct definitions *all,
			  struct object_list *ret)
{
	(void)all;
	if (!is_ours(network))
		return;
	for (size_t i = 0; i < NETWORK_ROUTES && ip_is_set(&network->routes[i].to); i++) {
		struct object_route *route =
			&object_list_add(ret, OBJECT_ROUTE, network->id)->route;
		set_ifname(route->ifname, network);
		route->to = network->routes[i].to;
		route->via = network->routes[i].via;
	}
}

/* Also where it is off: the kernel's default for new interfaces may be on. */
static void expand_forwarding(const struct network *network, const struct definitions *all,
			      struct object_list *ret)
{
	if (!is_ours(network))
		return;
	struct object_forwarding *forwarding =
		&object_list_add(ret, OBJECT_FORWARDING, network->id)->forwarding;
	set_ifname(forwarding->ifname, network);
	forwarding->ipv4 = forwards(network, all) && is_on(network->ipv4);
	forwarding->ipv6 = forwards(network, all) && is_on(network->ipv6);
}

static int by_prefix(const void *a, const void *b)
{
	return ip_compare(a, b);
}

static void add_prefix(struct object_filter *filter, size_t *n, const struct ip *prefix)
{
	for (size_t i = 0; i < *n; i++)
		if (ip_overlaps(&filter->nat[i], prefix))
			return;
	if (ip_is_set(prefix) && *n < FILTER_PREFIXES)
		filter->nat[(*n)++] = ip_network(prefix);
}

/* Those that are leaving, and those behind its machines, too. */
void object_filter_translate(const struct network *network, struct object_filter *filter)
{
	size_t n = 0;
	for (size_t i = 0; i < NETWORK_SUBNETS; i++)
		add_prefix(filter, &n, &network->ipv4[i]);
	for (size_t i = 0; i < NETWORK_SUBNETS; i++)
		add_prefix(filter, &n, &network->ipv6[i]);
	for (size_t i = 0; i < 2 * NETWORK_SUBNETS; i++)
		add_prefix(filter, &n, &network->leaving[i].address);
	for (size_t i = 0; i < NETWORK_ROUTES; i++)
		add_prefix(filter, &n, &network->routes[i].to);
	qsort(filter->nat, n, sizeof(filter->nat[0]), by_prefix);
}

static int by_text(const void *a, const void *b)
{
	return strncmp(a, b, IFNAMSIZ);
}

/* A pair that both name is the one's whose interface comes first. */
static void add_peers(const struct network *network, const struct definitions *all,
		      struct object_filter *filter)
{
	size_t n = 0;
	for (size_t i = 0; network->peers[0][0] && i < all->n_networks; i++) {
		const struct network *other = all->networks[i];
		if (other == network || !network_has_peer(network, other->name) ||
		    other->mode == NETWORK_OPEN || other->mode == NETWORK_BRIDGED)
			continue;
		if (network_has_peer(other, network->name) &&
		    strncmp(other->ifname, network->ifname, IFNAMSIZ) < 0)
			continue;
		set_ifname(filter->peers[n++], other);
	}
	qsort(filter->peers, n, IFNAMSIZ, by_text);
}

static void expand_filter(const struct network *network, const struct definitions *all,
			  struct object_list *ret)
{
	if (network->mode == NETWORK_OPEN || (!is_ours(network) && !network_is_guarded(network)))
		return;
	struct object_filter *filter = &object_list_add(ret, OBJECT_FILTER, network->id)->filter;
	set_ifname(filter->ifname, network);
	filter->mode = (uint8_t)network->mode;
	add_peers(network, all, filter);
	if (network->mode == NETWORK_NAT)
		object_filter_translate(network, filter);
}

static void expand_names(const struct network *network, const struct definitions *all,
			 struct object_list *ret)
{
	if (!service_flags(network, all))
		return;
	for (size_t i = 0; i < network->n_reservations; i++) {
		const struct reservation *reservation = &network->reservations[i];
		struct object_name *name = &object_list_add(ret, OBJECT_NAME, network->id)->name;
		snprintf(name->name, sizeof(name->name), "%s", reservation->name);
		name->mac = reservation->mac;
		name->ipv4 = reservation->ipv4;
		name->ipv6 = reservation->ipv6;
	}
}

static void expand_service(const struct network *network, const struct definitions *all,
			   struct object_list *ret)
{
	uint32_t flags = service_flags(network, all);
	if (!flags)
		return;
	struct object_service *service =
		&object_list_add(ret, OBJECT_SERVICE, network->id)->service;
	const struct ip *left4 = network_left(network, AF_INET);
	const struct ip *left6 = network_left(network, AF_INET6);
	set_ifname(service->ifname, network);
	service->flags = flags;
	service->ipv4 = network->ipv4[0];
	service->ipv6 = network->ipv6[0];
	if (flags & SERVICE_DHCP && is_on(network->ipv4)) {
		service->first = network->dhcp_first;
		service->last = network->dhcp_last;
	}
	if (flags & SERVICE_DHCP && is_on(network->ipv6)) {
		service->first6 = network->dhcp6_first;
		service->last6 = network->dhcp6_last;
	}
	if (is_on(network->ipv6))
		memcpy(service->more6, &network->ipv6[1], sizeof(service->more6));
	if (left4)
		service->left4 = *left4;
	if (left6)
		service->left6 = *left6;
	service->lease_seconds = network->lease_seconds;
	if (network->planned_at && service->lease_seconds > LEASE_SHORT)
		service->lease_seconds = LEASE_SHORT;
	if (flags & SERVICE_DHCP)
		service->extra = network->dhcp_extra;
	service->mtu = mtu_of(network);
	memcpy(service->forwarders, network->forwarders, sizeof(service->forwarders));
	snprintf(service->domain, sizeof(service->domain), "%s", network->domain);
}

/* The end on the switch, which for the kernel is on none where that is Open vSwitch's. An adopted
 * interface keeps the address that its maker gave it: not compared. A port whose network is not
 * there has no bridge. */
static void expand_port(const struct port *port, const struct network *network,
			struct object_list *ret)
{
	struct object_port *object =
		&object_list_add(ret, OBJECT_PORT, network ? network->id : 0)->port;
	snprintf(object->ifname, sizeof(object->ifname), "%s", port->ifname);
	if (network && !network->openvswitch)
		set_ifname(object->bridge, network);
	object->kind = (uint8_t)port->kind;
	object->up = !port->down;
	object->isolated = port->isolated && !(network && network->openvswitch);
	object->persistent = port->kind == PORT_TAP_NAMED;
	object->owner = port->kind == PORT_TAP_NAMED ? port->owner : (uint32_t)-1;
	object->group = port->kind == PORT_TAP_NAMED ? port->group : (uint32_t)-1;
	if (port->kind != PORT_ADOPT) {
		object->hwaddr = port_hwaddr(port);
		object->guarded = network && network_is_guarded(network);
	}
	if (network && !network->openvswitch)
		object->vlans = port->vlans;
	object->queues = port->queues;
	if (port->kind != PORT_ADOPT)
		object->mtu = network ? mtu_of(network) : MTU_DEFAULT;
	snprintf(object->peer, sizeof(object->peer), "%s", port->peer);
	if (object->peer[0])
		object->peer_mac = port->mac;
}

static void expand_rate(const struct port *port, const struct network *network,
			struct object_list *ret)
{
	if (!port->rate_in && !port->rate_out)
		return;
	struct object_rate *rate =
		&object_list_add(ret, OBJECT_RATE, network ? network->id : 0)->rate;
	snprintf(rate->ifname, sizeof(rate->ifname), "%s", port->ifname);
	rate->in = port->rate_in;
	rate->out = port->rate_out;
}

static void expand_member(const struct port *port, const struct network *network,
			  struct object_list *ret)
{
	if (!network || !network->openvswitch)
		return;
	struct object_member *member = &object_list_add(ret, OBJECT_MEMBER, network->id)->member;
	snprintf(member->ifname, sizeof(member->ifname), "%s", port->ifname);
	set_ifname(member->bridge, network);
	member->isolated = port->isolated;
	member->vlans = port->vlans;
}

void object_expand_port(const struct port *port, const struct network *network,
			struct object_list *ret)
{
	expand_port(port, network, ret);
	expand_rate(port, network, ret);
	expand_member(port, network, ret);
}

static int by_ifname(const void *a, const void *b)
{
	const struct network *const *one = a, *const *other = b;
	return strncmp((*one)->ifname, (*other)->ifname, IFNAMSIZ);
}

static int by_name(const void *a, const void *b)
{
	const struct network *const *one = a, *const *other = b;
	return strcmp((*one)->name, (*other)->name);
}

static const struct network *find(struct network *const *by_names, size_t n_networks,
				  const char *name)
{
	size_t first = 0, end = n_networks;
	while (first < end) {
		size_t middle = (first + end) / 2;
		int order = strcmp(by_names[middle]->name, name);
		if (order == 0)
			return by_names[middle];
		if (order < 0)
			first = middle + 1;
		else
			end = middle;
	}
	return NULL;
}

static int by_id(const void *a, const void *b)
{
	const struct network *const *one = a, *const *other = b;
	return ((*one)->id > (*other)->id) - ((*one)->id < (*other)->id);
}

static int by_port(const void *a, const void *b)
{
	const struct port *const *one = a, *const *other = b;
	return strncmp((*one)->ifname, (*other)->ifname, IFNAMSIZ);
}

/* A copy of the pointers, which the caller frees. */
static void *sorted_copy(const void *pointers, size_t n, int (*compare)(const void *, const void *))
{
	void *copy = memory_zero(n, sizeof(void *));
	if (n > 0) {
		memcpy(copy, pointers, n * sizeof(void *));
		qsort(copy, n, sizeof(void *), compare);
	}
	return copy;
}

static const struct {
	void (*expand)(const struct network *network, const struct definitions *all,
		       struct object_list *ret);
	int (*order)(const void *a, const void *b); /* plan's */
} expanders[] = {
	{expand_bridge, by_ifname},	{expand_addresses, by_ifname}, {expand_routes, by_ifname},
	{expand_forwarding, by_ifname}, {expand_filter, by_ifname},    {expand_names, by_id},
	{expand_service, by_ifname},
};

void object_expand(struct network *const *networks, size_t n_networks, struct port *const *ports,
		   size_t n_ports, struct object_list *ret)
{
	struct definitions all = {networks, n_networks};
	for (size_t i = 0; i < sizeof(expanders) / sizeof(expanders[0]); i++) {
		AUTO_FREE struct network **sorted =
			sorted_copy(networks, n_networks, expanders[i].order);
		for (size_t j = 0; j < n_networks; j++)
			expanders[i].expand(sorted[j], &all, ret);
	}
	AUTO_FREE struct network **by_names = sorted_copy(networks, n_networks, by_name);
	AUTO_FREE struct port **by_ports = sorted_copy(ports, n_ports, by_port);
	static void (*const port_expanders[])(
		const struct port *port, const struct network *network,
		struct object_list *ret) = {expand_port, expand_rate, expand_member};
	for (size_t i = 0; i < sizeof(port_expanders) / sizeof(port_expanders[0]); i++)
		for (size_t j = 0; j < n_ports; j++)
			port_expanders[i](by_ports[j],
					  find(by_names, n_networks, by_ports[j]->network), ret);
	object_list_sort(ret);
}
