/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file that describes networks and machines together. */
#pragma once

#include "model/machine.h"
#include "model/network.h"

/* A network that a NIC is on and the file does not define: it has to be there already. */
struct lab_need {
	const struct machine *machine;
	const struct nic *nic;
	char *place; /* where the file says so */
};

struct lab {
	char name[NAME_SIZE]; /* `name:` in the file, else the file's folder */
	struct network **networks;
	size_t n_networks;
	struct machine **machines;
	size_t n_machines;
	size_t n_places;
	char **image_places; /* where the file says each machine's image, else the machine */
	struct lab_need *needs;
	size_t n_needs, need_room;
};

/* Parses and checks a whole lab: unknown keys, values, overlaps, names used twice, NICs on networks
 * that are called nearly like one of the file, MACs used twice. Errors read "FILE:LINE:COLUMN: what
 * was wrong; what would be right". Every NIC gets a MAC (hashed from instance/lab/machine/index)
 * and its network a reservation for it, unless the network is not the lab's (needs). path: the
 * file's absolute path, whose folder names a lab without `name:` (NULL: as file says). instance:
 * the instance's name, part of the hash. */
int lab_parse(const char *file, const char *path, const char *text, size_t length,
	      const char *instance, struct lab **ret, struct error *err);
void lab_free(struct lab *lab);
struct network *lab_network(const struct lab *lab, const char *name);
