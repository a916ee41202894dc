/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The broker's side of the host's NICs in bridges of ours: what the model wants of them, and what
 * the executor has decided meanwhile (executor/adoption.h): confirmed, or gone back.
 */
#pragma once

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
/* Has the bridge written in its owner's own form, or that taken away. Failures are said in the log.
 */
void host_uplinks_keep(const struct broker *broker, const struct network *network);
void host_uplinks_forget(const struct broker *broker, const struct network *network);

/* The network that has this NIC, or NULL. */
struct network *host_uplinks_find(const struct state *state, const char *nic);
