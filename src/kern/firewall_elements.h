/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network's elements as nf_tables messages, and back. Not by libnftables, which reads whole sets
 * before it adds an element: 5 ms and 5 MB at a thousand networks, against a tenth of a
 * millisecond.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/object.h"

struct error;
struct netlink;

/* Adds messages to the batch that the caller began. */
void firewall_elements_put(struct netlink *netlink, const char *table, const struct object *filter,
			   bool add);

/* Appends one object per network that is complete in the kernel. *ret_whole: there is nothing else.
 */
int firewall_elements_dump(struct netlink *netlink, const char *table, struct object_list *ret,
			   bool *ret_whole, struct error *err);
