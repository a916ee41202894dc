/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The links of kern/host.h: whether a NIC can be a bridge's port, how it is set, and setting it. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "kern/host.h"
#include "kern/host_link.h"
#include "kern/link.h"
#include "kern/netlink.h"
#include "kern/wireless.h"
#include "model/object_host.h"

#define LOWER_UP 0x10000u /* IFF_LOWER_UP, see link_list.c */

/* Settings */

static char *setting_path(const char *ifname, size_t index)
{
	const char *name = object_host_setting(index);
	return text_format("/proc/sys/net/%.4s/conf/%s/%s", name, ifname, name + 5);
}

static void read_settings(struct object_host_link *link)
{
	for (size_t i = 0; i < HOST_SETTINGS; i++) {
		AUTO_FREE char *path = setting_path(link->ifname, i);
		AUTO_FREE char *text = NULL;
		int value = -1;
		if (file_read(path, 32, &text, NULL) < 0 || sscanf(text, "%d", &value) != 1)
			value = -1;
		link->settings[i] = value;
	}
}

static int write_setting(const char *ifname, size_t index, int32_t value, struct error *err)
{
	AUTO_FREE char *path = setting_path(ifname, index);
	FILE *file = fopen(path, "we");
	if (!file)
		return error_errno(err, errno, "%s", path);
	fprintf(file, "%d\n", value);
	return fclose(file) == 0 ? 0 : error_errno(err, errno, "%s", path);
}

static int write_settings(const struct object_host_link *wanted, const struct object_host_link *now,
			  struct error *err)
{
	int code = 0;
	for (size_t i = 0; i < HOST_SETTINGS && code == 0; i++)
		if (wanted->settings[i] >= 0 && now->settings[i] >= 0 &&
		    wanted->settings[i] != now->settings[i])
			code = write_setting(wanted->ifname, i, wanted->settings[i], err);
	return code;
}

/* Reading */

struct reading {
	struct object_host_link *link;
	const char *tag;
	int master;
	int ifindex;
};

static bool has_name(const struct nlattr *names, const char *tag)
{
	const struct nlattr *name;
	mnl_attr_for_each_nested (name, names)
		if (mnl_attr_get_type(name) == IFLA_ALT_IFNAME &&
		    strcmp(mnl_attr_get_str(name), tag) == 0)
			return true;
	return false;
}

static void read_families(const struct nlattr *families, struct object_host_link *link)
{
	const struct nlattr *family, *attribute;
	mnl_attr_for_each_nested (family, families) {
		if (mnl_attr_get_type(family) != AF_INET6)
			continue;
		mnl_attr_for_each_nested (attribute, family)
			if (mnl_attr_get_type(attribute) == IFLA_INET6_ADDR_GEN_MODE)
				link->gen_mode = mnl_attr_get_u8(attribute);
	}
}

static int store(const struct nlmsghdr *message, void *data)
{
	struct reading *reading = data;
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	struct object_host_link *link = reading->link;
	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	reading->ifindex = header->ifi_index;
	link->up = (header->ifi_flags & IFF_UP) != 0;
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		uint16_t type = mnl_attr_get_type(attribute);
		if (type == IFLA_ADDRESS &&
		    mnl_attr_get_payload_len(attribute) == sizeof(link->mac.bytes))
			memcpy(link->mac.bytes, mnl_attr_get_payload(attribute),
			       sizeof(link->mac.bytes));
		else if (type == IFLA_MTU)
			link->mtu = mnl_attr_get_u32(attribute);
		else if (type == IFLA_MASTER)
			reading->master = (int)mnl_attr_get_u32(attribute);
		else if (type == IFLA_AF_SPEC)
			read_families(attribute, link);
		else if (type == IFLA_PROP_LIST && reading->tag)
			link->tagged = has_name(attribute, reading->tag);
	}
	return 0;
}

int host_link_read(struct netlink *netlink, const char *ifname, const char *tag,
		   struct object_host_link *ret, int *ret_ifindex, struct error *err)
{
	struct reading reading = {.link = ret, .tag = tag};
	struct ifinfomsg header = {0};
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->ifname, ifname, strnlen(ifname, IFNAMSIZ - 1));
	/* An altname would do as a name in IFLA_ALT_IFNAME; here it must be the name itself. */
	struct nlmsghdr *message = netlink_add(netlink, RTM_GETLINK, 0, &header, sizeof(header));
	mnl_attr_put_strz(message, IFLA_IFNAME, ifname);
	mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	int code = netlink_run(netlink, store, &reading, NULL, err);
	if (code < 0)
		return error_prefix(err, "interface %s", ifname);
	if (reading.master && !if_indextoname((unsigned)reading.master, ret->bridge))
		ret->bridge[0] = '\0';
	read_settings(ret);
	if (ret_ifindex)
		*ret_ifindex = reading.ifindex;
	return 0;
}

/* Setting */

/* In a message of its own, and its failure is none: the tag is for people and for a successor. */
static void set_tag(struct netlink *netlink, int ifindex, const char *tag, bool on)
{
	struct ifinfomsg header = {.ifi_index = ifindex};
	struct nlmsghdr *message = netlink_add(netlink, on ? RTM_NEWLINKPROP : RTM_DELLINKPROP,
					       on ? NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND : 0,
					       &header, sizeof(header));
	struct nlattr *list = mnl_attr_nest_start(message, IFLA_PROP_LIST | NLA_F_NESTED);
	mnl_attr_put_strz(message, IFLA_ALT_IFNAME, tag);
	mnl_attr_nest_end(message, list);
	netlink_run(netlink, NULL, NULL, NULL, NULL);
}

static void add_gen_mode(struct netlink *netlink, int ifindex, uint8_t mode)
{
	struct ifinfomsg header = {.ifi_index = ifindex};
	struct nlmsghdr *message = netlink_add(netlink, RTM_SETLINK, 0, &header, sizeof(header));
	struct nlattr *families = mnl_attr_nest_start(message, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(message, AF_INET6);
	mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, mode);
	mnl_attr_nest_end(message, inet6);
	mnl_attr_nest_end(message, families);
}

static int set_gen_mode(struct netlink *netlink, int ifindex, uint8_t mode, struct error *err)
{
	add_gen_mode(netlink, ifindex, mode);
	int code = netlink_run(netlink, NULL, NULL, NULL, err);
	return code == -EAFNOSUPPORT || code == -EOPNOTSUPP ? 0 : code;
}

static int set_link(struct netlink *netlink, int ifindex, const struct object_host_link *wanted,
		    const struct object_host_link *now, struct error *err)
{
	int master = wanted->bridge[0] ? link_index(wanted->bridge) : 0;
	if (master < 0)
		return error_set(err, ENODEV, "there is no bridge '%s'", wanted->bridge);
	struct link_change change = {
		.up = wanted->up, .master = master, .mac = wanted->mac, .mtu = wanted->mtu};
	change.what = (strcmp(wanted->bridge, now->bridge) != 0 ? LINK_MASTER : 0) |
		      (!mac_equal(&wanted->mac, &now->mac) ? LINK_MAC : 0) |
		      (wanted->mtu != now->mtu ? LINK_MTU : 0) |
		      (wanted->up != now->up ? LINK_UP : 0);
	return change.what ? link_set(netlink, ifindex, &change, err) : 0;
}

int host_link_set(struct netlink *netlink, const struct object_host_link *wanted, const char *tag,
		  struct error *err)
{
	struct object_host_link now;
	int ifindex = 0;
	int code = host_link_read(netlink, wanted->ifname, tag, &now, &ifindex, err);
	/* While the settings change, the kernel makes no addresses of its own. */
	if (code == 0 && now.gen_mode != IN6_ADDR_GEN_MODE_NONE)
		code = set_gen_mode(netlink, ifindex, IN6_ADDR_GEN_MODE_NONE, err);
	if (code == 0)
		code = set_link(netlink, ifindex, wanted, &now, err);
	if (code == 0)
		code = write_settings(wanted, &now, err);
	if (code == 0 && wanted->gen_mode != IN6_ADDR_GEN_MODE_NONE)
		code = set_gen_mode(netlink, ifindex, wanted->gen_mode, err);
	if (code == 0 && tag && wanted->tagged != now.tagged)
		set_tag(netlink, ifindex, tag, wanted->tagged);
	return code;
}

/* Can it be a port? */

static void text_of(const struct nlattr *attribute, char *text, size_t size)
{
	snprintf(text, size, "%.*s", (int)mnl_attr_get_payload_len(attribute),
		 (const char *)mnl_attr_get_payload(attribute));
}

static void bond_data(const struct nlattr *data, struct host_nic *nic)
{
	const struct nlattr *attribute;
	mnl_attr_for_each_nested (attribute, data) {
		uint16_t type = mnl_attr_get_type(attribute);
		if (type == IFLA_BOND_MODE)
			nic->bond_mode = mnl_attr_get_u8(attribute);
		else if (type == IFLA_BOND_MIIMON)
			nic->bond_miimon = mnl_attr_get_u32(attribute);
		else if (type == IFLA_BOND_ARP_INTERVAL)
			nic->bond_arp_interval = mnl_attr_get_u32(attribute);
	}
}

static void link_info(const struct nlattr *info, char kind[IFNAMSIZ], struct host_nic *nic)
{
	const struct nlattr *attribute, *data = NULL;
	mnl_attr_for_each_nested (attribute, info) {
		if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND)
			text_of(attribute, kind, IFNAMSIZ);
		else if (mnl_attr_get_type(attribute) == IFLA_INFO_DATA)
			data = attribute;
	}
	if (nic && data && strcmp(kind, "bond") == 0)
		bond_data(data, nic);
}

static void own_link(const struct nlmsghdr *message, struct host_nic *nic)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	nic->ifindex = header->ifi_index;
	nic->type = header->ifi_type;
	nic->loopback = (header->ifi_flags & IFF_LOOPBACK) != 0;
	nic->up = (header->ifi_flags & IFF_UP) != 0;
	nic->carrier = (header->ifi_flags & LOWER_UP) != 0;
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		uint16_t type = mnl_attr_get_type(attribute);
		if (type == IFLA_MASTER)
			nic->master = (int)mnl_attr_get_u32(attribute);
		else if (type == IFLA_MTU)
			nic->mtu = mnl_attr_get_u32(attribute);
		else if (type == IFLA_ADDRESS &&
			 mnl_attr_get_payload_len(attribute) == sizeof(nic->mac.bytes))
			memcpy(nic->mac.bytes, mnl_attr_get_payload(attribute),
			       sizeof(nic->mac.bytes));
		else if (type == IFLA_IFALIAS)
			text_of(attribute, nic->alias, sizeof(nic->alias));
		else if (type == IFLA_LINKINFO)
			link_info(attribute, nic->kind, nic);
	}
}

static int store_own(const struct nlmsghdr *message, void *data)
{
	if (message->nlmsg_type == RTM_NEWLINK)
		own_link(message, data);
	return 0;
}

/* Those that take every frame of the NIC before a bridge could. A VLAN does not: its frames are
 * sorted out before. */
static bool takes_all(const char *kind)
{
	return strcmp(kind, "macvlan") == 0 || strcmp(kind, "macvtap") == 0 ||
	       strcmp(kind, "ipvlan") == 0 || strcmp(kind, "ipvtap") == 0;
}

static int store_other(const struct nlmsghdr *message, void *data)
{
	struct host_nic *nic = data;
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	char name[IFNAMSIZ] = "", kind[IFNAMSIZ] = "";
	int below = 0;
	bool is_elsewhere = false;
	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		uint16_t type = mnl_attr_get_type(attribute);
		if (type == IFLA_IFNAME)
			text_of(attribute, name, sizeof(name));
		else if (type == IFLA_LINK)
			below = (int)mnl_attr_get_u32(attribute);
		else if (type == IFLA_LINK_NETNSID)
			is_elsewhere = true;
		else if (type == IFLA_LINKINFO)
			link_info(attribute, kind, NULL);
	}
	if (header->ifi_index == nic->master) {
		snprintf(nic->master_name, sizeof(nic->master_name), "%s", name);
		snprintf(nic->master_kind, sizeof(nic->master_kind), "%s", kind);
	}
	if (below == nic->ifindex && !is_elsewhere && takes_all(kind)) {
		snprintf(nic->child, sizeof(nic->child), "%s", name);
		snprintf(nic->child_kind, sizeof(nic->child_kind), "%s", kind);
	}
	return 0;
}

int host_nic(struct netlink *netlink, const char *ifname, struct host_nic *ret, struct error *err)
{
	struct ifinfomsg header = {0};
	*ret = (struct host_nic){.bond_mode = -1};
	struct nlmsghdr *message = netlink_add(netlink, RTM_GETLINK, 0, &header, sizeof(header));
	mnl_attr_put_strz(message, IFLA_IFNAME, ifname);
	int code = netlink_run(netlink, store_own, ret, NULL, err);
	if (code == 0)
		code = netlink_dump(netlink, RTM_GETLINK, &header, sizeof(header), NULL,
				    store_other, ret, err);
	ret->wireless = wireless_kind(ifname, &ret->wireless_bridgeable);
	return code;
}
