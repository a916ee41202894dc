/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests are handled by the kernel inside send(2), so all answers wait in the socket when it
 * returns. Only the last request asks for an acknowledgement: failures are reported for every one
 * anyway.
 */
#include "kern/netlink.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/file.h"

#define BUFFER_SIZE                                                                                \
	(400u *                                                                                    \
	 1024u) /* twice net.core.wmem_max less some room: what an ordinary socket may send */
#define BUFFER_KEEP (64u * 1024u) /* a larger one is given back after use */
#define ANSWER_SIZE 32768u	  /* what the kernel puts into one datagram of a dump */
#define DUMP_TRIES  20
#define ALIGNED	    __attribute__((aligned(__alignof__(struct nlmsghdr))))

static void buffers_enlarge(int fd)
{
	/* FORCE needs rights over the first user namespace; the plain one is cut to the system's
	 * maximum */
	int size = 1 << 20;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

int netlink_open(struct netlink *netlink, int bus, struct error *err)
{
	*netlink = (struct netlink){.bus = bus};
	netlink->socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!netlink->socket)
		return error_errno(err, errno, "netlink socket");
	if (mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int code = error_errno(err, errno, "netlink socket");
		netlink_close(netlink);
		return code;
	}
	int on = 1;
	int fd = mnl_socket_get_fd(netlink->socket);
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	buffers_enlarge(fd);
	netlink->sequence = 1;
	return 0;
}

void netlink_close(struct netlink *netlink)
{
	if (netlink->socket)
		mnl_socket_close(netlink->socket);
	free(netlink->buffer);
	*netlink = (struct netlink){0};
}

bool netlink_is_full(const struct netlink *netlink)
{
	size_t used = netlink->used;
	if (netlink->last)
		used += MNL_ALIGN(netlink->last->nlmsg_len);
	return used + NETLINK_MESSAGE_MAX > BUFFER_SIZE;
}

/* Attributes were put after netlink_add returned, so a message's length is known only now. */
static void last_finish(struct netlink *netlink)
{
	if (netlink->last)
		netlink->used += MNL_ALIGN(netlink->last->nlmsg_len);
	netlink->last = NULL;
}

struct nlmsghdr *netlink_add(struct netlink *netlink, uint16_t type, uint16_t flags,
			     const void *header, size_t header_size)
{
	if (!netlink->buffer)
		netlink->buffer = memory_zero(1, BUFFER_SIZE + NETLINK_MESSAGE_MAX);
	last_finish(netlink);
	struct nlmsghdr *message = mnl_nlmsg_put_header(netlink->buffer + netlink->used);
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = netlink->sequence++;
	if (header_size)
		memcpy(mnl_nlmsg_put_extra_header(message, header_size), header, header_size);
	if (netlink->count++ == 0)
		netlink->first = message->nlmsg_seq;
	netlink->last = message;
	return message;
}

struct answer {
	uint32_t first;
	unsigned count;
	unsigned acknowledged;
	bool ends_with_last; /* nothing comes after the last request's acknowledgement */
	bool complete;
	unsigned failed; /* number of the first failure */
	int code;	 /* of the first failure, or what the callback said */
	netlink_callback callback;
	void *data;
	struct error *err;
};

static int extended_text(const struct nlattr *attribute, void *data)
{
	if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG &&
	    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
		*(const char **)data = mnl_attr_get_str(attribute);
	return MNL_CB_OK;
}

/* The code of an acknowledgement, 0 for success. */
static int error_message(const struct nlmsghdr *message, struct error *err)
{
	const struct nlmsgerr *body = mnl_nlmsg_get_payload(message);
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*body))
		return error_set(err, EBADMSG, "netlink: short acknowledgement");
	if (body->error == 0)
		return 0;
	const char *text = NULL;
	size_t skip = sizeof(*body);
	if (!(message->nlmsg_flags & NLM_F_CAPPED) && body->msg.nlmsg_len >= MNL_NLMSG_HDRLEN)
		skip += body->msg.nlmsg_len - MNL_NLMSG_HDRLEN;
	if (message->nlmsg_flags & NLM_F_ACK_TLVS && mnl_nlmsg_get_payload_len(message) > skip)
		mnl_attr_parse(message, (unsigned)skip, extended_text, &text);
	if (text && *text)
		return error_set(err, -body->error, "%s (%s)", strerror(-body->error), text);
	return error_set(err, -body->error, "%s", strerror(-body->error));
}

static void answer_take(struct answer *answer, const struct nlmsghdr *message)
{
	uint32_t number = message->nlmsg_seq - answer->first;
	if (number >= answer->count)
		return; /* of an earlier request that was given up */
	if (message->nlmsg_type != NLMSG_ERROR) {
		if (message->nlmsg_type >= NLMSG_MIN_TYPE && answer->callback && answer->code == 0)
			answer->code = answer->callback(message, answer->data);
		return;
	}
	answer->acknowledged++;
	answer->complete = answer->ends_with_last && number == answer->count - 1;
	struct error text = {0};
	int code = error_message(message, &text);
	if (code < 0 && answer->code == 0) {
		answer->code = error_set(answer->err, code, "%s", text.text);
		answer->failed = number;
	}
}

static int answers_read(int fd, struct answer *answer)
{
	ALIGNED char buffer[ANSWER_SIZE];
	int flags = MSG_DONTWAIT;
	while (!answer->complete) {
		ssize_t got = recv(fd, buffer, sizeof(buffer), flags);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN) {
			if (answer->acknowledged || answer->code)
				return answer->code;
			flags = 0;
			continue;
		}
		if (got < 0)
			return error_errno(answer->err, errno, "netlink answer");
		int left = (int)got;
		for (struct nlmsghdr *m = (void *)buffer; mnl_nlmsg_ok(m, left);
		     m = mnl_nlmsg_next(m, &left))
			answer_take(answer, m);
		flags = MSG_DONTWAIT;
	}
	return answer->code;
}

/* nf_tables acknowledges the requests of a batch, not the message that ends it (whose number means
 * RTM_DELLINK elsewhere). */
static void acknowledge_last(struct netlink *netlink)
{
	struct nlmsghdr *previous = NULL;
	int left = (int)netlink->used;
	struct nlmsghdr *message = (void *)netlink->buffer;
	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
		if (netlink->bus != NETLINK_NETFILTER || message->nlmsg_type != NFNL_MSG_BATCH_END)
			previous = message;
	if (previous)
		previous->nlmsg_flags |= NLM_F_ACK;
}

int netlink_run(struct netlink *netlink, netlink_callback callback, void *data,
		unsigned *ret_failed, struct error *err)
{
	last_finish(netlink);
	if (netlink->count == 0)
		return 0;
	acknowledge_last(netlink);
	struct answer answer = {
		.first = netlink->first,
		.count = netlink->count,
		.ends_with_last = netlink->bus == NETLINK_ROUTE,
		.callback = callback,
		.data = data,
		.err = err,
	};
	size_t length = netlink->used;
	netlink->used = 0;
	netlink->count = 0;
	if (mnl_socket_sendto(netlink->socket, netlink->buffer, length) < 0)
		return error_errno(err, errno, "netlink request of %zu bytes", length);
	if (length > BUFFER_KEEP) {
		free(netlink->buffer);
		netlink->buffer = NULL;
	}
	int code = answers_read(mnl_socket_get_fd(netlink->socket), &answer);
	if (code < 0 && ret_failed)
		*ret_failed = answer.failed;
	return code;
}

struct dump {
	uint32_t sequence;
	bool done;
	bool interrupted; /* the kernel's tables changed meanwhile */
	int code;
	netlink_callback callback;
	void *data;
	struct error *err;
};

static void dump_end(struct dump *dump, const struct nlmsghdr *message)
{
	/* a dump that fails in the middle says so in its last message */
	int code = 0;
	if (mnl_nlmsg_get_payload_len(message) >= sizeof(code))
		memcpy(&code, mnl_nlmsg_get_payload(message), sizeof(code));
	if (code < 0 && dump->code == 0)
		dump->code = error_errno(dump->err, code, "netlink dump");
	dump->done = true;
}

/* After a failure of the callback the rest is read and thrown away: the socket stays usable. */
static void dump_take(struct dump *dump, const struct nlmsghdr *message)
{
	if (message->nlmsg_seq != dump->sequence)
		return;
	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		dump->interrupted = true;
	if (message->nlmsg_type == NLMSG_ERROR) {
		dump->code = error_message(message, dump->err);
		dump->done = true;
	} else if (message->nlmsg_type == NLMSG_DONE) {
		dump_end(dump, message);
	} else if (dump->code == 0) {
		int code = dump->callback(message, dump->data);
		dump->code = code < 0 ? code : 0;
		if (!(message->nlmsg_flags & NLM_F_MULTI))
			dump->done = true;
	}
}

static int dump_read(int fd, struct dump *dump)
{
	ALIGNED char buffer[ANSWER_SIZE];
	while (!dump->done) {
		ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(dump->err, errno, "netlink dump");
		int left = (int)got;
		for (struct nlmsghdr *m = (void *)buffer; mnl_nlmsg_ok(m, left) && !dump->done;
		     m = mnl_nlmsg_next(m, &left))
			dump_take(dump, m);
	}
	return dump->code;
}

static int dump_once(struct netlink *netlink, uint16_t type, const void *header, size_t header_size,
		     struct dump *dump)
{
	ALIGNED char request[NETLINK_MESSAGE_MAX];
	struct nlmsghdr *message = mnl_nlmsg_put_header(request);
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = dump->sequence = netlink->sequence++;
	memcpy(mnl_nlmsg_put_extra_header(message, header_size), header, header_size);
	if (mnl_socket_sendto(netlink->socket, message, message->nlmsg_len) < 0)
		return error_errno(dump->err, errno, "netlink dump");
	return dump_read(mnl_socket_get_fd(netlink->socket), dump);
}

int netlink_dump(struct netlink *netlink, uint16_t type, const void *header, size_t header_size,
		 void (*begin)(void *data), netlink_callback callback, void *data,
		 struct error *err)
{
	for (int i = 0; i < DUMP_TRIES; i++) {
		struct dump dump = {.callback = callback, .data = data, .err = err};
		if (begin)
			begin(data);
		int code = dump_once(netlink, type, header, header_size, &dump);
		if (code != -EINTR && (code != 0 || !dump.interrupted))
			return code;
	}
	return error_set(err, EAGAIN, "the kernel's tables change faster than they can be read");
}
