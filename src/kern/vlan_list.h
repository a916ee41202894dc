/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What VLANs the ports of a Linux bridge carry; anybody may ask. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/vlan.h"

struct error;
struct netlink;
struct nlmsghdr;

/* A bridge's own message (AF_BRIDGE) about a port; *ret_bridge: its ifindex. False: it is about
 * something else. */
bool vlan_parse(const struct nlmsghdr *message, struct vlan_port *ret, int *ret_bridge);
/* All ports of all bridges of our namespace (the caller frees them). */
int vlan_list_all(struct netlink *netlink, struct vlan_port **ret, size_t *ret_count,
		  struct error *err);
/* 1, and its ports (the caller frees them); 0: it does not filter VLANs; -errno. */
int vlan_list(const char *bridge, struct vlan_port **ret, size_t *ret_count, struct error *err);
