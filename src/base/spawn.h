/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts a program as a child, with what has to be done between fork and exec. */
#pragma once

#include <sys/types.h>

struct error;

#define SPAWN_DESCRIPTOR 3 /* where the program finds what was passed */

enum spawn_flag {
	SPAWN_OWN_SESSION = 1 << 0, /* outlives terminals */
	SPAWN_DIE_WITH_US = 1 << 1, /* killed when the parent's thread ends (PR_SET_PDEATHSIG) */
	SPAWN_QUIET = 1 << 2,	    /* its output goes nowhere */
};

/* pass: a descriptor that becomes number 3, or -1; every other one is closed. prepare (may be NULL)
 * runs in the child before exec. Returns the pid; -errno with the child's own sentence when prepare
 * or exec failed. */
pid_t spawn_start(const char *program, const char *const *argv, unsigned flags, int pass,
		  int (*prepare)(void *data, struct error *err), void *data, struct error *err);
