/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NetworkManager. While an uplink is on its way to its bridge or back, the NIC is out of its hands
 * (not managed: it leaves in the kernel what is there), and a checkpoint of its own takes the NIC
 * back when all of ours has died. After the confirmation two profiles say what is, the bridge and
 * the NIC as its port; both are active from then on, so that NetworkManager goes on with DHCP,
 * names and everything else. The NIC's own profile is not touched; it waits with a lower priority.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "kern/link.h"
#include "model/object.h"
#include "steward/form.h"
#include "steward/guard.h"
#include "steward/keyfile.h"
#include "steward/networkmanager.h"
#include "steward/ours.h"
#include "steward/standing.h"

#define FOLDER	   "/etc/NetworkManager"
#define PROFILES   FOLDER "/system-connections"
#define FILE_MAX   (1u << 20)
#define MARGIN	   15 /* seconds that NetworkManager waits longer than we do */
#define SHORT_TIME 60 /* where we do not wait at all */
/* A takeover: all of it within what the broker waits for the answer. */
#define PORT_USEC    3000000u
#define BRIDGE_USEC  8000000u
#define ADDRESS_USEC 6000000u

/* The files of one uplink. */
enum {
	HELD, /* until the next start: what was before the first step */
	WAS,  /* the same, for as long as the bridge is there */
	CONF,
	BRIDGE,
	PORT, /* the last one: it says that all are there */
	FILES,
};

struct files {
	char *paths[FILES];
};

static struct files files_of(const struct errand *request)
{
	const char *nic = request->nic, *bridge = request->bridge;
	return (struct files){{
		[HELD] = text_format(NETWORKMANAGER_RUNTIME "/lanyard-%s", nic),
		[WAS] = text_format(FOLDER "/lanyard-%s", nic),
		[CONF] = text_format(FOLDER "/conf.d/90-lanyard-%s.conf", bridge),
		[BRIDGE] = text_format(PROFILES "/lanyard-%s.nmconnection", bridge),
		[PORT] = text_format(PROFILES "/lanyard-port-%s.nmconnection", nic),
	}};
}

static void free_files(struct files *files)
{
	for (size_t i = 0; i < FILES; i++)
		free(files->paths[i]);
}
#define AUTO_FILES __attribute__((cleanup(free_files))) struct files
#define AUTO_BUS   __attribute__((cleanup(sd_bus_flush_close_unrefp))) sd_bus

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

/* NULL: it cannot be read. Ends with a line's end. */
static char *read_lines(const char *path, struct error *err)
{
	AUTO_FREE char *text = NULL;
	if (file_read(path, FILE_MAX, &text, err) < 0)
		return NULL;
	size_t length = strlen(text);
	return length && text[length - 1] != '\n' ? text_format("%s\n", text) : TAKE(text);
}

static char *state_value(const char *nic, const char *section, const char *key)
{
	AUTO_FREE char *path =
		text_format(NETWORKMANAGER_RUNTIME "/devices/%u", if_nametoindex(nic));
	AUTO_FREE char *text = read_lines(path, NULL);
	return text ? keyfile_value(text, section, key) : NULL;
}

static bool manages(const char *nic)
{
	struct errand request = {0};
	snprintf(request.nic, sizeof(request.nic), "%s", nic);
	AUTO_FILES files = files_of(&request);
	if (is_there(files.paths[HELD]) || is_there(files.paths[WAS]))
		return true;
	AUTO_FREE char *some = state_value(nic, "device", "connection-uuid");
	AUTO_FREE char *device = NULL, *uuid = NULL, *file = NULL;
	AUTO_BUS *bus = NULL;
	return some && networkmanager_open(&bus, NULL) == 0 &&
	       networkmanager_device(bus, nic, &device, NULL) == 0 &&
	       networkmanager_profile(bus, device, &uuid, &file, NULL) == 0;
}

/* What the NIC's SLAAC address has after its prefix, as a token: on the bridge NetworkManager would
 * hash another one from the interface's name. NULL: there is none, or no lasting one. */
static char *token_of(const char *nic)
{
	enum { GLOBAL = 0, TEMPORARY = 0x01, PERMANENT = 0x80 };
	AUTO_FREE char *text = NULL;
	if (file_read("/proc/net/if_inet6", FILE_MAX, &text, NULL) < 0)
		return NULL;
	for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
		char address[33], name[IFNAMSIZ];
		unsigned length, scope, flags;
		if (sscanf(line, "%32s %*x %x %x %x %15s", address, &length, &scope, &flags,
			   name) == 5 &&
		    strcmp(name, nic) == 0 && length == 64 && scope == GLOBAL &&
		    !(flags & (TEMPORARY | PERMANENT)))
			return text_format("::%.4s:%.4s:%.4s:%.4s", address + 16, address + 20,
					   address + 24, address + 28);
	}
	return NULL;
}

/* The profile on the NIC and what is in effect besides, for the bridge's own. */
static char *remember(sd_bus *bus, const struct errand *request, const char *device,
		      const char *checkpoint, struct error *err)
{
	AUTO_FREE char *uuid = NULL, *file = NULL;
	if (networkmanager_profile(bus, device, &uuid, &file, err) < 0)
		return NULL;
	AUTO_FREE char *profile = *file ? read_lines(file, NULL) : NULL;
	AUTO_FREE char *type = profile ? keyfile_value(profile, "connection", "type") : NULL;
	if (!type || (strcmp(type, "ethernet") != 0 && strcmp(type, "802-3-ethernet") != 0)) {
		error_set(err, ENOTSUP,
			  "the profile of '%s' is %s; make the bridge in NetworkManager: nmcli "
			  "connection add type bridge ifname br0, then bridge: br0",
			  request->nic, type ? type : "not in a keyfile");
		return NULL;
	}
	AUTO_FREE char *metric =
		state_value(request->nic, "device", "route-metric-default-effective");
	AUTO_FREE char *method = keyfile_value(profile, "ipv6", "method");
	AUTO_FREE char *own = keyfile_value(profile, "ipv6", "token");
	bool is_auto = method && strcmp(method, "auto") == 0 && !own;
	AUTO_FREE char *token = is_auto ? token_of(request->nic) : NULL;
	const struct keyfile_note note = {checkpoint, uuid, file, metric, token};
	return keyfile_remember(profile, &note);
}

static int write_private(const char *path, const char *text, struct error *err)
{
	return file_write_atomic(path, text, strlen(text), 0600, true, err);
}

/* Out of its hands */

/* Of hold(), however it ends. */
static void end_hold(sd_bus *bus, const struct errand *request, const struct files *files,
		     bool go_back)
{
	AUTO_FREE char *held = read_lines(files->paths[HELD], NULL);
	AUTO_FREE char *checkpoint = held ? keyfile_value(held, "lanyard", "checkpoint") : NULL;
	struct error err = {0};
	if (!held)
		return;
	guard_stop(request->nic);
	if (checkpoint && networkmanager_checkpoint_end(bus, checkpoint, go_back, &err) < 0)
		log_info("%s (it has gone back by itself)", err.text);
	unlink(files->paths[HELD]);
}

struct devices {
	char *paths[2]; /* the NIC, and the bridge where NetworkManager has made it */
	size_t count;
};

static void free_devices(struct devices *devices)
{
	for (size_t i = 0; i < 2; i++)
		free(devices->paths[i]);
}

static int find_devices(sd_bus *bus, const struct errand *request, bool with_bridge,
			struct devices *ret, struct error *err)
{
	int r = networkmanager_device(bus, request->nic, &ret->paths[0], err);
	ret->count = r == 0;
	if (r == 0 && with_bridge &&
	    networkmanager_device(bus, request->bridge, &ret->paths[1], NULL) == 0)
		ret->count = 2;
	return r;
}

static int let_go(sd_bus *bus, const struct devices *devices, struct error *err)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < devices->count; i++)
		r = networkmanager_manage(bus, devices->paths[i], false, err);
	return r;
}

/* What hold() writes down: what was, or for the way out of the bridge only who takes it back. */
static char *held_of(sd_bus *bus, const struct errand *request, bool is_kept, const char *device,
		     const char *checkpoint, struct error *err)
{
	const struct keyfile_note note = {.checkpoint = checkpoint};
	return is_kept ? keyfile_remember(NULL, &note)
		       : remember(bus, request, device, checkpoint, err);
}

static int hold(const struct errand *request, char *ret_text, struct error *err)
{
	(void)ret_text;
	AUTO_BUS *bus = NULL;
	AUTO_FILES files = files_of(request);
	__attribute__((cleanup(free_devices))) struct devices devices = {0};
	AUTO_FREE char *checkpoint = NULL;
	bool is_kept = is_there(files.paths[WAS]);
	uint32_t seconds = request->seconds ? request->seconds + MARGIN : SHORT_TIME;
	int r = networkmanager_open(&bus, err);
	if (r == 0)
		r = find_devices(bus, request, is_kept, &devices, err);
	if (r < 0)
		return r;
	/* of somebody that died before its end */
	end_hold(bus, request, &files, false);
	r = networkmanager_checkpoint(bus, devices.paths, devices.count, seconds, &checkpoint, err);
	if (r < 0)
		return r;
	AUTO_FREE char *held = held_of(bus, request, is_kept, devices.paths[0], checkpoint, err);
	r = held ? write_private(files.paths[HELD], held, err) : -err->code;
	if (r == 0)
		r = let_go(bus, &devices, err);
	if (r == 0 && !is_kept) /* what was on the bridge would be in the NIC's way */
		guard_start(request->nic, request->bridge, seconds - 1);
	if (r == 0)
		return 0;
	networkmanager_checkpoint_end(bus, checkpoint, true, NULL);
	unlink(files.paths[HELD]);
	return r;
}

static int release(const struct errand *request, char *ret_text, struct error *err)
{
	(void)ret_text;
	AUTO_BUS *bus = NULL;
	AUTO_FILES files = files_of(request);
	int r = is_there(files.paths[HELD]) ? networkmanager_open(&bus, err) : 0;
	if (bus)
		end_hold(bus, request, &files, true);
	return r;
}

/* Its own form */

/* The packages tell it to leave interfaces of ours alone, by a file and by udev. This exception
 * must not stand alone: a list of nothing but exceptions means all others. */
static char *conf_of(const struct errand *request)
{
	return text_format(KEYFILE_HEAD "[keyfile]\nunmanaged-devices+=interface-name:ly*;"
					"except:interface-name:%s\n\n[device-lanyard-%s]\n"
					"match-device=interface-name:%s\nmanaged=1\n",
			   request->bridge, request->bridge, request->bridge);
}

static int write_all(const struct errand *request, const struct files *files,
		     const char *remembered, struct error *err)
{
	AUTO_FREE char *conf = conf_of(request);
	AUTO_FREE char *bridge = keyfile_bridge(remembered, request);
	AUTO_FREE char *port = keyfile_port(remembered, request);
	int r = directory_make(FOLDER "/conf.d", 0755, err);
	if (r == 0)
		r = write_private(files->paths[WAS], remembered, err);
	if (r == 0)
		r = file_write_atomic(files->paths[CONF], conf, strlen(conf), 0644, true, err);
	if (r == 0)
		r = write_private(files->paths[BRIDGE], bridge, err);
	return r < 0 ? r : write_private(files->paths[PORT], port, err);
}

static int unlink_from(const struct files *files, size_t first, struct error *err)
{
	int r = 0;
	for (size_t i = FILES; i-- > first;)
		if (unlink(files->paths[i]) < 0 && errno != ENOENT && r == 0)
			r = error_errno(err, errno, "%s", files->paths[i]);
	return r;
}

/* One after the other without waiting in between: the bridge is without addresses for so long. */
static int activate_both(sd_bus *bus, const struct errand *request, struct error *err)
{
	const char *const names[] = {request->bridge, request->nic};
	AUTO_FREE char *bridge = NULL, *port = NULL;
	char **const active[] = {&bridge, &port};
	int r = 0;
	for (int i = 0; r == 0 && i < 2; i++) {
		char uuid[KEYFILE_UUID_SIZE];
		keyfile_uuid(i == 1, request, uuid);
		r = networkmanager_activate(bus, uuid, names[i], active[i], err);
	}
	if (r == 0)
		r = networkmanager_wait_active(bus, port, PORT_USEC, err);
	return r < 0 ? r : networkmanager_wait_active(bus, bridge, BRIDGE_USEC, err);
}

struct takeover {
	const struct errand *request;
	const struct files *files;
	struct object_list standing; /* on the bridge before */
};

static int has_addresses(sd_bus *bus, const void *data, struct error *err)
{
	const struct takeover *takeover = data;
	(void)bus;
	(void)err;
	return standing_is_matched(takeover->request->bridge, &takeover->standing);
}

/* One of two protocols is enough for it to call a profile active; not for us. */
static int take_over(sd_bus *bus, const struct takeover *takeover, struct error *err)
{
	const struct networkmanager_waiting waiting = {
		has_addresses, takeover, "a protocol that had an address has none on the bridge"};
	int r = networkmanager_load(bus, takeover->files->paths[BRIDGE], err);
	if (r == 0)
		r = networkmanager_load(bus, takeover->files->paths[PORT], err);
	if (r == 0)
		r = networkmanager_reload(bus, err);
	if (r == 0)
		r = activate_both(bus, takeover->request, err);
	return r < 0 ? r : networkmanager_wait(bus, &waiting, ADDRESS_USEC, err);
}

static int forget_profiles(sd_bus *bus, const struct errand *request, const struct files *files,
			   struct error *err)
{
	int r = 0;
	for (int port = 1; r == 0 && port >= 0; port--) {
		char uuid[KEYFILE_UUID_SIZE];
		keyfile_uuid(port, request, uuid);
		r = networkmanager_forget(bus, uuid, err);
	}
	if (r == 0)
		r = unlink_from(files, CONF, err);
	return r < 0 ? r : networkmanager_reload(bus, err);
}

/* The bridge stays ours, with the addresses that it had; forget() still knows what was before. */
static void give_up(sd_bus *bus, const struct takeover *takeover)
{
	__attribute__((cleanup(free_devices))) struct devices devices = {0};
	struct error err = {0};
	int r = find_devices(bus, takeover->request, true, &devices, &err);
	if (r == 0)
		r = let_go(bus, &devices, &err);
	if (r == 0)
		r = forget_profiles(bus, takeover->request, takeover->files, &err);
	if (r < 0)
		log_warning("%s", err.text);
	standing_put(&takeover->standing);
}

/* What hold() has found, or now when there was no steward then. */
static char *find_remembered(sd_bus *bus, const struct errand *request, const struct files *files,
			     struct error *err)
{
	AUTO_FREE char *device = NULL;
	if (is_there(files->paths[HELD]))
		return read_lines(files->paths[HELD], err);
	if (networkmanager_device(bus, request->nic, &device, err) < 0)
		return NULL;
	return remember(bus, request, device, NULL, err);
}

static int keep(const struct errand *request, char *ret_text, struct error *err)
{
	(void)ret_text;
	AUTO_BUS *bus = NULL;
	AUTO_FILES files = files_of(request);
	struct takeover takeover = {request, &files, {0}};
	if (is_there(files.paths[PORT]))
		return 0;
	int r = networkmanager_open(&bus, err);
	AUTO_FREE char *remembered = r == 0 ? find_remembered(bus, request, &files, err) : NULL;
	if (!remembered)
		return -err->code;
	standing_take(request->bridge, &takeover.standing);
	r = write_all(request, &files, remembered, err);
	if (r == 0)
		r = take_over(bus, &takeover, err);
	if (r < 0)
		give_up(bus, &takeover);
	object_list_done(&takeover.standing);
	end_hold(bus, request, &files, false);
	return r < 0 ? error_prefix(err, "the bridge is Lanyard's alone, and nobody renews what "
					 "DHCP gave")
		     : 0;
}

/* As it was */

/* One that NetworkManager had made up itself, or that was deleted meanwhile. */
static int restore_profile(sd_bus *bus, const char *remembered, const char *uuid, struct error *err)
{
	AUTO_FREE char *file = keyfile_value(remembered, "lanyard", "file");
	const char *profile = keyfile_recall(remembered);
	if (networkmanager_knows(bus, uuid) || !file)
		return 0;
	int r = write_private(file, profile, err);
	return r < 0 ? r : networkmanager_load(bus, file, err);
}

static int activate_again(sd_bus *bus, const struct errand *request, const char *remembered,
			  struct error *err)
{
	AUTO_FREE char *uuid = keyfile_value(remembered, "lanyard", "uuid");
	AUTO_FREE char *active = NULL;
	if (!if_nametoindex(request->nic))
		return 0;
	if (!uuid)
		return error_set(err, ENOENT, "the profile of '%s' is not known", request->nic);
	int r = restore_profile(bus, remembered, uuid, err);
	if (r == 0)
		r = networkmanager_activate(bus, uuid, request->nic, &active, err);
	return r < 0 ? r : networkmanager_wait_active(bus, active, PORT_USEC + BRIDGE_USEC, err);
}

static void manage_again(sd_bus *bus, const char *nic)
{
	AUTO_FREE char *device = NULL;
	if (networkmanager_device(bus, nic, &device, NULL) == 0)
		networkmanager_manage(bus, device, true, NULL);
}

static int forget(const struct errand *request, char *ret_text, struct error *err)
{
	(void)ret_text;
	AUTO_BUS *bus = NULL;
	AUTO_FILES files = files_of(request);
	AUTO_FREE char *remembered = read_lines(files.paths[WAS], NULL);
	int r = networkmanager_open(&bus, err);
	if (r == 0)
		r = forget_profiles(bus, request, &files, err);
	if (r < 0) { /* it does not run: what it reads at its start goes all the same */
		unlink_from(&files, WAS, NULL);
		unlink(files.paths[HELD]);
		return r == -ENOENT ? 0 : r;
	}
	r = activate_again(bus, request, remembered ? remembered : "", err);
	if (r < 0)
		manage_again(bus, request->nic);
	end_hold(bus, request, &files, false);
	unlink(files.paths[WAS]);
	return r;
}

/* One of ours that is not ours to give: a bridge with a NIC is NetworkManager's as well. */
static bool is_kept_bridge(const char *ifname)
{
	AUTO_FREE char *path = text_format(PROFILES "/lanyard-%s.nmconnection", ifname);
	return is_there(path);
}

int form_networkmanager_unclaim(const struct errand *request, struct error *err)
{
	AUTO_BUS *bus = NULL;
	AUTO_FREE char *device = NULL;
	struct link link;
	int r = ours_find(request->nic, &link, err);
	if (r < 0 || is_kept_bridge(request->nic))
		return r;
	r = networkmanager_open(&bus, err);
	if (r == 0)
		r = networkmanager_device(bus, request->nic, &device, err);
	if (r == 0)
		r = networkmanager_manage(bus, device, false, err);
	if (r == 0)
		log_info(
			"repaired: NetworkManager leaves %s alone again; somebody had put it under "
			"it (see the file 10-lanyard.conf of NetworkManager.conf(5))",
			request->nic);
	return r;
}

const struct form form_networkmanager = {
	MANAGER_NETWORKMANAGER, manages, keep, forget, hold, release};
