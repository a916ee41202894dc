/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the caller sees of the model. What is outside does not exist for them: no method that looks
 * into their sight can tell of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct broker;
struct error;
struct network;
struct port;
struct state;

/* The networks and ports that the caller may see: the model itself or a view of it that borrows
 * its members, without an index of its own. Valid until the model changes or it is asked for again.
 */
const struct state *sight_of(struct broker *broker);
bool sight_has_network(const struct broker *broker, const struct network *network);
bool sight_has_port(const struct broker *broker, const struct port *port);
/* Theirs, or one of root's that is theirs to use; *ret_bridged: or would be, if it did not lead
 * into the LAN. There is a caller. */
bool sight_may_plug(const struct broker *broker, const struct network *network, bool *ret_bridged);
/* The one port of the machine of this name, of the caller's own machines where there are any.
 * network: NULL for any. NULL: -ENOENT, or -EINVAL where there are several, which err lists. */
const struct port *sight_port_of(struct broker *broker, const char *machine, const char *network,
				 struct error *err);
/* The one with this id or interface; NULL: none. */
const struct port *sight_port_named(const struct broker *broker, const char *name);
/* The same, or that of a machine. */
const struct port *sight_port(struct broker *broker, const char *name, struct error *err);
