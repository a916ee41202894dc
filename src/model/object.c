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
#include "model/object_host.h"

#define TEXT_SIZE   256 /* object_describe */
#define MTU_MIN	    576
#define MTU_MAX	    65535
#define SERVICE_ALL (SERVICE_DHCP | SERVICE_DNS | SERVICE_RA)

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

bool object_is_same(const struct object *a, const struct object *b)
{
	if (a->kind != b->kind)
		return false;
	bool tagged = a->kind == OBJECT_BRIDGE || a->kind == OBJECT_PORT;
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

static const char *check_route(const struct object *object)
{
	const struct object_route *route = &object->route;
	if (!is_ifname(route->ifname))
		return "ifname";
	if (!ip_is_set(&route->to) || !is_ip(&route->to, 0, false) || !route->to.length)
		return "to";
	return ip_is_set(&route->via) && is_ip(&route->via, route->to.family, true) ? NULL : "via";
}

static const char *check_forwarding(const struct object *object)
{
	const struct object_forwarding *forwarding = &object->forwarding;
	if (!is_ifname(forwarding->ifname))
		return "ifname";
	if (!is_flag(forwarding->ipv4) || !is_flag(forwarding->ipv6) ||
	    !is_flag(forwarding->learns) || !is_flag(forwarding->proxies))
		return "flags";
	return NULL;
}

static const char *check_proxy(const struct object *object)
{
	const struct object_proxy *proxy = &object->proxy;
	if (!is_ifname(proxy->ifname))
		return "ifname";
	return ip_is_set(&proxy->address) && is_ip(&proxy->address, 0, true) ? NULL : "address";
}

static const char *check_filter(const struct object *object)
{
	const struct object_filter *filter = &object->filter;
	if (!is_ifname(filter->ifname))
		return "ifname";
	if (filter->mode >= FILTER_MODES)
		return "mode";
	for (size_t i = 0; i < FILTER_PREFIXES; i++)
		if (!is_ip(&filter->nat[i], 0, false))
			return "nat";
	for (size_t i = 0; i < NETWORK_PEERS; i++)
		if (filter->peers[i][0]
			    ? !is_ifname(filter->peers[i]) ||
				      !memcmp(filter->peers[i], filter->ifname, IFNAMSIZ)
			    : !is_text(filter->peers[i], IFNAMSIZ))
			return "peers";
	return is_zero(filter->reserved, sizeof(filter->reserved)) ? NULL : "reserved";
}

static const char *check_permit(const struct object *object)
{
	const struct object_permit *permit = &object->permit;
	if (permit->ifname[0] ? !is_ifname(permit->ifname) : !is_text(permit->ifname, IFNAMSIZ))
		return "ifname";
	if (permit->owner >= PERMIT_OWNERS)
		return "owner";
	if (permit->parts & ~(PERMIT_INPUT | PERMIT_FORWARD | PERMIT_ACROSS))
		return "parts";
	return is_zero(permit->reserved, sizeof(permit->reserved)) ? NULL : "reserved";
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
	if (!(service->flags & SERVICE_ALL) ||
	    service->flags &
		    ~(SERVICE_ALL | SERVICE_NO_ROUTER | SERVICE_NO_UPSTREAM | SERVICE_STATELESS))
		return "flags";
	if (!is_ip(&service->ipv4, AF_INET, false))
		return "ipv4";
	if (!is_ip(&service->ipv6, AF_INET6, false))
		return "ipv6";
	if (!is_ip(&service->first, AF_INET, true) || !is_ip(&service->last, AF_INET, true) ||
	    ip_is_set(&service->first) != ip_is_set(&service->last))
		return "range";
	if (!is_ip(&service->first6, AF_INET6, true) || !is_ip(&service->last6, AF_INET6, true) ||
	    ip_is_set(&service->first6) != ip_is_set(&service->last6))
		return "DHCPv6 range";
	for (size_t i = 0; i < NETWORK_SUBNETS - 1; i++)
		if (!is_ip(&service->more6[i], AF_INET6, false))
			return "more IPv6";
	if (!is_ip(&service->left4, AF_INET, false) || !is_ip(&service->left6, AF_INET6, false))
		return "left";
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
	if (!is_flag(port->up) || !is_flag(port->isolated) || !is_flag(port->persistent) ||
	    !is_flag(port->guarded))
		return "flags";
	if (port->queues > PORT_QUEUES_MAX)
		return "queues";
	if (port->mtu && !is_mtu(port->mtu))
		return "mtu";
	if (port->peer[0] ? !is_ifname(port->peer) : !is_text(port->peer, IFNAMSIZ))
		return "peer";
	if (port->peer_mac.bytes[0] & 1)
		return "peer_mac";
	if (!is_flag(port->blink))
		return "blink";
	return port->reserved || port->reserved2 ? "reserved" : NULL;
}

static bool is_rate(uint32_t rate)
{
	return !rate || (rate >= PORT_RATE_MIN && rate <= PORT_RATE_MAX);
}

static const char *check_rate(const struct object *object)
{
	const struct object_rate *rate = &object->rate;
	if (!is_ifname(rate->ifname))
		return "ifname";
	return is_rate(rate->in) && is_rate(rate->out) && (rate->in || rate->out) ? NULL : "rate";
}

static const char *check_uplink(const struct object *object)
{
	const struct object_uplink *uplink = &object->uplink;
	if (!is_ifname(uplink->ifname))
		return "ifname";
	if (!is_ifname(uplink->bridge))
		return "bridge";
	if (!is_flag(uplink->moved) || !is_flag(uplink->confirmed) || !is_flag(uplink->by_hand))
		return "flags";
	if (!is_ip(&uplink->peer, 0, true))
		return "peer";
	if (!is_ip(&uplink->local, uplink->peer.family, true))
		return "local";
	if (!is_text(uplink->report, sizeof(uplink->report)))
		return "report";
	return is_zero(uplink->reserved, sizeof(uplink->reserved)) &&
			       is_zero(uplink->reserved2, sizeof(uplink->reserved2))
		       ? NULL
		       : "reserved";
}

/* Nobody sends these to the executor; it makes them itself, and shows them. */
static const char *check_host(const struct object *object)
{
	const char *ifname = object->host.ifname; /* the first member of host_link as well */
	if (!is_ifname(ifname))
		return "ifname";
	if (object->kind == OBJECT_HOST_LINK) {
		const char *bridge = object->host_link.bridge;
		return bridge[0] && !is_ifname(bridge) ? "bridge" : NULL;
	}
	return object->host.size <= HOST_MESSAGE_SIZE ? NULL : "size";
}

static const char *(*const checks[OBJECT_KINDS])(const struct object *object) = {
	[OBJECT_BRIDGE] = check_bridge,	  [OBJECT_ADDRESS] = check_address,
	[OBJECT_ROUTE] = check_route,	  [OBJECT_FORWARDING] = check_forwarding,
	[OBJECT_PROXY] = check_proxy,	  [OBJECT_FILTER] = check_filter,
	[OBJECT_PERMIT] = check_permit,	  [OBJECT_NAME] = check_name,
	[OBJECT_SERVICE] = check_service, [OBJECT_PORT] = check_port,
	[OBJECT_RATE] = check_rate,	  [OBJECT_UPLINK] = check_uplink,
	[OBJECT_HOST_LINK] = check_host,  [OBJECT_HOST_ADDRESS] = check_host,
	[OBJECT_HOST_ROUTE] = check_host, [OBJECT_HOST_RULE] = check_host,
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
	[OBJECT_BRIDGE] = describe_bridge,   [OBJECT_ADDRESS] = describe_address,
	[OBJECT_ROUTE] = describe_route,     [OBJECT_FORWARDING] = describe_forwarding,
	[OBJECT_PROXY] = describe_proxy,     [OBJECT_FILTER] = describe_filter,
	[OBJECT_PERMIT] = describe_permit,   [OBJECT_NAME] = describe_name,
	[OBJECT_SERVICE] = describe_service, [OBJECT_PORT] = describe_port,
	[OBJECT_RATE] = describe_rate,	     [OBJECT_UPLINK] = describe_uplink,
	[OBJECT_HOST_LINK] = describe_host,  [OBJECT_HOST_ADDRESS] = describe_host,
	[OBJECT_HOST_ROUTE] = describe_host, [OBJECT_HOST_RULE] = describe_host,
};

const char *object_describe(const struct object *object, char *text)
{
	if (object->kind < OBJECT_KINDS)
		describers[object->kind](object, text);
	else
		snprintf(text, TEXT_SIZE, "object of the unknown kind %u", object->kind);
	return text;
}
