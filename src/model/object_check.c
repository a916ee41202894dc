/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The check that every record goes through on both sides of the executor's socket: what passes
 * cannot hold an unterminated string, a name that is no interface name, or an address of a family
 * that nobody asked for.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "model/name.h"
#include "model/object.h"

#define MTU_MIN	    576
#define MTU_MAX	    65535
#define SERVICE_ALL (SERVICE_DHCP | SERVICE_DNS | SERVICE_RA)

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
	if (!is_flag(bridge->up) || !is_flag(bridge->carrier) || !is_flag(bridge->stp) ||
	    !is_flag(bridge->vlan_filtering))
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

static bool is_extra(const struct dhcp_extra *extra)
{
	for (size_t i = 0; i < DHCP_NTP; i++)
		if (!is_ip(&extra->ntp[i], 0, true))
			return false;
	return is_ip(&extra->tftp, AF_INET, true) && is_text(extra->boot, sizeof(extra->boot)) &&
	       dhcp_boot_is_valid(extra->boot) && is_text(extra->options, sizeof(extra->options)) &&
	       dhcp_options_are_valid(extra->options);
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
	if (!is_extra(&service->extra))
		return "DHCP options";
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
	if (!vlans_are_settled(&port->vlans))
		return "VLANs";
	return port->reserved || port->reserved2 || port->reserved3 ? "reserved" : NULL;
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

static const char *check_member(const struct object *object)
{
	const struct object_member *member = &object->member;
	if (!is_ifname(member->ifname))
		return "ifname";
	if (!is_ifname(member->bridge))
		return "bridge";
	if (!is_flag(member->isolated))
		return "flags";
	if (!vlans_are_settled(&member->vlans))
		return "VLANs";
	return is_zero(member->reserved, sizeof(member->reserved)) && !member->reserved2
		       ? NULL
		       : "reserved";
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
	[OBJECT_BRIDGE] = check_bridge,	    [OBJECT_ADDRESS] = check_address,
	[OBJECT_ROUTE] = check_route,	    [OBJECT_FORWARDING] = check_forwarding,
	[OBJECT_PROXY] = check_proxy,	    [OBJECT_FILTER] = check_filter,
	[OBJECT_PERMIT] = check_permit,	    [OBJECT_NAME] = check_name,
	[OBJECT_SERVICE] = check_service,   [OBJECT_PORT] = check_port,
	[OBJECT_RATE] = check_rate,	    [OBJECT_MEMBER] = check_member,
	[OBJECT_UPLINK] = check_uplink,	    [OBJECT_HOST_LINK] = check_host,
	[OBJECT_HOST_ADDRESS] = check_host, [OBJECT_HOST_ROUTE] = check_host,
	[OBJECT_HOST_RULE] = check_host,
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
