/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "steward/ovsdb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "svc/openvswitch.h"

#define ANSWER_SECONDS 10
#define MESSAGE_MAX    (32u << 20)
#define CALL_ID	       1u

static int unanswered(struct error *err, const char *why)
{
	return error_set(err, ENOTCONN,
			 "Open vSwitch does not answer (%s: %s); 'systemctl start "
			 "openvswitch-switch' starts it",
			 OVSDB_SOCKET, why);
}

int ovsdb_open(struct ovsdb *ovsdb, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = OVSDB_SOCKET};
	struct timeval limit = {.tv_sec = ANSWER_SECONDS};
	*ovsdb = (struct ovsdb){.fd = -1};
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(err, errno, "socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return unanswered(err, strerror(errno));
	ovsdb->fd = TAKE_FD(fd);
	return 0;
}

void ovsdb_close(struct ovsdb *ovsdb)
{
	if (ovsdb->fd >= 0)
		close(ovsdb->fd);
	free(ovsdb->text);
	*ovsdb = (struct ovsdb){.fd = -1};
}

static int send_all(const struct ovsdb *ovsdb, const char *text, struct error *err)
{
	for (size_t left = strlen(text); left > 0;) {
		ssize_t sent = send(ovsdb->fd, text, left, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return unanswered(err, strerror(errno));
		text += sent;
		left -= (size_t)sent;
	}
	return 0;
}

static int send_call(struct ovsdb *ovsdb, const char *method, json_t *parameters, struct error *err)
{
	json_t *call = openvswitch_request(method, parameters, CALL_ID);
	AUTO_FREE char *text = json_dumps(call, JSON_COMPACT);
	json_decref(call);
	return text ? send_all(ovsdb, text, err) : error_set(err, EINVAL, "no message");
}

int ovsdb_has_message(const struct ovsdb *ovsdb)
{
	return openvswitch_message(ovsdb->text, ovsdb->used) != 0;
}

static int receive(struct ovsdb *ovsdb, struct error *err)
{
	ovsdb->text = memory_grow(ovsdb->text, &ovsdb->room, ovsdb->used + 65536, 1);
	ssize_t got = recv(ovsdb->fd, ovsdb->text + ovsdb->used, 65536, 0);
	if (got < 0 && errno == EINTR)
		return 0;
	if (got <= 0)
		return unanswered(err, got == 0 ? "it ended" : strerror(errno));
	ovsdb->used += (size_t)got;
	return ovsdb->used > MESSAGE_MAX ? unanswered(err, "too long an answer") : 0;
}

int ovsdb_next(struct ovsdb *ovsdb, json_t **ret, struct error *err)
{
	long length;
	while ((length = openvswitch_message(ovsdb->text, ovsdb->used)) == 0) {
		int r = receive(ovsdb, err);
		if (r < 0)
			return r;
	}
	*ret = length > 0 ? json_loadb(ovsdb->text, (size_t)length, 0, NULL) : NULL;
	if (!*ret)
		return unanswered(err, "no JSON");
	ovsdb->used -= (size_t)length;
	memmove(ovsdb->text, ovsdb->text + length, ovsdb->used);
	return 0;
}

/* The answer to our call; what else is said meanwhile (echo) needs no answer on a unix socket. */
static int call(struct ovsdb *ovsdb, const char *method, json_t *parameters, json_t **ret,
		struct error *err)
{
	int r = send_call(ovsdb, method, parameters, err);
	while (r == 0) {
		r = ovsdb_next(ovsdb, ret, err);
		if (r < 0 || json_integer_value(json_object_get(*ret, "id")) == CALL_ID)
			return r;
		json_decref(*ret);
	}
	return r;
}

int ovsdb_transact(struct ovsdb *ovsdb, json_t *operations, json_t **ret_answer,
		   const json_t **ret_results, struct error *err)
{
	size_t count = json_array_size(operations);
	int r = call(ovsdb, "transact", openvswitch_transaction(operations), ret_answer, err);
	if (r < 0)
		return r;
	r = openvswitch_results(*ret_answer, count, ret_results, err);
	if (r < 0) {
		json_decref(*ret_answer);
		*ret_answer = NULL;
	}
	return r;
}

int ovsdb_monitor(struct ovsdb *ovsdb, json_t *parameters, struct error *err)
{
	struct timeval none = {0};
	json_t *answer = NULL;
	int r = call(ovsdb, "monitor", parameters, &answer, err);
	if (r < 0)
		return r;
	const json_t *failure = json_object_get(answer, "error");
	if (failure && !json_is_null(failure))
		r = unanswered(err, "it tells nothing");
	json_decref(answer);
	setsockopt(ovsdb->fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
	return r;
}
