/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The broker's side of the host's NICs in bridges of ours: what the model wants of them, and what
 * the executor has decided meanwhile (executor/adoption.h): confirmed, or gone back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "broker/state.h"
#include "model/object.h"

struct broker;

/* Adds an uplink for each network that has one, whose bridge has the NIC's MAC. adding (may be
 * NULL): what only its making needs. */
void host_uplinks_expand(const struct state *state, const struct object_uplink *adding,
			 struct object_list *list);

/* Takes over what a dump says: writes the definition of a network whose uplink is confirmed,
 * forgets one whose uplink went back. */
void host_uplinks_examine(struct broker *broker, const struct object_list *actual);

/* Who configures this NIC besides us, by the steward: its name, or NULL (nobody, or nobody knows).
 */
const char *host_uplinks_owner(const struct broker *broker, const char *nic);
/* Its owner's part. Before the NIC moves the owner lets go of it, and takes it back by itself if
 * all of ours is dead in so many seconds (0: a minute); a failure is a reason not to begin. After
 * that the owner has it again as it was, or the bridge in its own form. Failures are said in the
 * log. */
int host_uplinks_coming(const struct broker *broker, const struct network *network,
			uint32_t seconds, struct error *err);
void host_uplinks_not_come(const struct broker *broker, const struct network *network);
void host_uplinks_keep(const struct broker *broker, const struct network *network);
/* The same for the way out of the bridge, with its network. Networks without uplink are welcome. */
int host_uplinks_leaving(const struct broker *broker, const struct network *network,
			 struct error *err);
void host_uplinks_left(const struct broker *broker, const struct network *network, bool done);

/* The network that has this NIC, or NULL. */
struct network *host_uplinks_find(const struct state *state, const char *nic);
