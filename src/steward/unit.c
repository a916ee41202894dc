/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "steward/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "base/error.h"

#define SYSTEMD	     "org.freedesktop.systemd1"
#define MANAGER	     SYSTEMD, "/org/freedesktop/systemd1", SYSTEMD ".Manager"
#define WAIT_USEC    10000000u
#define WAIT_MOMENTS 250 /* of 20 ms */

static int append_command(sd_bus_message *message, const char *const words[UNIT_WORDS])
{
	int r = sd_bus_message_open_container(message, 'r', "sasb");
	if (r >= 0)
		r = sd_bus_message_append(message, "s", words[0]);
	if (r >= 0)
		r = sd_bus_message_append_strv(message, (char **)(const void *)words);
	if (r >= 0) /* the failure of one, as of stopping what has ended, does not keep the next */
		r = sd_bus_message_append(message, "b", 1);
	return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_commands(sd_bus_message *message, const char *const commands[][UNIT_WORDS],
			   size_t count)
{
	int r = sd_bus_message_open_container(message, 'r', "sv");
	if (r >= 0)
		r = sd_bus_message_append(message, "s", "ExecStart");
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'v', "a(sasb)");
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'a', "(sasb)");
	for (size_t i = 0; r >= 0 && i < count; i++)
		r = append_command(message, commands[i]);
	for (int i = 0; r >= 0 && i < 3; i++)
		r = sd_bus_message_close_container(message);
	return r;
}

/* The unit stays as long as what they leave behind in the background may run. */
static int append_properties(sd_bus_message *message, const char *const commands[][UNIT_WORDS],
			     size_t count)
{
	int r = sd_bus_message_open_container(message, 'a', "(sv)");
	if (r >= 0)
		r = sd_bus_message_append(message, "(sv)(sv)(sv)", "Type", "s", "oneshot",
					  "RemainAfterExit", "b", 1, "CollectMode", "s",
					  "inactive-or-failed");
	if (r >= 0)
		r = append_commands(message, commands, count);
	return r < 0 ? r : sd_bus_message_close_container(message);
}

static bool is_gone(sd_bus *bus, const char *name)
{
	__attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *reply = NULL;
	return sd_bus_call_method(bus, MANAGER, "GetUnit", NULL, &reply, "s", name) < 0;
}

int unit_stop(const char *name)
{
	__attribute__((cleanup(sd_bus_flush_close_unrefp))) sd_bus *bus = NULL;
	const struct timespec moment = {0, 20000000};
	if (sd_booted() <= 0 || sd_bus_open_system(&bus) < 0 || is_gone(bus, name))
		return 0;
	sd_bus_call_method(bus, MANAGER, "StopUnit", NULL, NULL, "ss", name, "replace");
	for (int i = 0; i < WAIT_MOMENTS && !is_gone(bus, name); i++)
		nanosleep(&moment, NULL);
	return 1;
}

int unit_run(const char *name, const char *const commands[][UNIT_WORDS], size_t count,
	     struct error *err)
{
	__attribute__((cleanup(sd_bus_flush_close_unrefp))) sd_bus *bus = NULL;
	__attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *message = NULL;
	sd_bus_error failure = SD_BUS_ERROR_NULL;
	if (sd_booted() <= 0)
		return error_set(err, ENOTSUP, "systemd does not run here");
	int r = sd_bus_open_system(&bus);
	if (r >= 0)
		r = sd_bus_message_new_method_call(bus, &message, MANAGER, "StartTransientUnit");
	if (r >= 0)
		r = sd_bus_message_append(message, "ss", name, "replace");
	if (r >= 0)
		r = append_properties(message, commands, count);
	if (r >= 0) /* no auxiliary units */
		r = sd_bus_message_append(message, "a(sa(sv))", 0);
	if (r >= 0)
		r = sd_bus_call(bus, message, WAIT_USEC, &failure, NULL);
	if (r < 0)
		error_set(err, r, "systemd: unit %s: %s", name,
			  failure.message ? failure.message : "no answer");
	sd_bus_error_free(&failure);
	return r < 0 ? r : 0;
}
