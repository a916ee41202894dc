/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands that live on after the steward, and need more rights than it has: systemd runs them, as
 * a unit to which all belongs that they leave in the background.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;

#define UNIT_WORDS 14

/* One after the other; each ended by NULL, the first word is a path. Does not wait for their end.
 * -ENOTSUP: the host does not run systemd. */
int unit_run(const char *name, const char *const commands[][UNIT_WORDS], size_t count,
	     struct error *err);

/* The same in so many seconds, by NAME.timer, unless that is stopped before; NAME.service is gone
 * when they have ended. */
int unit_run_later(const char *name, uint32_t seconds, const char *const commands[][UNIT_WORDS],
		   size_t count, struct error *err);

/* Ends it with all its processes, and waits for that. 1: it was there. */
int unit_stop(const char *name);
