/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/teardown.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/instance.h"
#include "broker/publications.h"
#include "broker/uplink.h"
#include "ipc/varlink_server.h"

#define DEPTH_MAX 4

/* Never follows a link. Machines' files are the caller's: a folder that is not empty of them stays.
 */
static void remove_below(int parent, const char *name, int depth)
{
	if (unlinkat(parent, name, 0) == 0 || depth == 0)
		return;
	AUTO_CLOSE int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(dup(fd)) : NULL;
	if (!directory)
		return;
	for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			remove_below(fd, entry->d_name, depth - 1);
	closedir(directory);
	unlinkat(parent, name, AT_REMOVEDIR);
}

/* The CLI's locks of labs: those that nobody holds. Who waits for one looks whether it still has a
 * name. */
static void remove_lab_locks(int runtime)
{
	DIR *directory = fdopendir(dup(runtime));
	if (!directory)
		return;
	for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
		size_t length = strlen(entry->d_name);
		if (strncmp(entry->d_name, "lab-", 4) != 0 || length < 9 ||
		    strcmp(entry->d_name + length - 5, ".lock") != 0)
			continue;
		AUTO_CLOSE int fd = openat(runtime, entry->d_name,
					   O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			unlinkat(runtime, entry->d_name, 0);
	}
	closedir(directory);
}

static void remove_runtime(const struct paths *paths)
{
	static const char *const ours[] = {"services",
					   "ports",
					   "executor.sock",
					   "executor.sock.lock",
					   "holder.sock",
					   "broker.sock",
					   "published.json",
					   "uplink",
					   "fail-at",
					   "die-at",
					   "log",
					   "lock"};
	AUTO_CLOSE int fd = open(paths->runtime, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	remove_lab_locks(fd);
	unlinkat(fd, "machines", AT_REMOVEDIR);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		remove_below(fd, ours[i], DEPTH_MAX);
	rmdir(paths->runtime);
	AUTO_FREE char *above = text_copy(paths->runtime);
	char *slash = strrchr(above, '/');
	if (slash) {
		*slash = '\0';
		rmdir(above); /* only when no other instance is there */
	}
}

static void remove_state(const struct paths *paths)
{
	static const char *const folders[] = {"networks", "ports", "labs"};
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		AUTO_FREE char *path = text_format("%s/%s", paths->state, folders[i]);
		rmdir(path);
	}
	rmdir(paths->state);
}

void teardown_instance(struct broker *broker)
{
	struct error *none = NULL;
	if (!broker->instance)
		return;
	publications_clear(broker->publications);
	uplink_end(broker->uplink);
	if (!executor_client_is_lost(broker->executor))
		executor_client_stop(broker->executor, none);
	instance_end(broker->instance);
	log_debug("nothing is left; the instance ends");
	remove_state(&broker->paths);
	remove_runtime(&broker->paths);
}
