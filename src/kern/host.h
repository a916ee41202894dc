/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of the host's own configuration names an interface, read into objects and written back:
 * links, addresses, routes of all tables, rules (model/object_host.h). It knows no policy: which
 * object is wanted where is the caller's.
 */
#pragma once

#include "model/object.h"

struct error;
struct netlink;

/* Everything that names ifname, appended to the list, unsorted. tag: the altname of ours that
 * counts as tagged. -ENODEV: there is no such interface. -ENOTSUP: something that could not be
 * written back, in words. */
int host_dump(struct netlink *netlink, const char *ifname, const char *tag, struct object_list *ret,
	      struct error *err);

/* Makes the link as the object says. tag: the altname. A kernel that knows no altnames (before
 * Linux 5.5) is fine. */
int host_link_set(struct netlink *netlink, const struct object_host_link *wanted, const char *tag,
		  struct error *err);

/* Addresses, routes and rules. What is there already and what is gone already is no failure. An
 * IPv6 address is usable at once, without duplicate address detection: it was in use a moment ago.
 */
int host_create(struct netlink *netlink, const struct object *object, struct error *err);
int host_delete(struct netlink *netlink, const struct object *object, struct error *err);

/* Seconds of CLOCK_BOOTTIME. */
uint32_t host_clock(void);

/* What decides whether a NIC can be a port of a bridge. */
struct host_nic {
	int ifindex, master;
	unsigned type;	     /* ARPHRD_* */
	char kind[IFNAMSIZ]; /* "" of a physical one */
	char master_name[IFNAMSIZ], master_kind[IFNAMSIZ];
	char alias[64];
	bool loopback, carrier, up;
	const char *wireless; /* what it is to Wi-Fi (kern/wireless.h), NULL: no Wi-Fi */
	bool wireless_bridgeable;
	int bond_mode; /* -1: no bond */
	uint32_t bond_miimon, bond_arp_interval;
	char child[IFNAMSIZ]; /* a macvlan, ipvlan or macvtap on top of it */
	char child_kind[IFNAMSIZ];
	uint32_t mtu;
	struct mac mac;
};
int host_nic(struct netlink *netlink, const char *ifname, struct host_nic *ret, struct error *err);
