/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forwarding on interfaces that are not ours: those by which a system instance reaches the world.
 * What was set before is written down first and put back when the last network that needs it goes,
 * so the host is a router only for as long as somebody asked for it.
 */
#pragma once

#include <stdbool.h>

#include "model/object.h"

struct error;
struct operations;
struct task;

/* Switches forwarding on (a family that is zero is put back to what it was). Router advertisements
 * go on being accepted: the kernel would ignore them on a forwarding interface (accept_ra 1). */
int operation_uplink_set(const struct operations *operations,
			 const struct object_forwarding *forwarding, struct error *err);
/* To be called before the first of these tasks is run: see there. */
int operation_uplink_protect(const struct operations *operations, const struct task *tasks,
			     size_t count, struct error *err);
/* Puts back what was there; 0 also when nothing is written down or the interface is gone. */
int operation_uplink_restore(const struct operations *operations, const char *ifname,
			     struct error *err);
/* Appends an object per interface that was changed, with network 0. */
int operation_uplink_dump(const struct operations *operations, struct object_list *ret,
			  struct error *err);

/* Whether it was set, and then what accept_ra was before (-1: no IPv6). */
bool operation_uplink_is_set(const struct operations *operations, const char *ifname,
			     int *ret_accept_ra);
