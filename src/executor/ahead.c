/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "executor/ahead.h"

#include "executor/executor.h"
#include "executor/operations.h"
#include "kern/tap.h"

#define ROW	    4	     /* taps in a row, before the next one is made ahead */
#define ROW_USEC    100000u  /* between two of a row */
#define UNUSED_USEC 1000000u /* one that nobody asks for is kept so long */

void ahead_forget(struct executor *executor)
{
	struct tap_ahead *tap = &executor->operations.tap_ahead;
	if (tap->name[0])
		tap_forget(tap);
	executor->ahead.in_a_row = 0;
	sd_event_source_set_enabled(executor->ahead.unneeded, SD_EVENT_OFF);
}

static int on_unneeded(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	ahead_forget(data);
	return 0;
}

static int wait_for_use(struct executor *executor)
{
	struct ahead *ahead = &executor->ahead;
	if (!ahead->unneeded)
		return sd_event_add_time_relative(executor->event, &ahead->unneeded,
						  CLOCK_MONOTONIC, UNUSED_USEC, 0, on_unneeded,
						  executor);
	int result = sd_event_source_set_time_relative(ahead->unneeded, UNUSED_USEC);
	return result < 0 ? result : sd_event_source_set_enabled(ahead->unneeded, SD_EVENT_ONESHOT);
}

void ahead_make(struct executor *executor, const char *next)
{
	struct ahead *ahead = &executor->ahead;
	uint64_t now = 0;
	sd_event_now(executor->event, CLOCK_MONOTONIC, &now);
	ahead->in_a_row = now - ahead->last < ROW_USEC ? ahead->in_a_row + 1 : 1;
	ahead->last = now;
	bool goes_on = ahead->in_a_row >= ROW && next[0] &&
		       operations_check_name(&executor->operations, next, NULL) >= 0 &&
		       wait_for_use(executor) >= 0;
	tap_prepare(&executor->operations.tap_ahead, goes_on ? next : "");
}

void ahead_end(struct executor *executor)
{
	tap_forget(&executor->operations.tap_ahead);
	executor->ahead.unneeded = sd_event_source_disable_unref(executor->ahead.unneeded);
}
