/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. The kernel's own words (a family header and attributes) are the body of an
 * address, route or rule, without the interface's index and without times; so the same object on
 * another interface is a copy with another ifname. What the kernel makes by itself when an address
 * comes (its route, its local entries) may be in the list as well: creating what is there, and
 * deleting what is gone, is no failure.
 */
#include "model/object_host.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* In the order in which they are set. */
static const char *const settings[] = {
	"ipv6/disable_ipv6",
	"ipv6/accept_ra",
	"ipv6/accept_ra_defrtr",
	"ipv6/accept_ra_pinfo",
	"ipv6/autoconf",
	"ipv6/use_tempaddr",
	"ipv6/accept_redirects",
	"ipv6/proxy_ndp",
	"ipv4/rp_filter",
	"ipv4/arp_ignore",
	"ipv4/arp_announce",
	"ipv4/arp_filter",
	"ipv4/accept_redirects",
	"ipv4/send_redirects",
	"ipv4/secure_redirects",
	"ipv4/accept_source_route",
	"ipv4/log_martians",
	"ipv4/src_valid_mark",
	"ipv4/accept_local",
	"ipv4/route_localnet",
	"ipv4/proxy_arp",
	"ipv4/promote_secondaries",
	"ipv4/drop_gratuitous_arp",
	"ipv4/disable_policy",
};
_Static_assert(sizeof(settings) / sizeof(settings[0]) == HOST_SETTINGS, "one name per setting");

const char *object_host_setting(size_t index)
{
	return index < HOST_SETTINGS ? settings[index] : NULL;
}

int object_host_setting_index(const char *name)
{
	for (int i = 0; i < HOST_SETTINGS; i++)
		if (strcmp(settings[i], name) == 0)
			return i;
	return -1;
}

struct object_host_link *object_host_link(const struct object_list *list, const char *ifname)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].kind == OBJECT_HOST_LINK &&
		    strcmp(list->items[i].host_link.ifname, ifname) == 0)
			return &list->items[i].host_link;
	return NULL;
}

static void put_name(char *member, const char *name)
{
	memset(member, 0, IFNAMSIZ);
	memcpy(member, name, strnlen(name, IFNAMSIZ - 1));
}

/* All addresses, routes and rules of one interface, on another. */
static void rename_all(const struct object_list *list, const char *from, const char *to,
		       struct object_list *ret)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct object *object = &list->items[i];
		if (object->kind <= OBJECT_HOST_LINK || strcmp(object->host.ifname, from) != 0)
			continue;
		struct object *copy = object_list_add(ret, object->kind, object->network);
		*copy = *object;
		put_name(copy->host.ifname, to);
	}
}

static void set_if_known(struct object_host_link *link, const char *name, int32_t value)
{
	int32_t *setting = &link->settings[object_host_setting_index(name)];
	if (*setting >= 0)
		*setting = value;
}

void object_host_onto(const struct object_list *before, const char *nic,
		      const struct object_host_link *bridge, struct object_list *ret)
{
	const struct object_host_link *was = object_host_link(before, nic);
	if (!was)
		return;
	struct object_host_link *port = &object_list_add(ret, OBJECT_HOST_LINK, 0)->host_link;
	*port = *was;
	put_name(port->bridge, bridge->ifname);
	port->up = 1;
	port->tagged = 1;
	/* The host speaks by the bridge: a port that listens to router advertisements would take
	 * the addresses back. */
	port->gen_mode = IN6_ADDR_GEN_MODE_NONE;
	set_if_known(port, "ipv6/disable_ipv6", 1);
	struct object_host_link *top = &object_list_add(ret, OBJECT_HOST_LINK, 0)->host_link;
	*top = *bridge;
	top->mac = was->mac;
	top->mtu = was->mtu;
	top->up = 1;
	memcpy(top->settings, was->settings, sizeof(top->settings));
	/* 2: also while we forward, or the kernel forgets the routes that it learnt */
	if (top->settings[object_host_setting_index("ipv6/accept_ra")] == 1)
		set_if_known(top, "ipv6/accept_ra", 2);
	rename_all(before, nic, bridge->ifname, ret);
	rename_all(before, bridge->ifname, bridge->ifname, ret);
}

void object_host_off(const struct object_list *before, const struct object_list *now,
		     const char *nic, const char *bridge, struct object_list *ret)
{
	const struct object_host_link *was = object_host_link(before, nic);
	if (was)
		object_list_add(ret, OBJECT_HOST_LINK, 0)->host_link = *was;
	rename_all(now, bridge, nic, ret);
}

/* Attributes */

struct header {
	uint16_t length, type;
};

const void *object_host_attribute(const struct object_host *host, size_t header, uint16_t type,
				  size_t *ret_size)
{
	for (size_t at = header; at + sizeof(struct header) <= host->size;) {
		struct header attribute;
		memcpy(&attribute, host->message + at, sizeof(attribute));
		if (attribute.length < sizeof(attribute) || at + attribute.length > host->size)
			return NULL;
		if (attribute.type == type) {
			*ret_size = attribute.length - sizeof(attribute);
			return host->message + at + sizeof(attribute);
		}
		at += (attribute.length + 3u) & ~3u;
	}
	return NULL;
}

static bool read_ip(const struct object_host *host, size_t header, uint16_t type, int family,
		    uint8_t length, struct ip *ret)
{
	size_t size = 0;
	const void *bytes = object_host_attribute(host, header, type, &size);
	if (!bytes || (family != AF_INET && family != AF_INET6) ||
	    size != (family == AF_INET ? 4u : 16u) || length > size * 8)
		return false;
	*ret = (struct ip){.family = (uint16_t)family, .length = length};
	memcpy(ret->bytes, bytes, size);
	return true;
}

bool object_host_address(const struct object *object, struct ip *ret)
{
	const struct object_host *host = &object->host;
	struct ifaddrmsg header;
	if (object->kind != OBJECT_HOST_ADDRESS || host->size < sizeof(header))
		return false;
	memcpy(&header, host->message, sizeof(header));
	return read_ip(host, sizeof(header), IFA_LOCAL, header.ifa_family, header.ifa_prefixlen,
		       ret) ||
	       read_ip(host, sizeof(header), IFA_ADDRESS, header.ifa_family, header.ifa_prefixlen,
		       ret);
}

bool object_host_gateway(const struct object *object, struct ip *ret)
{
	const struct object_host *host = &object->host;
	struct rtmsg header;
	if (object->kind != OBJECT_HOST_ROUTE || host->size < sizeof(header))
		return false;
	memcpy(&header, host->message, sizeof(header));
	return header.rtm_dst_len == 0 &&
	       read_ip(host, sizeof(header), RTA_GATEWAY, header.rtm_family,
		       header.rtm_family == AF_INET ? 32 : 128, ret);
}

static void describe_route(const struct object_host *host, char *text, size_t size)
{
	struct rtmsg header;
	struct ip prefix, gateway;
	char to[IP_TEXT_SIZE] = "default", by[IP_TEXT_SIZE] = "", table[24] = "";
	size_t width;
	memcpy(&header, host->message, sizeof(header));
	int family = header.rtm_family;
	if (header.rtm_dst_len &&
	    read_ip(host, sizeof(header), RTA_DST, family, header.rtm_dst_len, &prefix))
		ip_format_prefix(&prefix, to);
	if (read_ip(host, sizeof(header), RTA_GATEWAY, family, family == AF_INET ? 32 : 128,
		    &gateway))
		ip_format(&gateway, by);
	const uint32_t *number = object_host_attribute(host, sizeof(header), RTA_TABLE, &width);
	uint32_t id = header.rtm_table;
	if (number && width == sizeof(id))
		memcpy(&id, number, sizeof(id));
	if (id != RT_TABLE_MAIN)
		snprintf(table, sizeof(table), " in table %u", id);
	snprintf(text, size, "route %s%s%s on %s%s", to, by[0] ? " via " : "", by, host->ifname,
		 table);
}

static void describe_rule(const struct object_host *host, char *text, size_t size)
{
	size_t width;
	uint32_t priority = 0;
	const void *number =
		object_host_attribute(host, sizeof(struct fib_rule_hdr), FRA_PRIORITY, &width);
	if (number && width == sizeof(priority))
		memcpy(&priority, number, sizeof(priority));
	snprintf(text, size, "rule %u that names %s", priority, host->ifname);
}

void object_host_describe(const struct object *object, char *text, size_t size)
{
	const struct object_host *host = &object->host;
	struct ip ip;
	char address[IP_TEXT_SIZE];
	if (object->kind == OBJECT_HOST_LINK && object->host_link.bridge[0])
		snprintf(text, size, "interface %s, a port of %s", object->host_link.ifname,
			 object->host_link.bridge);
	else if (object->kind == OBJECT_HOST_LINK)
		snprintf(text, size, "interface %s", object->host_link.ifname);
	else if (object_host_address(object, &ip))
		snprintf(text, size, "address %s on %s", ip_format_prefix(&ip, address),
			 host->ifname);
	else if (object->kind == OBJECT_HOST_ROUTE && host->size >= sizeof(struct rtmsg))
		describe_route(host, text, size);
	else if (object->kind == OBJECT_HOST_RULE && host->size >= sizeof(struct fib_rule_hdr))
		describe_rule(host, text, size);
	else
		snprintf(text, size, "setting of %s", host->ifname);
}
