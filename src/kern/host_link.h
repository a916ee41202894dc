/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between host.c and host_link.c. */
#pragma once

#include "model/object.h"

struct error;
struct netlink;

/* One interface's link. *ret_ifindex may be NULL. -ENODEV: there is none. */
int host_link_read(struct netlink *netlink, const char *ifname, const char *tag,
		   struct object_host_link *ret, int *ret_ifindex, struct error *err);
