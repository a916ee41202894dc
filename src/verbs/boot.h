/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A machine that was started a moment ago is there in a few seconds: who talks to it waits. */
#pragma once

struct error;
struct invocation;

/* Waits until the caller's own machine NAME (or NAME.DOMAIN) is reachable, and says that it waits.
 * -ENOENT: the caller has no such machine; -ENXIO: it does not run; -ETIMEDOUT. */
int boot_wait(struct invocation *invocation, const char *name, struct error *err);
