/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One connection: reads a call, hands it on, writes what comes back. Never blocks. */
#include "ipc/varlink_connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

struct varlink_output {
	struct varlink_output *next;
	char *data;
	size_t length, sent;
	int fds[DESCRIPTORS_MAX];
	size_t n_fds;
};

static void output_free(struct varlink_output *output)
{
	descriptor_close_all(output->fds, output->n_fds);
	free(output->data);
	free(output);
}

static void unreference(struct varlink_connection *connection)
{
	if (--connection->references > 0)
		return;
	varlink_reader_done(&connection->reader);
	free(connection);
}

void varlink_connection_close(struct varlink_connection *connection)
{
	if (connection->fd < 0)
		return;
	sd_event_source_disable_unref(connection->io);
	sd_event_source_disable_unref(connection->slow);
	connection->io = connection->slow = NULL;
	close(connection->fd);
	connection->fd = -1;
	connection->broken = true;
	for (struct varlink_output *output = connection->first, *next; output; output = next) {
		next = output->next;
		output_free(output);
	}
	connection->first = NULL;
	struct varlink_call *call = connection->call;
	connection->call = NULL;
	if (call)
		varlink_call_disconnected(call);
	varlink_server_unlink(connection->server, connection);
	unreference(connection);
}

void varlink_connection_break(struct varlink_connection *connection)
{
	connection->broken = true;
	shutdown(connection->fd, SHUT_RDWR);
}

static int on_slow(sd_event_source *source, uint64_t usec, void *data)
{
	struct varlink_connection *connection = data;
	(void)source;
	(void)usec;
	log_warning("varlink: dropped a client that does not read (pid %d, uid %u)",
		    (int)connection->peer.pid, (unsigned)connection->peer.uid);
	varlink_connection_close(connection);
	return 0;
}

/* The clock for slow clients: started anew with each progress, stopped when all is written. */
static void watch_slow(struct varlink_connection *connection, bool progress)
{
	if (!connection->first) {
		if (connection->slow)
			sd_event_source_set_enabled(connection->slow, SD_EVENT_OFF);
		return;
	}
	if (!connection->slow) {
		sd_event_add_time_relative(varlink_server_event(connection->server),
					   &connection->slow, CLOCK_MONOTONIC, VARLINK_SLOW_USEC, 0,
					   on_slow, connection);
	} else if (progress) {
		sd_event_source_set_time_relative(connection->slow, VARLINK_SLOW_USEC);
		sd_event_source_set_enabled(connection->slow, SD_EVENT_ONESHOT);
	}
}

/* Writes what the socket takes. */
static void flush(struct varlink_connection *connection)
{
	bool progress = false;
	while (connection->first) {
		struct varlink_output *output = connection->first;
		bool begin = output->sent == 0;
		ssize_t done = descriptor_send(
			connection->fd, output->data + output->sent, output->length - output->sent,
			begin ? output->fds : NULL, begin ? output->n_fds : 0, 0);
		if (done == -EAGAIN)
			break;
		if (done < 0) {
			varlink_connection_break(connection);
			return;
		}
		progress = true;
		output->sent += (size_t)done;
		connection->pending -= (size_t)done;
		if (output->sent < output->length)
			continue;
		connection->first = output->next;
		if (!connection->first)
			connection->last = &connection->first;
		output_free(output);
	}
	watch_slow(connection, progress);
	if (!connection->first && connection->closing)
		varlink_connection_break(connection);
}

int varlink_connection_send(struct varlink_connection *connection, char *data, size_t length,
			    const int *fds, size_t n_fds)
{
	struct varlink_output *output = memory_zero(1, sizeof(*output));
	output->data = data;
	output->length = length;
	output->n_fds = n_fds;
	if (n_fds > 0)
		memcpy(output->fds, fds, n_fds * sizeof(*fds));
	if (!connection->broken && connection->pending > VARLINK_BACKLOG_MAX) {
		log_warning("varlink: dropped a client that reads too slowly (pid %d, uid %u)",
			    (int)connection->peer.pid, (unsigned)connection->peer.uid);
		varlink_connection_break(connection);
	}
	if (connection->broken) {
		output_free(output);
		return -EPIPE;
	}
	*connection->last = output;
	connection->last = &output->next;
	connection->pending += length;
	if (connection->first == output)
		flush(connection);
	varlink_connection_update(connection);
	return connection->broken && !connection->closing ? -EPIPE : 0;
}

void varlink_connection_update(struct varlink_connection *connection)
{
	if (!connection->io)
		return;
	uint32_t events = 0; /* EPOLLHUP and EPOLLERR are always reported */
	if (connection->first)
		events = EPOLLOUT;
	else if (!connection->call && !connection->closing)
		events = EPOLLIN;
	if (connection->call && connection->call->finish)
		events |= EPOLLRDHUP;
	sd_event_source_set_io_events(connection->io, events);
}

/* The stream or the message is no good: the last words say why. */
static void refuse(struct varlink_connection *connection, const char *why)
{
	json_t *parameters = json_object();
	json_object_set_new(parameters, "parameter", varlink_string(why));
	char *data;
	size_t length;
	connection->closing = true;
	if (varlink_encode_error("org.varlink.service.InvalidParameter", parameters, &data, &length,
				 NULL) >= 0)
		varlink_connection_send(connection, data, length, NULL, 0);
	json_decref(parameters);
}

/* Reads at most one message. */
static void read_message(struct varlink_connection *connection)
{
	struct error err = {0};
	struct varlink_message message;
	int done = varlink_reader_receive(&connection->reader, connection->fd, &err);
	if (done == -EAGAIN)
		return;
	if (done > 0)
		done = varlink_reader_next(&connection->reader, &message, &err);
	else if (done != -EBADMSG && done != -EMSGSIZE) {
		varlink_connection_close(connection);
		return;
	}
	if (done < 0)
		refuse(connection, err.text);
	if (done <= 0)
		return;
	if (message.method) {
		varlink_server_dispatch(connection->server, connection, &message);
	} else {
		varlink_message_done(&message);
		refuse(connection, "message: a call needs 'method'");
	}
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct varlink_connection *connection = data;
	(void)source;
	(void)fd;
	connection->references++;
	bool busy = connection->call || connection->first;
	if (connection->broken || ((events & (EPOLLHUP | EPOLLERR)) && busy))
		varlink_connection_close(connection);
	else if (connection->first)
		flush(connection);
	else if (!connection->call && !connection->closing)
		read_message(connection);
	else if (connection->call && (events & EPOLLRDHUP))
		varlink_call_finish(connection->call);
	varlink_connection_update(connection);
	unreference(connection);
	return 0;
}

int varlink_connection_new(struct varlink_server *server, int fd, struct error *err)
{
	struct varlink_connection *connection = memory_zero(1, sizeof(*connection));
	connection->server = server;
	connection->fd = fd;
	connection->references = 1;
	connection->last = &connection->first;
	varlink_reader_init(&connection->reader, VARLINK_CALL_MAX);
	int done = descriptor_peer(fd, &connection->peer.pid, &connection->peer.uid,
				   &connection->peer.gid);
	if (done >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		done = -errno;
	if (done >= 0)
		done = sd_event_add_io(varlink_server_event(server), &connection->io, fd, EPOLLIN,
				       on_io, connection);
	if (done < 0) {
		close(fd);
		unreference(connection);
		return error_errno(err, done, "taking a connection");
	}
	varlink_server_link(server, connection);
	return 0;
}
