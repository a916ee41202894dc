/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests are made to ask for their addresses anew, by a cable that is out for a moment. The host
 * cannot show that through a tap; QEMU can, by its QMP socket, which is the machine's owner's.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

struct error;
struct invocation;
struct machine_entry;
struct qmp;

/* Of a QEMU that is connected: the NICs that it calls so. Takes a second. */
void machine_renew_devices(struct qmp *qmp, const json_t *devices);

/* All NICs of machines that run: each is added, and the end waits a second for all of them. */
struct machine_renewal {
	struct pulled *items;
	size_t count, room;
};
int machine_renewal_add(struct machine_renewal *renewal, const struct machine_entry *entry,
			struct error *err);
void machine_renewal_end(struct machine_renewal *renewal);

/* After a change: the machines behind these ports (a list of ids, NULL: none). Those of the
 * caller's own; for root those of others too, each by a process of its owner's. Says which are
 * left. */
void machine_renew_ports(struct invocation *invocation, const json_t *ids);
