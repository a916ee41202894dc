/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports on somebody's Open vSwitch bridge, as the broker sees them: beside its interface, which is
 * the executor's work as ever, each wants a row in Open vSwitch's database, which is the steward's
 * (model/object.h, member). They are planned like everything else. Nothing here is done where no
 * network is on such a bridge and none was.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "model/object.h"
#include "model/plan.h"

struct broker;
struct error;
struct network;

/* Adds to the executor's dump what the steward sees. Where Open vSwitch does not answer, that is
 * what the model wants (said once, and asked again later): what is plugged in stays so, and who
 * wants to plug in something new is told by members_run. */
void members_dump(struct broker *broker, struct object_list *actual);

/* Is this bridge of the host Open vSwitch's? 0: no. The sentence of a failure says why that cannot
 * be known. */
int members_is_switch(const struct broker *broker, const char *bridge, struct error *err);

static inline bool members_is_stewards(const struct operation *operation)
{
	return operation->object.kind == OBJECT_MEMBER;
}
/* Carries out those of these operations: what goes; what comes; or what comes of a change, where
 * ports that the model has already, and somebody has taken out, are put back as far as that is
 * possible, and keep nothing else from being done. */
enum members_part { MEMBERS_GO, MEMBERS_COME, MEMBERS_CHANGE };
int members_run(struct broker *broker, const struct operation *operations, size_t count,
		enum members_part part, struct error *err);

/* Why the last look or the last putting back did not succeed; "" when it did. */
const char *members_failure(void);

/* The ports of a network's bridge with their VLANs: of an Open vSwitch, or of a Linux bridge that
 * filters VLANs. [{name, mode, tag?, trunks?, port?}], or NULL: there is nothing to tell. */
json_t *members_ports(const struct broker *broker, const struct network *network,
		      struct error *err);

void members_end(void);
