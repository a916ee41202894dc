/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands on an interface in the kernel, its addresses and routes, for the case that who was to
 * take it over only took it away.
 */
#pragma once

#include <stdbool.h>

struct object_list;

/* Best effort: the list stays empty where it cannot be read. */
void standing_take(const char *ifname, struct object_list *ret);
/* Has the interface an address of each family that has one in the list (link-local ones aside)? */
bool standing_is_matched(const char *ifname, const struct object_list *list);
void standing_put(const struct object_list *list);
