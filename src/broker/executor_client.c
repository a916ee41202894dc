/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/executor_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "ipc/capture_order.h"

#define ANSWER_SECONDS 120 /* a thousand networks are made in less */

struct executor_client {
	int socket;
	pid_t pid;
	bool lost;
	sd_event_source *source;
	struct executor_watch watch;
	size_t n_done; /* of the last batch */
	bool has_failed;
	struct operation failed;
};

static int drop(struct executor_client *client, int code, struct error *err)
{
	client->lost = true;
	shutdown(client->socket, SHUT_RDWR); /* wakes the event loop, which tells of it */
	if (err && err->text[0])
		return error_prefix(err, "executor");
	return error_set(err, code, "the executor went away");
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct executor_client *client = data;
	(void)events;
	for (;;) {
		struct record record;
		struct error err = {0};
		size_t n_fds = 0;
		int r = client->lost
				? 0
				: record_receive(fd, &record, NULL, &n_fds, MSG_DONTWAIT, &err);
		if (r == -EAGAIN)
			return 0;
		if (r <= 0) {
			client->lost = true;
			sd_event_source_set_enabled(source, SD_EVENT_OFF);
			client->watch.lost(client->watch.data);
			return 0;
		}
		if (record.type == RECORD_EVENT)
			client->watch.event((enum record_event)record.code, record.text,
					    client->watch.data);
	}
}

static int open_socket(const char *path, bool same_uid, pid_t *ret_pid, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ENAMETOOLONG, "%s: the path of a socket must be shorter",
				 path);
	strcpy(address.sun_path, path);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(err, errno, "%s", path);
	uid_t uid;
	int r = descriptor_peer(fd, ret_pid, &uid, NULL);
	if (r < 0)
		return error_errno(err, r, "%s", path);
	if (same_uid && uid != geteuid())
		return error_set(err, EPERM, "%s: its listener is not ours (uid %u)", path,
				 (unsigned)uid);
	struct timeval limit = {.tv_sec = ANSWER_SECONDS};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return TAKE_FD(fd);
}

int executor_client_connect(sd_event *event, const char *path, const char *instance, bool same_uid,
			    const struct executor_watch *watch, struct executor_client **ret,
			    struct error *err)
{
	pid_t pid = 0;
	AUTO_CLOSE int fd = open_socket(path, same_uid, &pid, err);
	if (fd < 0)
		return fd;
	int r = record_hello(fd, instance, err);
	if (r < 0)
		return r;
	struct executor_client *client = memory_zero(1, sizeof(*client));
	r = sd_event_add_io(event, &client->source, fd, EPOLLIN, on_readable, client);
	if (r < 0) {
		free(client);
		return error_errno(err, r, "event loop");
	}
	client->socket = TAKE_FD(fd);
	client->pid = pid;
	client->watch = *watch;
	*ret = client;
	return 0;
}

void executor_client_free(struct executor_client *client)
{
	if (!client)
		return;
	sd_event_source_unref(client->source);
	close(client->socket);
	free(client);
}

bool executor_client_is_lost(const struct executor_client *client)
{
	return !client || client->lost;
}

pid_t executor_client_pid(const struct executor_client *client)
{
	return client->pid;
}

static int say(struct executor_client *client, const struct record *record, const int *fds,
	       size_t n_fds, struct error *err)
{
	if (client->lost)
		return error_set(err, ECONNRESET, "the executor went away");
	int r = record_send(client->socket, record, fds, n_fds);
	return r < 0 ? drop(client, ECONNRESET, err) : 0;
}

/* The next record that is an answer; events before it are told. */
static int hear(struct executor_client *client, struct record *ret, int *fds, size_t *n_fds,
		struct error *err)
{
	size_t room = n_fds ? *n_fds : 0;
	for (;;) {
		size_t got = room;
		int r = record_receive(client->socket, ret, fds, &got, 0, err);
		if (r == -EINTR)
			continue;
		if (r == -EAGAIN)
			error_set(err, ETIMEDOUT, "no answer for %d seconds", ANSWER_SECONDS);
		if (r <= 0)
			return drop(client, ECONNRESET, err);
		if (ret->type == RECORD_EVENT) {
			client->watch.event((enum record_event)ret->code, ret->text,
					    client->watch.data);
			continue;
		}
		if (n_fds)
			*n_fds = got;
		return 0;
	}
}

static int unexpected(struct executor_client *client, const struct record *record,
		      struct error *err)
{
	error_set(err, EPROTO, "unexpected record of type %u", record->type);
	return drop(client, EPROTO, err);
}

static int collect(struct executor_client *client, struct record record, struct object_list *ret,
		   struct error *err)
{
	int r = say(client, &record, NULL, 0, err);
	while (r == 0) {
		r = hear(client, &record, NULL, NULL, err);
		if (r < 0 || record.type == RECORD_END)
			break;
		if (record.type == RECORD_RESULT && record.code < 0)
			return error_set(err, record.code, "%s", record.text);
		if (record.type != RECORD_OBJECT)
			return unexpected(client, &record, err);
		*object_list_add(ret, record.object.kind, record.object.network) = record.object;
	}
	return r;
}

int executor_client_dump(struct executor_client *client, struct object_list *ret, struct error *err)
{
	return collect(client, (struct record){.type = RECORD_DUMP}, ret, err);
}

int executor_client_survey(struct executor_client *client, const struct object *uplink,
			   struct object_list *ret, struct error *err)
{
	return collect(client, (struct record){.type = RECORD_UPLINK, .object = *uplink}, ret, err);
}

int executor_client_confirm(struct executor_client *client, const struct object *uplink,
			    struct error *err)
{
	struct record record = {.type = RECORD_CONFIRM, .object = *uplink};
	int r = say(client, &record, NULL, 0, err);
	if (r == 0)
		r = hear(client, &record, NULL, NULL, err);
	if (r == 0 && record.type != RECORD_RESULT)
		return unexpected(client, &record, err);
	return r == 0 && record.code < 0 ? error_set(err, record.code, "%s", record.text) : r;
}

int executor_client_begin(struct executor_client *client, const struct operation *operations,
			  size_t count, int netns, const char *next, struct error *err)
{
	int r = 0;
	enum record_type last = next ? RECORD_COMMIT_TO : RECORD_COMMIT;
	for (size_t i = 0; i < count && r == 0; i++) {
		struct record record = {.type = i + 1 < count ? RECORD_APPLY : last,
					.index = (uint32_t)i,
					.code = (int32_t)operations[i].verb,
					.object = operations[i].object};
		if (next && record.type == last)
			snprintf(record.text, sizeof(record.text), "%s", next);
		r = say(client, &record, &netns, i == 0 && netns >= 0 ? 1 : 0, err);
	}
	return r;
}

int executor_client_reply(struct executor_client *client, int to, const char *data, size_t length,
			  struct error *err)
{
	return record_send_reply(client->socket, to, data, length) < 0
		       ? drop(client, ECONNRESET, err)
		       : 0;
}

int executor_client_finish(struct executor_client *client, struct executor_taps *taps,
			   struct error *err)
{
	struct record record;
	int fds[DESCRIPTORS_MAX];
	size_t n_fds = DESCRIPTORS_MAX;
	int r = hear(client, &record, fds, &n_fds, err);
	if (r < 0)
		return r;
	if (record.type != RECORD_RESULT)
		r = unexpected(client, &record, err);
	else if (record.code < 0)
		r = error_set(err, record.code, "%s", record.text);
	client->n_done = record.index;
	if (r < 0 || !taps) {
		descriptor_close_all(fds, n_fds);
		return r;
	}
	memcpy(taps->fds, fds, n_fds * sizeof(*fds));
	taps->count = n_fds;
	return 0;
}

int executor_client_apply(struct executor_client *client, const struct operation *operations,
			  size_t count, int netns, struct executor_taps *taps, struct error *err)
{
	client->has_failed = false;
	if (count == 0)
		return 0;
	client->n_done = count;
	int r = executor_client_begin(client, operations, count, netns, NULL, err);
	if (r == 0)
		r = executor_client_finish(client, taps, err);
	client->has_failed = r < 0 && client->n_done < count;
	if (client->has_failed)
		client->failed = operations[client->n_done];
	return r;
}

const struct operation *executor_client_failed(const struct executor_client *client)
{
	return client && client->has_failed ? &client->failed : NULL;
}

/* A request, with a descriptor or -1, that is answered by one, or by why not. */
static int open_by(struct executor_client *client, struct record request, int pass,
		   struct error *err)
{
	struct record record = request;
	int fds[1] = {-1};
	size_t n_fds = 1;
	int r = say(client, &record, &pass, pass >= 0, err);
	if (r == 0)
		r = hear(client, &record, fds, &n_fds, err);
	if (r < 0)
		return r;
	if (record.type == RECORD_RESULT && record.code == 0 && n_fds == 1)
		return fds[0];
	if (n_fds == 1)
		close(fds[0]);
	if (record.type != RECORD_RESULT || record.code == 0)
		return unexpected(client, &record, err);
	return error_set(err, record.code, "%s", record.text);
}

int executor_client_open(struct executor_client *client, const struct ip *address, uint16_t port,
			 struct error *err)
{
	struct record record = {.type = RECORD_CONNECT, .code = port};
	record.object.kind = OBJECT_ADDRESS;
	record.object.address.address = *address;
	return open_by(client, record, -1, err);
}

int executor_client_probe(struct executor_client *client, enum record_question question,
			  const char *bridge, const struct ip *address, uint16_t port,
			  struct error *err)
{
	struct record record = {.type = RECORD_PROBE, .code = (int32_t)question, .index = port};
	struct object_address *target = &record.object.address;
	record.object.kind = OBJECT_ADDRESS;
	memcpy(target->ifname, bridge, strnlen(bridge, IFNAMSIZ - 1));
	if (address)
		target->address = *address;
	return open_by(client, record, -1, err);
}

int executor_client_capture(struct executor_client *client, const char *ifname,
			    const struct capture_order *order, int pipe, struct error *err)
{
	struct record record = {
		.type = RECORD_CAPTURE, .code = (int32_t)order->snap, .index = order->count};
	record.object.kind = OBJECT_ADDRESS;
	memcpy(record.object.address.ifname, ifname, strnlen(ifname, IFNAMSIZ - 1));
	return open_by(client, record, pipe, err);
}

int executor_client_stop(struct executor_client *client, struct error *err)
{
	struct record record = {.type = RECORD_STOP};
	int r = say(client, &record, NULL, 0, err);
	return r < 0 ? r : hear(client, &record, NULL, NULL, err);
}
