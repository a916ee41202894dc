/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What host.c has read is made again, and removed. */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "kern/host.h"
#include "kern/host_hops.h"
#include "kern/link.h"
#include "kern/netlink.h"
#include "model/object_host.h"

static const struct {
	uint16_t create, remove;
	size_t header;
} types[OBJECT_KINDS] = {
	[OBJECT_HOST_ADDRESS] = {RTM_NEWADDR, RTM_DELADDR, sizeof(struct ifaddrmsg)},
	[OBJECT_HOST_ROUTE] = {RTM_NEWROUTE, RTM_DELROUTE, sizeof(struct rtmsg)},
	[OBJECT_HOST_RULE] = {RTM_NEWRULE, RTM_DELRULE, sizeof(struct fib_rule_hdr)},
};

static uint32_t left(uint32_t moment)
{
	uint32_t now = host_clock();
	if (moment == HOST_FOREVER)
		return HOST_FOREVER;
	return moment > now ? moment - now : 0;
}

/* The attributes of the message, with this interface's name and index where they belong. */
static void put_all(struct nlmsghdr *message, const struct object *object, uint32_t ifindex)
{
	const struct object_host *host = &object->host;
	for (size_t at = types[object->kind].header; at + sizeof(struct nlattr) <= host->size;) {
		struct nlattr attribute;
		memcpy(&attribute, host->message + at, sizeof(attribute));
		size_t size = attribute.nla_len - sizeof(attribute);
		const uint8_t *bytes = host->message + at + sizeof(attribute);
		char name[IFNAMSIZ * 2];
		if (object->kind == OBJECT_HOST_ADDRESS && attribute.nla_type == IFA_LABEL) {
			snprintf(name, sizeof(name), "%s%s", *bytes == ':' ? host->ifname : "",
				 (const char *)bytes);
			name[IFNAMSIZ - 1] = '\0';
			mnl_attr_put_strz(message, IFA_LABEL, name);
		} else if (object->kind == OBJECT_HOST_RULE && size == 0) {
			mnl_attr_put_strz(message, attribute.nla_type, host->ifname);
		} else {
			mnl_attr_put(message, attribute.nla_type, size, bytes);
			if (object->kind == OBJECT_HOST_ROUTE &&
			    attribute.nla_type == RTA_MULTIPATH)
				host_hops_change((uint8_t *)mnl_nlmsg_get_payload_tail(message) -
							 MNL_ALIGN(size),
						 size, HOST_OWN_INDEX, ifindex);
		}
		at += MNL_ALIGN(attribute.nla_len);
	}
}

static bool has_hops(const struct object *object)
{
	size_t size;
	return object_host_attribute(&object->host, sizeof(struct rtmsg), RTA_MULTIPATH, &size) !=
	       NULL;
}

static uint8_t family_of(const struct object *object)
{
	return object->host.message[0]; /* the first byte of all three headers */
}

static void put_address_times(struct nlmsghdr *message, const struct object_host *host)
{
	struct ifa_cacheinfo info = {.ifa_valid = left(host->valid_until),
				     .ifa_prefered = left(host->preferred_until)};
	if (host->valid_until != HOST_FOREVER || host->preferred_until != HOST_FOREVER)
		mnl_attr_put(message, IFA_CACHEINFO, sizeof(info), &info);
}

static void add_address(struct netlink *netlink, const struct object *object, uint32_t ifindex,
			uint16_t flags, bool without_detection)
{
	struct ifaddrmsg header;
	memcpy(&header, object->host.message, sizeof(header));
	header.ifa_index = ifindex;
	struct nlmsghdr *message =
		netlink_add(netlink, RTM_NEWADDR, flags, &header, sizeof(header));
	put_all(message, object, ifindex);
	put_address_times(message, &object->host);
	size_t size;
	const void *own = object_host_attribute(&object->host, sizeof(header), IFA_FLAGS, &size);
	uint32_t bits = 0;
	if (own && size == sizeof(bits))
		memcpy(&bits, own, sizeof(bits));
	/* the last one of a type counts */
	if (without_detection)
		mnl_attr_put_u32(message, IFA_FLAGS, bits | IFA_F_NODAD);
}

static int create_address(struct netlink *netlink, const struct object *object, uint32_t ifindex,
			  struct error *err)
{
	bool is_ipv6 = family_of(object) == AF_INET6;
	if (left(object->host.valid_until) == 0)
		return 0; /* its time is over */
	add_address(netlink, object, ifindex, NLM_F_CREATE | NLM_F_EXCL, is_ipv6);
	int code = netlink_run(netlink, NULL, NULL, NULL, err);
	if (code < 0 || !is_ipv6)
		return code;
	/* Again as it was: the flag that switched the detection off must not stay. */
	add_address(netlink, object, ifindex, NLM_F_REPLACE, false);
	return netlink_run(netlink, NULL, NULL, NULL, err);
}

/* Beside a route of the same destination and metric over the other interface, which goes a moment
 * later. */
static uint16_t route_flags(const struct object *object)
{
	if (family_of(object) == AF_INET6 && has_hops(object))
		return NLM_F_CREATE | NLM_F_REPLACE;
	return NLM_F_CREATE | NLM_F_APPEND;
}

static int create_other(struct netlink *netlink, const struct object *object, uint32_t ifindex,
			struct error *err)
{
	bool is_route = object->kind == OBJECT_HOST_ROUTE;
	const struct object_host *host = &object->host;
	if (left(host->valid_until) == 0)
		return 0;
	struct nlmsghdr *message =
		netlink_add(netlink, types[object->kind].create,
			    is_route ? route_flags(object) : NLM_F_CREATE | NLM_F_EXCL,
			    host->message, types[object->kind].header);
	put_all(message, object, ifindex);
	if (is_route && !has_hops(object))
		mnl_attr_put_u32(message, RTA_OIF, ifindex);
	if (is_route && host->valid_until != HOST_FOREVER)
		mnl_attr_put_u32(message, RTA_EXPIRES, left(host->valid_until));
	return netlink_run(netlink, NULL, NULL, NULL, err);
}

static int describe_failure(const struct object *object, struct error *err)
{
	char text[256];
	return error_prefix(err, "%s", object_describe(object, text));
}

int host_create(struct netlink *netlink, const struct object *object, struct error *err)
{
	struct error reason = {0};
	int ifindex = link_index(object->host.ifname);
	/* The kernel asked the routers for it when the link-local address came, and has it in a
	 * moment. One that we made would be in its way: it then ignores all of the advertisement.
	 */
	if (object->kind == OBJECT_HOST_ROUTE && object->host.learnt)
		return 0;
	if (ifindex < 0 && object->kind != OBJECT_HOST_RULE)
		return error_set(err, ENODEV, "there is no interface '%s'", object->host.ifname);
	int code = object->kind == OBJECT_HOST_ADDRESS
			   ? create_address(netlink, object, (uint32_t)ifindex, &reason)
			   : create_other(netlink, object, (uint32_t)ifindex, &reason);
	if (code == 0 || code == -EEXIST)
		return 0;
	error_set(err, code, "%s", reason.text);
	return describe_failure(object, err);
}

int host_delete(struct netlink *netlink, const struct object *object, struct error *err)
{
	struct error reason = {0};
	const struct object_host *host = &object->host;
	int ifindex = link_index(host->ifname);
	if (ifindex < 0 && object->kind != OBJECT_HOST_RULE)
		return 0;
	/* Its hops over other interfaces have become those of its successor; the one over this
	 * interface went with the interface's IPv6. */
	if (object->kind == OBJECT_HOST_ROUTE && family_of(object) == AF_INET6 && has_hops(object))
		return 0;
	uint8_t header[sizeof(struct rtmsg)];
	size_t size = types[object->kind].header;
	memcpy(header, host->message, size);
	if (object->kind == OBJECT_HOST_ADDRESS)
		((struct ifaddrmsg *)(void *)header)->ifa_index = (uint32_t)ifindex;
	struct nlmsghdr *message =
		netlink_add(netlink, types[object->kind].remove, 0, header, size);
	put_all(message, object, (uint32_t)ifindex);
	if (object->kind == OBJECT_HOST_ROUTE && !has_hops(object))
		mnl_attr_put_u32(message, RTA_OIF, (uint32_t)ifindex);
	int code = netlink_run(netlink, NULL, NULL, NULL, &reason);
	if (code == 0 || code == -ESRCH || code == -EADDRNOTAVAIL || code == -ENODEV ||
	    code == -ENOENT)
		return 0;
	error_set(err, code, "%s", reason.text);
	return describe_failure(object, err);
}
