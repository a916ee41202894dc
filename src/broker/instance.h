/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes behind a user instance: the holder, which keeps the namespaces alive, and the
 * executor inside them. Both outlive the broker, and are found again by their sockets.
 *
 * Theory of operation. Holder and executor keep each other's world: as long as one of them lives,
 * the namespaces do. A holder that died is replaced by one that joins the executor's namespaces; an
 * executor that died is started again in the holder's. Only when both are gone is there a new
 * world.
 */
#pragma once

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/paths.h"

struct error;
struct instance;

/* lost is called from the event loop when the holder died. */
struct instance *instance_new(sd_event *event, const struct paths *paths, void (*lost)(void *data),
			      void *data);
void instance_free(struct instance *instance);

/* Finds the holder (0) or starts one (1). executor: of a living executor, or 0. */
int instance_hold(struct instance *instance, pid_t executor, struct error *err);
/* The process whose namespaces are the instance's; 0: there is none. */
pid_t instance_pid(const struct instance *instance);

/* Tries to reach the executor: 0, -ENOENT or -ECONNREFUSED (not yet), another -errno. */
typedef int instance_attempt(void *data, struct error *err);

/* Starts the executor inside and waits until an attempt succeeds. */
int instance_start_executor(struct instance *instance, instance_attempt *attempt, void *data,
			    struct error *err);
/* Tries again whenever a socket appears, for as long as the process (0: any) lives, at most some
 * seconds. */
int instance_wait(const struct paths *paths, pid_t pid, instance_attempt *attempt, void *data,
		  struct error *err);

/* Ends the holder. */
void instance_end(struct instance *instance);
