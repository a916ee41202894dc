/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A change of a network that is to come. Until then its leases are so short that all machines ask
 * again soon after it, whatever their cable shows them; it is then carried out like any other.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

struct broker;
struct error;
struct state;

#define PLANNED_MAX (365u * 86400)

/* Notes it in the candidate, in place of one that was planned before. -EINVAL: too long, too far.
 */
int planned_put(struct state *candidate, const char *name, const json_t *settings, int64_t after,
		struct error *err);

/* When the next one is due, seconds of CLOCK_REALTIME; 0: none is planned. */
int64_t planned_next(const struct broker *broker);
/* Carries out those that are. One that is not possible any more is forgotten, and logged. */
void planned_run(struct broker *broker, int64_t now);
