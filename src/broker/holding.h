/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tap's descriptor is a right over the switch: its holder can give the interface another MAC,
 * another owner, or make it stay. This is the judge of what a dump shows of that.
 */
#pragma once

#include <stdbool.h>

#include "model/object.h"

struct broker;

/* Drops live ports whose interface has vanished with its holder; counts strikes; drops the ports
 * whose holder broke the rules beyond that (the next plan removes their interfaces). Without judge
 * only the vanished ones are dropped: for a caller who repairs nothing, so that one deed is not
 * counted twice. actual need not be sorted. */
void holding_examine(struct broker *broker, const struct object_list *actual, bool judge);
