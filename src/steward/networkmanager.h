/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NetworkManager's D-Bus interface, as far as the steward needs it. Objects are named by their
 * paths, which the caller frees. All return 0 or -errno; -ENOENT: there is no such object, or no
 * NetworkManager runs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

struct error;

#define NETWORKMANAGER_RUNTIME "/run/NetworkManager"

/* For something to be so that NetworkManager's signals tell of. is_so: 1 it is, 0 not yet, -errno.
 * -ETIME: not in time; the sentence is "NetworkManager: OTHERWISE for 7 seconds". */
struct networkmanager_waiting {
	int (*is_so)(sd_bus *bus, const void *data, struct error *err);
	const void *data;
	const char *otherwise;
};
int networkmanager_wait(sd_bus *bus, const struct networkmanager_waiting *waiting, uint64_t usec,
			struct error *err);

int networkmanager_open(sd_bus **ret, struct error *err);

int networkmanager_device(sd_bus *bus, const char *ifname, char **ret_path, struct error *err);
/* The profile that stands on a device, in whose name, and the file that has it ("" without one).
 * -ENOENT: none, or one that NetworkManager has only derived from what others configured. */
int networkmanager_profile(sd_bus *bus, const char *device, char **ret_uuid, char **ret_file,
			   struct error *err);
/* Not managed: what the kernel has stays as it is. Waits until it is so. */
int networkmanager_manage(sd_bus *bus, const char *device, bool manage, struct error *err);

/* NetworkManager itself goes back to how these devices are now, unless it is destroyed in time. */
int networkmanager_checkpoint(sd_bus *bus, char *const *devices, size_t count, uint32_t seconds,
			      char **ret_path, struct error *err);
int networkmanager_checkpoint_end(sd_bus *bus, const char *checkpoint, bool go_back,
				  struct error *err);

/* Reads the file of a profile, which is new or was changed. */
int networkmanager_load(sd_bus *bus, const char *file, struct error *err);
/* The profile and its file; of one that is not there: nothing. */
int networkmanager_forget(sd_bus *bus, const char *uuid, struct error *err);
bool networkmanager_knows(sd_bus *bus, const char *uuid);
/* NetworkManager.conf(5) and what is beside it. */
int networkmanager_reload(sd_bus *bus, struct error *err);
/* Begins it; networkmanager_wait_active() with *ret_active says how it ended. */
int networkmanager_activate(sd_bus *bus, const char *uuid, const char *ifname, char **ret_active,
			    struct error *err);
int networkmanager_wait_active(sd_bus *bus, const char *active, uint64_t usec, struct error *err);
