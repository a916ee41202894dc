/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making interfaces. RTM_NEWLINK ignores the alias, so each creation is followed by an RTM_SETLINK
 * in the same datagram: the kernel handles both before anybody can interrupt us. It also handles
 * the second one when the first has failed, so we choose the index of what we make: the label is
 * for that index, and cannot land on somebody's interface that has just taken the name.
 */
#include "kern/link.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/error.h"
#include "kern/netlink.h"
#include "kern/sysctl.h"

#define MTU_DEFAULT 1500u
#define INDEX_FIRST                                                                                \
	0x20000000u /* the kernel counts from 1; nobody reaches this one by counting               \
		     */

/* Side by side, because the kernel walks scattered ones slowly; from where, nobody can know. */
static int index_choose(int *ret, struct error *err)
{
	static uint32_t next;
	char name[IFNAMSIZ];
	if (next == 0 && getrandom(&next, sizeof(next), 0) != sizeof(next))
		return error_errno(err, errno, "random number");
	do {
		next = INDEX_FIRST | (next + 1) % INDEX_FIRST;
	} while (if_indextoname(next, name));
	*ret = (int)next;
	return 0;
}

static int indexes_choose(int *ret, size_t count, struct error *err)
{
	int code = 0;
	for (size_t i = 0; i < count && code == 0; i++)
		code = index_choose(&ret[i], err);
	return code;
}

/* After a failed datagram: its later requests may have succeeded. */
static void take_away(struct netlink *netlink, int ifindex, const char *name)
{
	struct link link;
	if (link_get_index(netlink, ifindex, &link, NULL) == 0 && strcmp(link.name, name) == 0)
		link_delete(netlink, ifindex, NULL);
}

static struct nlmsghdr *add(struct netlink *netlink, uint16_t type, uint16_t flags, int ifindex)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	return netlink_add(netlink, type, flags, &header, sizeof(header));
}

/* ifindex 0: the kernel's choice. */
static struct nlmsghdr *add_new(struct netlink *netlink, int ifindex, const char *name,
				const struct mac *mac)
{
	struct nlmsghdr *message = add(netlink, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifindex);
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	if (mac && mac_is_set(mac))
		mnl_attr_put(message, IFLA_ADDRESS, sizeof(mac->bytes), mac->bytes);
	return message;
}

/* What creation cannot set: the alias, and that the kernel invents no IPv6 address. */
static void add_label(struct netlink *netlink, int ifindex, const char *alias)
{
	struct nlmsghdr *message = add(netlink, RTM_SETLINK, 0, ifindex);
	mnl_attr_put_str(message, IFLA_IFALIAS, alias);
	struct nlattr *families = mnl_attr_nest_start(message, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(message, AF_INET6);
	mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(message, inet6);
	mnl_attr_nest_end(message, families);
}

/* A message of its own: the flags of a request take effect before its address family settings do.
 */
static struct nlmsghdr *add_up(struct netlink *netlink, int ifindex)
{
	struct ifinfomsg header = {.ifi_index = ifindex, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	return netlink_add(netlink, RTM_SETLINK, 0, &header, sizeof(header));
}

static void put_peer(struct nlmsghdr *message, int ifindex, const struct link_veth *veth)
{
	struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	struct nlattr *other = mnl_attr_nest_start(message, VETH_INFO_PEER);
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->ifi_index = ifindex;
	mnl_attr_put_strz(message, IFLA_IFNAME, veth->peer);
	mnl_attr_put_u32(message, IFLA_MTU, veth->mtu ? veth->mtu : MTU_DEFAULT);
	if (veth->peer_mac && mac_is_set(veth->peer_mac))
		mnl_attr_put(message, IFLA_ADDRESS, sizeof(veth->peer_mac->bytes),
			     veth->peer_mac->bytes);
	if (veth->peer_netns >= 0)
		mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)veth->peer_netns);
	mnl_attr_nest_end(message, other);
	mnl_attr_nest_end(message, data);
}

/* indexes: of this end and of the other one. */
static void add_veth(struct netlink *netlink, const int indexes[2], const struct link_veth *veth)
{
	struct nlmsghdr *message = add_new(netlink, indexes[0], veth->name, veth->mac);
	mnl_attr_put_u32(message, IFLA_MTU, veth->mtu ? veth->mtu : MTU_DEFAULT);
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
	put_peer(message, indexes[1], veth);
	mnl_attr_nest_end(message, info);
	add_label(netlink, indexes[0], veth->alias);
	if (veth->peer_netns < 0 && veth->peer_alias)
		add_label(netlink, indexes[1], veth->peer_alias);
}

int link_create_veth(struct netlink *netlink, const struct link_veth *veth, int *ret_ifindex,
		     struct error *err)
{
	int indexes[2] = {0}; /* the other end's is its own namespace's affair */
	int code = indexes_choose(indexes, veth->peer_netns < 0 ? 2 : 1, err);
	if (code < 0)
		return code;
	add_veth(netlink, indexes, veth);
	code = netlink_run(netlink, NULL, NULL, NULL, err);
	if (code < 0) {
		take_away(netlink, indexes[0], veth->name);
		error_prefix(err, "veth %s", veth->peer);
		return link_failed(err, "veth", veth->name);
	}
	if (ret_ifindex)
		*ret_ifindex = indexes[0];
	return 0;
}

/* Nothing is flooded to it, with one exception that makes its other end's silence matter: what the
 * bridge itself sends to all. */
static void add_silence(struct netlink *netlink, int ifindex)
{
	static const uint16_t off[] = {IFLA_BRPORT_LEARNING, IFLA_BRPORT_UNICAST_FLOOD,
				       IFLA_BRPORT_MCAST_FLOOD, IFLA_BRPORT_BCAST_FLOOD};
	struct ifinfomsg header = {.ifi_family = PF_BRIDGE, .ifi_index = ifindex};
	struct nlmsghdr *message = netlink_add(netlink, RTM_SETLINK, 0, &header, sizeof(header));
	struct nlattr *port = mnl_attr_nest_start(message, IFLA_PROTINFO);
	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++)
		mnl_attr_put_u8(message, off[i], 0);
	mnl_attr_put_u8(message, IFLA_BRPORT_ISOLATED, 1);
	mnl_attr_nest_end(message, port);
}

/* A veth pair with both ends up. Not a dummy and not an ifb, which would be half the work: loading
 * their modules puts dummy0, ifb0, ifb1 on the host. */
struct silent {
	int indexes[2];
	char peer[IFNAMSIZ];
	struct link_veth veth;
};

static int silent_prepare(struct silent *silent, const char *name, const char *alias,
			  struct error *err)
{
	int length = snprintf(silent->peer, sizeof(silent->peer), "%sp", name);
	if (length < 0 || (size_t)length >= sizeof(silent->peer))
		return error_set(err, EINVAL, "port %s: the name is too long", name);
	silent->veth = (struct link_veth){.name = name,
					  .alias = alias,
					  .peer = silent->peer,
					  .peer_alias = alias,
					  .peer_netns = -1};
	return indexes_choose(silent->indexes, 2, err);
}

/* Up as well: a port that goes up before the kernel's link watch has seen it without carrier
 * forwards at once, else when the link watch comes round. */
static void add_silent(struct netlink *netlink, const struct silent *silent, int bridge)
{
	add_veth(netlink, silent->indexes, &silent->veth);
	mnl_attr_put_u32(add(netlink, RTM_SETLINK, 0, silent->indexes[0]), IFLA_MASTER,
			 (uint32_t)bridge);
	add_silence(netlink, silent->indexes[0]);
	add_up(netlink, silent->indexes[1]);
	add_up(netlink, silent->indexes[0]);
}

/* The router advertisements of our own dnsmasq would give the other end an address and the host a
 * second route. */
static int silent_settle(const struct silent *silent, struct error *err)
{
	int code = link_ipv6_off(silent->veth.name, err);
	return code < 0 ? code : link_ipv6_off(silent->peer, err);
}

int link_create_silent(struct netlink *netlink, int bridge, const char *name, const char *alias,
		       struct error *err)
{
	struct silent silent = {0};
	int code = silent_prepare(&silent, name, alias, err);
	if (code < 0)
		return code;
	add_silent(netlink, &silent, bridge);
	code = netlink_run(netlink, NULL, NULL, NULL, err);
	if (code == 0)
		code = silent_settle(&silent, err);
	if (code < 0)
		take_away(netlink, silent.indexes[0], name);
	return code < 0 ? link_failed(err, "silent port", name) : 0;
}

static void add_bridge(struct netlink *netlink, int ifindex, const struct link_bridge *bridge)
{
	struct nlmsghdr *message = add_new(netlink, ifindex, bridge->name, bridge->mac);
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "bridge");
	struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	mnl_attr_put_u32(message, IFLA_BR_FORWARD_DELAY, 0);
	mnl_attr_put_u32(message, IFLA_BR_STP_STATE, 0);
	mnl_attr_put_u8(message, IFLA_BR_MCAST_SNOOPING, 0);
	if (bridge->vlan_filtering)
		mnl_attr_put_u8(message, IFLA_BR_VLAN_FILTERING, 1);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	add_label(netlink, ifindex, bridge->alias);
}

/* The MTU pins itself only when it is set after creation: then ports do not change it. Goes up
 * after its silent port, so that it is never without carrier. */
static void add_bridge_up(struct netlink *netlink, int ifindex, const struct link_bridge *bridge)
{
	mnl_attr_put_u32(add_up(netlink, ifindex), IFLA_MTU,
			 bridge->mtu ? bridge->mtu : MTU_DEFAULT);
}

/* A guest that sends router advertisements must not configure the host. */
static int bridge_settle(const struct link_bridge *bridge, const struct silent *silent,
			 struct error *err)
{
	int code = sysctl_set(SYSCTL_ACCEPT_RA, bridge->name, 0, err);
	if (code < 0 && code != -ENOENT) /* a kernel without IPv6 */
		return code;
	return silent_settle(silent, err);
}

int link_create_bridge(struct netlink *netlink, const struct link_bridge *bridge, int *ret_ifindex,
		       struct error *err)
{
	struct silent silent = {0};
	unsigned failed = 0;
	int ifindex = 0;
	int code = silent_prepare(&silent, bridge->silent, bridge->silent_alias, err);
	if (code == 0)
		code = index_choose(&ifindex, err);
	if (code < 0)
		return code;
	add_bridge(netlink, ifindex, bridge);
	unsigned of_bridge = netlink->count;
	add_silent(netlink, &silent, ifindex);
	unsigned of_silent = netlink->count;
	add_bridge_up(netlink, ifindex, bridge);
	code = netlink_run(netlink, NULL, NULL, &failed, err);
	if (code < 0 && failed >= of_bridge && failed < of_silent)
		link_failed(err, "silent port", bridge->silent);
	if (code == 0)
		code = bridge_settle(bridge, &silent, err);
	if (code < 0) {
		take_away(netlink, silent.indexes[0], bridge->silent);
		take_away(netlink, ifindex, bridge->name);
		return link_failed(err, "bridge", bridge->name);
	}
	if (ret_ifindex)
		*ret_ifindex = ifindex;
	return 0;
}
