/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "steward/guard.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/spawn.h"

static int run(const char *const *argv)
{
	struct error err = {0};
	int status = -1;
	pid_t child = spawn_start(argv[0], argv, SPAWN_QUIET, -1, NULL, NULL, &err);
	if (child < 0)
		log_warning("%s", err.text);
	else if (waitpid(child, &status, 0) != child)
		status = -1;
	return status;
}

void guard_start(const char *nic, const char *bridge, uint32_t seconds)
{
	AUTO_FREE char *unit = text_format("--unit=lanyard-uplink-%s", nic);
	AUTO_FREE char *time = text_format("--on-active=%u", seconds);
	const char *const argv[] = {"/usr/bin/systemd-run",
				    "--quiet",
				    "--collect",
				    unit,
				    time,
				    "--timer-property=AccuracySec=100ms",
				    "--description=The way back of an uplink of Lanyard",
				    "ip",
				    "link",
				    "delete",
				    bridge,
				    NULL};
	if (sd_booted() > 0 && run(argv) != 0)
		log_warning("%s: no timer for the way back without us", nic);
}

void guard_stop(const char *nic)
{
	AUTO_FREE char *unit = text_format("lanyard-uplink-%s.timer", nic);
	const char *const argv[] = {"/usr/bin/systemctl", "--quiet", "stop", unit, NULL};
	if (sd_booted() > 0)
		run(argv);
}
