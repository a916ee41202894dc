/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection of a Varlink server and the call that is under way on it: the part that only
 * varlink_server.c, varlink_connection.c and varlink_call.c know. Users include varlink_server.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "ipc/varlink_server.h"
#include "ipc/varlink_wire.h"

#define VARLINK_BACKLOG_MAX (1024u * 1024) /* bytes left unread before one more reply */
#define VARLINK_SLOW_USEC   (30u * 1000 * 1000)

struct varlink_output;

/*
 * States: reading (no call, nothing to write), calling (call set, input not watched), writing
 * (output waiting, input not watched), closing (writing the last words), broken (shut down; the
 * hang-up that the kernel reports next closes it from the event loop, so that no caller of
 * varlink_reply ever sees a connection freed under it).
 */
struct varlink_connection {
	struct varlink_server *server;
	struct varlink_connection *previous, *next;
	struct varlink_peer peer;
	int fd;
	sd_event_source *io, *slow;
	struct varlink_reader reader;
	struct varlink_output *first, **last;
	size_t pending;
	struct varlink_call *call;
	bool closing, broken;
	unsigned references;
};

struct varlink_call {
	struct varlink_connection *connection; /* NULL once the client is gone */
	const struct varlink_interface *interface;
	struct varlink_peer peer;
	struct varlink_message message;
	bool in_handler, ended, strict;
	json_t *instead; /* of what its handler will reply */
	char *prepared;	 /* the encoded reply */
	size_t prepared_length;
	void (*disconnected)(struct varlink_call *call, void *data);
	void *disconnected_data;
	void (*finish)(struct varlink_call *call, void *data); /* NULL: nobody is told */
	void *finish_data;
};

/* Takes the descriptor, on failure too. Links the connection into the server's list. */
int varlink_connection_new(struct varlink_server *server, int fd, struct error *err);
/* From the event loop or varlink_server_free only. */
void varlink_connection_close(struct varlink_connection *connection);
/* Ends it soon, from anywhere. */
void varlink_connection_break(struct varlink_connection *connection);
/* Takes bytes and descriptors. -EPIPE when it is broken or the client too slow. */
int varlink_connection_send(struct varlink_connection *connection, char *data, size_t length,
			    const int *fds, size_t n_fds);
/* Watches for what the state needs. */
void varlink_connection_update(struct varlink_connection *connection);

/* Of varlink_call.c: a call from a message (taken), under way on the connection. */
struct varlink_call *varlink_call_new(struct varlink_connection *connection,
				      struct varlink_message *message);
/* The client is gone: tells who keeps the call. */
void varlink_call_disconnected(struct varlink_call *call);
/* The client says nothing more, and waits for the end. */
void varlink_call_finish(struct varlink_call *call);
/* After the handler returned: fails the call if it asks for that, frees it if it has ended. */
void varlink_call_handled(struct varlink_call *call, int result, struct error *err);

/* Of varlink_server.c. */
void varlink_server_link(struct varlink_server *server, struct varlink_connection *connection);
void varlink_server_unlink(struct varlink_server *server, struct varlink_connection *connection);
sd_event *varlink_server_event(const struct varlink_server *server);
bool varlink_server_is_strict(const struct varlink_server *server);
/* Gives a good reply to who may change it. */
void varlink_server_reply(const struct varlink_server *server, const struct varlink_peer *peer,
			  json_t *parameters);
/* Finds the handler for a message (taken) and calls it. */
void varlink_server_dispatch(struct varlink_server *server, struct varlink_connection *connection,
			     struct varlink_message *message);
