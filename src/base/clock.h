/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clocks that nobody sets, for deadlines: CLOCK_MONOTONIC, and CLOCK_BOOTTIME, which goes on in
 * sleep. */
#pragma once

#include <stdint.h>
#include <time.h>

uint64_t clock_usec(clockid_t clock);
int64_t clock_ms(clockid_t clock);
/* How long to wait after one more failure: first when none came before (wait is 0), then twice as
 * long each time, but never longer than longest. */
uint64_t clock_backoff(uint64_t wait, uint64_t first, uint64_t longest);
