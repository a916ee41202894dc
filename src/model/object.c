/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kinds of object, their order, and what people are told of them. */
#include "model/object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "model/object_host.h"

#define TEXT_SIZE 256 /* object_describe */

const struct object_type object_types[OBJECT_KINDS] = {
	[OBJECT_BRIDGE] = {"bridge", sizeof(struct object_bridge), IFNAMSIZ,
			   sizeof(struct object_bridge)},
	[OBJECT_ADDRESS] = {"address", sizeof(struct object_address), sizeof(struct object_address),
			    sizeof(struct object_address)},
	[OBJECT_ROUTE] = {"route", sizeof(struct object_route), offsetof(struct object_route, via),
			  sizeof(struct object_route)},
	[OBJECT_FORWARDING] = {"forwarding", sizeof(struct object_forwarding), IFNAMSIZ,
			       sizeof(struct object_forwarding)},
	[OBJECT_PROXY] = {"proxy", sizeof(struct object_proxy), sizeof(struct object_proxy),
			  sizeof(struct object_proxy)},
	[OBJECT_FILTER] = {"filter", sizeof(struct object_filter), IFNAMSIZ,
			   sizeof(struct object_filter)},
	[OBJECT_PERMIT] = {"permit", sizeof(struct object_permit),
			   offsetof(struct object_permit, parts), sizeof(struct object_permit)},
	[OBJECT_NAME] = {"name", sizeof(struct object_name), NAME_SIZE, sizeof(struct object_name)},
	[OBJECT_SERVICE] = {"service", sizeof(struct object_service), IFNAMSIZ,
			    sizeof(struct object_service)},
	[OBJECT_PORT] = {"port", sizeof(struct object_port), IFNAMSIZ,
			 offsetof(struct object_port, queues)},
	[OBJECT_RATE] = {"rate", sizeof(struct object_rate), IFNAMSIZ, sizeof(struct object_rate)},
	[OBJECT_MEMBER] = {"member", sizeof(struct object_member), IFNAMSIZ,
			   sizeof(struct object_member)},
	[OBJECT_UPLINK] = {"uplink", sizeof(struct object_uplink), IFNAMSIZ,
			   offsetof(struct object_uplink, confirmed)},
	[OBJECT_HOST_LINK] = {"host-link", sizeof(struct object_host_link), IFNAMSIZ,
			      sizeof(struct object_host_link)},
	[OBJECT_HOST_ADDRESS] = {"host-address", sizeof(struct object_host),
				 offsetof(struct object_host, valid_until),
				 offsetof(struct object_host, valid_until)},
	[OBJECT_HOST_ROUTE] = {"host-route", sizeof(struct object_host),
			       offsetof(struct object_host, valid_until),
			       offsetof(struct object_host, valid_until)},
	[OBJECT_HOST_RULE] = {"host-rule", sizeof(struct object_host),
			      offsetof(struct object_host, valid_until),
			      offsetof(struct object_host, valid_until)},
};

static const void *body(const struct object *object)
{
	return &object->bridge;
}

void object_list_done(struct object_list *list)
{
	if (!list)
		return;
	free(list->items);
	*list = (struct object_list){0};
}

struct object *object_list_add(struct object_list *list, enum object_kind kind, uint32_t network)
{
	list->items = memory_grow(list->items, &list->room, list->count + 1, sizeof(*list->items));
	struct object *object = &list->items[list->count++];
	memset(object, 0, sizeof(*object));
	object->kind = (uint16_t)kind;
	object->network = network;
	return object;
}

int object_compare_key(const struct object *a, const struct object *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->kind == OBJECT_NAME && a->network != b->network)
		return a->network < b->network ? -1 : 1;
	return memcmp(body(a), body(b), object_types[a->kind].key_size);
}

static int compare(const void *a, const void *b)
{
	return object_compare_key(a, b);
}

void object_list_sort(struct object_list *list)
{
	for (size_t i = 1; i < list->count; i++) {
		if (object_compare_key(&list->items[i - 1], &list->items[i]) > 0) {
			qsort(list->items, list->count, sizeof(*list->items), compare);
			return;
		}
	}
}

const struct object *object_list_find(const struct object_list *list, const struct object *key)
{
	return list->count ? bsearch(key, list->items, list->count, sizeof(*key), compare) : NULL;
}

bool object_is_same(const struct object *a, const struct object *b)
{
	if (a->kind != b->kind)
		return false;
	bool tagged =
		a->kind == OBJECT_BRIDGE || a->kind == OBJECT_PORT || a->kind == OBJECT_MEMBER;
	if ((tagged || a->kind == OBJECT_NAME) && a->network != b->network)
		return false;
	struct object copy;
	if (a->kind == OBJECT_PORT) {
		copy = *b;
		if (!mac_is_set(&a->port.hwaddr) || !mac_is_set(&b->port.hwaddr))
			copy.port.hwaddr = a->port.hwaddr;
		if (a->port.mtu <= b->port.mtu || !b->port.mtu)
			copy.port.mtu = a->port.mtu;
		b = &copy;
	}
	return !memcmp(body(a), body(b), object_types[a->kind].compare_size);
}

/* Descriptions */

static void describe_address(const struct object *object, char *text)
{
	char ip[IP_TEXT_SIZE];
	snprintf(text, TEXT_SIZE, "address %s on %s",
		 ip_format_prefix(&object->address.address, ip), object->address.ifname);
}

static void describe_route(const struct object *object, char *text)
{
	char to[IP_TEXT_SIZE], via[IP_TEXT_SIZE];
	snprintf(text, TEXT_SIZE, "route to %s by %s on %s",
		 ip_format_prefix(&object->route.to, to), ip_format(&object->route.via, via),
		 object->route.ifname);
}

static void describe_proxy(const struct object *object, char *text)
{
	char ip[IP_TEXT_SIZE];
	snprintf(text, TEXT_SIZE, "proxy for %s on %s", ip_format(&object->proxy.address, ip),
		 object->proxy.ifname);
}

static void describe_filter(const struct object *object, char *text)
{
	const char *mode = object->filter.mode == FILTER_FENCE
				   ? "for our networks only"
				   : network_mode_name(object->filter.mode);
	snprintf(text, TEXT_SIZE, "filter on %s (%s)", object->filter.ifname, mode);
}

const char *permit_owner_name(unsigned owner)
{
	static const char *const names[PERMIT_OWNERS] = {
		[PERMIT_DOCKER] = "Docker",
		[PERMIT_DOCKER6] = "Docker (IPv6)",
		[PERMIT_UFW] = "ufw",
		[PERMIT_FIREWALLD] = "firewalld",
	};
	return owner < PERMIT_OWNERS ? names[owner] : "?";
}

void permit_zone_name(const char *instance, char ret[PERMIT_ZONE_SIZE])
{
	if (strcmp(instance, "default") == 0)
		snprintf(ret, PERMIT_ZONE_SIZE, "lanyard");
	else
		snprintf(ret, PERMIT_ZONE_SIZE, "ly-%.10s", instance);
}

static void describe_permit(const struct object *object, char *text)
{
	snprintf(text, TEXT_SIZE, "permit of %s for %s", permit_owner_name(object->permit.owner),
		 object->permit.ifname);
}

static void describe_name(const struct object *object, char *text)
{
	const struct object_name *name = &object->name;
	const struct ip *all[] = {&name->ipv4, &name->ipv6};
	int used = snprintf(text, TEXT_SIZE, "name %s", name->name);
	for (size_t i = 0; i < 2; i++) {
		char ip[IP_TEXT_SIZE];
		if (ip_is_set(all[i]))
			used += snprintf(text + used, TEXT_SIZE - (size_t)used, " %s",
					 ip_format(all[i], ip));
	}
}

static void describe_service(const struct object *object, char *text)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} flags[] = {{SERVICE_DHCP, "DHCP"}, {SERVICE_DNS, "DNS"}, {SERVICE_RA, "RA"}};
	int used = snprintf(text, TEXT_SIZE, "service on %s (", object->service.ifname);
	const char *gap = "";
	for (size_t i = 0; i < 3; i++) {
		if (!(object->service.flags & flags[i].flag))
			continue;
		used += snprintf(text + used, TEXT_SIZE - (size_t)used, "%s%s", gap, flags[i].name);
		gap = ", ";
	}
	snprintf(text + used, TEXT_SIZE - (size_t)used, ")");
}

static void describe_port(const struct object *object, char *text)
{
	const struct object_port *port = &object->port;
	if (port->bridge[0])
		snprintf(text, TEXT_SIZE, "port %s on %s", port->ifname, port->bridge);
	else
		snprintf(text, TEXT_SIZE, "port %s", port->ifname);
}

static void describe_rate(const struct object *object, char *text)
{
	snprintf(text, TEXT_SIZE, "rate of %s", object->rate.ifname);
}

static void describe_member(const struct object *object, char *text)
{
	snprintf(text, TEXT_SIZE, "Open vSwitch port %s on %s", object->member.ifname,
		 object->member.bridge);
}

static void describe_bridge(const struct object *object, char *text)
{
	snprintf(text, TEXT_SIZE, "bridge %s", object->bridge.ifname);
}

static void describe_forwarding(const struct object *object, char *text)
{
	snprintf(text, TEXT_SIZE, "forwarding on %s", object->forwarding.ifname);
}

static void describe_uplink(const struct object *object, char *text)
{
	snprintf(text, TEXT_SIZE, "uplink %s on %s", object->uplink.ifname, object->uplink.bridge);
}

static void describe_host(const struct object *object, char *text)
{
	object_host_describe(object, text, TEXT_SIZE);
}

static void (*const describers[OBJECT_KINDS])(const struct object *object, char *text) = {
	[OBJECT_BRIDGE] = describe_bridge,     [OBJECT_ADDRESS] = describe_address,
	[OBJECT_ROUTE] = describe_route,       [OBJECT_FORWARDING] = describe_forwarding,
	[OBJECT_PROXY] = describe_proxy,       [OBJECT_FILTER] = describe_filter,
	[OBJECT_PERMIT] = describe_permit,     [OBJECT_NAME] = describe_name,
	[OBJECT_SERVICE] = describe_service,   [OBJECT_PORT] = describe_port,
	[OBJECT_RATE] = describe_rate,	       [OBJECT_MEMBER] = describe_member,
	[OBJECT_UPLINK] = describe_uplink,     [OBJECT_HOST_LINK] = describe_host,
	[OBJECT_HOST_ADDRESS] = describe_host, [OBJECT_HOST_ROUTE] = describe_host,
	[OBJECT_HOST_RULE] = describe_host,
};

const char *object_describe(const struct object *object, char *text)
{
	if (object->kind < OBJECT_KINDS)
		describers[object->kind](object, text);
	else
		snprintf(text, TEXT_SIZE, "object of the unknown kind %u", object->kind);
	return text;
}
