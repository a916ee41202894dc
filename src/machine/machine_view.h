/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A machine as the user sees it: one JSON object, and the lines made from it. */
#pragma once

#include <jansson.h>

struct invocation;
struct machine_entry;

/* {name, lab, state, driver, image, memory, cpus, accel, reason, console, ssh, pid, nics:
 * [{network, mac, port, ifname, ipv4, ipv6, link_local}]}. networks: the list that ListNetworks
 * answers, or NULL. The caller's. */
json_t *machine_view(const struct machine_entry *entry, const json_t *networks);

/* What the user needs next, on a few lines. */
void machine_view_print(const json_t *view);
/* A table of many. */
void machine_view_table(const json_t *views);

/* The networks for it; an empty list when no instance runs. The caller's. */
json_t *machine_view_networks(struct invocation *invocation);
