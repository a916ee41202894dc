/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is there: the kernel's state as objects, and the comparison with what was known of it. */
#include "executor/operations.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "executor/operation_uplink.h"
#include "kern/address.h"
#include "kern/firewall_guard.h"
#include "kern/sysctl.h"
#include "kern/vlan_list.h"

struct dump {
	struct operations *operations;
	struct object_list *ret;
	struct link_list list;
};

static void dump_bridge(struct dump *dump, const struct link *link, const struct label *label)
{
	struct object_bridge *bridge =
		&object_list_add(dump->ret, OBJECT_BRIDGE, label->network)->bridge;
	memcpy(bridge->ifname, link->name, strlen(link->name));
	bridge->mac = link->mac;
	bridge->up = link->up;
	bridge->carrier = link->carrier;
	bridge->mtu = link->mtu;
	bridge->stp = link->stp;
	bridge->vlan_filtering =
		link->vlan_filtering && /* with an uplink it is the host's affair */
		!adoptions_is_bridge(&dump->operations->adoptions, link->name);
}

/* A tap's owner that we chose because nobody was asked for counts as none. */
static bool is_own(const struct link *link, const struct label *label)
{
	return (label->kind == PORT_TAP || label->is_unowned) && link->owner == geteuid();
}

static void dump_port(struct dump *dump, const struct link *link, const struct label *label)
{
	struct object_port *port = &object_list_add(dump->ret, OBJECT_PORT, label->network)->port;
	const struct link *master =
		link->master ? link_list_index(&dump->list, link->master) : NULL;
	memcpy(port->ifname, link->name, strlen(link->name));
	if (master)
		memcpy(port->bridge, master->name, strlen(master->name));
	port->kind = (uint8_t)label->kind;
	port->up = link->up;
	port->isolated = link->isolated;
	port->mtu = label->kind == PORT_ADOPT ? 0 : link->mtu;
	port->guarded = label->kind != PORT_ADOPT && link->group == GUARD_GROUP;
	port->owner = port->group = (uint32_t)-1;
	if (label->kind == PORT_TAP || label->kind == PORT_TAP_NAMED) {
		port->persistent = link->persistent;
		port->owner = is_own(link, label) ? (uint32_t)-1 : link->owner;
		port->group = link->tap_group;
	}
	if (label->kind != PORT_ADOPT)
		port->hwaddr = link->mac;
}

static struct object_port *find_port(const struct dump *dump, const char *ifname)
{
	for (size_t i = 0; i < dump->ret->count; i++) {
		struct object *object = &dump->ret->items[i];
		if (object->kind == OBJECT_PORT && strcmp(object->port.ifname, ifname) == 0)
			return &object->port;
	}
	return NULL;
}

/* What is there on a bridge that does not keep VLANs apart is nothing. */
static void read_vlans(const struct dump *dump, const struct vlan_port *found,
		       struct known_link *known, struct object_port *port)
{
	const struct link *bridge = NULL;
	for (size_t i = 0; i < dump->list.count && !bridge; i++)
		if (strcmp(dump->list.items[i].name, port->bridge) == 0)
			bridge = &dump->list.items[i];
	unsigned usual = bridge ? bridge->usual_vlan : VLAN_NOWHERE;
	if (bridge && bridge->vlan_filtering)
		vlans_of_port(found, usual, &port->vlans);
	if (!vlans_are_set(&port->vlans))
		port->vlans.native = VLAN_NOWHERE;
	links_vlans_set(known, &port->vlans, usual);
}

/* All ports of all bridges, if one of ours has some; the caller's. */
static int list_vlans(struct operations *operations, struct vlan_port **ret, size_t *ret_count,
		      struct error *err)
{
	const struct links *links = &operations->links;
	bool any = false;
	*ret = NULL;
	*ret_count = 0;
	for (size_t i = 0; i < links->count; i++)
		any |= links->items[i].label.has_vlans;
	return any ? vlan_list_all(&operations->route, ret, ret_count, err) : 0;
}

/* Of the ports that were given some by us; what somebody has set on others stays. */
static int dump_vlans(struct dump *dump, struct error *err)
{
	const struct links *links = &dump->operations->links;
	struct vlan_port *ports;
	size_t count;
	int result = list_vlans(dump->operations, &ports, &count, err);
	for (size_t i = 0; i < count; i++) {
		struct known_link *known = links_name(links, ports[i].name, LABEL_PORT);
		struct object_port *port =
			known && known->label.has_vlans ? find_port(dump, ports[i].name) : NULL;
		if (port)
			read_vlans(dump, &ports[i], known, port);
	}
	free(ports);
	return result;
}

static int dump_forwarding(struct dump *dump, struct known_link *bridge, struct error *err)
{
	bool ipv4 = false, ipv6 = false;
	int result = sysctl_is_forwarding(bridge->name, AF_INET, &ipv4, err);
	if (result == 0)
		result = sysctl_is_forwarding(bridge->name, AF_INET6, &ipv6, err);
	if (result < 0 && result != -ENOENT)
		return result;
	bridge->forwards[0] = ipv4;
	bridge->forwards[1] = ipv6;
	if (!ipv4 && !ipv6)
		return 0;
	struct object_forwarding *forwarding =
		&object_list_add(dump->ret, OBJECT_FORWARDING, bridge->label.network)->forwarding;
	memcpy(forwarding->ifname, bridge->name, IFNAMSIZ);
	forwarding->ipv4 = ipv4;
	forwarding->ipv6 = ipv6;
	return 0;
}

static int dump_address(int ifindex, const struct ip *address, void *data)
{
	struct dump *dump = data;
	struct known_link *bridge = links_index(&dump->operations->links, ifindex);
	if (!bridge || bridge->label.role != LABEL_BRIDGE ||
	    adoptions_is_bridge(&dump->operations->adoptions, bridge->name))
		return 0;
	struct object_address *object =
		&object_list_add(dump->ret, OBJECT_ADDRESS, bridge->label.network)->address;
	memcpy(object->ifname, bridge->name, IFNAMSIZ);
	object->address = *address;
	links_address_add(bridge, address);
	return 0;
}

static void dump_link(struct dump *dump, const struct link *link)
{
	struct operations *operations = dump->operations;
	struct label label;
	if (!label_parse(link->alias, operations->instance, &label) ||
	    (label.role != LABEL_BRIDGE && label.role != LABEL_PORT))
		return;
	if (label.role == LABEL_BRIDGE)
		dump_bridge(dump, link, &label);
	else
		dump_port(dump, link, &label);
	struct look look = look_of_link(link, &label);
	links_add(&operations->links, link->ifindex, link->name, &label, &look);
}

/* A silent port whose bridge somebody removed, a quiet end whose other end is no port any more. */
static bool is_orphan(const struct dump *dump, const struct link *link)
{
	struct label label;
	if (!label_parse(link->alias, dump->operations->instance, &label))
		return false;
	if (label.role == LABEL_SILENT && !link->master) {
		const struct link *peer = link_list_index(&dump->list, link->peer);
		return !peer || !peer->master;
	}
	return false;
}

static void remove_orphans(const struct dump *dump)
{
	struct error err = {0};
	for (size_t i = 0; i < dump->list.count; i++) {
		const struct link *link = &dump->list.items[i];
		if (!is_orphan(dump, link))
			continue;
		log_info("removing %s, whose bridge is gone", link->name);
		int result = link_delete(&dump->operations->route, link->ifindex, &err);
		if (result < 0 && result != -ENODEV)
			log_warning("%s: %s", link->name, err.text);
	}
}

/* A limit does not say whose it is, its port does. */
static int dump_firewall(struct operations *operations, struct object_list *ret, struct error *err)
{
	size_t first = ret->count;
	int result = firewall_dump(&operations->firewall, ret, err);
	for (size_t i = first; i < ret->count; i++) {
		struct object *object = &ret->items[i];
		if (object->kind != OBJECT_RATE)
			continue;
		const struct known_link *port =
			links_name(&operations->links, object->rate.ifname, LABEL_PORT);
		object->network = port ? port->label.network : 0;
	}
	return result;
}

int operations_dump(struct operations *operations, struct object_list *ret, struct error *err)
{
	struct dump dump = {.operations = operations, .ret = ret};
	int result = link_list_dump(&operations->route, &dump.list, err);
	if (result == 0) {
		links_clear(&operations->links);
		for (size_t i = 0; i < dump.list.count; i++)
			dump_link(&dump, &dump.list.items[i]);
		remove_orphans(&dump);
		result = dump_vlans(&dump, err);
		if (result == 0)
			result = address_dump(&operations->route, dump_address, &dump, err);
		if (result == 0)
			result = operation_route_dump(operations, ret, err);
		if (result == 0)
			result = operation_proxy_dump(operations, ret, err);
	}
	link_list_done(&dump.list);
	for (size_t i = 0; i < operations->links.count && result == 0; i++)
		if (operations->links.items[i].label.role == LABEL_BRIDGE &&
		    !adoptions_is_bridge(&operations->adoptions, operations->links.items[i].name))
			result = dump_forwarding(&dump, &operations->links.items[i], err);
	if (result == 0)
		result = operation_uplink_dump(operations, ret, err);
	if (result == 0)
		result = dump_firewall(operations, ret, err);
	if (result == 0)
		result = operation_permit_dump(operations, ret, err);
	services_dump(&operations->services, ret);
	adoptions_dump(&operations->adoptions, ret);
	return result;
}

static int compare_vlans(struct operations *operations, struct error *err)
{
	struct vlan_port *ports;
	size_t count;
	int result = list_vlans(operations, &ports, &count, err);
	for (size_t i = 0; i < count; i++) {
		struct known_link *known =
			links_name(&operations->links, ports[i].name, LABEL_PORT);
		if (known)
			links_vlans_compare(known, &ports[i]);
	}
	free(ports);
	return result;
}

int operations_compare(struct operations *operations, struct error *err)
{
	struct link_list list = {0};
	struct links *links = &operations->links;
	int result = link_list_dump(&operations->route, &list, err);
	for (size_t i = 0; i < list.count && result == 0; i++)
		links_compare(links, &list.items[i]);
	for (size_t i = 0; i < links->count && result == 0; i++)
		if (!links->items[i].leaving && !link_list_index(&list, links->items[i].ifindex))
			links->changed = true;
	link_list_done(&list);
	return result < 0 ? result : compare_vlans(operations, err);
}
