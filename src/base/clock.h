/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clocks that nobody sets, for deadlines: CLOCK_MONOTONIC, and CLOCK_BOOTTIME, which goes on in
 * sleep. */
#pragma once

#include <stdint.h>
#include <time.h>

uint64_t clock_usec(clockid_t clock);
int64_t clock_ms(clockid_t clock);
