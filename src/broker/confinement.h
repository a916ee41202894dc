/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which files the broker of a system instance may open. */
#pragma once

#include "base/paths.h"

struct error;

/* Once the folders of the instance are there. It writes in them alone, and reads besides only what
 * belongs to the system: no home, no /root, no /var, no /tmp. Not for a user instance, whose broker
 * starts programs with set-uid bits and other needs (newuidmap, pasta). 1: it is so, 0: the kernel
 * has no Landlock, -errno. */
int confinement_enter(const struct paths *paths, struct error *err);
