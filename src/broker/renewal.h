/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What follows a live change: machines are made to ask for their addresses again, and a replaced
 * prefix goes when its time has come.
 */
#pragma once

#include <jansson.h>

#include "broker/state.h"
#include "model/plan.h"

struct broker;

/* The ports whose carrier is to blink because what DHCP says of their network differs between the
 * two. Those of a machine whose carrier only its hypervisor can take away are not among them. */
void renewal_plan(const struct state *before, const struct state *after, struct plan *ret);
/* Those are here, by their ids: whose hypervisor it is pulls the cable (cli/machine_renew.h). */
json_t *renewal_ports(const struct state *before, const struct state *after);

/* Arms the timer for the prefix that goes next, or the planned change that comes. */
void renewal_consider(struct broker *broker);
