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

static bool forwards(const struct network *network)
{
	return network->mode == NETWORK_NAT || network->mode == NETWORK_ROUTED ||
	       network->mode == NETWORK_OPEN;
}

/* What the services can do depends on the families that are there. */
static uint32_t service_flags(const struct network *network)
{
	bool ipv4 = is_on(network->ipv4), ipv6 = is_on(network->ipv6);
	uint32_t flags = 0;
	if (network->dhcp && (ipv4 || ipv6))
		flags |= SERVICE_DHCP;
	if (network->dns && (ipv4 || ipv6))
		flags |= SERVICE_DNS;
	if (network->ra && ipv6)
		flags |= SERVICE_RA;
	return flags;
}

static void expand_bridge(const struct network *network, struct object_list *ret)
{
	struct object_bridge *bridge = &object_list_add(ret, OBJECT_BRIDGE, network->id)->bridge;
	char text[NAME_SIZE + 16];
	snprintf(text, sizeof(text), "bridge:%s", network->name);
	set_ifname(bridge->ifname, network);
	bridge->mac = mac_hash(text, 0);
	bridge->up = 1;
	bridge->carrier = 1;
	bridge->mtu = mtu_of(network);
}

static void add_address(const struct network *network, const struct ip *ip, struct object_list *ret)
{
	struct object_address *address =
		&object_list_add(ret, OBJECT_ADDRESS, network->id)->address;
	set_ifname(address->ifname, network);
	address->address = *ip;
}

/* fe80::1 is the router that the advertisements name, the same on every network. */
static void expand_addresses(const struct network *network, struct object_list *ret)
{
	static const struct ip link_local = {
		.family = AF_INET6, .length = 64, .bytes = {0xfe, 0x80, [15] = 1}};
	for (size_t i = 0; i < NETWORK_SUBNETS && ip_is_set(&network->ipv4[i]); i++)
		add_address(network, &network->ipv4[i], ret);
	for (size_t i = 0; i < NETWORK_SUBNETS && ip_is_set(&network->ipv6[i]); i++)
		add_address(network, &network->ipv6[i], ret);
	if (is_on(network->ipv6))
		add_address(network, &link_local, ret);
}

/* Also where it is off: the kernel's default for new interfaces may be on. */
static void expand_forwarding(const struct network *network, struct object_list *ret)
{
	struct object_forwarding *forwarding =
		&object_list_add(ret, OBJECT_FORWARDING, network->id)->forwarding;
	set_ifname(forwarding->ifname, network);
	forwarding->ipv4 = forwards(network) && is_on(network->ipv4);
	forwarding->ipv6 = forwards(network) && is_on(network->ipv6);
}

static void expand_filter(const struct network *network, struct object_list *ret)
{
	if (network->mode == NETWORK_OPEN)
		return;
	struct object_filter *filter = &object_list_add(ret, OBJECT_FILTER, network->id)->filter;
	set_ifname(filter->ifname, network);
	filter->mode = (uint8_t)network->mode;
	if (network->mode != NETWORK_NAT)
		return;
	if (is_on(network->ipv4))
		filter->nat4 = ip_network(&network->ipv4[0]);
	if (is_on(network->ipv6))
		filter->nat6 = ip_network(&network->ipv6[0]);
}

static void expand_names(const struct network *network, struct object_list *ret)
{
	if (!service_flags(network))
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

static void expand_service(const struct network *network, struct object_list *ret)
{
	uint32_t flags = service_flags(network);
	if (!flags)
		return;
	struct object_service *service =
		&object_list_add(ret, OBJECT_SERVICE, network->id)->service;
	set_ifname(service->ifname, network);
	service->flags = flags;
	service->ipv4 = network->ipv4[0];
	service->ipv6 = network->ipv6[0];
	if (flags & SERVICE_DHCP && is_on(network->ipv4)) {
		service->first = network->dhcp_first;
		service->last = network->dhcp_last;
	}
	service->lease_seconds = network->lease_seconds;
	service->mtu = mtu_of(network);
	memcpy(service->forwarders, network->forwarders, sizeof(service->forwarders));
	snprintf(service->domain, sizeof(service->domain), "%s", network->domain);
}

/* The end on the switch. An adopted interface keeps the address that its maker gave it: not
 * compared. A port whose network is not there has no bridge. */
static void expand_port(const struct port *port, const struct network *network,
			struct object_list *ret)
{
	struct object_port *object =
		&object_list_add(ret, OBJECT_PORT, network ? network->id : 0)->port;
	snprintf(object->ifname, sizeof(object->ifname), "%s", port->ifname);
	if (network)
		set_ifname(object->bridge, network);
	object->kind = (uint8_t)port->kind;
	object->up = !port->down;
	object->isolated = port->isolated;
	object->persistent = port->kind == PORT_TAP_NAMED;
	object->owner = port->kind == PORT_TAP_NAMED ? port->owner : (uint32_t)-1;
	object->group = port->kind == PORT_TAP_NAMED ? port->group : (uint32_t)-1;
	if (port->kind != PORT_ADOPT)
		object->hwaddr = port_hwaddr(port);
	object->queues = port->queues;
	object->mtu = network ? mtu_of(network) : MTU_DEFAULT;
	snprintf(object->peer, sizeof(object->peer), "%s", port->peer);
	if (object->peer[0])
		object->peer_mac = port->mac;
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
	void (*expand)(const struct network *network, struct object_list *ret);
	int (*order)(const void *a, const void *b); /* plan's */
} expanders[] = {
	{expand_bridge, by_ifname}, {expand_addresses, by_ifname}, {expand_forwarding, by_ifname},
	{expand_filter, by_ifname}, {expand_names, by_id},	   {expand_service, by_ifname},
};

void object_expand(struct network *const *networks, size_t n_networks, struct port *const *ports,
		   size_t n_ports, struct object_list *ret)
{
	for (size_t i = 0; i < sizeof(expanders) / sizeof(expanders[0]); i++) {
		AUTO_FREE struct network **sorted =
			sorted_copy(networks, n_networks, expanders[i].order);
		for (size_t j = 0; j < n_networks; j++)
			expanders[i].expand(sorted[j], ret);
	}
	AUTO_FREE struct network **by_names = sorted_copy(networks, n_networks, by_name);
	AUTO_FREE struct port **by_ports = sorted_copy(ports, n_ports, by_port);
	for (size_t i = 0; i < n_ports; i++)
		expand_port(by_ports[i], find(by_names, n_networks, by_ports[i]->network), ret);
	object_list_sort(ret);
}
