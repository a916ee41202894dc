/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What machines on the LAN's own segment must not send there: router advertisements, answers of a
 * DHCP server, spanning tree. Table `bridge lanyard_INSTANCE`, there as long as a bridged network
 * asks for it. Its rules know ports by their link group, so a port costs no rule and no element.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define GUARD_GROUP 27769u /* link group of guarded ports */

/* The whole table; replace: one that is there is deleted in the same transaction. The caller frees
 * it. */
char *firewall_guard_text(const char *table, bool replace);
size_t firewall_guard_rules(void);
