/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One lanyard-publish, as the broker sees it: a socket that it asks on and whose end ends it.
 * Where the service manager listens at RUNTIME/publish.sock it makes the process, a unit with
 * rights of its own (lanyard-publish@.service); else it is a child of ours.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/paths.h"
#include "broker/publish.h"

struct error;

struct publisher {
	int control; /* -1: none */
	pid_t pid;   /* of a child, else 0 */
	int pidfd;   /* of a child, else -1 */
	bool kept;   /* it goes on when the broker ends, for the next one */
};

extern const struct publisher publisher_none;

/* Waits until it listens. -EADDRINUSE, -EACCES: a port that needs a privilege. After a failure too
 * publisher_stop is due. */
int publisher_start(struct publisher *publisher, const struct paths *paths,
		    const struct publish_order *order, struct error *err);
/* The one that the broker before has left us; false: it left none. */
bool publisher_adopt(struct publisher *publisher, const struct publish_order *order);
/* Its port is free afterwards; connections that exist go on. A child stays to be waited for (pid,
 * pidfd). */
void publisher_stop(struct publisher *publisher);
