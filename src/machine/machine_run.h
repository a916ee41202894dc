/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting and stopping machines. Both in two halves, so that many go at once: begin them all, then
 * end them all. A machine's taps live exactly as long as its QEMU, which holds their descriptors.
 */
#pragma once

#include <stdbool.h>

#include "cli/process.h"
#include "driver/accel.h"

struct error;
struct invocation;
struct machine_entry;

struct machine_start {
	struct machine_entry *entry;
	struct process process;
};

/* Everything about a machine that can be known before anything is changed: driver, image,
 * accelerator. */
int machine_start_check(const struct machine_entry *entry, struct error *err);
/* Ports, seed, QEMU. The caller holds the machine's lock and has saved its definition. -EBUSY: it
 * runs. */
int machine_start_begin(struct invocation *invocation, struct machine_entry *entry,
			struct machine_start *ret, struct error *err);
/* Waits until QEMU runs (or says why not). */
int machine_start_end(struct machine_start *start, struct error *err);

struct machine_stop {
	struct machine_entry *entry;
	struct qmp *qmp; /* NULL: it does not run, or does not answer */
	int process;	 /* pidfd, -1: it does not run */
	bool asked;	 /* the guest was asked to power off */
};

/* Presses the power button; with force, or when the guest has not come far enough to notice, ends
 * QEMU. */
int machine_stop_begin(struct machine_entry *entry, bool force, struct machine_stop *ret,
		       struct error *err);
/* Waits until deadline (milliseconds of CLOCK_MONOTONIC) for the guest, then ends it. */
int machine_stop_end(struct machine_stop *stop, long long deadline, struct error *err);

/* Waits for the console's line that says the machine is reachable; -ETIMEDOUT, -ESRCH when it
 * ended. Only the image tiny says so; for others returns 0 at once. */
int machine_wait_ready(const struct machine_entry *entry, int timeout_ms, struct error *err);
bool machine_is_ready(const struct machine_entry *entry);
