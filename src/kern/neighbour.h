/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of others for which the kernel answers on an interface (proxy ARP, proxy ND), and those
 * that it has heard of there. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/ip.h"

struct error;
struct netlink;

/* Tagged with our own protocol number, by which neighbour_proxy_dump finds them. Removing one that
 * is not there: -ENOENT. */
int neighbour_proxy_set(struct netlink *netlink, int ifindex, const struct ip *address, bool there,
			struct error *err);
typedef int (*neighbour_callback)(int ifindex, const struct ip *address, void *data);
int neighbour_proxy_dump(struct netlink *netlink, neighbour_callback callback, void *data,
			 struct error *err);
/* How often, a second apart, an IPv6 neighbour of this interface is asked for before what waits
 * for it is dropped (the kernel's own: 3). By netlink: a user namespace has no sysctl for it. */
int neighbour_probes_set(struct netlink *netlink, int ifindex, uint32_t probes, struct error *err);
/* Who has answered lately, on whatever interface. */
int neighbour_dump(struct netlink *netlink, neighbour_callback callback, void *data,
		   struct error *err);
