/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes of all tables, policy rules, and the kernel's own answer to "where would this go". */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "kern/facts.h"
#include "kern/netlink.h"
#include "model/ip.h"

static size_t size_of(int family)
{
	return family == AF_INET ? 4 : 16;
}

static void set_ip(json_t *json, const char *key, const struct nlattr *attribute, int family,
		   uint8_t length)
{
	struct ip ip = {.family = (uint16_t)family, .length = length};
	char text[IP_TEXT_SIZE];
	if (attribute && mnl_attr_get_payload_len(attribute) != size_of(family))
		return;
	if (attribute)
		memcpy(ip.bytes, mnl_attr_get_payload(attribute), size_of(family));
	bool host = length == size_of(family) * 8;
	json_object_set_new(json, key,
			    json_string(host ? ip_format(&ip, text) : ip_format_prefix(&ip, text)));
}

static const char *type_name(unsigned type)
{
	static const char *const names[] = {
		[RTN_UNICAST] = "unicast",
		[RTN_LOCAL] = "local",
		[RTN_BROADCAST] = "broadcast",
		[RTN_ANYCAST] = "anycast",
		[RTN_MULTICAST] = "multicast",
		[RTN_BLACKHOLE] = "blackhole",
		[RTN_UNREACHABLE] = "unreachable",
		[RTN_PROHIBIT] = "prohibit",
		[RTN_THROW] = "throw",
	};
	return type < sizeof(names) / sizeof(names[0]) && names[type] ? names[type] : "other";
}

static json_t *route_json(const struct nlmsghdr *message)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute, *to = NULL, *gateway = NULL;
	uint32_t table = header->rtm_table, index = 0, metric = 0;
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		uint16_t type = mnl_attr_get_type(attribute);
		bool is_number = mnl_attr_get_payload_len(attribute) == 4;
		if (type == RTA_DST)
			to = attribute;
		else if (type == RTA_GATEWAY)
			gateway = attribute;
		else if (type == RTA_OIF && is_number)
			index = mnl_attr_get_u32(attribute);
		else if (type == RTA_TABLE && is_number)
			table = mnl_attr_get_u32(attribute);
		else if (type == RTA_PRIORITY && is_number)
			metric = mnl_attr_get_u32(attribute);
	}
	int family = header->rtm_family;
	if (family != AF_INET && family != AF_INET6)
		return NULL;
	json_t *json = json_pack("{s:i, s:i, s:i, s:i, s:s, s:b, s:i}", "family",
				 family == AF_INET ? 4 : 6, "index", (int)index, "table",
				 (int)table, "protocol", header->rtm_protocol, "type",
				 type_name(header->rtm_type), "linkdown",
				 (header->rtm_flags & RTNH_F_LINKDOWN) != 0, "metric", (int)metric);
	set_ip(json, "to", to, family, header->rtm_dst_len);
	if (gateway)
		set_ip(json, "gateway", gateway, family, (uint8_t)(size_of(family) * 8));
	return json;
}

static void begin(void *data)
{
	json_array_clear(data);
}

/* Broadcast and multicast ones tell nothing; local ones are in the list of addresses. */
static int route_message(const struct nlmsghdr *message, void *data)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	bool is_boring = header->rtm_type == RTN_LOCAL || header->rtm_type == RTN_BROADCAST ||
			 header->rtm_type == RTN_ANYCAST || header->rtm_type == RTN_MULTICAST;
	if (message->nlmsg_type == RTM_NEWROUTE && !is_boring)
		json_array_append_new(data, route_json(message));
	return 0;
}

json_t *facts_routes(struct netlink *netlink, struct error *err)
{
	json_t *list = json_array();
	static const uint8_t families[] = {AF_INET, AF_INET6};
	for (size_t i = 0; i < 2; i++) {
		json_t *part = json_array();
		struct rtmsg header = {.rtm_family = families[i]};
		int code = netlink_dump(netlink, RTM_GETROUTE, &header, sizeof(header), begin,
					route_message, part, err);
		json_array_extend(list, part);
		json_decref(part);
		if (code < 0 && code != -ENOENT && code != -EAFNOSUPPORT) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static int rule_message(const struct nlmsghdr *message, void *data)
{
	const struct fib_rule_hdr *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	uint32_t priority = 0, table = header->table, mark = 0;
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		uint16_t type = mnl_attr_get_type(attribute);
		if (mnl_attr_get_payload_len(attribute) != 4)
			continue;
		if (type == FRA_PRIORITY)
			priority = mnl_attr_get_u32(attribute);
		else if (type == FRA_TABLE)
			table = mnl_attr_get_u32(attribute);
		else if (type == FRA_FWMARK)
			mark = mnl_attr_get_u32(attribute);
	}
	if (header->family == AF_INET || header->family == AF_INET6)
		json_array_append_new(data, json_pack("{s:i, s:i, s:i, s:b}", "family",
						      header->family == AF_INET ? 4 : 6, "priority",
						      (int)priority, "table", (int)table, "mark",
						      mark != 0));
	return 0;
}

json_t *facts_rules(struct netlink *netlink, struct error *err)
{
	json_t *list = json_array();
	struct fib_rule_hdr header = {.family = AF_UNSPEC};
	int code = netlink_dump(netlink, RTM_GETRULE, &header, sizeof(header), begin, rule_message,
				list, err);
	if (code == 0)
		return list;
	json_decref(list);
	return NULL;
}

static int route_answer(const struct nlmsghdr *message, void *data)
{
	if (message->nlmsg_type == RTM_NEWROUTE)
		*(json_t **)data = route_json(message);
	return 0;
}

json_t *facts_route(struct netlink *netlink, const struct ip *to, const struct ip *from,
		    int ifindex)
{
	struct rtmsg header = {.rtm_family = (uint8_t)to->family,
			       .rtm_dst_len = (uint8_t)(size_of(to->family) * 8)};
	bool has_from = from && ip_is_set(from);
	if (has_from)
		header.rtm_src_len = header.rtm_dst_len;
	struct nlmsghdr *message = netlink_add(netlink, RTM_GETROUTE, 0, &header, sizeof(header));
	mnl_attr_put(message, RTA_DST, size_of(to->family), to->bytes);
	if (has_from)
		mnl_attr_put(message, RTA_SRC, size_of(to->family), from->bytes);
	if (ifindex)
		mnl_attr_put_u32(message, RTA_IIF, (uint32_t)ifindex);
	json_t *answer = NULL;
	struct error err = {0};
	int code = netlink_run(netlink, route_answer, &answer, NULL, &err);
	if (code < 0 && !answer)
		return json_pack("{s:i}", "error", -code);
	return answer ? answer : json_pack("{s:i}", "error", EIO);
}
