/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which prefixes are in use already: the host's routes and the other networks. */
#pragma once

#include "daemon/state.h"

struct error;

/* network_allocate with what is taken: asks the kernel only when something is to be chosen. The
 * broker of a user instance lives in the host's namespace, so the routes are the host's in both
 * kinds. */
int taken_allocate(const struct state *state, const char *instance, struct network *network,
		   struct error *err);
