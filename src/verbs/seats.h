/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Seats as the verbs of verb_seat.c need them. */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "model/seat.h"

struct error;
struct invocation;

/* The number of the seat that a port is, as ListPorts has it; 0: none. */
uint32_t seat_of_port(const json_t *port);
/* The list that a method answers under this member, of one network or of all (NULL). Fresh
 * reference, NULL with err. */
json_t *seat_ask(struct invocation *invocation, const char *method, const char *network,
		 const char *member, struct error *err);

/* The seats that the caller sees, of one network or of all (NULL), by number, with all that is
 * known of each. Fresh reference, NULL with err. */
json_t *seat_views(struct invocation *invocation, const char *network, struct error *err);

/* Whether seats may be added as these ports: each thing that stands in the way is told. 0, or
 * -EEXIST with err, which then is the last of them. */
int seat_check(struct invocation *invocation, const struct seat *seats, size_t n_seats,
	       const json_t *ports, struct error *err);
