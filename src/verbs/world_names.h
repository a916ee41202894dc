/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names of an instance's networks for one command that runs inside its world. */
#pragma once

#include <jansson.h>

struct error;

/* Which of the networks (ListNetworks) answers: chosen (NULL: the first that knows the world
 * outside, else the first), if it has a name server. NULL when there is none. */
const json_t *world_names_network(const json_t *networks, const char *chosen);

/* Gives the caller, who is inside the user namespace with all its rights, a mount namespace whose
 * /etc/resolv.conf names that network's server. scratch is any folder of the caller's; nothing is
 * left in it. -errno: names are looked up as on the host. */
int world_names_mount(const json_t *network, const char *scratch, struct error *err);
