/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

#define WAIT_MILLISECONDS 30000
#define ANSWER_SECONDS	  5
#define STEP_MILLISECONDS                                                                          \
	100 /* a lock that is given up tells nobody, so we look now and then while waiting */

/* Asks something and waits for the answer: a connection alone may be to a broker that is being
 * killed. */
static bool answers(const char *path)
{
	static const char question[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address.sun_path))
		return false;
	strcpy(address.sun_path, path);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct timeval limit = {.tv_sec = ANSWER_SECONDS};
	char first;
	return fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 &&
	       connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	       send(fd, question, sizeof(question), MSG_NOSIGNAL) == (ssize_t)sizeof(question) &&
	       recv(fd, &first, 1, 0) == 1;
}

/* 1: taken, 0: somebody has it, -errno. An ending broker removes the file: then the lock is on
 * nothing. */
static int try_lock(const struct paths *paths, int *ret_fd, struct error *err)
{
	int r = directory_make(paths->runtime, paths->system ? 0755 : 0700, err);
	if (r < 0)
		return r;
	AUTO_CLOSE int fd = open(paths->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "%s", paths->lock);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : error_errno(err, errno, "%s", paths->lock);
	struct stat ours, there;
	if (fstat(fd, &ours) < 0 || stat(paths->lock, &there) < 0 || ours.st_ino != there.st_ino ||
	    ours.st_dev != there.st_dev)
		return 0;
	*ret_fd = TAKE_FD(fd);
	return 1;
}

int lock_take(const struct paths *paths, struct error *err)
{
	for (int waited = 0; waited < WAIT_MILLISECONDS; waited += STEP_MILLISECONDS) {
		int fd = -1;
		AUTO_CLOSE int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (watch >= 0)
			inotify_add_watch(watch, paths->runtime,
					  IN_CREATE | IN_MOVED_TO | IN_DELETE);
		int r = try_lock(paths, &fd, err);
		if (r != 0)
			return r < 0 ? r : fd;
		if (answers(paths->broker))
			return error_set(err, EALREADY, "instance '%s' is running already",
					 paths->instance);
		struct pollfd item = {.fd = watch, .events = POLLIN};
		poll(&item, 1, STEP_MILLISECONDS);
	}
	return error_set(err, ETIMEDOUT, "another broker holds %s and does not answer",
			 paths->lock);
}
