/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which files the process may still open (landlock(7)), on top of all other rules. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct error;

/* A folder with all below it, or a file. One that is not there is left out. */
struct landlock_rule {
	const char *path;
	bool write; /* make, change and remove too; else read and execute alone */
};

/* From now on, for good and for all children: nothing else, and no new privileges. What is open
 * stays usable. 1: it is so; 0: the kernel has no Landlock; -errno. */
int landlock_confine(const struct landlock_rule *rules, size_t count, struct error *err);
