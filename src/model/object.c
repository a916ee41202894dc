/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kinds of object, their order, and the check that every record goes through on both sides of
 * the executor's socket: what passes object_check cannot hold an unterminated string, a name that
 * is no interface name, or an address of a family that nobody asked for.
 */
#include "model/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/file.h"
#include "model/name.h"

#define TEXT_SIZE 256 /* object_describe */
#define MTU_MIN	  576
#define MTU_MAX	  65535

const struct object_type object_types[OBJECT_KINDS] = {
	[OBJECT_BRIDGE] = {"bridge", sizeof(struct object_bridge), IFNAMSIZ,
			   sizeof(struct object_bridge)},
	[OBJECT_ADDRESS] = {"address", sizeof(struct object_address), sizeof(struct object_address),
			    sizeof(struct object_address)},
	[OBJECT_FORWARDING] = {"forwarding", sizeof(struct object_forwarding), IFNAMSIZ,
			       sizeof(struct object_forwarding)},
	[OBJECT_FILTER] = {"filter", sizeof(struct object_filter), IFNAMSIZ,
			   sizeof(struct object_filter)},
	[OBJECT_NAME] = {"name", sizeof(struct object_name), NAME_SIZE, sizeof(struct object_name)},
	[OBJECT_SERVICE] = {"service", sizeof(struct object_service), IFNAMSIZ,
			    sizeof(struct object_service)},
	[OBJECT_PORT] = {"port", sizeof(struct object_port), IFNAMSIZ,
			 offsetof(struct object_port, queues)},
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

bool object_is_same(const struct object *a, const struct object *b)
{
	if (a->kind != b->kind)
		return false;
	bool tagged = a->kind == OBJECT_BRIDGE || a->kind == OBJECT_PORT;
	if ((tagged || a->kind == OBJECT_NAME) && a->network != b->network)
		return false;
	struct object copy;
	if (a->kind == OBJECT_PORT &&
	    (!mac_is_set(&a->port.hwaddr) || !mac_is_set(&b->port.hwaddr))) {
		copy = *b;
		copy.port.hwaddr = a->port.hwaddr;
		b = &copy;
	}
	return !memcmp(body(a), body(b), object_types[a->kind].compare_size);
}

/* Checks: small ones that say false, put together per kind below. */

static bool is_zero(const void *bytes, size_t size)
{
	const uint8_t *byte = bytes;
	for (size_t i = 0; i < size; i++)
		if (byte[i])
			return false;
	return true;
}

/* A terminated text whose rest is zero, so that equal texts are equal bytes. */
static bool is_text(const char *text, size_t size)
{
	size_t length = strnlen(text, size);
	return length < size && is_zero(text + length, size - length);
}

static bool is_ifname(const char text[IFNAMSIZ])
{
	return is_text(text, IFNAMSIZ) && name_is_interface(text);
}

static bool is_flag(uint8_t value)
{
	return value <= 1;
}

/* family 0 is an address that is not there: then everything is zero. */
static bool is_ip(const struct ip *ip, int family, bool host)
{
	if (!ip->family)
		return is_zero(ip, sizeof(*ip));
	unsigned bits = ip->family == AF_INET ? 32 : 128;
	if ((ip->family != AF_INET && ip->family != AF_INET6) || ip->reserved ||
	    (family && ip->family != family) || ip->length > bits || (host && ip->length != bits))
		return false;
	return is_zero(ip->bytes + bits / 8, sizeof(ip->bytes) - bits / 8);
}

static bool is_mtu(uint32_t mtu)
{
	return mtu >= MTU_MIN && mtu <= MTU_MAX;
}

static const char *check_bridge(const struct object *object)
{
	const struct object_bridge *bridge = &object->bridge;
	if (!is_ifname(bridge->ifname))
		return "ifname";
	if (!mac_is_set(&bridge->mac) || bridge->mac.bytes[0] & 1)
		return "mac";
	if (!is_mtu(bridge->mtu))
		return "mtu";
	if (!is_flag(bridge->up) || !is_flag(bridge->carrier) || !is_flag(bridge->stp))
		return "flags";
	return is_zero(bridge->reserved, sizeof(bridge->reserved)) ? NULL : "reserved";
}

static const char *check_address(const struct object *object)
{
	const struct object_address *address = &object->address;
	if (!is_ifname(address->ifname))
		return "ifname";
	return ip_is_set(&address->address) && is_ip(&address->address, 0, false) ? NULL
										  : "address";
}

static const char *check_forwarding(const struct object *object)
{
	const struct object_forwarding *forwarding = &object->forwarding;
	if (!is_ifname(forwarding->ifname))
		return "ifname";
	if (!is_flag(forwarding->ipv4) || !is_flag(forwarding->ipv6))
		return "flags";
	return is_zero(forwarding->reserved, sizeof(forwarding->reserved)) ? NULL : "reserved";
}

static const char *check_filter(const struct object *object)
{
	const struct object_filter *filter = &object->filter;
	if (!is_ifname(filter->ifname))
		return "ifname";
	if (filter->mode >= NETWORK_MODES)
		return "mode";
	if (!is_ip(&filter->nat4, AF_INET, false))
		return "nat4";
	if (!is_ip(&filter->nat6, AF_INET6, false))
		return "nat6";
	return is_zero(filter->reserved, sizeof(filter->reserved)) ? NULL : "reserved";
}

static const char *check_name(const struct object *object)
{
	const struct object_name *name = &object->name;
	if (!is_text(name->name, sizeof(name->name)) || !name_is_label(name->name))
		return "name";
	if (name->mac.bytes[0] & 1)
		return "mac";
	if (!is_ip(&name->ipv4, AF_INET, true))
		return "ipv4";
	if (!is_ip(&name->ipv6, AF_INET6, true))
		return "ipv6";
	return is_zero(name->reserved, sizeof(name->reserved)) ? NULL : "reserved";
}

static const char *check_service(const struct object *object)
{
	const struct object_service *service = &object->service;
	if (!is_ifname(service->ifname))
		return "ifname";
	if (!service->flags || service->flags & ~(SERVICE_DHCP | SERVICE_DNS | SERVICE_RA))
		return "flags";
	if (!is_ip(&service->ipv4, AF_INET, false))
		return "ipv4";
	if (!is_ip(&service->ipv6, AF_INET6, false))
		return "ipv6";
	if (!is_ip(&service->first, AF_INET, true) || !is_ip(&service->last, AF_INET, true) ||
	    ip_is_set(&service->first) != ip_is_set(&service->last))
		return "range";
	for (size_t i = 0; i < NETWORK_FORWARDERS; i++)
		if (!is_ip(&service->forwarders[i], 0, true))
			return "forwarders";
	if (!is_mtu(service->mtu))
		return "mtu";
	if (!is_text(service->domain, sizeof(service->domain)) || !name_is_domain(service->domain))
		return "domain";
	return is_zero(service->reserved, sizeof(service->reserved)) ? NULL : "reserved";
}

static const char *check_port(const struct object *object)
{
	const struct object_port *port = &object->port;
	if (!is_ifname(port->ifname))
		return "ifname";
	if (port->bridge[0] ? !is_ifname(port->bridge) : !is_text(port->bridge, IFNAMSIZ))
		return "bridge";
	if (port->kind >= PORT_KINDS)
		return "kind";
	if (!is_flag(port->up) || !is_flag(port->isolated) || !is_flag(port->persistent))
		return "flags";
	if (port->queues > PORT_QUEUES_MAX)
		return "queues";
	if (port->mtu && !is_mtu(port->mtu))
		return "mtu";
	if (port->peer[0] ? !is_ifname(port->peer) : !is_text(port->peer, IFNAMSIZ))
		return "peer";
	if (port->peer_mac.bytes[0] & 1)
		return "peer_mac";
	return is_zero(port->reserved, sizeof(port->reserved)) &&
			       is_zero(port->reserved2, sizeof(port->reserved2))
		       ? NULL
		       : "reserved";
}

static const char *(*const checks[OBJECT_KINDS])(const struct object *object) = {
	[OBJECT_BRIDGE] = check_bridge,
	[OBJECT_ADDRESS] = check_address,
	[OBJECT_FORWARDING] = check_forwarding,
	[OBJECT_FILTER] = check_filter,
	[OBJECT_NAME] = check_name,
	[OBJECT_SERVICE] = check_service,
	[OBJECT_PORT] = check_port,
};

int object_check(const struct object *object, struct error *err)
{
	if (object->kind >= OBJECT_KINDS)
		return error_set(err, EBADMSG, "object of the unknown kind %u", object->kind);
	if (object->reserved)
		return error_set(err, EBADMSG, "object %s: bad reserved",
				 object_types[object->kind].name);
	const char *field = checks[object->kind](object);
	if (field)
		return error_set(err, EBADMSG, "object %s: bad %s", object_types[object->kind].name,
				 field);
	return 0;
}

/* Descriptions */

static void describe_address(const struct object *object, char *text)
{
	char ip[IP_TEXT_SIZE];
	snprintf(text, TEXT_SIZE, "address %s on %s",
		 ip_format_prefix(&object->address.address, ip), object->address.ifname);
}

static void describe_filter(const struct object *object, char *text)
{
	const char *mode =
		object->filter.mode < NETWORK_MODES ? network_mode_name(object->filter.mode) : "?";
	snprintf(text, TEXT_SIZE, "filter on %s (%s)", object->filter.ifname, mode);
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

static void describe_bridge(const struct object *object, char *text)
{
	snprintf(text, TEXT_SIZE, "bridge %s", object->bridge.ifname);
}

static void describe_forwarding(const struct object *object, char *text)
{
	snprintf(text, TEXT_SIZE, "forwarding on %s", object->forwarding.ifname);
}

static void (*const describers[OBJECT_KINDS])(const struct object *object, char *text) = {
	[OBJECT_BRIDGE] = describe_bridge,
	[OBJECT_ADDRESS] = describe_address,
	[OBJECT_FORWARDING] = describe_forwarding,
	[OBJECT_FILTER] = describe_filter,
	[OBJECT_NAME] = describe_name,
	[OBJECT_SERVICE] = describe_service,
	[OBJECT_PORT] = describe_port,
};

const char *object_describe(const struct object *object, char *text)
{
	if (object->kind < OBJECT_KINDS)
		describers[object->kind](object, text);
	else
		snprintf(text, TEXT_SIZE, "object of the unknown kind %u", object->kind);
	return text;
}
