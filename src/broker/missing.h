/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports that are in the model and cannot be made for now: somebody else's interface has the name,
 * or the executor may not use it any more. They keep nothing else from being made or changed; it is
 * said once, and tried again. Without this a definition from last year could keep the computer's
 * networks away after a restart.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct broker;
struct plan;
struct port;
struct state;

/* The ports of a state without those that are set aside; the caller frees the array. */
struct port **missing_leave_out(const struct state *state, size_t *ret_count);
/* After a plan of the present model has failed: when the making of a port was what failed, sets
 * aside this one and all that would have come after it. Whether that is so; then the rest is to be
 * planned again. */
bool missing_set_aside(struct broker *broker, const struct plan *plan);
/* Tries each that is set aside by itself; returns how many are there again. */
int missing_try(struct broker *broker);
