/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes that a running machine can take. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

struct error;
struct invocation;
struct machine_entry;

/* Makes what runs (as of running.json, which is edited and written) what the definition says, as
 * far as that goes: NICs are plugged in, unplugged, moved to another network. What still differs
 * afterwards takes effect at the next start. */
int machine_live_change(struct invocation *invocation, const struct machine_entry *entry,
			json_t *running, struct error *err);

/* Has it a NIC whose port is not there any more, while QEMU runs on? machine_live_change plugs it
 * in anew. */
bool machine_live_is_lost(struct invocation *invocation, const json_t *running);
