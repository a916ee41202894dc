/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Other firewalls of the host, as the broker sees them. A drop of theirs is final, so where one of
 * them is active, each of our networks wants a permit (model/object.h) in that one's own form:
 * Docker's chain DOCKER-USER is the executor's work, ufw and firewalld are the steward's. They are
 * planned like everything else. `firewall: hands-off` in /etc/lanyard/INSTANCE.yaml makes it
 * advice.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "model/object.h"
#include "model/plan.h"

struct broker;
struct error;
struct state;

/* Adds to the executor's dump what the steward sees. Without a steward, or when it fails, nothing
 * (said once), so that nothing is done there: our networks do not depend on others' health. */
void permits_dump(struct broker *broker, struct object_list *actual);

/* What is wanted, which depends on who is there. */
void permits_expand(const struct broker *broker, const struct state *state,
		    const struct object_list *actual, struct object_list *wanted);

/* For people: who else filters, as the last plan found, and what of ours is in whose place. A list
 * of {owner, place, interfaces}; with hands_off nothing is. */
json_t *permits_json(const struct broker *broker);

bool permits_is_stewards(const struct operation *operation);
/* Carries out those operations that are the steward's. */
int permits_run(struct broker *broker, const struct operation *operations, size_t count,
		struct error *err);
