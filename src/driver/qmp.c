/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: one JSON object per line each way; answers carry the command's id, events come between. */
#include "driver/qmp.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"

#define MESSAGE_MAX (16u << 20) /* bytes; query-qmp-schema has 200 KB */
#define EVENTS_MAX  1024	/* kept for qmp_wait; the oldest goes first */
#define READ_SIZE   16384

struct qmp {
	int fd;
	char *buffer;
	size_t used, room;
	json_t *events;
	json_int_t id;
};

/* Waits until the socket is ready for events or the deadline has passed. */
static int wait_ready(const struct qmp *qmp, short events, int64_t deadline, struct error *err)
{
	struct pollfd fd = {.fd = qmp->fd, .events = events};

	for (;;) {
		int64_t left = deadline - clock_ms(CLOCK_MONOTONIC);
		int r = poll(&fd, 1, left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left);

		if (r > 0)
			return 0;
		if (r == 0)
			return error_set(err, ETIMEDOUT, "QEMU does not answer on its QMP socket");
		if (errno != EINTR)
			return error_errno(err, errno, "QMP: poll");
	}
}

/* Appends what has arrived. */
static int fill(struct qmp *qmp, int64_t deadline, struct error *err)
{
	ssize_t n;
	int r = wait_ready(qmp, POLLIN, deadline, err);

	if (r < 0)
		return r;
	if (qmp->used > MESSAGE_MAX)
		return error_set(err, EMSGSIZE, "QMP: a message of more than %u bytes",
				 MESSAGE_MAX);
	qmp->buffer = memory_grow(qmp->buffer, &qmp->room, qmp->used + READ_SIZE, 1);
	n = recv(qmp->fd, qmp->buffer + qmp->used, READ_SIZE, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return error_set(err, EPIPE, "QEMU has ended");
	if (n < 0)
		return error_errno(err, errno, "QMP: recv");
	qmp->used += (size_t)n;
	return 0;
}

/* The next message, the caller's. */
static int read_message(struct qmp *qmp, int64_t deadline, json_t **ret, struct error *err)
{
	size_t seen = 0;
	char *end;

	while (!(end = qmp->used > seen ? memchr(qmp->buffer + seen, '\n', qmp->used - seen)
					: NULL)) {
		int r;

		seen = qmp->used;
		r = fill(qmp, deadline, err);
		if (r < 0)
			return r;
	}
	json_error_t fault;
	size_t length = (size_t)(end - qmp->buffer);
	json_t *message = json_loadb(qmp->buffer, length, 0, &fault);

	qmp->used -= length + 1;
	memmove(qmp->buffer, end + 1, qmp->used);
	if (!json_is_object(message)) {
		json_decref(message);
		return error_set(err, EPROTO, "QMP: a message that is no JSON object");
	}
	*ret = message;
	return 0;
}

/* Takes the reference. */
static void keep_event(struct qmp *qmp, json_t *event)
{
	if (json_array_size(qmp->events) >= EVENTS_MAX)
		json_array_remove(qmp->events, 0);
	json_array_append_new(qmp->events, event);
}

static int send_text(struct qmp *qmp, const char *text, int fd, int64_t deadline, struct error *err)
{
	size_t length = strlen(text), done = 0;

	while (done < length) {
		ssize_t n;
		int r = wait_ready(qmp, POLLOUT, deadline, err);

		if (r < 0)
			return r;
		if (fd >= 0 && done == 0)
			n = descriptor_send(qmp->fd, text, length, &fd, 1, 0);
		else {
			n = send(qmp->fd, text + done, length - done, MSG_NOSIGNAL | MSG_DONTWAIT);
			n = n < 0 ? -errno : n;
		}
		if (n == -EAGAIN || n == -EINTR)
			continue;
		if (n == -EPIPE || n == -ECONNRESET)
			return error_set(err, EPIPE, "QEMU has ended");
		if (n < 0)
			return error_errno(err, (int)n, "QMP: send");
		done += (size_t)n;
	}
	return 0;
}

/* Reads until the answer to the command with the present id. */
static int read_answer(struct qmp *qmp, const char *command, int64_t deadline, json_t **ret_value,
		       struct error *err)
{
	for (;;) {
		json_t *message, *fault, *value;
		int r = read_message(qmp, deadline, &message, err);

		if (r < 0)
			return r;
		if (json_object_get(message, "event")) {
			keep_event(qmp, message);
			continue;
		}
		/* An answer to a command whose deadline passed carries an id of before. */
		if (json_integer_value(json_object_get(message, "id")) != qmp->id) {
			json_decref(message);
			continue;
		}
		fault = json_object_get(message, "error");
		value = json_object_get(message, "return");
		if (fault) {
			const char *text = json_string_value(json_object_get(fault, "desc"));

			r = error_set(err, EIO, "QEMU refuses %s: %s", command, text ? text : "?");
		} else if (value && ret_value) {
			*ret_value = json_incref(value);
		}
		json_decref(message);
		return r;
	}
}

int qmp_execute_fd(struct qmp *qmp, const char *command, json_t *arguments, int fd, int timeout_ms,
		   json_t **ret_value, struct error *err)
{
	int64_t deadline = clock_ms(CLOCK_MONOTONIC) + timeout_ms;
	AUTO_FREE char *text = NULL, *line = NULL;
	json_t *message = json_pack("{s:s, s:I}", "execute", command, "id", ++qmp->id);
	int r;

	if (arguments)
		json_object_set_new(message, "arguments", arguments);
	text = json_dumps(message, JSON_COMPACT);
	json_decref(message);
	if (!text)
		return error_set(err, EINVAL, "QMP: %s: the arguments are not valid", command);
	line = text_format("%s\n", text);
	r = send_text(qmp, line, fd, deadline, err);
	return r < 0 ? r : read_answer(qmp, command, deadline, ret_value, err);
}

int qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, int timeout_ms,
		json_t **ret_value, struct error *err)
{
	return qmp_execute_fd(qmp, command, arguments, -1, timeout_ms, ret_value, err);
}

static bool is_event(json_t *event, const char *name)
{
	const char *text = json_string_value(json_object_get(event, "event"));

	return text && (!name[0] || !strcmp(text, name));
}

/* Gives the event away or drops it. */
static void hand_over(json_t *event, json_t **ret_event)
{
	if (ret_event)
		*ret_event = event;
	else
		json_decref(event);
}

int qmp_wait(struct qmp *qmp, const char *event, int timeout_ms, json_t **ret_event,
	     struct error *err)
{
	int64_t deadline = clock_ms(CLOCK_MONOTONIC) + timeout_ms;
	json_t *message;
	size_t i;

	json_array_foreach (qmp->events, i, message) {
		if (!is_event(message, event))
			continue;
		json_incref(message);
		json_array_remove(qmp->events, i);
		hand_over(message, ret_event);
		return 0;
	}
	for (;;) {
		int r = read_message(qmp, deadline, &message, err);

		if (r < 0)
			return r;
		if (is_event(message, event)) {
			hand_over(message, ret_event);
			return 0;
		}
		if (json_object_get(message, "event"))
			keep_event(qmp, message);
		else
			json_decref(message);
	}
}

int qmp_wait_end(struct qmp *qmp, int timeout_ms, struct error *err)
{
	int64_t deadline = clock_ms(CLOCK_MONOTONIC) + timeout_ms;
	struct error ignored;

	for (;;) {
		int r = fill(qmp, deadline, &ignored);

		if (r == -EPIPE)
			return 0;
		if (r < 0)
			return error_set(err, r, "%s", ignored.text);
		qmp->used = 0;
	}
}

static int negotiate(struct qmp *qmp, int timeout_ms, struct error *err)
{
	json_t *greeting;
	int r = read_message(qmp, clock_ms(CLOCK_MONOTONIC) + timeout_ms, &greeting, err);

	if (r == -ETIMEDOUT)
		return error_set(err, ETIMEDOUT,
				 "QEMU does not greet on its QMP socket (another "
				 "client may hold it, or the machine hangs)");
	if (r < 0)
		return r;
	if (!json_object_get(greeting, "QMP"))
		r = error_set(err, EPROTO, "this is no QMP socket");
	json_decref(greeting);
	return r < 0 ? r : qmp_execute(qmp, "qmp_capabilities", NULL, timeout_ms, NULL, err);
}

int qmp_connect(const char *path, int timeout_ms, struct qmp **ret, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	AUTO_CLOSE int fd = -1;
	struct qmp *qmp;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ENAMETOOLONG, "%s: the path is too long for a socket", path);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(err, errno, "%s", path);
	qmp = memory_zero(1, sizeof(*qmp));
	qmp->fd = TAKE_FD(fd);
	qmp->events = json_array();
	r = negotiate(qmp, timeout_ms, err);
	if (r < 0) {
		qmp_free(qmp);
		return r;
	}
	*ret = qmp;
	return 0;
}

void qmp_free(struct qmp *qmp)
{
	if (!qmp)
		return;
	close(qmp->fd);
	json_decref(qmp->events);
	free(qmp->buffer);
	free(qmp);
}
