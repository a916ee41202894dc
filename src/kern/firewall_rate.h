/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a machine may send and receive. Table `bridge lanyard-rate_INSTANCE`, there as long as a
 * port has a limit: two rules look the port up in a map of named limits, so a port costs no rule.
 *
 * It polices, in both directions alike: what is too much is dropped, nothing is queued. The bucket
 * of a limit by the second is one second of the rate (the kernel's doing) and what is given here:
 * the largest packet that segmentation offload makes passes at any rate.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/object.h"

struct error;
struct netlink;

/* The whole table without limits; replace: one that is there is deleted in the same transaction.
 * The caller frees it. */
char *firewall_rate_text(const char *table, bool replace);
size_t firewall_rate_rules(void);

/* Adds a port's messages to the batch that the caller began. */
void firewall_rate_put(struct netlink *netlink, const char *table, const struct object *rate,
		       bool add);
/* Appends one object per port. *ret_whole: there is nothing else. */
int firewall_rate_dump(struct netlink *netlink, const char *table, struct object_list *ret,
		       bool *ret_whole, struct error *err);
