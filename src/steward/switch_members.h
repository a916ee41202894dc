/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our ports in the host's Open vSwitch bridges: rows of its database, with our tag. Of what has no
 * tag of ours nothing is changed; bridges are those that the administrator allows.
 */
#pragma once

#include "ipc/errand_members.h"

/* Patterns of names beside ly* (as the executor's --allow-name), a list that ends with NULL. */
void members_allow(const char *const *patterns);
/* A checked errand becomes its answer. */
void members_serve(struct errand_members *errand);
void members_show(struct errand_switch *errand);
