/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A synchronous Varlink client: one call at a time, every wait in poll. */
#include "ipc/varlink_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "ipc/varlink_interface.h"
#include "ipc/varlink_wire.h"

struct varlink_client {
	int fd, cancel, timeout;
	bool awaiting; /* a reply is still to come */
	bool torn;     /* a call was sent in part only: the stream is of no more use */
	bool unheard;  /* the server went away without having read all of the last call */
	struct varlink_reader reader;
};

void varlink_answer_done(struct varlink_answer *answer)
{
	json_decref(answer->parameters);
	free(answer->error);
	descriptor_close_all(answer->fds, answer->n_fds);
	*answer = (struct varlink_answer){0};
}

int varlink_answer_take_fd(struct varlink_answer *answer, int64_t index, struct error *err)
{
	if (index < 0 || (uint64_t)index >= answer->n_fds || answer->fds[index] < 0)
		return error_set(err, EPROTO,
				 "there is no descriptor %lld in the reply (it brought %zu)",
				 (long long)index, answer->n_fds);
	return TAKE_FD(answer->fds[index]);
}

struct varlink_client *varlink_client_new(int fd)
{
	struct varlink_client *client = memory_zero(1, sizeof(*client));
	client->fd = fd;
	client->cancel = client->timeout = -1;
	varlink_reader_init(&client->reader, VARLINK_REPLY_MAX);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return client;
}

int varlink_client_connect(const char *path, struct varlink_client **ret, struct error *err)
{
	struct sockaddr_un address;
	AUTO_CLOSE int directory = -1;
	int done = varlink_address(path, &address, &directory, err);
	if (done < 0)
		return done;
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(err, errno, "socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(err, errno, "connecting to %s", path);
	*ret = varlink_client_new(TAKE_FD(fd));
	return 0;
}

void varlink_client_free(struct varlink_client *client)
{
	if (!client)
		return;
	varlink_reader_done(&client->reader);
	close(client->fd);
	free(client);
}

int varlink_client_fd(const struct varlink_client *client)
{
	return client->fd;
}

bool varlink_client_is_unheard(const struct varlink_client *client)
{
	return client->unheard;
}

void varlink_client_set_timeout(struct varlink_client *client, int milliseconds)
{
	client->timeout = milliseconds;
}

void varlink_client_set_cancel(struct varlink_client *client, int fd)
{
	client->cancel = fd;
}

static int wait_for(struct varlink_client *client, short events, struct error *err)
{
	struct pollfd watched[] = {
		{.fd = client->fd, .events = events},
		{.fd = client->cancel, .events = POLLIN},
	};
	int ready = poll(watched, 2, client->timeout);
	if (ready < 0 && errno != EINTR)
		return error_errno(err, errno, "waiting for the server");
	if (ready < 0 || watched[1].revents)
		return error_set(err, EINTR, "interrupted");
	if (ready == 0)
		return error_set(err, ETIMEDOUT, "the server did not answer within %d ms",
				 client->timeout);
	return 0;
}

/* Returns 1 when the server hung up in the middle: it may have said why, read that as the reply. */
static int send_all(struct varlink_client *client, const char *data, size_t length, const int *fds,
		    size_t n_fds, struct error *err)
{
	size_t sent = 0;
	while (sent < length) {
		ssize_t done = descriptor_send(client->fd, data + sent, length - sent,
					       sent ? NULL : fds, sent ? 0 : n_fds, 0);
		if (done >= 0) {
			sent += (size_t)done;
			continue;
		}
		if (done == -EPIPE || done == -ECONNRESET) {
			client->unheard = true;
			return 1;
		}
		if (done != -EAGAIN)
			return error_errno(err, (int)done, "sending to the server");
		client->torn = true;
		int waited = wait_for(client, POLLOUT, err);
		if (waited < 0)
			return waited;
	}
	client->torn = false;
	return 0;
}

/* Encodes and sends a call; parameters are taken. */
static int send_call(struct varlink_client *client, const char *method, json_t *parameters,
		     unsigned flags, const int *fds, size_t n_fds, struct error *err)
{
	AUTO_FREE char *data = NULL;
	size_t length;
	int done = varlink_encode_call(method, parameters, flags, &data, &length, err);
	json_decref(parameters);
	if (done < 0)
		return done;
	if (client->torn)
		return error_set(err, ECONNRESET, "the connection was given up");
	if (client->awaiting)
		return error_set(err, EBUSY, "a call is still under way on this connection");
	done = send_all(client, data, length, fds, n_fds, err);
	if (done > 0 && (flags & VARLINK_ONEWAY))
		return error_set(err, ECONNRESET, "the server closed the connection");
	if (done >= 0)
		client->awaiting = !(flags & VARLINK_ONEWAY);
	return done < 0 ? done : 0;
}

static int receive_message(struct varlink_client *client, struct varlink_message *ret,
			   struct error *err)
{
	for (;;) {
		int done = varlink_reader_next(&client->reader, ret, err);
		if (done != 0)
			return done;
		done = wait_for(client, POLLIN, err);
		if (done < 0)
			return done;
		done = varlink_reader_receive(&client->reader, client->fd, err);
		/* A unix socket is reset when it is closed with something left unread in it, or
		 * was never accepted (unix_release_sock in net/unix/af_unix.c); else it just ends.
		 */
		client->unheard |= done == -ECONNRESET;
		if (done == 0 || done == -ECONNRESET)
			return error_set(err, ECONNRESET, "the server closed the connection");
		if (done < 0 && done != -EAGAIN)
			return done;
	}
}

/* Moves a reply's parts into the answer. */
static void fill(struct varlink_answer *answer, struct varlink_message *message)
{
	answer->parameters = TAKE(message->parameters);
	answer->error = TAKE(message->error);
	answer->continues = message->continues && !answer->error;
	memcpy(answer->fds, message->fds, sizeof(answer->fds));
	answer->n_fds = message->n_fds;
	message->n_fds = 0;
	varlink_message_done(message);
}

int varlink_client_next(struct varlink_client *client, struct varlink_answer *ret,
			struct error *err)
{
	struct varlink_message message;
	varlink_answer_done(ret);
	if (!client->awaiting)
		return error_set(err, EINVAL, "no call is under way on this connection");
	int done = receive_message(client, &message, err);
	if (done == -EINTR || done == -ETIMEDOUT)
		return done;
	client->awaiting = false;
	if (done < 0) {
		client->torn = true;
		if (done != -ECONNRESET)
			error_prefix(err, "the server's reply");
		return done;
	}
	if (message.method) {
		varlink_message_done(&message);
		client->torn = true;
		return error_set(err, EPROTO, "the server sent a call instead of a reply");
	}
	fill(ret, &message);
	if (ret->error)
		return -varlink_error_code(ret->error, ret->parameters, err);
	client->awaiting = ret->continues;
	return ret->continues;
}

int varlink_client_call(struct varlink_client *client, const char *method, json_t *parameters,
			const int *fds, size_t n_fds, struct varlink_answer *ret, struct error *err)
{
	struct varlink_answer unused = {0};
	int done = send_call(client, method, parameters, 0, fds, n_fds, err);
	if (done >= 0)
		done = varlink_client_next(client, ret ? ret : &unused, err);
	varlink_answer_done(&unused);
	return done;
}

int varlink_client_oneway(struct varlink_client *client, const char *method, json_t *parameters,
			  struct error *err)
{
	return send_call(client, method, parameters, VARLINK_ONEWAY, NULL, 0, err);
}

int varlink_client_start_fds(struct varlink_client *client, const char *method, json_t *parameters,
			     const int *fds, size_t n_fds, struct error *err)
{
	return send_call(client, method, parameters, VARLINK_MORE, fds, n_fds, err);
}

int varlink_client_start(struct varlink_client *client, const char *method, json_t *parameters,
			 struct error *err)
{
	return varlink_client_start_fds(client, method, parameters, NULL, 0, err);
}
