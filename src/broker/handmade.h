/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was changed by hand in the networks of a lab.
 *
 * Theory of operation. Beside each lab's networks stands what its file said at the last `up` and
 * what `net set`, `reserve` and `unreserve` have changed since. At the next `up` a key or a
 * reservation that the file says as it did then keeps its hand-made value; one that the file now
 * says differently is the file's again. The record goes with the lab. It is written after the
 * change: lost, it costs nothing but that the file counts again.
 */
#pragma once

#include <jansson.h>

#include "broker/state.h"

/* The record of a lab, {NETWORK: {file, settings, reservations}}; an empty map where there is none.
 * A fresh reference. */
json_t *handmade_read(const struct state *state, const char *lab, uid_t owner);
/* Replaces it; an empty map removes it. What cannot be written is logged. */
void handmade_write(const struct state *state, const char *lab, uid_t owner, const json_t *record);

/* A network's definition as its file has it (fresh) with what was made by hand; what goes on
 * of it is added to kept, a text for people. next: the record that is to be written when it was
 * done. */
json_t *handmade_merge(const json_t *record, const json_t *file, json_t *next, json_t *kept);

/* Notes a change by hand of a network; nothing for one that no lab has. before: its definition
 * then; what was like this already, or is what the file says, is no change. */
void handmade_note_settings(const struct state *state, const struct network *network,
			    const json_t *before, const json_t *settings);
/* reservation NULL: it was ended. */
void handmade_note_reservation(const struct state *state, const struct network *network,
			       const char *name, const json_t *reservation);
