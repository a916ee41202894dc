/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the caller sees of the model. What is outside does not exist for them: no method that looks
 * into their sight can tell of it. */
#pragma once

#include <stdbool.h>

struct broker;
struct network;
struct state;

/* The networks and ports that the caller may see: the model itself or a view of it that borrows
 * its members. Valid until the model changes or it is asked for again. */
const struct state *sight_of(struct broker *broker);
bool sight_has_network(const struct broker *broker, const struct network *network);
/* Theirs, or one of root's that is theirs to use; *ret_bridged: or would be, if it did not lead
 * into the LAN. There is a caller. */
bool sight_may_plug(const struct broker *broker, const struct network *network, bool *ret_bridged);
