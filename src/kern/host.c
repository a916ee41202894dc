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
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/error.h"
#include "kern/host_hops.h"
#include "kern/host_link.h"
#include "kern/netlink.h"
#include "model/object_host.h"

#define ROUTES_MAX 4096
#define ADDRESS_FLAGS                                                                              \
	(IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE |            \
	 IFA_F_MCAUTOJOIN)
#define TICKS 100 /* USER_HZ: the unit of a route's expiry */

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

static bool put_hops(struct object_host *host, const struct nlattr *attribute, uint32_t ifindex)
{
	size_t size = mnl_attr_get_payload_len(attribute);
	uint8_t *at = put(host, RTA_MULTIPATH, mnl_attr_get_payload(attribute), size);
	if (at)
		host_hops_change(at, size, ifindex, HOST_OWN_INDEX);
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
		is_named |= type == RTA_MULTIPATH && host_hops_include(attribute, dump->ifindex);
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
	clean.rtm_flags &= HOST_ROUTE_FLAGS;
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
