/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Help texts, made from the tables. */
#pragma once

struct error;

/* Everything (both NULL), a group, or one verb. -EINVAL for a verb that is none. */
int help_print(const char *group, const char *name, struct error *err);
