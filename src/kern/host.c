/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses, routes and rules travel as the kernel's own messages: what it dumps is what it takes.
 * Left out of them are the interface (an index that differs from one to the next), times (kept
 * beside the message) and flags that only the kernel sets.
 */
#include "kern/host.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/ipv6_route.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/error.h"
#include "base/file.h"
#include "kern/host_link.h"
#include "kern/link.h"
#include "kern/netlink.h"
#include "model/object_host.h"

#define ROUTES_MAX 4096
#define OWN_INDEX  0xffffffffu /* in a next hop: the object's own interface */
#define ADDRESS_FLAGS                                                                              \
	(IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE |            \
	 IFA_F_MCAUTOJOIN)
#define ROUTE_FLAGS (RTNH_F_ONLINK | RTNH_F_PERVASIVE)
#define TICKS	    100 /* USER_HZ: the unit of a route's expiry */

struct dump {
	const char *ifname;
	uint32_t ifindex;
	struct object_list *ret;
	size_t first;	/* of ret: where this dump's own begin */
	size_t n_kinds; /* objects of the kind that is being dumped */
	struct error *err;
};

uint32_t host_clock(void)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint32_t)now.tv_sec;
}

/* A dump that was interrupted begins anew. */
static void begin(void *data)
{
	struct dump *dump = data;
	dump->ret->count = dump->first;
	dump->n_kinds = 0;
}

static struct object_host *host_new(struct dump *dump, enum object_kind kind, const void *header,
				    size_t size)
{
	struct object_host *host = &object_list_add(dump->ret, kind, 0)->host;
	memcpy(host->ifname, dump->ifname, strnlen(dump->ifname, IFNAMSIZ - 1));
	memcpy(host->message, header, size);
	host->size = (uint16_t)size;
	host->valid_until = host->preferred_until = HOST_FOREVER;
	host->order = (uint32_t)dump->n_kinds++;
	return host;
}

/* Returns where the payload is, or NULL when there is no room. */
static void *put(struct object_host *host, uint16_t type, const void *bytes, size_t size)
{
	struct nlattr attribute = {.nla_len = (uint16_t)(sizeof(attribute) + size),
				   .nla_type = type};
	size_t whole = MNL_ALIGN(sizeof(attribute) + size);
	if (host->size + whole > sizeof(host->message))
		return NULL;
	uint8_t *at = host->message + host->size;
	memcpy(at, &attribute, sizeof(attribute));
	if (size)
		memcpy(at + sizeof(attribute), bytes, size);
	host->size = (uint16_t)(host->size + whole);
	return at + sizeof(attribute);
}

static bool copy(struct object_host *host, const struct nlattr *attribute)
{
	return put(host, attribute->nla_type, mnl_attr_get_payload(attribute),
		   mnl_attr_get_payload_len(attribute)) != NULL;
}

static int too_long(struct dump *dump, const char *what)
{
	return error_set(dump->err, ENOTSUP, "interface %s: %s that is too long to be written down",
			 dump->ifname, what);
}

static uint32_t until(uint32_t seconds)
{
	return seconds == HOST_FOREVER ? HOST_FOREVER : host_clock() + seconds;
}

/* Addresses */

/* "eth0:1" is kept as ":1", the plain name not at all: so it fits every interface. */
static bool put_label(struct object_host *host, const struct nlattr *attribute, const char *ifname)
{
	const char *label = mnl_attr_get_str(attribute);
	size_t length = strlen(ifname);
	if (strncmp(label, ifname, length) != 0)
		return copy(host, attribute);
	return !label[length] || put(host, IFA_LABEL, label + length, strlen(label + length) + 1);
}

static bool put_address(struct object_host *host, const struct nlattr *attribute,
			const char *ifname, uint32_t *flags)
{
	static const uint8_t kept[] = {IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_RT_PRIORITY,
				       IFA_PROTO};
	uint16_t type = mnl_attr_get_type(attribute);
	if (type == IFA_FLAGS)
		*flags = mnl_attr_get_u32(attribute);
	if (type == IFA_LABEL)
		return put_label(host, attribute, ifname);
	if (type == IFA_CACHEINFO) {
		const struct ifa_cacheinfo *info = mnl_attr_get_payload(attribute);
		host->valid_until = until(info->ifa_valid);
		host->preferred_until = until(info->ifa_prefered);
	}
	return memchr(kept, type, sizeof(kept)) ? copy(host, attribute) : true;
}

static int address_message(const struct nlmsghdr *message, void *data)
{
	struct dump *dump = data;
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	if (message->nlmsg_type != RTM_NEWADDR ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
	    header->ifa_index != dump->ifindex)
		return 0;
	struct ifaddrmsg clean = *header;
	uint32_t flags = header->ifa_flags;
	clean.ifa_index = 0;
	clean.ifa_flags = 0;
	struct object_host *host = host_new(dump, OBJECT_HOST_ADDRESS, &clean, sizeof(clean));
	mnl_attr_for_each (attribute, message, sizeof(*header))
		if (!put_address(host, attribute, dump->ifname, &flags))
			return too_long(dump, "an address");
	flags &= ADDRESS_FLAGS;
	return put(host, IFA_FLAGS, &flags, sizeof(flags)) ? 0 : too_long(dump, "an address");
}

/* Routes */

static bool is_own_hop(const struct nlattr *hops, uint32_t ifindex)
{
	const uint8_t *at = mnl_attr_get_payload(hops);
	size_t left = mnl_attr_get_payload_len(hops);
	struct rtnexthop hop;
	while (left >= sizeof(hop)) {
		memcpy(&hop, at, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > left)
			break;
		if ((uint32_t)hop.rtnh_ifindex == ifindex)
			return true;
		size_t step = RTNH_ALIGN(hop.rtnh_len);
		at += step;
		left -= step > left ? left : step;
	}
	return false;
}

/* Replaces one index by another in all next hops of a copied attribute. */
static void change_hops(uint8_t *at, size_t left, uint32_t from, uint32_t to)
{
	struct rtnexthop hop;
	while (left >= sizeof(hop)) {
		memcpy(&hop, at, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > left)
			return;
		if ((uint32_t)hop.rtnh_ifindex == from)
			hop.rtnh_ifindex = (int)to;
		hop.rtnh_flags &= ROUTE_FLAGS;
		memcpy(at, &hop, sizeof(hop));
		size_t step = RTNH_ALIGN(hop.rtnh_len);
		at += step;
		left -= step > left ? left : step;
	}
}

static bool put_hops(struct object_host *host, const struct nlattr *attribute, uint32_t ifindex)
{
	size_t size = mnl_attr_get_payload_len(attribute);
	uint8_t *at = put(host, RTA_MULTIPATH, mnl_attr_get_payload(attribute), size);
	if (at)
		change_hops(at, size, ifindex, OWN_INDEX);
	return at != NULL;
}

static bool put_route(struct object_host *host, const struct nlattr *attribute, uint32_t ifindex)
{
	uint16_t type = mnl_attr_get_type(attribute);
	if (type == RTA_OIF || type == RTA_NH_ID)
		return true;
	if (type == RTA_MULTIPATH)
		return put_hops(host, attribute, ifindex);
	if (type == RTA_CACHEINFO) {
		const struct rta_cacheinfo *info = mnl_attr_get_payload(attribute);
		if (info->rta_expires > 0)
			host->valid_until = until(info->rta_expires / TICKS);
		return true;
	}
	return copy(host, attribute);
}

/* What the kernel makes and removes with addresses: its local table. */
static bool is_of_kernel(const struct rtmsg *header)
{
	return header->rtm_flags & RTM_F_CLONED ||
	       (header->rtm_protocol == RTPROT_KERNEL && header->rtm_type != RTN_UNICAST) ||
	       (header->rtm_protocol == RTPROT_KERNEL && header->rtm_table == RT_TABLE_LOCAL);
}

/* Learnt from a router advertisement by the kernel, which marks it so in this file alone. */
static bool is_learnt(const struct object_host *host)
{
	size_t size;
	const uint8_t *gateway =
		object_host_attribute(host, sizeof(struct rtmsg), RTA_GATEWAY, &size);
	char hex[33] = "", via[33], device[IFNAMSIZ], line[256];
	unsigned length, flags;
	bool found = false;
	for (size_t i = 0; gateway && size == 16 && i < size; i++)
		snprintf(hex + 2 * i, 3, "%02x", gateway[i]);
	FILE *file = fopen("/proc/self/net/ipv6_route", "re");
	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%*32s %x %*32s %*x %32s %*x %*x %*x %x %15s", &length, via,
			       &flags, device) == 4 &&
			length == 0 && (flags & RTF_ADDRCONF) && strcmp(via, hex) == 0 &&
			strcmp(device, host->ifname) == 0;
	if (file)
		fclose(file);
	return found;
}

static int route_message(const struct nlmsghdr *message, void *data)
{
	struct dump *dump = data;
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	bool is_named = false, has_object = false;
	if (message->nlmsg_type != RTM_NEWROUTE ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*header) || is_of_kernel(header))
		return 0;
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		uint16_t type = mnl_attr_get_type(attribute);
		is_named |= type == RTA_OIF && mnl_attr_get_u32(attribute) == dump->ifindex;
		is_named |= type == RTA_MULTIPATH && is_own_hop(attribute, dump->ifindex);
		has_object |= type == RTA_NH_ID;
	}
	if (!is_named)
		return 0;
	if (has_object)
		return error_set(
			dump->err, ENOTSUP,
			"interface %s has routes by next hop objects ('ip nexthop'), which "
			"cannot be moved; write them as plain routes",
			dump->ifname);
	if (dump->n_kinds >= ROUTES_MAX)
		return error_set(dump->err, ENOTSUP,
				 "interface %s has more than %d routes; that is a router's, not a "
				 "machine's",
				 dump->ifname, ROUTES_MAX);
	struct rtmsg clean = *header;
	clean.rtm_flags &= ROUTE_FLAGS;
	struct object_host *host = host_new(dump, OBJECT_HOST_ROUTE, &clean, sizeof(clean));
	mnl_attr_for_each (attribute, message, sizeof(*header))
		if (!put_route(host, attribute, dump->ifindex))
			return too_long(dump, "a route");
	if (clean.rtm_family == AF_INET6 && clean.rtm_dst_len == 0 &&
	    clean.rtm_protocol == RTPROT_RA)
		host->learnt = is_learnt(host);
	return 0;
}

/* Rules */

static int rule_message(const struct nlmsghdr *message, void *data)
{
	struct dump *dump = data;
	const struct fib_rule_hdr *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	bool is_named = false, has_priority = false;
	if (message->nlmsg_type != RTM_NEWRULE ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return 0;
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		uint16_t type = mnl_attr_get_type(attribute);
		is_named |= (type == FRA_IIFNAME || type == FRA_OIFNAME) &&
			    strcmp(mnl_attr_get_str(attribute), dump->ifname) == 0;
	}
	if (!is_named)
		return 0;
	struct fib_rule_hdr clean = *header;
	clean.flags &=
		(uint32_t) ~(FIB_RULE_UNRESOLVED | FIB_RULE_IIF_DETACHED | FIB_RULE_OIF_DETACHED);
	struct object_host *host = host_new(dump, OBJECT_HOST_RULE, &clean, sizeof(clean));
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		uint16_t type = mnl_attr_get_type(attribute);
		bool is_name = (type == FRA_IIFNAME || type == FRA_OIFNAME) &&
			       strcmp(mnl_attr_get_str(attribute), dump->ifname) == 0;
		has_priority |= type == FRA_PRIORITY;
		if (type == FRA_PAD)
			continue;
		if (!(is_name ? put(host, type, "", 0) != NULL : copy(host, attribute)))
			return too_long(dump, "a rule");
	}
	uint32_t zero = 0;
	if (!has_priority && !put(host, FRA_PRIORITY, &zero, sizeof(zero)))
		return too_long(dump, "a rule");
	return 0;
}

static int dump_kind(struct netlink *netlink, uint16_t type, const void *header, size_t size,
		     netlink_callback callback, struct dump *dump)
{
	dump->first = dump->ret->count;
	dump->n_kinds = 0;
	int code = netlink_dump(netlink, type, header, size, begin, callback, dump, dump->err);
	return code == -ENOENT || code == -EAFNOSUPPORT || code == -EOPNOTSUPP ? 0 : code;
}

int host_dump(struct netlink *netlink, const char *ifname, const char *tag, struct object_list *ret,
	      struct error *err)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct object_host_link link;
	int ifindex = 0;
	int code = host_link_read(netlink, ifname, tag, &link, &ifindex, err);
	if (code < 0)
		return code;
	object_list_add(ret, OBJECT_HOST_LINK, 0)->host_link = link;
	struct dump dump = {.ifname = ifname, .ifindex = (uint32_t)ifindex, .ret = ret, .err = err};
	struct ifaddrmsg addresses = {.ifa_family = AF_UNSPEC};
	code = dump_kind(netlink, RTM_GETADDR, &addresses, sizeof(addresses), address_message,
			 &dump);
	for (size_t i = 0; i < sizeof(families) && code == 0; i++) {
		struct rtmsg routes = {.rtm_family = families[i]};
		struct fib_rule_hdr rules = {.family = families[i]};
		code = dump_kind(netlink, RTM_GETROUTE, &routes, sizeof(routes), route_message,
				 &dump);
		if (code == 0)
			code = dump_kind(netlink, RTM_GETRULE, &rules, sizeof(rules), rule_message,
					 &dump);
	}
	return code;
}

/* Writing back */

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
				change_hops((uint8_t *)mnl_nlmsg_get_payload_tail(message) -
						    MNL_ALIGN(size),
					    size, OWN_INDEX, ifindex);
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
