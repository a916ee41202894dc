/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of interfaces, and the routes of the main table, by rtnetlink. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/ip.h"

struct error;
struct netlink;
struct nlmsghdr;

/* Adds an address with its prefix length. IPv6 without duplicate address detection (usable at
 * once); IPv4 with the broadcast address of its prefix. -EEXIST: it is there. */
int address_add(struct netlink *netlink, int ifindex, const struct ip *address, struct error *err);
/* -EADDRNOTAVAIL: it is not there. */
int address_delete(struct netlink *netlink, int ifindex, const struct ip *address,
		   struct error *err);

/* An RTM_NEWADDR or RTM_DELADDR message; false when it is none of IP. */
bool address_parse(const struct nlmsghdr *message, int *ret_ifindex, struct ip *ret);

/* Both families, every interface; link-local IPv6 ones too. A negative result ends the dump.
 * When the kernel's tables change meanwhile the dump is repeated: the callback may see things
 * twice. */
typedef int (*address_callback)(int ifindex, const struct ip *address, void *data);
int address_dump(struct netlink *netlink, address_callback callback, void *data, struct error *err);

/* Routes of the main table, both families: destination prefix (length 0: default) and interface (0:
 * none or several). */
typedef int (*route_callback)(const struct ip *prefix, int ifindex, void *data);
int route_dump(struct netlink *netlink, route_callback callback, void *data, struct error *err);

/* An RTM_NEWROUTE or RTM_DELROUTE message about the main table; false for others. *ret_own: it is
 * one of ours (see below). */
bool route_parse(const struct nlmsghdr *message, struct ip *ret, int *ret_ifindex, bool *ret_own);

/* Routes of ours: to a prefix by a machine on the interface, with our own routing protocol number,
 * by which route_dump_own finds them. -EEXIST, -ESRCH: it is there, it is not there. */
int route_add(struct netlink *netlink, int ifindex, const struct ip *to, const struct ip *via,
	      struct error *err);
int route_delete(struct netlink *netlink, int ifindex, const struct ip *to, const struct ip *via,
		 struct error *err);
typedef int (*own_route_callback)(int ifindex, const struct ip *to, const struct ip *via,
				  void *data);
int route_dump_own(struct netlink *netlink, own_route_callback callback, void *data,
		   struct error *err);

/* The interface of the default route of a family (AF_INET, AF_INET6), or 0. */
int route_default(struct netlink *netlink, int family, int *ret_ifindex, struct error *err);
