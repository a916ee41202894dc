/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a broker asks for is checked by ipc/record and done here, one request after the other. Only
 * the broker that greeted last is served; a new one replaces it.
 */
#include "executor/conversation.h"

#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "executor/ahead.h"
#include "executor/executor.h"
#include "executor/inquiry.h"
#include "executor/recording.h"
#include "kern/address.h"

#define SEND_SECONDS  30 /* a broker that does not read for so long is dropped */
#define REPLY_SECONDS 5	 /* and one that owes the second half of a request */
#define BATCH_USUAL   64 /* operations; the memory of a bigger batch is given back */

struct conversation {
	struct executor *executor;
	int socket;
	sd_event_source *source;
	bool has_greeted;
};

static void drop_tasks(struct executor *executor)
{
	for (size_t i = 0; i < executor->n_tasks; i++)
		if (executor->tasks[i].netns >= 0)
			close(executor->tasks[i].netns);
	free(executor->tasks);
	executor->tasks = NULL;
	executor->n_tasks = executor->tasks_room = 0;
}

static void conversation_free(struct conversation *conversation)
{
	struct executor *executor = conversation->executor;
	for (size_t i = 0; i < CONVERSATIONS_MAX; i++)
		if (executor->conversations[i] == conversation)
			executor->conversations[i] = NULL;
	if (executor->broker == conversation) {
		executor->broker = NULL;
		drop_tasks(executor);
	}
	sd_event_source_disable_unref(conversation->source);
	close(conversation->socket);
	free(conversation);
}

static int answer(struct conversation *conversation, struct record *record, const int *fds,
		  size_t n_fds)
{
	int result = record_send(conversation->socket, record, fds, n_fds);
	if (result < 0)
		log_warning("the broker does not take our answer: %s", strerror(-result));
	return result;
}

static int result_send(struct conversation *conversation, int code, size_t done, const char *text)
{
	struct record record = {.type = RECORD_RESULT, .code = code, .index = (uint32_t)done};
	snprintf(record.text, sizeof(record.text), "%s", text);
	return answer(conversation, &record, NULL, 0);
}

void conversation_tell(struct executor *executor, enum record_event event, const char *text)
{
	struct record record = {.type = RECORD_EVENT, .code = (int32_t)event};
	snprintf(record.text, sizeof(record.text), "%s", text);
	if (executor->broker)
		answer(executor->broker, &record, NULL, 0);
}

/* Requests. A negative result ends the connection. */

static int send_objects(struct conversation *conversation, const struct object_list *list)
{
	struct record record = {.type = RECORD_OBJECT};
	for (size_t i = 0; i < list->count; i++) {
		record.object = list->items[i];
		int result = answer(conversation, &record, NULL, 0);
		if (result < 0)
			return result;
	}
	record = (struct record){.type = RECORD_END};
	return answer(conversation, &record, NULL, 0);
}

static int do_dump(struct conversation *conversation, const struct record *request, int fd)
{
	(void)request;
	(void)fd;
	struct object_list list = {0};
	struct error err = {0};
	int result = operations_dump(&conversation->executor->operations, &list, &err);
	if (result < 0)
		result = result_send(conversation, result, 0, err.text);
	else
		result = send_objects(conversation, &list);
	object_list_done(&list);
	malloc_trim(0);
	return result;
}

static int do_apply(struct conversation *conversation, const struct record *request, int fd)
{
	struct executor *executor = conversation->executor;
	if (request->index != executor->n_tasks) {
		log_error("protocol error: operation %u instead of %zu", request->index,
			  executor->n_tasks);
		return -EPROTO;
	}
	executor->tasks = memory_grow(executor->tasks, &executor->tasks_room, executor->n_tasks + 1,
				      sizeof(*executor->tasks));
	executor->tasks[executor->n_tasks++] = (struct task){.verb = (enum plan_verb)request->code,
							     .netns = fd >= 0 ? dup(fd) : -1,
							     .object = request->object};
	return 0;
}

static void close_taps(struct executor *executor)
{
	descriptor_close_all(executor->taps, executor->n_taps);
	executor->n_taps = 0;
}

/* One record for the result and the descriptors: the broker wakes up once. After a failure the taps
 * end with their descriptors. */
static int send_result(struct conversation *conversation, int code, size_t done, const char *text)
{
	struct executor *executor = conversation->executor;
	struct record record = {.type = RECORD_RESULT, .code = code, .index = (uint32_t)done};
	snprintf(record.text, sizeof(record.text), "%s", text);
	int result = answer(conversation, &record, executor->taps, code < 0 ? 0 : executor->n_taps);
	close_taps(executor);
	return result;
}

/* With -Dfaults=true: a file that makes the executor die at the worst moment for its broker. */
static void die_for_test(const struct executor *executor)
{
#ifdef LANYARD_FAULTS
	AUTO_FREE char *path = text_format("%s/die-at", executor->paths.runtime);
	if (unlink(path) == 0)
		raise(SIGKILL);
#else
	(void)executor;
#endif
}

/* The taps go straight to who waits for them: one process less has to wake up. Those that did not
 * go stay for the answer. */
static int hand_over(struct conversation *conversation, int code)
{
	struct executor *executor = conversation->executor;
	char data[RECORD_REPLY_MAX];
	AUTO_CLOSE int to = -1;
	ssize_t length = record_receive_reply(conversation->socket, data, &to);
	if (length < 0) {
		log_error("protocol error: no reply to pass on: %s", strerror((int)-length));
		return (int)length;
	}
	if (code == 0 && length > 0 && executor->n_taps > 0 &&
	    descriptor_send(to, data, (size_t)length, executor->taps, executor->n_taps,
			    MSG_DONTWAIT) == length) {
		close_taps(executor);
		die_for_test(executor);
	}
	return 0;
}

static int do_commit(struct conversation *conversation, const struct record *request, int fd)
{
	struct executor *executor = conversation->executor;
	struct error err = {0};
	size_t done = 0;
	int result = do_apply(conversation, request, fd);
	if (result < 0)
		return result;
	bool direct = request->type == RECORD_COMMIT_TO;
	if (!direct)
		ahead_forget(executor);
	int code = operations_run(&executor->operations, executor->tasks, executor->n_tasks, &done,
				  &err);
	if (direct)
		result = hand_over(conversation, code);
	if (result < 0)
		close_taps(executor);
	else
		result = send_result(conversation, code, done, err.text);
	operations_settle(&executor->operations, executor->tasks, done);
	if (direct && code == 0)
		ahead_make(executor, request->text);
	if (code < 0)
		log_info("operation %zu of %zu failed: %s", done + 1, executor->n_tasks, err.text);
	bool was_big = executor->n_tasks > BATCH_USUAL;
	drop_tasks(executor);
	if (was_big)
		malloc_trim(0);
	return result;
}

static socklen_t socket_address(const struct object_address *target, uint16_t port,
				struct sockaddr_storage *ret)
{
	*ret = (struct sockaddr_storage){.ss_family = target->address.family};
	if (target->address.family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, target->address.bytes, sizeof(in->sin_addr));
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, target->address.bytes, sizeof(in6->sin6_addr));
	if (target->ifname[0] && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
		in6->sin6_scope_id = if_nametoindex(target->ifname);
	return sizeof(*in6);
}

static int do_connect(struct conversation *conversation, const struct record *request, int fd)
{
	(void)fd;
	struct sockaddr_storage address;
	struct record record = {.type = RECORD_RESULT};
	socklen_t length =
		socket_address(&request->object.address, (uint16_t)request->code, &address);
	AUTO_CLOSE int socket_fd =
		socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (socket_fd < 0 ||
	    (connect(socket_fd, (struct sockaddr *)&address, length) < 0 && errno != EINPROGRESS))
		return result_send(conversation, -errno, 0, strerror(errno));
	return answer(conversation, &record, &socket_fd, 1);
}

struct routes {
	struct object_list list;
};

static int add_route(const struct ip *prefix, int ifindex, void *data)
{
	struct routes *routes = data;
	char name[IF_NAMESIZE] = "none"; /* several next hops, or a blackhole */
	if (prefix->length == 0)
		return 0;
	if (ifindex)
		if_indextoname((unsigned)ifindex, name);
	struct object_address *address =
		&object_list_add(&routes->list, OBJECT_ADDRESS, 0)->address;
	memcpy(address->ifname, name, strnlen(name, IFNAMSIZ - 1));
	address->address = *prefix;
	return 0;
}

static int do_routes(struct conversation *conversation, const struct record *request, int fd)
{
	(void)request;
	(void)fd;
	struct routes routes = {0};
	struct error err = {0};
	int result =
		route_dump(&conversation->executor->operations.route, add_route, &routes, &err);
	if (result < 0)
		result = result_send(conversation, result, 0, err.text);
	else
		result = send_objects(conversation, &routes.list);
	object_list_done(&routes.list);
	return result;
}

static int do_probe(struct conversation *conversation, const struct record *request, int fd)
{
	(void)fd;
	struct record record = {.type = RECORD_RESULT};
	struct error err = {0};
	AUTO_CLOSE int words = inquiry_start(request, &err);
	if (words < 0)
		return result_send(conversation, words, 0, err.text);
	return answer(conversation, &record, &words, 1);
}

static int do_capture(struct conversation *conversation, const struct record *request, int fd)
{
	struct record record = {.type = RECORD_RESULT};
	struct error err = {0};
	AUTO_CLOSE int report =
		recording_start(&conversation->executor->operations, request, fd, &err);
	if (report < 0)
		return result_send(conversation, report, 0, err.text);
	return answer(conversation, &record, &report, 1);
}

/* What an uplink would take along, or why it cannot be one. */
static int do_uplink(struct conversation *conversation, const struct record *request, int fd)
{
	(void)fd;
	struct object_list list = {0};
	struct error err = {0};
	int result = adoptions_survey(&conversation->executor->operations.adoptions,
				      &request->object, &list, &err);
	if (result < 0)
		result = result_send(conversation, result, 0, err.text);
	else
		result = send_objects(conversation, &list);
	object_list_done(&list);
	return result;
}

static int do_confirm(struct conversation *conversation, const struct record *request, int fd)
{
	(void)fd;
	struct error err = {0};
	int code = adoptions_confirm(&conversation->executor->operations.adoptions,
				     request->object.uplink.ifname, &err);
	return result_send(conversation, code, 0, err.text);
}

static int do_stop(struct conversation *conversation, const struct record *request, int fd)
{
	(void)request;
	(void)fd;
	log_info("asked to stop");
	AUTO_FREE char *lock = text_format("%s.lock", conversation->executor->paths.executor);
	unlink(conversation->executor->paths.executor);
	unlink(lock);
	result_send(conversation, 0, 0, "");
	sd_event_exit(conversation->executor->event, 0);
	return 0;
}

typedef int (*request_function)(struct conversation *conversation, const struct record *request,
				int fd);
static const request_function requests[RECORD_TYPES] = {
	[RECORD_DUMP] = do_dump,	[RECORD_APPLY] = do_apply,
	[RECORD_COMMIT] = do_commit,	[RECORD_CONNECT] = do_connect,
	[RECORD_ROUTES] = do_routes,	[RECORD_STOP] = do_stop,
	[RECORD_PROBE] = do_probe,	[RECORD_UPLINK] = do_uplink,
	[RECORD_CONFIRM] = do_confirm,	[RECORD_CAPTURE] = do_capture,
	[RECORD_COMMIT_TO] = do_commit,
};

static int greeted(struct conversation *conversation, const struct record *hello)
{
	struct executor *executor = conversation->executor;
	struct error err = {0};
	int result = record_hello_check(hello, executor->paths.instance, &err);
	if (result < 0) {
		log_error("refused a broker: %s", err.text);
		return result;
	}
	if (executor->broker)
		conversation_free(executor->broker);
	executor->broker = conversation;
	conversation->has_greeted = true;
	return 0;
}

static int handle(struct conversation *conversation, const struct record *record, int fd)
{
	if (!conversation->has_greeted)
		return greeted(conversation, record);
	if (!requests[record->type]) {
		log_error("protocol error: record type %u is not a request", record->type);
		return -EPROTO;
	}
	sd_event_now(conversation->executor->event, CLOCK_MONOTONIC,
		     &conversation->executor->last_request);
	return requests[record->type](conversation, record, fd);
}

static int on_record(sd_event_source *source, int socket, uint32_t events, void *data)
{
	(void)source;
	(void)events;
	struct conversation *conversation = data;
	for (;;) {
		struct record record;
		struct error err = {0};
		int fd = -1;
		size_t n_fds = 1;
		int result = record_receive(socket, &record, &fd, &n_fds, MSG_DONTWAIT, &err);
		if (result == -EAGAIN)
			return 0;
		if (result < 0)
			log_error("protocol error: %s", err.text);
		bool last = result > 0 && record.type != RECORD_APPLY;
		if (result > 0)
			result = handle(conversation, &record, n_fds ? fd : -1) < 0 ? 0 : 1;
		if (n_fds)
			close(fd);
		if (result <= 0) {
			conversation_free(conversation);
			return 0;
		}
		if (last)
			return 0;
	}
}

void conversation_adopt(struct executor *executor, int socket)
{
	struct timeval limit = {.tv_sec = SEND_SECONDS}, reply_limit = {.tv_sec = REPLY_SECONDS};
	size_t slot = 0;
	while (slot < CONVERSATIONS_MAX && executor->conversations[slot])
		slot++;
	if (slot == CONVERSATIONS_MAX) {
		log_warning("too many connections");
		close(socket);
		return;
	}
	struct conversation *conversation = memory_zero(1, sizeof(*conversation));
	*conversation = (struct conversation){.executor = executor, .socket = socket};
	executor->conversations[slot] = conversation;
	setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &reply_limit, sizeof(reply_limit));
	if (record_hello_send(socket, executor->paths.instance, NULL) < 0 ||
	    sd_event_add_io(executor->event, &conversation->source, socket, EPOLLIN, on_record,
			    conversation) < 0)
		conversation_free(conversation);
}

void conversation_end_all(struct executor *executor)
{
	for (size_t i = 0; i < CONVERSATIONS_MAX; i++)
		if (executor->conversations[i])
			conversation_free(executor->conversations[i]);
}
