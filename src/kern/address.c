/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RTM_NEWADDR, RTM_DELADDR, and dumps of addresses and routes. */
#include "kern/address.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "kern/netlink.h"

#define ROUTE_PROTOCOL 108 /* not in iproute2's rt_protos: nobody else removes or adopts it */

static size_t size_of(const struct ip *ip)
{
	return ip->family == AF_INET ? 4 : 16;
}

static int run(struct netlink *netlink, uint16_t type, uint16_t flags, int ifindex,
	       const struct ip *address, struct error *err)
{
	struct ifaddrmsg header = {
		.ifa_family = (uint8_t)address->family,
		.ifa_prefixlen = address->length,
		.ifa_index = (uint32_t)ifindex,
	};
	struct nlmsghdr *message = netlink_add(netlink, type, flags, &header, sizeof(header));
	mnl_attr_put(message, IFA_LOCAL, size_of(address), address->bytes);
	mnl_attr_put(message, IFA_ADDRESS, size_of(address), address->bytes);
	if (type == RTM_NEWADDR && address->family == AF_INET && address->length < 31) {
		struct ip last = ip_last(address);
		mnl_attr_put(message, IFA_BROADCAST, 4, last.bytes);
	}
	if (type == RTM_NEWADDR && address->family == AF_INET6)
		mnl_attr_put_u32(message, IFA_FLAGS, IFA_F_NODAD);
	int code = netlink_run(netlink, NULL, NULL, NULL, err);
	char text[IP_TEXT_SIZE];
	if (code < 0)
		error_prefix(err, "address %s", ip_format_prefix(address, text));
	return code;
}

int address_add(struct netlink *netlink, int ifindex, const struct ip *address, struct error *err)
{
	return run(netlink, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, address, err);
}

int address_delete(struct netlink *netlink, int ifindex, const struct ip *address,
		   struct error *err)
{
	return run(netlink, RTM_DELADDR, 0, ifindex, address, err);
}

static bool ip_fill(struct ip *ip, int family, const struct nlattr *attribute, uint8_t length)
{
	*ip = (struct ip){.family = (uint16_t)family, .length = length};
	if (family != AF_INET && family != AF_INET6)
		return false;
	if (attribute && mnl_attr_get_payload_len(attribute) != size_of(ip))
		return false;
	if (attribute)
		memcpy(ip->bytes, mnl_attr_get_payload(attribute), size_of(ip));
	return true;
}

bool address_parse(const struct nlmsghdr *message, int *ret_ifindex, struct ip *ret)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return false;
	const struct nlattr *local = NULL, *address = NULL, *attribute;
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		if (mnl_attr_get_type(attribute) == IFA_LOCAL)
			local = attribute;
		else if (mnl_attr_get_type(attribute) == IFA_ADDRESS)
			address = attribute;
	}
	*ret_ifindex = (int)header->ifa_index;
	/* point to point: IFA_ADDRESS is the other side */
	const struct nlattr *own = local ? local : address;
	return own && ip_fill(ret, header->ifa_family, own, header->ifa_prefixlen);
}

struct addresses {
	address_callback callback;
	void *data;
};

static int address_message(const struct nlmsghdr *message, void *data)
{
	const struct addresses *addresses = data;
	struct ip ip;
	int ifindex;
	if (message->nlmsg_type != RTM_NEWADDR || !address_parse(message, &ifindex, &ip))
		return 0;
	return addresses->callback(ifindex, &ip, addresses->data);
}

int address_dump(struct netlink *netlink, address_callback callback, void *data, struct error *err)
{
	struct addresses addresses = {callback, data};
	struct ifaddrmsg header = {.ifa_family = AF_UNSPEC};
	return netlink_dump(netlink, RTM_GETADDR, &header, sizeof(header), NULL, address_message,
			    &addresses, err);
}

static int route_run(struct netlink *netlink, uint16_t type, uint16_t flags, int ifindex,
		     const struct ip *to, const struct ip *via, struct error *err)
{
	struct rtmsg header = {
		.rtm_family = (uint8_t)to->family,
		.rtm_dst_len = to->length,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = ROUTE_PROTOCOL,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
	};
	struct nlmsghdr *message = netlink_add(netlink, type, flags, &header, sizeof(header));
	mnl_attr_put(message, RTA_DST, size_of(to), to->bytes);
	mnl_attr_put(message, RTA_GATEWAY, size_of(via), via->bytes);
	mnl_attr_put_u32(message, RTA_OIF, (uint32_t)ifindex);
	int code = netlink_run(netlink, NULL, NULL, NULL, err);
	char text[IP_TEXT_SIZE];
	if (code < 0)
		error_prefix(err, "route to %s", ip_format_prefix(to, text));
	return code;
}

int route_add(struct netlink *netlink, int ifindex, const struct ip *to, const struct ip *via,
	      struct error *err)
{
	return route_run(netlink, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, ifindex, to, via, err);
}

int route_delete(struct netlink *netlink, int ifindex, const struct ip *to, const struct ip *via,
		 struct error *err)
{
	return route_run(netlink, RTM_DELROUTE, 0, ifindex, to, via, err);
}

struct routes {
	route_callback callback;
	own_route_callback own; /* instead */
	void *data;
};

struct route {
	struct ip to, via; /* via: family 0 without */
	int ifindex;
	uint8_t protocol;
	bool cloned; /* a cached exception, no route */
};

static bool parse(const struct nlmsghdr *message, struct route *ret)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return false;
	const struct nlattr *prefix = NULL, *gateway = NULL, *attribute;
	uint32_t table = header->rtm_table;
	*ret = (struct route){.protocol = header->rtm_protocol,
			      .cloned = header->rtm_flags & RTM_F_CLONED};
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		uint16_t type = mnl_attr_get_type(attribute);
		if (type == RTA_DST)
			prefix = attribute;
		else if (type == RTA_GATEWAY)
			gateway = attribute;
		else if (type == RTA_OIF && mnl_attr_get_payload_len(attribute) >= 4)
			ret->ifindex = (int)mnl_attr_get_u32(attribute);
		else if (type == RTA_TABLE && mnl_attr_get_payload_len(attribute) >= 4)
			table = mnl_attr_get_u32(attribute);
	}
	if (gateway && !ip_fill(&ret->via, header->rtm_family, gateway,
				header->rtm_family == AF_INET ? 32 : 128))
		ret->via = (struct ip){0};
	return table == RT_TABLE_MAIN &&
	       ip_fill(&ret->to, header->rtm_family, prefix, header->rtm_dst_len);
}

bool route_parse(const struct nlmsghdr *message, struct ip *ret, int *ret_ifindex, bool *ret_own)
{
	struct route route;
	if (!parse(message, &route) || route.cloned)
		return false;
	*ret = route.to;
	*ret_ifindex = route.ifindex;
	*ret_own = route.protocol == ROUTE_PROTOCOL;
	return true;
}

static int route_message(const struct nlmsghdr *message, void *data)
{
	const struct routes *routes = data;
	struct route route;
	if (message->nlmsg_type != RTM_NEWROUTE || !parse(message, &route))
		return 0;
	if (!routes->own)
		return routes->callback(&route.to, route.ifindex, routes->data);
	return route.protocol == ROUTE_PROTOCOL && ip_is_set(&route.via)
		       ? routes->own(route.ifindex, &route.to, &route.via, routes->data)
		       : 0;
}

static int dump_family(struct netlink *netlink, uint8_t family, struct routes *routes,
		       struct error *err)
{
	/* a kernel that knows strict checking sends this table only */
	struct rtmsg header = {.rtm_family = family, .rtm_table = RT_TABLE_MAIN};
	int code = netlink_dump(netlink, RTM_GETROUTE, &header, sizeof(header), NULL, route_message,
				routes, err);
	return code == -ENOENT || code == -EAFNOSUPPORT ? 0 : code; /* no such table: no route */
}

static int dump_both(struct netlink *netlink, struct routes *routes, struct error *err)
{
	int code = dump_family(netlink, AF_INET, routes, err);
	if (code == 0)
		code = dump_family(netlink, AF_INET6, routes, err);
	return code < 0 ? error_prefix(err, "routes") : 0;
}

int route_dump(struct netlink *netlink, route_callback callback, void *data, struct error *err)
{
	struct routes routes = {.callback = callback, .data = data};
	return dump_both(netlink, &routes, err);
}

int route_dump_own(struct netlink *netlink, own_route_callback callback, void *data,
		   struct error *err)
{
	struct routes routes = {.own = callback, .data = data};
	return dump_both(netlink, &routes, err);
}

struct search {
	int family;
	int ifindex;
};

static int route_is_default(const struct ip *prefix, int ifindex, void *data)
{
	struct search *search = data;
	if (prefix->family == search->family && prefix->length == 0 && search->ifindex == 0)
		search->ifindex = ifindex;
	return 0;
}

int route_default(struct netlink *netlink, int family, int *ret_ifindex, struct error *err)
{
	struct search search = {.family = family};
	int code = route_dump(netlink, route_is_default, &search, err);
	*ret_ifindex = search.ifindex;
	return code;
}
