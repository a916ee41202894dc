/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which rights the process keeps (capabilities(7)). */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct error;

/* The executor's three: CAP_NET_ADMIN (links, rules, sysctl), CAP_NET_RAW (dnsmasq's ICMPv6
 * socket), CAP_NET_BIND_SERVICE (ports 53 and 67). */
#define CAPABILITY_EXECUTOR ((1ull << 12) | (1ull << 13) | (1ull << 10))

/* Exactly this mask in the permitted, effective, inheritable and ambient sets, so that it survives
 * an exec; nothing else in the bounding set; no new privileges. 0: none at all. The bounding set is
 * left alone where the caller lacks CAP_SETPCAP (it gives nothing under no-new-privileges). */
int capability_keep(uint64_t mask, struct error *err);

/* Becomes another user with exactly these capabilities; from uid 0 only. Supplementary groups are
 * cleared. */
int capability_become(uid_t uid, gid_t gid, uint64_t mask, struct error *err);

/* The mask of the effective set of the calling process. */
int capability_effective(uint64_t *ret_mask, struct error *err);
