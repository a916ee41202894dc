/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changing and removing interfaces; they are made in link_creation. */
#include "kern/link.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "kern/netlink.h"
#include "kern/sysctl.h"

int link_failed(struct error *err, const char *what, const char *name)
{
	if (err && err->code == EXFULL)
		return error_set(err, EXFULL, "%s %s: a Linux bridge takes no more than 1023 ports",
				 what, name);
	if (err && err->code == EPERM)
		return error_set(err, EPERM,
				 "%s %s: Operation not permitted (CAP_NET_ADMIN is missing)", what,
				 name);
	return error_prefix(err, "%s %s", what, name);
}

static struct nlmsghdr *add(struct netlink *netlink, uint16_t type, uint16_t flags, int ifindex)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	return netlink_add(netlink, type, flags, &header, sizeof(header));
}

static void put_no_link_local(struct nlmsghdr *message)
{
	struct nlattr *families = mnl_attr_nest_start(message, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(message, AF_INET6);
	mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(message, inet6);
	mnl_attr_nest_end(message, families);
}

#define IN_FIRST                                                                                   \
	(LINK_MASTER | LINK_MAC | LINK_MTU | LINK_ALIAS | LINK_GROUP | LINK_ARP | LINK_NO_LL |     \
	 LINK_NAME | LINK_UP)

/* The kernel applies a message's flags before its address family's settings, and what follows in a
 * message of its own is to be there when frames are. */
#define BEFORE_UP (LINK_NO_LL | LINK_ISOLATED | LINK_STP | LINK_VLANS | LINK_FILTER)

static void put_up(struct ifinfomsg *header, const struct link_change *change)
{
	header->ifi_change |= IFF_UP;
	header->ifi_flags |= change->up ? IFF_UP : 0;
}

static void add_first(struct netlink *netlink, int ifindex, const struct link_change *change)
{
	struct ifinfomsg header = {.ifi_index = ifindex};
	if (change->what & LINK_UP && !(change->what & BEFORE_UP))
		put_up(&header, change);
	if (change->what & LINK_ARP) {
		header.ifi_change |= IFF_NOARP;
		header.ifi_flags |= change->arp ? 0 : IFF_NOARP;
	}
	struct nlmsghdr *message = netlink_add(netlink, RTM_SETLINK, 0, &header, sizeof(header));
	if (change->what & LINK_NAME)
		mnl_attr_put_strz(message, IFLA_IFNAME, change->name);
	if (change->what & LINK_MASTER)
		mnl_attr_put_u32(message, IFLA_MASTER, (uint32_t)change->master);
	if (change->what & LINK_MAC)
		mnl_attr_put(message, IFLA_ADDRESS, sizeof(change->mac.bytes), change->mac.bytes);
	if (change->what & LINK_MTU)
		mnl_attr_put_u32(message, IFLA_MTU, change->mtu);
	if (change->what & LINK_ALIAS)
		mnl_attr_put_str(message, IFLA_IFALIAS, change->alias);
	if (change->what & LINK_GROUP)
		mnl_attr_put_u32(message, IFLA_GROUP, change->group);
	if (change->what & LINK_NO_LL)
		put_no_link_local(message);
}

static void add_isolated(struct netlink *netlink, int ifindex, bool isolated)
{
	struct ifinfomsg header = {.ifi_family = PF_BRIDGE, .ifi_index = ifindex};
	struct nlmsghdr *message = netlink_add(netlink, RTM_SETLINK, 0, &header, sizeof(header));
	struct nlattr *port = mnl_attr_nest_start(message, IFLA_PROTINFO);
	mnl_attr_put_u8(message, IFLA_BRPORT_ISOLATED, isolated);
	mnl_attr_nest_end(message, port);
}

static void put_vlans(struct nlmsghdr *message, unsigned first, unsigned last, uint16_t flags)
{
	struct bridge_vlan_info info = {.flags = flags, .vid = (uint16_t)first};
	if (first != last)
		info.flags |= BRIDGE_VLAN_INFO_RANGE_BEGIN;
	mnl_attr_put(message, IFLA_BRIDGE_VLAN_INFO, sizeof(info), &info);
	if (first == last)
		return;
	info = (struct bridge_vlan_info){.flags = flags | BRIDGE_VLAN_INFO_RANGE_END,
					 .vid = (uint16_t)last};
	mnl_attr_put(message, IFLA_BRIDGE_VLAN_INFO, sizeof(info), &info);
}

/* All go, then those come that are wanted. */
static void add_vlans(struct netlink *netlink, int ifindex, const struct link_change *change)
{
	struct ifinfomsg header = {.ifi_family = PF_BRIDGE, .ifi_index = ifindex};
	unsigned native = change->vlans.native ? change->vlans.native : change->usual_vlan;
	struct nlmsghdr *message = netlink_add(netlink, RTM_DELLINK, 0, &header, sizeof(header));
	struct nlattr *vlans = mnl_attr_nest_start(message, IFLA_AF_SPEC);
	put_vlans(message, 1, VLAN_LAST, 0);
	mnl_attr_nest_end(message, vlans);
	message = netlink_add(netlink, RTM_SETLINK, 0, &header, sizeof(header));
	vlans = mnl_attr_nest_start(message, IFLA_AF_SPEC);
	for (size_t i = 0; i < VLAN_RANGES && change->vlans.tagged[i].first; i++)
		put_vlans(message, change->vlans.tagged[i].first, change->vlans.tagged[i].last, 0);
	if (native && native <= VLAN_LAST)
		put_vlans(message, native, native,
			  BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED);
	mnl_attr_nest_end(message, vlans);
}

/* Settings of a kind go by RTM_NEWLINK without NLM_F_CREATE. */
static void add_bridge_settings(struct netlink *netlink, int ifindex,
				const struct link_change *change)
{
	struct nlmsghdr *message = add(netlink, RTM_NEWLINK, 0, ifindex);
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "bridge");
	struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	if (change->what & LINK_STP)
		mnl_attr_put_u32(message, IFLA_BR_STP_STATE, change->stp);
	if (change->what & LINK_FILTER)
		mnl_attr_put_u8(message, IFLA_BR_VLAN_FILTERING, change->vlan_filtering);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
}

int link_check_vlans(const struct link *bridge, const struct vlans *vlans, struct error *err)
{
	unsigned usual = bridge->usual_vlan;
	if (!vlans_are_set(vlans))
		return 0;
	if (!bridge->vlan_filtering)
		return error_set(err, EINVAL,
				 "bridge %s does not keep VLANs apart; 'ip link set %s type bridge "
				 "vlan_filtering 1' has it do so",
				 bridge->name, bridge->name);
	if (vlans->native ? vlans->native != usual : !vlan_ranges_have(vlans->tagged, usual, usual))
		return 0;
	return error_set(
		err, EINVAL,
		"VLAN %u is the one that bridge %s gives to all (default_pvid), and frames "
		"without a tag are in it; leave it out",
		usual, bridge->name);
}

static void add_flags(struct netlink *netlink, int ifindex, bool up)
{
	struct ifinfomsg header = {
		.ifi_index = ifindex, .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP};
	netlink_add(netlink, RTM_SETLINK, 0, &header, sizeof(header));
}

/* What goes to another bridge with VLANs of its own is down until it has them. */
static bool is_held(const struct link_change *change)
{
	return change->what & LINK_MASTER && change->what & LINK_VLANS;
}

int link_set(struct netlink *netlink, int ifindex, const struct link_change *change,
	     struct error *err)
{
	if (is_held(change))
		add_flags(netlink, ifindex, false);
	if (change->what & IN_FIRST)
		add_first(netlink, ifindex, change);
	if (change->what & LINK_ISOLATED)
		add_isolated(netlink, ifindex, change->isolated);
	if (change->what & LINK_VLANS)
		add_vlans(netlink, ifindex, change);
	if (change->what & (LINK_STP | LINK_FILTER))
		add_bridge_settings(netlink, ifindex, change);
	if (is_held(change) || (change->what & LINK_UP && change->what & BEFORE_UP))
		add_flags(netlink, ifindex, change->up);
	if (netlink_run(netlink, NULL, NULL, NULL, err) == 0)
		return 0;
	char name[IFNAMSIZ];
	if (!if_indextoname((unsigned)ifindex, name))
		snprintf(name, sizeof(name), "%d", ifindex);
	return link_failed(err, "interface", name);
}

int link_ipv6_off(const char *name, struct error *err)
{
	int code = sysctl_set(SYSCTL_DISABLE_IPV6, name, 1, err);
	return code == -ENOENT ? 0 : code;
}

int link_checksum_off(const char *name, struct error *err)
{
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_value value = {.cmd = ETHTOOL_STXCSUM, .data = 0};
	struct ifreq request = {0};
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	request.ifr_data = (void *)&value;
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request) < 0)
		return error_errno(err, errno, "interface %s: checksum offload", name);
	return 0;
}

int link_delete(struct netlink *netlink, int ifindex, struct error *err)
{
	add(netlink, RTM_DELLINK, 0, ifindex);
	if (netlink_run(netlink, NULL, NULL, NULL, err) == 0)
		return 0;
	return error_prefix(err, "interface %d", ifindex);
}

/* A number that nobody uses: groups are small numbers that administrators choose. */
static int group_random(uint32_t *ret, struct error *err)
{
	if (getrandom(ret, sizeof(*ret), 0) != sizeof(*ret))
		return error_errno(err, errno, "random number");
	*ret |= 0x40000000u;
	*ret &= 0x7fffffffu;
	return 0;
}

static int group_run(struct netlink *netlink, struct error *err)
{
	struct error reason = {0};
	int code = netlink_run(netlink, NULL, NULL, NULL, &reason);
	if (code == 0 || code == -ENODEV)
		return 0;
	return error_set(err, code, "%s", reason.text);
}

int link_delete_many(struct netlink *netlink, const int *ifindexes, size_t count, struct error *err)
{
	uint32_t group;
	int code = group_random(&group, err);
	for (size_t i = 0; i < count && code == 0; i++) {
		struct nlmsghdr *message = add(netlink, RTM_SETLINK, 0, ifindexes[i]);
		mnl_attr_put_u32(message, IFLA_GROUP, group);
		if (netlink_is_full(netlink))
			code = group_run(netlink, err);
	}
	if (code == 0)
		code = group_run(netlink, err);
	if (code < 0 || count == 0)
		return code;
	struct nlmsghdr *message = add(netlink, RTM_DELLINK, 0, 0);
	mnl_attr_put_u32(message, IFLA_GROUP, group);
	if (group_run(netlink, err) < 0)
		return error_prefix(err, "%zu interfaces", count);
	return 0;
}
