/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "steward/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

#define SYSTEMD		    "org.freedesktop.systemd1"
#define MANAGER		    SYSTEMD, "/org/freedesktop/systemd1", SYSTEMD ".Manager"
#define WAIT_USEC	    10000000u
#define TIMER_ACCURACY_USEC 100000u
#define WAIT_MOMENTS	    250 /* of 20 ms */

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

/* stays: the unit does so as long as what they leave behind in the background may run. */
static int append_service(sd_bus_message *message, const char *const commands[][UNIT_WORDS],
			  size_t count, bool stays)
{
	int r = sd_bus_message_open_container(message, 'a', "(sv)");
	if (r >= 0)
		r = sd_bus_message_append(message, "(sv)(sv)(sv)", "Type", "s", "oneshot",
					  "RemainAfterExit", "b", stays, "CollectMode", "s",
					  "inactive-or-failed");
	if (r >= 0)
		r = append_commands(message, commands, count);
	return r < 0 ? r : sd_bus_message_close_container(message);
}

/* A timer that is gone as soon as it has elapsed, and its service. */
static int append_timer(sd_bus_message *message, const char *service, uint32_t seconds,
			const char *const commands[][UNIT_WORDS], size_t count)
{
	int r = sd_bus_message_append(message, "a(sv)", 4, "TimersMonotonic", "a(st)", 1,
				      "OnActiveSec", (uint64_t)seconds * 1000000u, "AccuracyUSec",
				      "t", (uint64_t)TIMER_ACCURACY_USEC, "RemainAfterElapse", "b",
				      0, "CollectMode", "s", "inactive-or-failed");
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'a', "(sa(sv))");
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'r', "sa(sv)");
	if (r >= 0)
		r = sd_bus_message_append(message, "s", service);
	if (r >= 0)
		r = append_service(message, commands, count, false);
	for (int i = 0; r >= 0 && i < 2; i++)
		r = sd_bus_message_close_container(message);
	return r;
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

static int begin(sd_bus **ret_bus, sd_bus_message **ret_message, const char *name)
{
	int r = sd_booted() > 0 ? 0 : -ENOTSUP;
	if (r == 0)
		r = sd_bus_open_system(ret_bus);
	if (r >= 0)
		r = sd_bus_message_new_method_call(*ret_bus, ret_message, MANAGER,
						   "StartTransientUnit");
	return r < 0 ? r : sd_bus_message_append(*ret_message, "ss", name, "replace");
}

/* r: how it went to put the message together. */
static int end(sd_bus *bus, sd_bus_message *message, const char *name, int r, struct error *err)
{
	sd_bus_error failure = SD_BUS_ERROR_NULL;
	if (r >= 0)
		r = sd_bus_call(bus, message, WAIT_USEC, &failure, NULL);
	if (r == -ENOTSUP && !message)
		error_set(err, r, "systemd does not run here");
	else if (r < 0)
		error_set(err, r, "systemd: unit %s: %s", name,
			  failure.message ? failure.message : "no answer");
	sd_bus_error_free(&failure);
	return r < 0 ? r : 0;
}

int unit_run(const char *name, const char *const commands[][UNIT_WORDS], size_t count,
	     struct error *err)
{
	__attribute__((cleanup(sd_bus_flush_close_unrefp))) sd_bus *bus = NULL;
	__attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *message = NULL;
	int r = begin(&bus, &message, name);
	if (r >= 0)
		r = append_service(message, commands, count, true);
	if (r >= 0) /* no auxiliary units */
		r = sd_bus_message_append(message, "a(sa(sv))", 0);
	return end(bus, message, name, r, err);
}

int unit_run_later(const char *name, uint32_t seconds, const char *const commands[][UNIT_WORDS],
		   size_t count, struct error *err)
{
	__attribute__((cleanup(sd_bus_flush_close_unrefp))) sd_bus *bus = NULL;
	__attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *message = NULL;
	AUTO_FREE char *timer = text_format("%s.timer", name);
	AUTO_FREE char *service = text_format("%s.service", name);
	int r = begin(&bus, &message, timer);
	if (r >= 0)
		r = append_timer(message, service, seconds, commands, count);
	return end(bus, message, timer, r, err);
}
