/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which system calls the process may still make (seccomp(2)), on top of all other rules. */
#pragma once

#include <stddef.h>

struct error;

struct seccomp_rule {
	int call; /* SYS_... */
	int fd;	  /* its first argument has to be this; -1: whatever it is */
};

/* From now on, for good: these, exit, and what the kernel itself needs for signals; any other ends
 * the process. For processes without threads that have allocated all they need. 1: it is so; 0:
 * not known for this kind of processor; -errno. */
int seccomp_confine(const struct seccomp_rule *rules, size_t count, struct error *err);
