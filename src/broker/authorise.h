/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may do what. Who calls is what the kernel says of the peer, never what a message claims. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct error;

/* What a verb needs; a later one includes those before. */
enum right {
	RIGHT_ASK,    /* what answers here: everybody who reaches the socket */
	RIGHT_SEE,    /* networks, ports, leases */
	RIGHT_PLUG,   /* add ports, and take one's own away */
	RIGHT_CHANGE, /* everything else */
	RIGHTS,
};

/* User instance: its owner and root may do all, others nothing. System instance: root may do all,
 * members of group `lanyard` see and plug. Membership is looked up at each call, so it takes effect
 * at once. -EACCES with the rule that refuses. */
int authorise(bool system, uid_t uid, enum right right, const char *verb, struct error *err);
