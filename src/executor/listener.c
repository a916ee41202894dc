/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "executor/listener.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "executor/conversation.h"
#include "executor/executor.h"

int listener_open(const struct paths *paths, uid_t broker_uid, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length =
		snprintf(address.sun_path, sizeof(address.sun_path), "%s.new", paths->executor);
	if (length < 0 || (size_t)length >= sizeof(address.sun_path))
		return error_set(err, ENAMETOOLONG, "%s: too long for a socket", paths->executor);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, errno, "socket");
	unlink(address.sun_path);
	mode_t mask = umask(0177);
	int result = bind(fd, (struct sockaddr *)&address, sizeof(address));
	int code = errno;
	umask(mask);
	if (result == 0 && broker_uid != geteuid())
		result = lchown(address.sun_path, broker_uid, (gid_t)-1), code = errno;
	if (result == 0)
		result = listen(fd, CONVERSATIONS_MAX), code = errno;
	if (result == 0)
		result = rename(address.sun_path, paths->executor), code = errno;
	if (result < 0)
		return error_errno(err, code, "%s", paths->executor);
	return TAKE_FD(fd);
}

static int on_accept_again(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	struct executor *executor = data;
	return sd_event_source_set_enabled(executor->listener, SD_EVENT_ON);
}

static int on_connection(sd_event_source *source, int listening, uint32_t events, void *data)
{
	(void)events;
	struct executor *executor = data;
	uid_t uid;
	int socket = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	if (socket < 0 && (errno == EMFILE || errno == ENFILE)) {
		/* Rest a second instead of spinning: the connection stays readable. */
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
		executor->accept_again = sd_event_source_disable_unref(executor->accept_again);
		sd_event_add_time_relative(executor->event, &executor->accept_again,
					   CLOCK_MONOTONIC, 1000000, 0, on_accept_again, executor);
	}
	if (socket < 0)
		return 0;
	if (descriptor_peer(socket, NULL, &uid, NULL) < 0 || uid != executor->broker_uid) {
		log_warning("refused a connection of uid %u", (unsigned)uid);
		close(socket);
		return 0;
	}
	conversation_adopt(executor, socket);
	return 0;
}

int listener_watch(struct executor *executor, struct error *err)
{
	int result = sd_event_add_io(executor->event, &executor->listener, executor->listening,
				     EPOLLIN, on_connection, executor);
	return result < 0 ? error_errno(err, result, "event loop") : 0;
}

void listener_close(struct executor *executor)
{
	executor->listener = sd_event_source_disable_unref(executor->listener);
	executor->accept_again = sd_event_source_disable_unref(executor->accept_again);
	if (executor->listening >= 0)
		close(executor->listening);
	executor->listening = -1;
}
