/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making, changing and removing interfaces. RTM_NEWLINK ignores the alias, so each creation is
 * followed by an RTM_SETLINK in the same datagram: the kernel handles both before anybody can
 * interrupt us.
 */
#include "kern/link.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "kern/netlink.h"

#define MTU_DEFAULT 1500u

/* The name is not what the kernel's message says, so it is put in front. */
static int failed(struct error *err, const char *what, const char *name)
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

static void put_mac(struct nlmsghdr *message, const struct mac *mac)
{
	mnl_attr_put(message, IFLA_ADDRESS, sizeof(mac->bytes), mac->bytes);
}

static void put_no_link_local(struct nlmsghdr *message)
{
	struct nlattr *families = mnl_attr_nest_start(message, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(message, AF_INET6);
	mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(message, inet6);
	mnl_attr_nest_end(message, families);
}

/* What creation cannot set: the alias, and that the kernel invents no IPv6 address. */
static void add_label(struct netlink *netlink, const char *name, const char *alias)
{
	struct nlmsghdr *message = add(netlink, RTM_SETLINK, 0, 0);
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	mnl_attr_put_str(message, IFLA_IFALIAS, alias);
	put_no_link_local(message);
}

/* A message of its own: the flags of a request take effect before its address family settings do.
 */
static void add_up(struct netlink *netlink, const char *name)
{
	struct ifinfomsg header = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct nlmsghdr *message = netlink_add(netlink, RTM_SETLINK, 0, &header, sizeof(header));
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
}

static int store_index(const struct nlmsghdr *message, void *data)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	if (message->nlmsg_type == RTM_NEWLINK)
		*(int *)data = header->ifi_index;
	return 0;
}

/* Asks for the index in the same datagram, runs it, and takes away what was made when a later part
 * failed. */
static int run_creation(struct netlink *netlink, const char *name, int *ret_ifindex,
			struct error *err)
{
	struct nlmsghdr *message = add(netlink, RTM_GETLINK, 0, 0);
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	unsigned number = 0;
	int ifindex = 0;
	struct error reason = {0};
	int code = netlink_run(netlink, store_index, &ifindex, &number, &reason);
	if (code < 0 && number > 0 && ifindex > 0)
		link_delete(netlink, ifindex, NULL);
	if (code < 0)
		return error_set(err, code, "%s", reason.text);
	if (ret_ifindex)
		*ret_ifindex = ifindex;
	return 0;
}

/*
 * A veth pair with both ends up; the other end answers nothing and nothing is flooded to it. Not a
 * dummy and not an ifb, which would be half the work: loading their modules puts dummy0, ifb0, ifb1
 * on the host.
 */
static void add_silent(struct netlink *netlink, int bridge, const char *name, const char *alias,
		       const char *peer)
{
	struct nlmsghdr *message = add(netlink, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
	struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	struct nlattr *other = mnl_attr_nest_start(message, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(message, IFLA_IFNAME, peer);
	mnl_attr_nest_end(message, other);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	add_label(netlink, name, alias);
	add_label(netlink, peer, alias);
	add_up(netlink, peer);
	struct ifinfomsg up = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	message = netlink_add(netlink, RTM_SETLINK, 0, &up, sizeof(up));
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	mnl_attr_put_u32(message, IFLA_MASTER, (uint32_t)bridge);
}

/* Only now is its index known, which bridge port settings need. */
static int silence(struct netlink *netlink, int ifindex, struct error *err)
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
	return netlink_run(netlink, NULL, NULL, NULL, err);
}

int link_create_silent(struct netlink *netlink, int bridge, const char *name, const char *alias,
		       struct error *err)
{
	char peer[IFNAMSIZ];
	int length = snprintf(peer, sizeof(peer), "%sp", name);
	if (length < 0 || (size_t)length >= sizeof(peer))
		return error_set(err, EINVAL, "port %s: the name is too long", name);
	int ifindex = 0;
	add_silent(netlink, bridge, name, alias, peer);
	int code = run_creation(netlink, name, &ifindex, err);
	if (code == 0 && (code = silence(netlink, ifindex, err)) < 0)
		link_delete(netlink, ifindex, NULL);
	return code < 0 ? failed(err, "silent port", name) : 0;
}

static void add_bridge(struct netlink *netlink, const struct link_bridge *bridge)
{
	struct nlmsghdr *message = add(netlink, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
	mnl_attr_put_strz(message, IFLA_IFNAME, bridge->name);
	put_mac(message, bridge->mac);
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "bridge");
	struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	mnl_attr_put_u32(message, IFLA_BR_FORWARD_DELAY, 0);
	mnl_attr_put_u32(message, IFLA_BR_STP_STATE, 0);
	mnl_attr_put_u8(message, IFLA_BR_MCAST_SNOOPING, 0);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	add_label(netlink, bridge->name, bridge->alias);
}

/* The MTU pins itself only when it is set after creation: then ports do not change it. */
static void add_bridge_up(struct netlink *netlink, const struct link_bridge *bridge)
{
	struct ifinfomsg header = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct nlmsghdr *message = netlink_add(netlink, RTM_SETLINK, 0, &header, sizeof(header));
	mnl_attr_put_strz(message, IFLA_IFNAME, bridge->name);
	mnl_attr_put_u32(message, IFLA_MTU, bridge->mtu ? bridge->mtu : MTU_DEFAULT);
}

int link_create_bridge(struct netlink *netlink, const struct link_bridge *bridge, int *ret_ifindex,
		       struct error *err)
{
	int ifindex = 0;
	add_bridge(netlink, bridge);
	add_bridge_up(netlink, bridge);
	if (run_creation(netlink, bridge->name, &ifindex, err) < 0)
		return failed(err, "bridge", bridge->name);
	int code = link_create_silent(netlink, ifindex, bridge->silent, bridge->silent_alias, err);
	if (code < 0) {
		link_delete(netlink, ifindex, NULL);
		return failed(err, "bridge", bridge->name);
	}
	if (ret_ifindex)
		*ret_ifindex = ifindex;
	return 0;
}

static void put_peer(struct nlmsghdr *message, const struct link_veth *veth)
{
	struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	struct nlattr *other = mnl_attr_nest_start(message, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(message, IFLA_IFNAME, veth->peer);
	mnl_attr_put_u32(message, IFLA_MTU, veth->mtu ? veth->mtu : MTU_DEFAULT);
	if (veth->peer_mac && mac_is_set(veth->peer_mac))
		put_mac(message, veth->peer_mac);
	if (veth->peer_netns >= 0)
		mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)veth->peer_netns);
	mnl_attr_nest_end(message, other);
	mnl_attr_nest_end(message, data);
}

int link_create_veth(struct netlink *netlink, const struct link_veth *veth, int *ret_ifindex,
		     struct error *err)
{
	struct nlmsghdr *message = add(netlink, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
	mnl_attr_put_strz(message, IFLA_IFNAME, veth->name);
	mnl_attr_put_u32(message, IFLA_MTU, veth->mtu ? veth->mtu : MTU_DEFAULT);
	if (veth->mac && mac_is_set(veth->mac))
		put_mac(message, veth->mac);
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
	put_peer(message, veth);
	mnl_attr_nest_end(message, info);
	add_label(netlink, veth->name, veth->alias);
	if (veth->peer_netns < 0 && veth->peer_alias)
		add_label(netlink, veth->peer, veth->peer_alias);
	int code = run_creation(netlink, veth->name, ret_ifindex, err);
	if (code < 0)
		error_prefix(err, "veth %s", veth->peer);
	return code < 0 ? failed(err, "veth", veth->name) : 0;
}

#define IN_FIRST                                                                                   \
	(LINK_MASTER | LINK_MAC | LINK_MTU | LINK_ALIAS | LINK_GROUP | LINK_ARP | LINK_NO_LL |     \
	 LINK_NAME)

static void add_first(struct netlink *netlink, int ifindex, const struct link_change *change)
{
	struct ifinfomsg header = {.ifi_index = ifindex};
	if (change->what & LINK_ARP) {
		header.ifi_change = IFF_NOARP;
		header.ifi_flags = change->arp ? 0 : IFF_NOARP;
	}
	struct nlmsghdr *message = netlink_add(netlink, RTM_SETLINK, 0, &header, sizeof(header));
	if (change->what & LINK_NAME)
		mnl_attr_put_strz(message, IFLA_IFNAME, change->name);
	if (change->what & LINK_MASTER)
		mnl_attr_put_u32(message, IFLA_MASTER, (uint32_t)change->master);
	if (change->what & LINK_MAC)
		put_mac(message, &change->mac);
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

/* Settings of a kind go by RTM_NEWLINK without NLM_F_CREATE. */
static void add_stp(struct netlink *netlink, int ifindex, bool stp)
{
	struct nlmsghdr *message = add(netlink, RTM_NEWLINK, 0, ifindex);
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "bridge");
	struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	mnl_attr_put_u32(message, IFLA_BR_STP_STATE, stp);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
}

int link_set(struct netlink *netlink, int ifindex, const struct link_change *change,
	     struct error *err)
{
	if (change->what & IN_FIRST)
		add_first(netlink, ifindex, change);
	if (change->what & LINK_ISOLATED)
		add_isolated(netlink, ifindex, change->isolated);
	if (change->what & LINK_STP)
		add_stp(netlink, ifindex, change->stp);
	if (change->what & LINK_UP) {
		struct ifinfomsg header = {.ifi_index = ifindex,
					   .ifi_change = IFF_UP,
					   .ifi_flags = change->up ? IFF_UP : 0};
		netlink_add(netlink, RTM_SETLINK, 0, &header, sizeof(header));
	}
	if (netlink_run(netlink, NULL, NULL, NULL, err) == 0)
		return 0;
	char name[IFNAMSIZ];
	if (!if_indextoname((unsigned)ifindex, name))
		snprintf(name, sizeof(name), "%d", ifindex);
	return failed(err, "interface", name);
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
