/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a machine learns before its first packet: the files of its seed, for the image tiny or for
 * cloud-init on a disk. */
#pragma once

#include "model/network.h"

struct error;
struct invocation;
struct machine_entry;

struct machine_seed {
	char domain[DOMAIN_SIZE]; /* of the first NIC's network: NAME and NAME.DOMAIN */
	char *environment;	  /* lines NAME=VALUE: the proxy */
};

/* Can the user data be read? -EINVAL with a sentence. */
int machine_seed_check(const struct machine_entry *entry, struct error *err);
/* Asks the broker for the machine's networks. */
int machine_seed_prepare(struct invocation *invocation, const struct machine_entry *entry,
			 struct machine_seed *ret, struct error *err);
/* The seed of the image tiny; of cloud-init. */
int machine_seed_write(struct invocation *invocation, const struct machine_entry *entry,
		       const struct machine_seed *seed, struct error *err);
int machine_seed_write_cloud(struct invocation *invocation, const struct machine_entry *entry,
			     const struct machine_seed *seed, struct error *err);
void machine_seed_done(struct machine_seed *seed);
