/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network interfaces: what there is, making, changing and removing them by rtnetlink. Everything
 * made here carries its alias from the datagram of its creation, so that a crash leaves nothing
 * without a name tag. The functions take the caller's rtnetlink socket
 * (netlink_open(NETLINK_ROUTE)).
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/mac.h"
#include "model/vlan.h"

struct error;
struct netlink;
struct nlmsghdr;

#define LINK_ALIAS_SIZE 256 /* IFALIASZ */
#define LINK_KIND_SIZE	16

struct link {
	int ifindex;
	int master; /* ifindex of the bridge it is on, 0: none, or Open vSwitch (openvswitch) */
	int peer;   /* veth: ifindex of the other end (in whatever namespace), 0: none */
	char name[IFNAMSIZ];
	char alias[LINK_ALIAS_SIZE]; /* "" without */
	char kind[LINK_KIND_SIZE];   /* "bridge", "veth", "tun", "" for a physical one */
	struct mac mac;
	uint32_t mtu;
	uint32_t group;
	bool up;       /* IFF_UP */
	bool carrier;  /* IFF_LOWER_UP */
	bool isolated; /* bridge port flag */
	bool arp;
	bool stp; /* bridges */
	bool vlan_filtering;
	uint16_t usual_vlan; /* that it gives to every port's untagged frames (default_pvid), or
			      * VLAN_NOWHERE */
	bool openvswitch; /* a port of its kernel module, whose bridges the kernel does not know */
	/* taps (kind "tun") */
	bool tap;
	bool persistent;
	bool multi_queue;
	uint32_t queues;	   /* attached now; 0 when the kernel does not say (single queue) */
	uint32_t owner, tap_group; /* (uint32_t)-1: none */
};

struct link_list {
	struct link *items; /* sorted by ifindex */
	size_t count, room;
};

/* Replaces the list's contents by all links of the namespace (one dump). */
int link_list_dump(struct netlink *netlink, struct link_list *list, struct error *err);
void link_list_done(struct link_list *list);
struct link *link_list_index(const struct link_list *list, int ifindex);

/* One link by name or index, -ENODEV without. */
int link_get(struct netlink *netlink, const char *name, struct link *ret, struct error *err);
int link_get_index(struct netlink *netlink, int ifindex, struct link *ret, struct error *err);
/* An RTM_NEWLINK or RTM_DELLINK message; false when it is too short. */
bool link_parse(const struct nlmsghdr *message, struct link *ret);
/* ifindex of a name, or -ENODEV; no error text. */
int link_index(const char *name);

struct link_bridge {
	const char *name;
	const char *alias;
	const struct mac *mac;
	uint32_t mtu;
	bool vlan_filtering;
	const char *silent; /* name (at most 14 bytes: the other end is called so with a p after it)
			     * and alias of the port that gives it carrier from birth */
	const char *silent_alias;
};
/* A bridge that is up and has carrier: STP off, forward delay 0, no link-local address by the
 * kernel (addr_gen_mode none), multicast snooping off (DESIGN: neighbour discovery must not depend
 * on a querier). *ret_ifindex is the bridge's. After a failure nothing is left. -EEXIST: one of the
 * names is taken. */
int link_create_bridge(struct netlink *netlink, const struct link_bridge *bridge, int *ret_ifindex,
		       struct error *err);
/* The silent port alone, to put it back on a bridge that lost it. */
int link_create_silent(struct netlink *netlink, int bridge, const char *name, const char *alias,
		       struct error *err);

struct link_veth {
	const char *name; /* this end, for the bridge; both ends are made down */
	const char *alias;
	const struct mac *mac; /* of this end; NULL: the kernel's choice */
	const char *peer;
	const char *peer_alias; /* NULL: none; only where the peer stays in this namespace */
	const struct mac *peer_mac;
	int peer_netns; /* descriptor of the namespace the peer is born in, -1: this one */
	uint32_t mtu;	/* of both ends, 0: 1500 */
};
int link_create_veth(struct netlink *netlink, const struct link_veth *veth, int *ret_ifindex,
		     struct error *err);

/* What link_set changes: only what has its LINK_* bit in `what`. */
#define LINK_UP	      0x001u
#define LINK_MASTER   0x002u /* 0: none */
#define LINK_MAC      0x004u
#define LINK_MTU      0x008u
#define LINK_ALIAS    0x010u
#define LINK_ISOLATED 0x020u /* of a bridge port; after or together with LINK_MASTER */
#define LINK_GROUP    0x040u
#define LINK_ARP      0x080u
#define LINK_NO_LL    0x100u /* addr_gen_mode none: no IPv6 link-local address by the kernel */
#define LINK_NAME     0x200u /* the link must be down */
#define LINK_STP      0x400u /* of a bridge */
#define LINK_VLANS    0x800u /* of a port of a bridge that filters them; like LINK_ISOLATED */
#define LINK_FILTER                                                                                \
	0x1000u /* vlan_filtering of a bridge; a kernel may not know it, see link_get              \
		 */
struct link_change {
	unsigned what;
	bool up;
	int master;
	struct mac mac;
	uint32_t mtu;
	const char *alias;
	bool isolated;
	uint32_t group;
	bool arp;
	const char *name;
	bool stp;
	struct vlans vlans;
	uint16_t usual_vlan; /* where vlans has no native one */
	bool vlan_filtering;
};
/* Whether a port of this bridge may be given these: it has to keep them apart, and what it gives to
 * every port (usual_vlan) cannot be told from nothing. -EINVAL. */
int link_check_vlans(const struct link *bridge, const struct vlans *vlans, struct error *err);
/* Everything in one datagram. -EXFULL becomes "a bridge takes 1023 ports". */
int link_set(struct netlink *netlink, int ifindex, const struct link_change *change,
	     struct error *err);

/* For those who change links by messages of their own: puts what and the name, which the kernel's
 * text lacks, before err's text. Returns its code. */
int link_failed(struct error *err, const char *what, const char *name);

/* For a bridge's port, before it goes up: the host speaks by the bridge. Otherwise the kernel sends
 * multicast reports to the guest, takes addresses from router advertisements, and makes a route
 * whose announcement wakes every dnsmasq. 0 also on a kernel without IPv6. */
int link_ipv6_off(const char *name, struct error *err);

/* No transmit checksum offload (ETHTOOL_STXCSUM): packets leave with finished checksums. */
int link_checksum_off(const char *name, struct error *err);

int link_delete(struct netlink *netlink, int ifindex,
		struct error *err); /* -ENODEV when it is gone */
/* Many at once, by one random link group: 180 cost 112 ms instead of 3 s. Those that are gone
 * already do not matter. Only for links of ours. */
int link_delete_many(struct netlink *netlink, const int *ifindexes, size_t count,
		     struct error *err);
