/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A candidate is a copy of the model that a change is built in: here networks get into it and out
 * of it, checked against each other and against the host. */
#pragma once

#include <jansson.h>

#include "broker/state.h"

struct broker;
struct error;

/* A definition as a message has it: the keys of the file, `name` beside them. What only the broker
 * decides is ignored, so that an answer can be sent back. path: the message's field, for errors. */
int candidate_decode(const json_t *json, const char *path, struct network **ret, struct error *err);

/* What only the host's bridge can say to a port's VLANs. */
int candidate_check_vlans(const struct broker *broker, const struct network *network,
			  const struct port *port, struct error *err);

/* Settles a network against all others of the candidate and puts it in. Takes it, on failure too.
 */
int candidate_put(struct broker *broker, struct state *candidate, struct network *network,
		  struct error *err);

/* A network with some of its keys changed, settled and put in; what was planned for it is not any
 * more. */
int candidate_set(struct broker *broker, struct state *candidate, const char *name,
		  const json_t *settings, struct error *err);

/* After all are in: whether every peer is there and may be one. */
int candidate_check_peers(const struct state *candidate, struct error *err);

/* A network that goes is nobody's peer any more. */
void candidate_remove(struct state *candidate, const char *name);

/* Ports of networks that are no more go along. */
void candidate_drop_ports(struct state *candidate);
