/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "steward/networkmanager.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"

#define SERVICE	   "org.freedesktop.NetworkManager"
#define OBJECT	   "/org/freedesktop/NetworkManager"
#define SETTINGS   OBJECT "/Settings"
#define DEVICE	   SERVICE ".Device"
#define ACTIVE	   SERVICE ".Connection.Active"
#define PROFILE	   SERVICE ".Settings.Connection"
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define NO_OBJECT  "/"

#define CALL_USEC   10000000u
#define MANAGE_USEC 5000000u

/* nm-dbus-interface.h */
#define STATE_UNMANAGED	    10u
#define ACTIVE_ACTIVATED    2u
#define ACTIVE_FLAG_FOREIGN 0x80u /* NM_ACTIVATION_STATE_FLAG_EXTERNAL */
#define RELOAD_CONF	    1u

#define AUTO_MESSAGE __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message

int networkmanager_open(sd_bus **ret, struct error *err)
{
	int r = sd_bus_open_system(ret);
	if (r == -ENOENT || r == -ECONNREFUSED)
		return error_set(err, ENOENT, "there is no system bus");
	return r < 0 ? error_errno(err, r, "system bus") : 0;
}

/* What NetworkManager says of a thing that is not there, or the bus of a service that is not. */
static bool is_absence(const sd_bus_error *failure)
{
	static const char *const names[] = {
		SD_BUS_ERROR_SERVICE_UNKNOWN,
		SD_BUS_ERROR_NAME_HAS_NO_OWNER,
		SD_BUS_ERROR_UNKNOWN_OBJECT,
		SD_BUS_ERROR_UNKNOWN_METHOD,
		SERVICE ".UnknownDevice",
		SERVICE ".UnknownConnection",
		SERVICE ".Settings.InvalidConnection",
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (sd_bus_error_has_name(failure, names[i]))
			return true;
	return false;
}

static int send_call(sd_bus *bus, sd_bus_message *message, sd_bus_message **ret, struct error *err)
{
	sd_bus_error failure = SD_BUS_ERROR_NULL;
	/* a host that does not run it keeps it that way */
	int r = sd_bus_message_set_auto_start(message, 0);
	if (r >= 0)
		r = sd_bus_call(bus, message, CALL_USEC, &failure, ret);
	if (r < 0)
		r = error_set(err, is_absence(&failure) ? ENOENT : -r, "NetworkManager: %s: %s",
			      sd_bus_message_get_member(message),
			      failure.message ? failure.message : strerror(-r));
	sd_bus_error_free(&failure);
	return r < 0 ? r : 0;
}

static int call(sd_bus *bus, const char *path, const char *interface, const char *member,
		sd_bus_message **ret, struct error *err, const char *types, ...)
{
	AUTO_MESSAGE *message = NULL;
	va_list arguments;
	int r = sd_bus_message_new_method_call(bus, &message, SERVICE, path, interface, member);
	va_start(arguments, types);
	if (r >= 0)
		r = sd_bus_message_appendv(message, types, arguments);
	va_end(arguments);
	return r < 0 ? error_errno(err, r, "NetworkManager: %s", member)
		     : send_call(bus, message, ret, err);
}

static int bad_answer(int r, const char *what, struct error *err)
{
	return r < 0 ? error_errno(err, r, "NetworkManager: %s", what) : 0;
}

/* The path that a method answers. */
static int read_path(sd_bus_message *reply, const char *what, char **ret, struct error *err)
{
	const char *path;
	int r = sd_bus_message_read(reply, "o", &path);
	if (r >= 0)
		*ret = text_copy(path);
	return bad_answer(r, what, err);
}

static int get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
		    const char *type, char **ret, struct error *err)
{
	AUTO_MESSAGE *reply = NULL;
	const char *text;
	int r = call(bus, path, PROPERTIES, "Get", &reply, err, "ss", interface, property);
	if (r < 0)
		return r;
	r = sd_bus_message_read(reply, "v", type, &text);
	if (r >= 0)
		*ret = text_copy(text);
	return bad_answer(r, property, err);
}

static int get_number(sd_bus *bus, const char *path, const char *interface, const char *property,
		      uint32_t *ret, struct error *err)
{
	AUTO_MESSAGE *reply = NULL;
	int r = call(bus, path, PROPERTIES, "Get", &reply, err, "ss", interface, property);
	return r < 0 ? r : bad_answer(sd_bus_message_read(reply, "v", "u", ret), property, err);
}

/* Waiting for a property */

static int on_change(sd_bus_message *message, void *data, sd_bus_error *failure)
{
	(void)message;
	(void)data;
	(void)failure;
	return 0;
}

int networkmanager_wait(sd_bus *bus, const struct networkmanager_waiting *waiting, uint64_t usec,
			struct error *err)
{
	sd_bus_slot *slot = NULL;
	uint64_t end = clock_usec(CLOCK_MONOTONIC) + usec;
	int r = sd_bus_match_signal(bus, &slot, SERVICE, NULL, PROPERTIES, "PropertiesChanged",
				    on_change, NULL);
	if (r < 0)
		return error_errno(err, r, "NetworkManager: signals");
	while ((r = waiting->is_so(bus, waiting->data, err)) == 0) {
		uint64_t now = clock_usec(CLOCK_MONOTONIC);
		if (now >= end) {
			r = error_set(err, ETIME, "NetworkManager: %s for %u seconds",
				      waiting->otherwise, (unsigned)(usec / 1000000));
			break;
		}
		if (sd_bus_process(bus, NULL) == 0)
			sd_bus_wait(bus, end - now);
	}
	sd_bus_slot_unref(slot);
	return r < 0 ? r : 0;
}

/* Devices */

int networkmanager_device(sd_bus *bus, const char *ifname, char **ret_path, struct error *err)
{
	AUTO_MESSAGE *reply = NULL;
	int r = call(bus, OBJECT, SERVICE, "GetDeviceByIpIface", &reply, err, "s", ifname);
	return r < 0 ? r : read_path(reply, ifname, ret_path, err);
}

/* "/" without one. */
static int find_active(sd_bus *bus, const char *device, char **ret_path, uint32_t *ret_flags,
		       struct error *err)
{
	int r = get_text(bus, device, DEVICE, "ActiveConnection", "o", ret_path, err);
	*ret_flags = 0;
	if (r < 0 || strcmp(*ret_path, NO_OBJECT) == 0)
		return r;
	return get_number(bus, *ret_path, ACTIVE, "StateFlags", ret_flags, err);
}

int networkmanager_profile(sd_bus *bus, const char *device, char **ret_uuid, char **ret_file,
			   struct error *err)
{
	AUTO_FREE char *active = NULL, *profile = NULL;
	uint32_t flags;
	int r = find_active(bus, device, &active, &flags, err);
	if (r == 0 && (strcmp(active, NO_OBJECT) == 0 || flags & ACTIVE_FLAG_FOREIGN))
		return error_set(err, ENOENT, "NetworkManager has no profile on the interface");
	if (r == 0)
		r = get_text(bus, active, ACTIVE, "Uuid", "s", ret_uuid, err);
	if (r == 0)
		r = get_text(bus, active, ACTIVE, "Connection", "o", &profile, err);
	return r < 0 ? r : get_text(bus, profile, PROFILE, "Filename", "s", ret_file, err);
}

static int is_unmanaged(sd_bus *bus, const void *device, struct error *err)
{
	uint32_t state;
	int r = get_number(bus, device, DEVICE, "State", &state, err);
	return r < 0 ? r : state <= STATE_UNMANAGED;
}

static int is_managed(sd_bus *bus, const void *device, struct error *err)
{
	int r = is_unmanaged(bus, device, err);
	return r < 0 ? r : !r;
}

int networkmanager_manage(sd_bus *bus, const char *device, bool manage, struct error *err)
{
	static const struct {
		int (*is_so)(sd_bus *bus, const void *data, struct error *err);
		const char *otherwise;
	} kinds[] = {{is_unmanaged, "it has not let go of the interface"},
		     {is_managed, "it has not taken the interface"}};
	const struct networkmanager_waiting waiting = {kinds[manage].is_so, device,
						       kinds[manage].otherwise};
	int r = call(bus, device, PROPERTIES, "Set", NULL, err, "ssv", DEVICE, "Managed", "b",
		     (int)manage);
	return r < 0 ? r : networkmanager_wait(bus, &waiting, MANAGE_USEC, err);
}

/* Checkpoints */

int networkmanager_checkpoint(sd_bus *bus, char *const *devices, size_t count, uint32_t seconds,
			      char **ret_path, struct error *err)
{
	AUTO_MESSAGE *message = NULL, *reply = NULL;
	int r = sd_bus_message_new_method_call(bus, &message, SERVICE, OBJECT, SERVICE,
					       "CheckpointCreate");
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'a', "o");
	for (size_t i = 0; r >= 0 && i < count; i++)
		r = sd_bus_message_append(message, "o", devices[i]);
	if (r >= 0)
		r = sd_bus_message_close_container(message);
	if (r >= 0)
		r = sd_bus_message_append(message, "uu", seconds, 0);
	if (r < 0)
		return error_errno(err, r, "NetworkManager: a checkpoint");
	r = send_call(bus, message, &reply, err);
	return r < 0 ? r : read_path(reply, "a checkpoint", ret_path, err);
}

int networkmanager_checkpoint_end(sd_bus *bus, const char *checkpoint, bool go_back,
				  struct error *err)
{
	return call(bus, OBJECT, SERVICE, go_back ? "CheckpointRollback" : "CheckpointDestroy",
		    NULL, err, "o", checkpoint);
}

/* Profiles */

int networkmanager_load(sd_bus *bus, const char *file, struct error *err)
{
	AUTO_MESSAGE *reply = NULL;
	int good = 0;
	int r = call(bus, SETTINGS, SERVICE ".Settings", "LoadConnections", &reply, err, "as", 1,
		     file);
	if (r == 0)
		r = bad_answer(sd_bus_message_read(reply, "b", &good), file, err);
	return r < 0 || good ? r : error_set(err, EINVAL, "NetworkManager refuses %s", file);
}

static int find_profile(sd_bus *bus, const char *uuid, char **ret_path, struct error *err)
{
	AUTO_MESSAGE *reply = NULL;
	int r = call(bus, SETTINGS, SERVICE ".Settings", "GetConnectionByUuid", &reply, err, "s",
		     uuid);
	return r < 0 ? r : read_path(reply, uuid, ret_path, err);
}

bool networkmanager_knows(sd_bus *bus, const char *uuid)
{
	AUTO_FREE char *path = NULL;
	return find_profile(bus, uuid, &path, NULL) == 0;
}

int networkmanager_forget(sd_bus *bus, const char *uuid, struct error *err)
{
	AUTO_FREE char *path = NULL;
	if (find_profile(bus, uuid, &path, NULL) < 0)
		return 0;
	return call(bus, path, PROFILE, "Delete", NULL, err, "");
}

int networkmanager_reload(sd_bus *bus, struct error *err)
{
	return call(bus, OBJECT, SERVICE, "Reload", NULL, err, "u", RELOAD_CONF);
}

int networkmanager_activate(sd_bus *bus, const char *uuid, const char *ifname, char **ret_active,
			    struct error *err)
{
	AUTO_MESSAGE *reply = NULL;
	AUTO_FREE char *profile = NULL, *device = NULL;
	int r = find_profile(bus, uuid, &profile, err);
	if (r == 0)
		r = networkmanager_device(bus, ifname, &device, err);
	if (r == 0)
		r = call(bus, OBJECT, SERVICE, "ActivateConnection", &reply, err, "ooo", profile,
			 device, NO_OBJECT);
	return r < 0 ? r : read_path(reply, "an activation", ret_active, err);
}

static int is_active(sd_bus *bus, const void *active, struct error *err)
{
	uint32_t state;
	int r = get_number(bus, active, ACTIVE, "State", &state, err);
	if (r == -ENOENT || (r == 0 && state > ACTIVE_ACTIVATED))
		return error_set(err, EIO, "NetworkManager could not activate its profile");
	return r < 0 ? r : state == ACTIVE_ACTIVATED;
}

int networkmanager_wait_active(sd_bus *bus, const char *active, uint64_t usec, struct error *err)
{
	const struct networkmanager_waiting waiting = {is_active, active,
						       "its profile has been activating"};
	return networkmanager_wait(bus, &waiting, usec, err);
}
