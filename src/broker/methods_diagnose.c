/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Diagnose: a question goes to the executor, whose short-lived child answers by a pipe; the call is
 * kept until the answer is complete. The broker knows nothing of what is in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "broker/broker.h"
#include "broker/methods.h"
#include "broker/sight.h"

#define ANSWER_MAX    (8u << 20)
#define QUESTIONS_MAX 64 /* under way at once: each is a process */
#define OF_ONE_USER   8

struct asked {
	struct asked *next;
	uid_t uid;
	struct varlink_call *call;
	int fd;
	sd_event_source *source;
	char *text;
	size_t length, room;
};

static struct asked *under_way;

static size_t count_under_way(const uid_t *uid)
{
	size_t count = 0;
	for (const struct asked *one = under_way; one; one = one->next)
		count += !uid || one->uid == *uid;
	return count;
}

static void asked_free(struct asked *asked)
{
	struct asked **place = &under_way;
	while (*place != asked)
		place = &(*place)->next;
	*place = asked->next;
	sd_event_source_disable_unref(asked->source);
	if (asked->fd >= 0)
		close(asked->fd);
	free(asked->text);
	free(asked);
}

static void finish(struct asked *asked)
{
	json_t *answer = asked->length ? json_loadb(asked->text, asked->length, 0, NULL) : NULL;
	const char *said = json_string_value(json_object_get(answer, "error"));
	struct error err = {0};
	if (answer && !said) {
		varlink_reply(asked->call, json_pack("{s:O}", "answer", answer));
	} else {
		error_set(&err, EIO, "%s", said ? said : "the probe ended without an answer");
		varlink_fail(asked->call, &err);
	}
	json_decref(answer);
	asked_free(asked);
}

static int on_words(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct asked *asked = data;
	(void)source;
	(void)events;
	asked->text = memory_grow(asked->text, &asked->room, asked->length + 65536, 1);
	ssize_t got = read(fd, asked->text + asked->length, 65536);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got > 0)
		asked->length += (size_t)got;
	if (got <= 0 || asked->length > ANSWER_MAX)
		finish(asked);
	return 0;
}

static void on_gone(struct varlink_call *call, void *data)
{
	varlink_call_drop(call);
	asked_free(data);
}

/* The question's words; what it needs is checked here, once. */
static const struct question {
	const char *name;
	enum record_question question;
	bool network, address;
} questions[] = {
	{"facts", QUESTION_FACTS, false, false},       {"servers", QUESTION_SERVERS, true, false},
	{"neighbour", QUESTION_NEIGHBOUR, true, true}, {"guest", QUESTION_GUEST, true, true},
	{"host", QUESTION_HOST, false, true},
};

static const struct question *find(const char *name)
{
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
		if (strcmp(questions[i].name, name) == 0)
			return &questions[i];
	return NULL;
}

static int start(struct broker *broker, const struct question *question, json_t *parameters,
		 struct error *err)
{
	const struct network *network = NULL;
	struct ip address = {0};
	json_int_t port = json_integer_value(json_object_get(parameters, "port"));
	const char *text = methods_text(parameters, "address");
	if (port < 0 || port > 65535)
		return error_set(err, EINVAL, "parameters.port: there is no such port");
	if (question->network) {
		const char *name = methods_text(parameters, "network");
		network = methods_network(sight_of(broker), name ? name : "", err);
		if (!network)
			return -err->code;
		if (network->openvswitch)
			return error_set(
				err, EOPNOTSUPP,
				"network '%s' is on the Open vSwitch bridge %s, into which "
				"no guest of ours is plugged to try it",
				network->name, network->bridge);
	}
	if (question->address && ip_parse(text ? text : "", &address, err) < 0)
		return error_prefix(err, "parameters.address");
	int r = broker_ensure(broker, err);
	return r < 0 ? r
		     : executor_client_probe(
			       broker->executor, question->question, network ? network->ifname : "",
			       question->address ? &address : NULL, (uint16_t)port, err);
}

int methods_diagnose(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	const struct question *question = find(methods_text(parameters, "question"));
	if (!question)
		return error_set(err, EINVAL, "parameters.question: unknown");
	uid_t uid = varlink_call_peer(call)->uid;
	if (count_under_way(&uid) >= OF_ONE_USER || count_under_way(NULL) >= QUESTIONS_MAX)
		return error_set(err, EBUSY, "%zu questions are under way already",
				 count_under_way(NULL));
	int fd = start(broker, question, parameters, err);
	if (fd < 0)
		return fd;
	struct asked *asked = memory_zero(1, sizeof(*asked));
	asked->next = under_way;
	asked->uid = uid;
	under_way = asked;
	asked->call = call;
	asked->fd = fd;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	int r = sd_event_add_io(broker->event, &asked->source, fd, EPOLLIN, on_words, asked);
	if (r < 0) {
		asked_free(asked);
		return error_errno(err, r, "event loop");
	}
	varlink_call_on_disconnect(call, on_gone, asked);
	return 0;
}
