/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kern/vlan_list.h"

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/file.h"
#include "kern/link.h"
#include "kern/netlink.h"

struct reading {
	int bridge; /* 0: all */
	struct vlan_port *items;
	size_t count, room;
};

static void begin(void *data)
{
	((struct reading *)data)->count = 0;
}

/* Ranges come as their first and their last VLAN. */
static void read_vlans(const struct nlattr *nest, struct vlan_port *port)
{
	const struct nlattr *attribute;
	unsigned first = 0, untagged = 0;
	bool leaves_untagged = false;
	mnl_attr_for_each_nested (attribute, nest) {
		struct bridge_vlan_info info;
		if (mnl_attr_get_type(attribute) != IFLA_BRIDGE_VLAN_INFO ||
		    mnl_attr_get_payload_len(attribute) < sizeof(info))
			continue;
		memcpy(&info, mnl_attr_get_payload(attribute), sizeof(info));
		if (!(info.flags & BRIDGE_VLAN_INFO_RANGE_END))
			first = info.vid;
		if (info.flags & BRIDGE_VLAN_INFO_RANGE_BEGIN)
			continue;
		vlan_add(port, first, info.vid);
		bool leaves = info.flags & BRIDGE_VLAN_INFO_UNTAGGED;
		if (info.flags & BRIDGE_VLAN_INFO_PVID && info.vid < VLAN_COUNT) {
			untagged = info.vid;
			leaves_untagged = leaves;
		} else {
			port->bare |= leaves;
		}
	}
	vlan_settle(port, untagged, leaves_untagged);
}

/* A NIC whose driver has a bridge of its own is told of twice. */
static bool is_of_driver(const struct nlattr *nest)
{
	const struct nlattr *attribute;
	mnl_attr_for_each_nested (attribute, nest)
		if (mnl_attr_get_type(attribute) == IFLA_BRIDGE_FLAGS &&
		    mnl_attr_get_payload_len(attribute) >= 2 &&
		    mnl_attr_get_u16(attribute) & BRIDGE_FLAGS_SELF)
			return true;
	return false;
}

bool vlan_parse(const struct nlmsghdr *message, struct vlan_port *ret, int *ret_bridge)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute, *vlans = NULL, *name = NULL;
	*ret_bridge = 0;
	if (message->nlmsg_type != RTM_NEWLINK ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*header) || header->ifi_family != AF_BRIDGE)
		return false;
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		uint16_t type = mnl_attr_get_type(attribute);
		if (type == IFLA_MASTER && mnl_attr_get_payload_len(attribute) >= 4)
			*ret_bridge = (int)mnl_attr_get_u32(attribute);
		else if (type == IFLA_IFNAME)
			name = attribute;
		else if (type == IFLA_AF_SPEC)
			vlans = attribute;
	}
	if (!*ret_bridge || header->ifi_index == *ret_bridge || !name)
		return false;
	if (vlans && is_of_driver(vlans))
		return false;
	*ret = (struct vlan_port){.mode = VLAN_TRUNK};
	snprintf(ret->name, sizeof(ret->name), "%.*s", (int)mnl_attr_get_payload_len(name),
		 mnl_attr_get_str(name));
	if (vlans)
		read_vlans(vlans, ret);
	return true;
}

static int read_port(const struct nlmsghdr *message, void *data)
{
	struct reading *reading = data;
	struct vlan_port port;
	int bridge;
	if (!vlan_parse(message, &port, &bridge) || (reading->bridge && bridge != reading->bridge))
		return 0;
	reading->items = memory_grow(reading->items, &reading->room, reading->count + 1,
				     sizeof(*reading->items));
	reading->items[reading->count++] = port;
	return 0;
}

static int read_all(struct netlink *netlink, struct reading *reading, struct error *err)
{
	struct {
		struct ifinfomsg header;
		struct nlattr attribute;
		uint32_t mask;
	} request = {
		.header = {.ifi_family = AF_BRIDGE},
		.attribute = {sizeof(struct nlattr) + sizeof(uint32_t), IFLA_EXT_MASK},
		.mask = RTEXT_FILTER_BRVLAN_COMPRESSED,
	};
	int r = netlink_dump(netlink, RTM_GETLINK, &request, sizeof(request), begin, read_port,
			     reading, err);
	if (r < 0) {
		free(reading->items);
		reading->items = NULL;
	}
	return r;
}

int vlan_list_all(struct netlink *netlink, struct vlan_port **ret, size_t *ret_count,
		  struct error *err)
{
	struct reading reading = {0};
	int r = read_all(netlink, &reading, err);
	*ret = reading.items;
	*ret_count = r < 0 ? 0 : reading.count;
	return r;
}

int vlan_list(const char *bridge, struct vlan_port **ret, size_t *ret_count, struct error *err)
{
	struct netlink netlink;
	struct link link;
	struct reading reading = {0};
	int r = netlink_open(&netlink, NETLINK_ROUTE, err);
	if (r < 0)
		return r;
	r = link_get(&netlink, bridge, &link, err);
	reading.bridge = link.ifindex;
	if (r == 0 && link.vlan_filtering)
		r = read_all(&netlink, &reading, err);
	netlink_close(&netlink);
	if (r < 0 || !link.vlan_filtering)
		return r;
	*ret = reading.items;
	*ret_count = reading.count;
	return 1;
}
