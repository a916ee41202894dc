/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What machines have which addresses: leases, and names that lead to addresses. */
#pragma once

#include <jansson.h>

#include "base/paths.h"
#include "broker/state.h"
#include "model/lease.h"

struct error;

/* Those of one network or of all (NULL), as the interface file's Lease. */
json_t *leases_json(const struct state *state, const char *network);

/* The address of a machine: by an address itself, a reservation's name, a lease's name, with or
 * without the domain. Fills the network's name (may be NULL). -ENOENT with the nearest names. */
int leases_resolve(const struct state *state, const char *name, const char *network, struct ip *ret,
		   char ret_network[NAME_SIZE], struct error *err);
