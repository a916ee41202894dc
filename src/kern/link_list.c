/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What interfaces there are: RTM_NEWLINK messages into struct link. */
#include "kern/link.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "kern/netlink.h"

#define LOWER_UP 0x10000u /* IFF_LOWER_UP of linux/if.h, which cannot live beside net/if.h */

struct attributes {
	const struct nlattr **table;
	unsigned max;
};

static int attribute_store(const struct nlattr *attribute, void *data)
{
	const struct attributes *attributes = data;
	if (mnl_attr_type_valid(attribute, (uint16_t)attributes->max) > 0)
		attributes->table[mnl_attr_get_type(attribute)] = attribute;
	return MNL_CB_OK;
}

static uint32_t u32_of(const struct nlattr *attribute, uint32_t otherwise)
{
	return attribute && mnl_attr_get_payload_len(attribute) >= 4 ? mnl_attr_get_u32(attribute)
								     : otherwise;
}

static uint8_t u8_of(const struct nlattr *attribute)
{
	return attribute && mnl_attr_get_payload_len(attribute) >= 1 ? mnl_attr_get_u8(attribute)
								     : 0;
}

static void text_of(const struct nlattr *attribute, char *text, size_t size)
{
	if (attribute)
		snprintf(text, size, "%.*s", (int)mnl_attr_get_payload_len(attribute),
			 (const char *)mnl_attr_get_payload(attribute));
}

static void bridge_data(const struct nlattr *nest, struct link *link)
{
	const struct nlattr *table[IFLA_BR_MAX + 1] = {0};
	struct attributes attributes = {table, IFLA_BR_MAX};
	mnl_attr_parse_nested(nest, attribute_store, &attributes);
	link->stp = u32_of(table[IFLA_BR_STP_STATE], 0) != 0;
	link->vlan_filtering = u8_of(table[IFLA_BR_VLAN_FILTERING]) != 0;
	const struct nlattr *usual = table[IFLA_BR_VLAN_DEFAULT_PVID];
	if (usual && mnl_attr_get_payload_len(usual) >= 2)
		link->usual_vlan = mnl_attr_get_u16(usual);
	if (!link->usual_vlan)
		link->usual_vlan = VLAN_NOWHERE;
}

static void tun_data(const struct nlattr *nest, struct link *link)
{
	const struct nlattr *table[IFLA_TUN_MAX + 1] = {0};
	struct attributes attributes = {table, IFLA_TUN_MAX};
	mnl_attr_parse_nested(nest, attribute_store, &attributes);
	link->tap = u8_of(table[IFLA_TUN_TYPE]) == IFF_TAP;
	link->owner = u32_of(table[IFLA_TUN_OWNER], (uint32_t)-1);
	link->tap_group = u32_of(table[IFLA_TUN_GROUP], (uint32_t)-1);
	link->persistent = u8_of(table[IFLA_TUN_PERSIST]) != 0;
	link->multi_queue = u8_of(table[IFLA_TUN_MULTI_QUEUE]) != 0;
	link->queues = u32_of(table[IFLA_TUN_NUM_QUEUES], 0);
}

static void port_data(const struct nlattr *nest, struct link *link)
{
	const struct nlattr *table[IFLA_BRPORT_MAX + 1] = {0};
	struct attributes attributes = {table, IFLA_BRPORT_MAX};
	mnl_attr_parse_nested(nest, attribute_store, &attributes);
	link->isolated = u8_of(table[IFLA_BRPORT_ISOLATED]) != 0;
}

static void info_parse(const struct nlattr *nest, struct link *link)
{
	const struct nlattr *table[IFLA_INFO_MAX + 1] = {0};
	struct attributes attributes = {table, IFLA_INFO_MAX};
	mnl_attr_parse_nested(nest, attribute_store, &attributes);
	char slave[LINK_KIND_SIZE] = "";
	text_of(table[IFLA_INFO_KIND], link->kind, sizeof(link->kind));
	text_of(table[IFLA_INFO_SLAVE_KIND], slave, sizeof(slave));
	link->openvswitch = strcmp(slave, "openvswitch") == 0;
	const struct nlattr *data = table[IFLA_INFO_DATA];
	if (data && strcmp(link->kind, "bridge") == 0)
		bridge_data(data, link);
	if (data && strcmp(link->kind, "tun") == 0)
		tun_data(data, link);
	if (table[IFLA_INFO_SLAVE_DATA] && strcmp(slave, "bridge") == 0)
		port_data(table[IFLA_INFO_SLAVE_DATA], link);
}

bool link_parse(const struct nlmsghdr *message, struct link *ret)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return false;
	const struct nlattr *table[IFLA_MAX + 1] = {0};
	struct attributes attributes = {table, IFLA_MAX};
	mnl_attr_parse(message, sizeof(*header), attribute_store, &attributes);
	*ret = (struct link){
		.ifindex = header->ifi_index, .owner = (uint32_t)-1, .tap_group = (uint32_t)-1};
	ret->up = header->ifi_flags & IFF_UP;
	ret->carrier = header->ifi_flags & LOWER_UP;
	ret->arp = !(header->ifi_flags & IFF_NOARP);
	ret->master = (int)u32_of(table[IFLA_MASTER], 0);
	ret->mtu = u32_of(table[IFLA_MTU], 0);
	ret->group = u32_of(table[IFLA_GROUP], 0);
	text_of(table[IFLA_IFNAME], ret->name, sizeof(ret->name));
	text_of(table[IFLA_IFALIAS], ret->alias, sizeof(ret->alias));
	if (table[IFLA_ADDRESS] &&
	    mnl_attr_get_payload_len(table[IFLA_ADDRESS]) == sizeof(ret->mac.bytes))
		memcpy(ret->mac.bytes, mnl_attr_get_payload(table[IFLA_ADDRESS]),
		       sizeof(ret->mac.bytes));
	if (table[IFLA_LINKINFO])
		info_parse(table[IFLA_LINKINFO], ret);
	/* All are on one `ovs-system`, whatever bridge they are in. */
	if (ret->openvswitch)
		ret->master = 0;
	if (strcmp(ret->kind, "veth") == 0)
		ret->peer = (int)u32_of(table[IFLA_LINK], 0);
	return true;
}

static int list_add(const struct nlmsghdr *message, void *data)
{
	struct link_list *list = data;
	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	list->items = memory_grow(list->items, &list->room, list->count + 1, sizeof(*list->items));
	if (link_parse(message, &list->items[list->count]))
		list->count++;
	return 0;
}

static void list_clear(void *data)
{
	((struct link_list *)data)->count = 0;
}

static int by_index(const void *a, const void *b)
{
	const struct link *one = a, *other = b;
	return (one->ifindex > other->ifindex) - (one->ifindex < other->ifindex);
}

int link_list_dump(struct netlink *netlink, struct link_list *list, struct error *err)
{
	struct {
		struct ifinfomsg header;
		struct nlattr attribute;
		uint32_t mask;
	} request = {
		.attribute = {sizeof(struct nlattr) + sizeof(uint32_t), IFLA_EXT_MASK},
		.mask = RTEXT_FILTER_SKIP_STATS,
	};
	int code = netlink_dump(netlink, RTM_GETLINK, &request, sizeof(request), list_clear,
				list_add, list, err);
	if (code < 0)
		return error_prefix(err, "interfaces");
	qsort(list->items, list->count, sizeof(*list->items), by_index);
	return 0;
}

void link_list_done(struct link_list *list)
{
	free(list->items);
	*list = (struct link_list){0};
}

struct link *link_list_index(const struct link_list *list, int ifindex)
{
	struct link key = {.ifindex = ifindex};
	if (list->count == 0)
		return NULL;
	return bsearch(&key, list->items, list->count, sizeof(*list->items), by_index);
}

static int store_link(const struct nlmsghdr *message, void *data)
{
	if (message->nlmsg_type == RTM_NEWLINK)
		link_parse(message, data);
	return 0;
}

static int get(struct netlink *netlink, int ifindex, const char *name, struct link *ret,
	       struct error *err)
{
	struct ifinfomsg header = {.ifi_index = ifindex};
	struct nlmsghdr *message = netlink_add(netlink, RTM_GETLINK, 0, &header, sizeof(header));
	if (name)
		mnl_attr_put_strz(message, IFLA_IFNAME, name);
	mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	*ret = (struct link){0};
	return netlink_run(netlink, store_link, ret, NULL, err);
}

int link_get(struct netlink *netlink, const char *name, struct link *ret, struct error *err)
{
	if (get(netlink, 0, name, ret, err) < 0)
		return error_prefix(err, "interface %s", name);
	return 0;
}

int link_get_index(struct netlink *netlink, int ifindex, struct link *ret, struct error *err)
{
	if (get(netlink, ifindex, NULL, ret, err) < 0)
		return error_prefix(err, "interface %d", ifindex);
	return 0;
}

int link_index(const char *name)
{
	unsigned ifindex = if_nametoindex(name);
	return ifindex ? (int)ifindex : -ENODEV;
}
