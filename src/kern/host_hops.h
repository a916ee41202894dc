/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The next hops of a route over several interfaces, between host.c and host_creation.c. */
#pragma once

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_OWN_INDEX 0xffffffffu /* in a next hop: the object's own interface */
/* What somebody may have set of a route's flags; the others are the kernel's. */
#define HOST_ROUTE_FLAGS (RTNH_F_ONLINK | RTNH_F_PERVASIVE)

bool host_hops_include(const struct nlattr *hops, uint32_t ifindex);
/* Replaces one index by another in all next hops of a copied attribute, and leaves out the flags
 * that only the kernel sets. */
void host_hops_change(uint8_t *at, size_t left, uint32_t from, uint32_t to);
