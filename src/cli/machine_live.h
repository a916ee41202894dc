/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes that a running machine can take. */
#pragma once

#include <jansson.h>

struct error;
struct invocation;
struct machine_entry;

/* Makes what runs (as of running.json, which is edited and written) what the definition says, as
 * far as that goes: NICs move to another network. What still differs afterwards takes effect at the
 * next start. */
int machine_live_change(struct invocation *invocation, const struct machine_entry *entry,
			json_t *running, struct error *err);
