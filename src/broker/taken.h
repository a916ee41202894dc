/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which prefixes are in use already: the host's routes and the other networks. */
#pragma once

#include "broker/state.h"

struct error;

/* network_allocate with what is taken: asks the kernel only when something is to be chosen. The
 * broker of a user instance lives in the host's namespace, so the routes are the host's in both
 * kinds. */
int taken_allocate(const struct state *state, const char *instance, struct network *network,
		   struct error *err);

/* Refuses a prefix that the host itself has a route to: the host would lose its way there. For a
 * system instance, which shares the host's routes. Subnets that before (may be NULL) has already
 * are not asked about. -EINVAL. */
int taken_check(const struct state *state, const struct network *network,
		const struct network *before, struct error *err);
