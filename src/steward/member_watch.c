/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "steward/member_watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "ipc/errand.h"
#include "steward/ovsdb.h"
#include "svc/openvswitch.h"

static int watcher = -1; /* pidfd */
static pid_t watcher_pid;

static int tell(int socket, int code, const struct error *err)
{
	struct errand_answer answer = {.code = code};
	snprintf(answer.text, sizeof(answer.text), "%.*s", (int)sizeof(answer.text) - 1, err->text);
	return send(socket, &answer, sizeof(answer), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* False: the broker's end is closed. */
static bool wait_for(const struct ovsdb *ovsdb, int socket)
{
	struct pollfd pollers[] = {{.fd = ovsdb->fd, .events = POLLIN}, {.fd = socket}};
	while (!ovsdb_has_message(ovsdb) && !pollers[0].revents)
		if ((poll(pollers, 2, -1) < 0 && errno != EINTR) || pollers[1].revents)
			return false;
	return true;
}

static int watch(struct ovsdb *ovsdb, int socket, const char *instance, struct error *err)
{
	int r = ovsdb_open(ovsdb, err);
	if (r == 0)
		r = ovsdb_monitor(ovsdb, openvswitch_monitor(), err);
	if (r == 0 && tell(socket, 0, err) < 0)
		return 0;
	while (r == 0 && wait_for(ovsdb, socket)) {
		json_t *message = NULL;
		r = ovsdb_next(ovsdb, &message, err);
		bool concerns = r == 0 && openvswitch_concerns(message, instance);
		json_decref(message);
		if (concerns && tell(socket, 0, err) < 0)
			break;
	}
	return r;
}

void member_watch_start(int socket, const struct errand_members *errand)
{
	if (watcher >= 0) {
		kill(watcher_pid, SIGKILL);
		member_watch_ended();
	}
	watcher_pid = fork();
	if (watcher_pid > 0 && (watcher = pidfd_open(watcher_pid, 0)) < 0) {
		kill(watcher_pid, SIGKILL);
		waitpid(watcher_pid, NULL, 0);
	}
	if (watcher_pid != 0)
		return;
	struct ovsdb ovsdb;
	struct error err = {0};
	int r = watch(&ovsdb, socket, errand->instance, &err);
	if (r < 0)
		tell(socket, r, &err);
	_exit(0);
}

int member_watch_descriptor(void)
{
	return watcher;
}

void member_watch_ended(void)
{
	waitpid(watcher_pid, NULL, 0);
	close(watcher);
	watcher = -1;
}
