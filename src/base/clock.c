/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/clock.h"

uint64_t clock_usec(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

int64_t clock_ms(clockid_t clock)
{
	return (int64_t)(clock_usec(clock) / 1000u);
}

uint64_t clock_backoff(uint64_t wait, uint64_t first, uint64_t longest)
{
	if (wait == 0)
		return first;
	return wait > longest / 2 ? longest : wait * 2;
}
