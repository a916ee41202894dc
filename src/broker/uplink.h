/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a user instance reaches the world: pasta, a child of the broker in the host's namespaces. It
 * is up or absent; absence is no error. It outlives a broker that is killed, and the next one takes
 * it over.
 */
#pragma once

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/paths.h"

struct uplink;

struct uplink *uplink_new(sd_event *event, const struct paths *paths);
void uplink_free(struct uplink *uplink);

/* The namespaces it is for; another world than before ends the old one. 0: none. */
void uplink_set_target(struct uplink *uplink, pid_t pid);
/* Starts it when it is absent and the host has a default route. NULL: nothing to do. */
void uplink_consider(struct uplink *uplink);
/* Its pid; 0: absent. *ret_why (may be NULL): why. */
pid_t uplink_pid(const struct uplink *uplink, const char **ret_why);
void uplink_end(struct uplink *uplink);
