/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Help texts, made from the tables, and the exit codes. */
#pragma once

struct error;

/* Everything (both NULL), a group, or one verb. -EINVAL for a verb that is none. */
int help_print(const char *group, const char *name, struct error *err);

/* The exit code that belongs to -errno. */
int exit_code(int result);
