/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Varlink server on an sd-event loop. Never blocks. Who calls is what the kernel says
 * (SO_PEERCRED).
 *
 * Theory of operation. One call per connection is under way at a time; the next is not even read
 * from the socket before the last reply of the first has left (that is the flow control: an
 * impatient client fills its own socket buffer, not our memory). A call lives until it is ended by
 * exactly one varlink_reply, varlink_reply_fds, varlink_error, varlink_fail or varlink_call_drop,
 * whenever that is; a client that goes away meanwhile only makes these silent. Replies are written
 * at once as far as the socket takes them, the rest when it is writable; a client that leaves
 * VARLINK_REPLY_MAX bytes, or anything for 30 s, unread is dropped.
 *
 * A message that is no call (no JSON, nested too deep, too long, unknown key, no method) is
 * answered by org.varlink.service.InvalidParameter, whose `parameter` is the sentence that says
 * why, and the connection is closed. An unknown interface or method, and parameters that the
 * interface does not allow (io.lanyard.InvalidArgument), are answered and the connection lives on.
 * A connection beyond the limits gets io.lanyard.Busy and is closed.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

struct error;
struct varlink_call;
struct varlink_interface;
struct varlink_server;

struct varlink_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	uint64_t connection; /* unique per server, never 0, never used again */
};

/* Handles one call. parameters are an object that the interface allows, borrowed (valid until
 * the call ends; json_incref to keep longer). Returns 0 when the call was ended or is kept to
 * be ended later, or -errno with err filled: the server then answers as varlink_fail does. */
typedef int varlink_handler(struct varlink_call *call, json_t *parameters, void *data,
			    struct error *err);

/* A table ended by an entry without name. Names without the interface ("GetVersion"). */
struct varlink_method {
	const char *name;
	varlink_handler *handler;
};

/* What org.varlink.service.GetInfo says. Static texts. */
struct varlink_service {
	const char *vendor, *product, *version, *url;
};

/* Refers to the event loop. */
int varlink_server_new(sd_event *event, const struct varlink_service *service,
		       struct varlink_server **ret, struct error *err);
/* Ends listening and all connections at once; kept calls become silent: their disconnect callbacks
 * run, and they still have to be ended. Not from a handler or callback of the server. */
void varlink_server_free(struct varlink_server *server);

/* Serves an interface (borrowed, must outlive the server). Every name of the table must be a
 * method of it; a method of it that is not in the table is answered by
 * org.varlink.service.MethodNotImplemented. */
int varlink_server_add(struct varlink_server *server, const struct varlink_interface *interface,
		       const struct varlink_method *methods, void *data, struct error *err);

/* Listens on a new socket at a path, replacing in one step whatever socket was there (the
 * caller holds the instance's lock). Removed by varlink_server_free unless another has replaced
 * it. */
int varlink_server_listen(struct varlink_server *server, const char *path, mode_t mode,
			  struct error *err);
/* Listens on a descriptor of socket activation; takes it, on failure too. */
int varlink_server_listen_fd(struct varlink_server *server, int fd, struct error *err);
/* Serves one connected stream socket (a socketpair, an inherited descriptor); takes it, on
 * failure too. */
int varlink_server_add_connection(struct varlink_server *server, int fd, struct error *err);

/* Default 512 in all and 64 per uid; the server's own uid and root are exempt from the second. Each
 * connection may bring DESCRIPTORS_MAX descriptors with an unfinished call: RLIMIT_NOFILE should
 * allow for connections * (DESCRIPTORS_MAX + 1). */
void varlink_server_set_limits(struct varlink_server *server, size_t connections, size_t per_uid);
/* How many connections a uid may have instead, asked at each one; NULL: per_uid. */
typedef size_t varlink_server_share(uid_t uid, void *data);
void varlink_server_set_share(struct varlink_server *server, varlink_server_share *share,
			      void *data);
/* Called after a connection was accepted (connected) and after it is gone, its call's
 * disconnect callback included. May be NULL. Must not free the server. */
typedef void varlink_server_watch(const struct varlink_peer *peer, bool connected, void *data);
void varlink_server_set_watch(struct varlink_server *server, varlink_server_watch *watch,
			      void *data);
/* Sees the parameters of every reply and error before it is sent, and may change them. */
typedef void varlink_server_present(const struct varlink_peer *peer, json_t *parameters,
				    void *data);
void varlink_server_set_present(struct varlink_server *server, varlink_server_present *present,
				void *data);
/* Checks every reply against the interface and answers io.lanyard.Failed instead of a wrong
 * one: for tests. */
void varlink_server_set_strict(struct varlink_server *server, bool strict);
/* Open connections. */
size_t varlink_server_connections(const struct varlink_server *server);

/* The call. Full name ("io.lanyard.GetVersion"), flags and peer are valid until it ends. */
const char *varlink_call_method(const struct varlink_call *call);
const struct varlink_peer *varlink_call_peer(const struct varlink_call *call);
bool varlink_call_wants_more(const struct varlink_call *call);
bool varlink_call_is_connected(const struct varlink_call *call);
/* The descriptor at an index that the parameters named; the caller's from now on. -EINVAL with
 * err. */
int varlink_call_take_fd(struct varlink_call *call, int64_t index, struct error *err);
size_t varlink_call_fd_count(const struct varlink_call *call);
/* Called once, from the event loop, when the client goes away while the call is kept. The call
 * still has to be ended (varlink_call_drop may be called in it). */
void varlink_call_on_disconnect(struct varlink_call *call,
				void (*callback)(struct varlink_call *call, void *data),
				void *data);

/* Called once, from the event loop, when the client has shut down its sending side (shutdown(2)):
 * it wants the kept call to come to its end, and hears its replies. To be set by its handler. */
void varlink_call_on_finish(struct varlink_call *call,
			    void (*callback)(struct varlink_call *call, void *data), void *data);

/* These end the call: the pointer is invalid once they and the handler have returned.
 * parameters (NULL: empty) are taken, as json_pack gives them. 0, -EPIPE when the client is
 * gone (nothing is left to be done). */
int varlink_reply(struct varlink_call *call, json_t *parameters);
/* Takes the descriptors too and closes them, on failure too (set aside with F_DUPFD_CLOEXEC
 * what is still needed). At most DESCRIPTORS_MAX. */
int varlink_reply_fds(struct varlink_call *call, json_t *parameters, const int *fds, size_t n_fds);
/* In two steps, for who has time now and none later: parameters are taken and encoded (-EPROTO when
 * they are no reply to this call); the call ends with the second, or with an error after all. */
int varlink_reply_prepare(struct varlink_call *call, json_t *parameters, struct error *err);
int varlink_reply_prepared(struct varlink_call *call, const int *fds, size_t n_fds);
/* The prepared reply for another process to send, whole and at once, on the connection's socket,
 * which is returned; both stay the call's. -1 where none but we can. If the other has sent it,
 * varlink_reply_sent ends the call, else varlink_reply_prepared. */
int varlink_reply_lend(const struct varlink_call *call, const char **ret_data, size_t *ret_length);
void varlink_reply_sent(struct varlink_call *call);
/* Full error name ("io.lanyard.NotFound"). */
int varlink_error(struct varlink_call *call, const char *name, json_t *parameters);
/* The io.lanyard error that belongs to err->code (see varlink_error_of_code), with err->text as
 * message. */
int varlink_fail(struct varlink_call *call, const struct error *err);
/* io.lanyard.InvalidArgument for one field ("parameters.network.name"). */
int varlink_invalid(struct varlink_call *call, const char *field, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Ends it without a word: for calls of clients that are gone; closes the connection of one that
 * is not. */
void varlink_call_drop(struct varlink_call *call);

/* The reply that ends the call well will be this one (taken; NULL: none), whatever its handler
 * gives; descriptors are not sent. For a method that tries another. */
void varlink_call_answer_with(struct varlink_call *call, json_t *parameters);

/* One of several replies; the call goes on. -EINVAL unless varlink_call_wants_more; -EPIPE when
 * the client is gone or was dropped for being slow (the call must still be ended). */
int varlink_reply_more(struct varlink_call *call, json_t *parameters);
