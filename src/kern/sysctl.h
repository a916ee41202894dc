/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Per-interface settings under /proc/sys/net. Names are checked: no '/' and no "..". */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct error;

enum sysctl_key {
	SYSCTL_FORWARDING_IPV4,
	SYSCTL_FORWARDING_IPV6,
	SYSCTL_FORCE_FORWARDING_IPV6, /* Linux 6.17: forward although conf/all/forwarding is 0 */
	SYSCTL_DISABLE_IPV6,
	SYSCTL_ACCEPT_RA,
	SYSCTL_ACCEPT_DAD,
	SYSCTL_AUTOCONF,
	SYSCTL_ARP_IGNORE,
	SYSCTL_ROUTE_LOCALNET,
	SYSCTL_PROMOTE_SECONDARIES, /* an address survives the removal of the subnet's first */
	SYSCTL_PROXY_NDP,
	SYSCTL_KEYS,
};

/* ifname "all" and "default" are valid too. -ENOENT: no such interface, or the kernel lacks the
 * key. */
int sysctl_get(enum sysctl_key key, const char *ifname, int *ret, struct error *err);
int sysctl_set(enum sysctl_key key, const char *ifname, int value, struct error *err);

/* Lets the group, and nobody else, open ICMP sockets in this network namespace (icmp(7)). */
int sysctl_let_ping(gid_t group, struct error *err);

/* Forwarding of packets that come in by this interface. IPv6 knows it per interface since
 * Linux 6.17 only; on older kernels conf/all/forwarding is switched on too, with the other
 * interfaces' own settings (what they do with router advertisements) put back. Writes nothing that
 * is as wanted already. */
int sysctl_forward(const char *ifname, int family, bool on, struct error *err);
/* To be called when an interface that forwarded has gone: on older kernels what was switched on for
 * all goes with the last one. */
void sysctl_forward_rest(void);
int sysctl_is_forwarding(const char *ifname, int family, bool *ret, struct error *err);
