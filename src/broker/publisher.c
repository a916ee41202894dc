/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/publisher.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/spawn.h"
#include "broker/store.h"

#define START_SECONDS	  20
#define STOP_MILLISECONDS 1000 /* for one to close its socket before it is killed */

const struct publisher publisher_none = {.control = -1, .pidfd = -1};

/* What it is called by the service manager, which takes no colon in a name. */
static char *name_of(const struct publish_order *order)
{
	char host[IP_TEXT_SIZE];
	char *name = text_format("publish-%u-%s", order->host_port, ip_format(&order->host, host));
	for (char *c = name; *c; c++)
		if (*c == ':')
			*c = '_';
	return name;
}

/* -ENOENT, -ECONNREFUSED: nobody listens there. */
static int ask_manager(const struct paths *paths, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/publish.sock",
			      paths->runtime);
	if (length < 0 || (size_t)length >= sizeof(address.sun_path))
		return -ENOENT;
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(err, errno, "%s", address.sun_path);
	return TAKE_FD(fd);
}

static int start_child(struct publisher *publisher, struct error *err)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "socketpair");
	AUTO_CLOSE int theirs = pair[1];
	publisher->control = pair[0];
	AUTO_FREE char *program = paths_program("lanyard-publish");
	const char *const argv[] = {program, NULL};
	pid_t pid = spawn_start(program, argv, SPAWN_OWN_SESSION, theirs, NULL, NULL, err);
	if (pid < 0)
		return pid;
	publisher->pid = pid;
	publisher->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return 0;
}

static int connect_one(struct publisher *publisher, const struct paths *paths, struct error *err)
{
	struct error why = {0};
	publisher->control = paths->system ? ask_manager(paths, &why) : -ENOENT;
	if (publisher->control >= 0)
		return 0;
	int r = publisher->control;
	publisher->control = -1;
	if (r != -ENOENT && r != -ECONNREFUSED)
		return error_set(err, r, "%s", why.text);
	return start_child(publisher, err);
}

/* The program says "r" when it listens, else a sentence. */
static int hear(int socket, struct error *err)
{
	struct error why = {0};
	const struct timeval limit = {.tv_sec = START_SECONDS};
	ssize_t got;
	setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	do {
		got = recv(socket, &why, sizeof(why), 0);
	} while (got < 0 && errno == EINTR);
	if (got == 1)
		return 0;
	why.text[sizeof(why.text) - 1] = '\0';
	if (got == (ssize_t)sizeof(why) && why.code)
		return error_set(err, why.code, "%s", why.text);
	if (got < 0 && errno == EAGAIN)
		return error_set(err, ETIMEDOUT, "lanyard-publish does not answer");
	return error_set(err, ECHILD, "lanyard-publish died while starting");
}

int publisher_start(struct publisher *publisher, const struct paths *paths,
		    const struct publish_order *order, struct error *err)
{
	*publisher = publisher_none;
	int r = connect_one(publisher, paths, err);
	if (r == 0 && send(publisher->control, order, sizeof(*order), MSG_NOSIGNAL) < 0)
		r = error_errno(err, errno, "lanyard-publish");
	if (r == 0)
		r = hear(publisher->control, err);
	if (r == 0 && publisher->pid == 0 && !order->dry) {
		AUTO_FREE char *name = name_of(order);
		publisher->kept = store_keep(name, publisher->control);
	}
	return r;
}

bool publisher_adopt(struct publisher *publisher, const struct publish_order *order)
{
	AUTO_FREE char *name = name_of(order);
	*publisher = publisher_none;
	publisher->control = store_take(name);
	publisher->kept = publisher->control >= 0;
	return publisher->kept;
}

/* Waits for "d" (or its death) among questions that nobody will answer. */
static bool has_closed(int control)
{
	for (;;) {
		char byte;
		struct pollfd item = {.fd = control, .events = POLLIN};
		int ready = poll(&item, 1, STOP_MILLISECONDS);
		if (ready == 0)
			return false;
		if (ready > 0 && (recv(control, &byte, 1, 0) <= 0 || byte == 'd'))
			return true;
	}
}

void publisher_stop(struct publisher *publisher)
{
	if (publisher->control < 0)
		return;
	shutdown(publisher->control, SHUT_WR); /* of every copy: the manager has one too */
	if (!has_closed(publisher->control) && publisher->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, publisher->pidfd, SIGKILL, NULL, 0);
	close(publisher->control);
	publisher->control = -1;
}
