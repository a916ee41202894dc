/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taps made before they are asked for. Making a tap is half of what a port costs. Where taps are
 * asked for one right after the other, the next one is made while nobody waits, under the name that
 * the broker says it will have. It is ours alone until then, vanishes with us, and goes after a
 * second without use, so a single port is a single interface, as ever.
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

struct executor;

struct ahead {
	unsigned in_a_row;
	uint64_t last;		   /* CLOCK_MONOTONIC microseconds of the last tap */
	sd_event_source *unneeded; /* runs when the one that was made was not asked for */
};

/* A tap was handed over; next: the name of the one that may follow, "" where none is known. Opens
 * the device for it, if nothing more. */
void ahead_make(struct executor *executor, const char *next);
/* Something else happens now. */
void ahead_forget(struct executor *executor);
void ahead_end(struct executor *executor);
