/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "steward/guard.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "steward/unit.h"

#define UNIT "lanyard-uplink-%s"

void guard_start(const char *nic, const char *bridge, uint32_t seconds)
{
	AUTO_FREE char *unit = text_format(UNIT, nic);
	const char *const commands[][UNIT_WORDS] = {{"/sbin/ip", "link", "delete", bridge, NULL}};
	struct error err = {0};
	int r = unit_run_later(unit, seconds, commands, 1, &err);
	if (r < 0 && r != -ENOTSUP)
		log_warning("%s: no timer for the way back without us: %s", nic, err.text);
}

void guard_stop(const char *nic)
{
	AUTO_FREE char *unit = text_format(UNIT ".timer", nic);
	unit_stop(unit);
}
