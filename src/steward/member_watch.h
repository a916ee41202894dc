/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells the broker when somebody changes a port of ours in Open vSwitch's database: a process of
 * its own for as long as both sides are there, which only listens to the one and writes to the
 * other. Nothing polls.
 */
#pragma once

#include "ipc/errand_members.h"

/* Starts it (in place of one that there is); the socket stays the caller's. */
void member_watch_start(int socket, const struct errand_members *errand);
/* A descriptor that is readable once it has ended, -1: there is none. */
int member_watch_descriptor(void);
/* To be called then. */
void member_watch_ended(void);
