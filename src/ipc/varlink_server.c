/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A Varlink server: who may connect, and which handler gets which call. */
#include "ipc/varlink_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "ipc/varlink_connection.h"
#include "ipc/varlink_interface.h"

#define CONNECTIONS_DEFAULT 512
#define PER_UID_DEFAULT	    64
#define ACCEPT_BATCH	    16
#define REST_USEC	    (1000 * 1000)
#define WARN_USEC	    (10 * 1000 * 1000)
#define SERVICE		    "org.varlink.service"

struct listener {
	struct listener *next;
	struct varlink_server *server;
	int fd;
	sd_event_source *io;
	char *path; /* NULL when it is somebody else's to remove */
	dev_t device;
	ino_t inode;
};

struct served {
	struct served *next;
	const struct varlink_interface *interface;
	const struct varlink_method *methods;
	void *data;
};

struct varlink_server {
	sd_event *event;
	sd_event_source *rest;
	const struct varlink_service *service;
	struct varlink_interface *service_interface;
	struct served *served, **last_served;
	struct listener *listeners;
	struct varlink_connection *connections;
	size_t n_connections, max_connections, max_per_uid;
	uint64_t next_connection;
	uint64_t warned; /* when a client was last turned away */
	varlink_server_watch *watch;
	void *watch_data;
	varlink_server_share *share;
	void *share_data;
	bool strict;
	varlink_server_present *present;
	void *present_data;
};

AUTO_DEFINE(varlink_server)

static const char service_text[] =
	"# What every Varlink service says of itself.\n"
	"interface " SERVICE "\n"
	"\n"
	"# Who answers, and which interfaces there are.\n"
	"method GetInfo() -> (\n"
	"  vendor: string,\n"
	"  product: string,\n"
	"  version: string,\n"
	"  url: string,\n"
	"  interfaces: []string\n"
	")\n"
	"\n"
	"# The text of an interface.\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n"
	"\n"
	"error InterfaceNotFound (interface: string)\n"
	"error MethodNotFound (method: string)\n"
	"error MethodNotImplemented (method: string)\n"
	"error InvalidParameter (parameter: string)\n"
	"error PermissionDenied ()\n"
	"error ExpectedMore ()\n";

static int service_error(struct varlink_call *call, const char *name, const char *key,
			 const char *value)
{
	json_t *parameters = json_object();
	json_object_set_new(parameters, key, varlink_string(value));
	return varlink_error(call, name, parameters);
}

static int get_info(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	const struct varlink_server *server = data;
	(void)parameters;
	(void)err;
	json_t *interfaces = json_array();
	for (const struct served *served = server->served; served; served = served->next)
		json_array_append_new(interfaces,
				      json_string(varlink_interface_name(served->interface)));
	varlink_reply(call, json_pack("{s:s, s:s, s:s, s:s, s:o}", "vendor",
				      server->service->vendor, "product", server->service->product,
				      "version", server->service->version, "url",
				      server->service->url, "interfaces", interfaces));
	return 0;
}

static int get_description(struct varlink_call *call, json_t *parameters, void *data,
			   struct error *err)
{
	const struct varlink_server *server = data;
	const char *name = json_string_value(json_object_get(parameters, "interface"));
	(void)err;
	for (const struct served *served = server->served; served; served = served->next)
		if (!strcmp(varlink_interface_name(served->interface), name)) {
			varlink_reply(call, json_pack("{s:s}", "description",
						      varlink_interface_text(served->interface)));
			return 0;
		}
	service_error(call, SERVICE ".InterfaceNotFound", "interface", name);
	return 0;
}

static const struct varlink_method service_methods[] = {
	{"GetInfo", get_info},
	{"GetInterfaceDescription", get_description},
	{NULL, NULL},
};

/* Dispatch. */

static void call_handler(struct varlink_server *server, const struct served *served,
			 struct varlink_call *call, const char *name)
{
	struct error err = {0};
	char field[256];
	const struct varlink_method *method = served->methods;
	while (method->name && strcmp(method->name, name) != 0)
		method++;
	if (!varlink_interface_has_method(served->interface, name)) {
		service_error(call, SERVICE ".MethodNotFound", "method", call->message.method);
	} else if (!method->name) {
		service_error(call, SERVICE ".MethodNotImplemented", "method",
			      call->message.method);
	} else if (varlink_interface_check_call(served->interface, name, call->message.parameters,
						field, sizeof(field), &err) < 0) {
		if (served->interface == server->service_interface)
			service_error(call, SERVICE ".InvalidParameter", "parameter", field);
		else
			varlink_invalid(call, field, "%s", err.text);
	} else {
		int done = method->handler(call, call->message.parameters, served->data, &err);
		varlink_call_handled(call, done, &err);
		return;
	}
	varlink_call_handled(call, 0, &err);
}

void varlink_server_dispatch(struct varlink_server *server, struct varlink_connection *connection,
			     struct varlink_message *message)
{
	struct error err = {0};
	struct varlink_call *call = varlink_call_new(connection, message);
	const char *method = call->message.method, *dot = strrchr(method, '.');
	call->in_handler = true;
	if (call->message.upgrade) {
		service_error(call, SERVICE ".InvalidParameter", "parameter", "upgrade");
		varlink_call_handled(call, 0, &err);
		return;
	}
	AUTO_FREE char *interface = text_format("%.*s", (int)(dot - method), method);
	for (struct served *served = server->served; served; served = served->next)
		if (!strcmp(varlink_interface_name(served->interface), interface)) {
			call->interface = served->interface;
			call_handler(server, served, call, dot + 1);
			return;
		}
	service_error(call, SERVICE ".InterfaceNotFound", "interface", interface);
	varlink_call_handled(call, 0, &err);
}

int varlink_server_add(struct varlink_server *server, const struct varlink_interface *interface,
		       const struct varlink_method *methods, void *data, struct error *err)
{
	for (const struct varlink_method *method = methods; method->name; method++)
		if (!varlink_interface_has_method(interface, method->name))
			return error_set(err, EINVAL, "%s has no method %s",
					 varlink_interface_name(interface), method->name);
	struct served *served = memory_zero(1, sizeof(*served));
	*served = (struct served){.interface = interface, .methods = methods, .data = data};
	*server->last_served = served;
	server->last_served = &served->next;
	return 0;
}

/* Connections. */

sd_event *varlink_server_event(const struct varlink_server *server)
{
	return server->event;
}

void varlink_server_reply(const struct varlink_server *server, const struct varlink_peer *peer,
			  json_t *parameters)
{
	if (server->present)
		server->present(peer, parameters, server->present_data);
}

bool varlink_server_is_strict(const struct varlink_server *server)
{
	return server->strict;
}

void varlink_server_link(struct varlink_server *server, struct varlink_connection *connection)
{
	connection->peer.connection = ++server->next_connection;
	connection->next = server->connections;
	if (connection->next)
		connection->next->previous = connection;
	server->connections = connection;
	server->n_connections++;
	if (server->watch)
		server->watch(&connection->peer, true, server->watch_data);
}

void varlink_server_unlink(struct varlink_server *server, struct varlink_connection *connection)
{
	if (connection->next)
		connection->next->previous = connection->previous;
	if (connection->previous)
		connection->previous->next = connection->next;
	else
		server->connections = connection->next;
	server->n_connections--;
	if (server->watch)
		server->watch(&connection->peer, false, server->watch_data);
}

size_t varlink_server_connections(const struct varlink_server *server)
{
	return server->n_connections;
}

/* Whether one more connection of this peer is too much; says why. */
static bool is_full(const struct varlink_server *server, int fd, char *ret_why, size_t size)
{
	uid_t uid;
	if (server->n_connections >= server->max_connections) {
		snprintf(ret_why, size, "there are %zu connections already, no more are taken",
			 server->n_connections);
		return true;
	}
	if (descriptor_peer(fd, NULL, &uid, NULL) < 0 || uid == 0 || uid == geteuid())
		return false;
	size_t count = 0;
	for (const struct varlink_connection *c = server->connections; c; c = c->next)
		count += c->peer.uid == uid;
	if (count < (server->share ? server->share(uid, server->share_data) : server->max_per_uid))
		return false;
	snprintf(ret_why, size, "user %u has %zu connections already, no more are taken",
		 (unsigned)uid, count);
	return true;
}

/* The one answer of a full server, as far as the empty socket takes it at once (it does). */
static void turn_away(struct varlink_server *server, int fd, const char *why)
{
	json_t *parameters = json_object();
	json_object_set_new(parameters, "message", varlink_string(why));
	AUTO_FREE char *data = NULL;
	size_t length = 0;
	if (varlink_encode_error(varlink_error_of_code(EBUSY), parameters, &data, &length, NULL) >=
	    0)
		(void)!send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	json_decref(parameters);
	close(fd);
	uint64_t now = 0; /* whoever knocks a thousand times a second does not fill the log */
	sd_event_now(server->event, CLOCK_MONOTONIC, &now);
	if (server->warned && now - server->warned < WARN_USEC)
		return;
	server->warned = now;
	log_warning("varlink: %s", why);
}

static int on_rested(sd_event_source *source, uint64_t usec, void *data)
{
	struct varlink_server *server = data;
	(void)source;
	(void)usec;
	for (struct listener *listener = server->listeners; listener; listener = listener->next)
		sd_event_source_set_enabled(listener->io, SD_EVENT_ON);
	return 0;
}

/* Out of descriptors or memory: a listening socket that stays readable would spin. */
static void rest(struct varlink_server *server, int code)
{
	log_warning("varlink: accept: %s; resting a second", strerror(code));
	for (struct listener *listener = server->listeners; listener; listener = listener->next)
		sd_event_source_set_enabled(listener->io, SD_EVENT_OFF);
	sd_event_source_set_time_relative(server->rest, REST_USEC);
	sd_event_source_set_enabled(server->rest, SD_EVENT_ONESHOT);
}

static int on_accept(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct varlink_server *server = ((struct listener *)data)->server;
	(void)source;
	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		char why[128];
		int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (accepted < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			    errno == ENOBUFS)
				rest(server, errno);
			return 0;
		}
		if (is_full(server, accepted, why, sizeof(why)))
			turn_away(server, accepted, why);
		else
			varlink_connection_new(server, accepted, NULL);
	}
	return 0;
}

int varlink_server_add_connection(struct varlink_server *server, int fd, struct error *err)
{
	return varlink_connection_new(server, fd, err);
}

/* Listening. */

static int add_listener(struct varlink_server *server, int fd, const char *path, struct error *err)
{
	struct listener *listener = memory_zero(1, sizeof(*listener));
	listener->server = server;
	listener->fd = fd;
	int done = sd_event_add_io(server->event, &listener->io, fd, EPOLLIN, on_accept, listener);
	if (done < 0) {
		free(listener);
		close(fd);
		return error_errno(err, done, "watching a socket");
	}
	struct stat status;
	if (path && stat(path, &status) == 0) {
		listener->path = text_copy(path);
		listener->device = status.st_dev;
		listener->inode = status.st_ino;
	}
	listener->next = server->listeners;
	server->listeners = listener;
	return 0;
}

/* Binds beside the path and renames, so that nobody ever sees a socket with the wrong mode or
 * none. */
static int bind_at(int fd, const char *path, mode_t mode, struct error *err)
{
	struct sockaddr_un address;
	AUTO_CLOSE int directory = -1;
	AUTO_FREE char *beside = text_format("%s.%d", path, (int)getpid());
	struct stat status;
	if (lstat(path, &status) == 0 && !S_ISSOCK(status.st_mode))
		return error_set(err, EEXIST, "%s: there is something that is no socket", path);
	int done = varlink_address(beside, &address, &directory, err);
	if (done < 0)
		return done;
	unlink(beside);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(err, errno, "%s: bind", path);
	if (listen(fd, SOMAXCONN) < 0 || chmod(beside, mode) < 0 || rename(beside, path) < 0) {
		done = error_errno(err, errno, "%s: listen", path);
		unlink(beside);
	}
	return done;
}

int varlink_server_listen(struct varlink_server *server, const char *path, mode_t mode,
			  struct error *err)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, errno, "socket");
	int done = bind_at(fd, path, mode, err);
	return done < 0 ? done : add_listener(server, TAKE_FD(fd), path, err);
}

int varlink_server_listen_fd(struct varlink_server *server, int fd, struct error *err)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		int done = error_errno(err, errno, "descriptor %d", fd);
		if (flags >= 0)
			close(fd);
		return done;
	}
	return add_listener(server, fd, NULL, err);
}

static void listener_free(struct listener *listener)
{
	struct stat status;
	sd_event_source_disable_unref(listener->io);
	close(listener->fd);
	if (listener->path && lstat(listener->path, &status) == 0 &&
	    status.st_dev == listener->device && status.st_ino == listener->inode)
		unlink(listener->path);
	free(listener->path);
	free(listener);
}

/* The server. */

int varlink_server_new(sd_event *event, const struct varlink_service *service,
		       struct varlink_server **ret, struct error *err)
{
	AUTO(varlink_server) struct varlink_server *server = memory_zero(1, sizeof(*server));
	server->event = sd_event_ref(event);
	server->service = service;
	server->last_served = &server->served;
	server->max_connections = CONNECTIONS_DEFAULT;
	server->max_per_uid = PER_UID_DEFAULT;
	/* Made now, because sd-event makes a timerfd for the first timer of a loop, and when
	 * rest() needs this one there are no descriptors left. */
	int done = sd_event_add_time_relative(event, &server->rest, CLOCK_MONOTONIC, REST_USEC, 0,
					      on_rested, server);
	if (done < 0)
		return error_errno(err, done, "making a timer");
	sd_event_source_set_enabled(server->rest, SD_EVENT_OFF);
	done = varlink_interface_new(service_text, &server->service_interface, err);
	if (done >= 0)
		done = varlink_server_add(server, server->service_interface, service_methods,
					  server, err);
	if (done < 0)
		return done;
	*ret = TAKE(server);
	return 0;
}

void varlink_server_free(struct varlink_server *server)
{
	if (!server)
		return;
	server->watch = NULL;
	sd_event_source_disable_unref(server->rest);
	for (struct listener *listener = server->listeners, *next; listener; listener = next) {
		next = listener->next;
		listener_free(listener);
	}
	while (server->connections)
		varlink_connection_close(server->connections);
	for (struct served *served = server->served, *next; served; served = next) {
		next = served->next;
		free(served);
	}
	varlink_interface_free(server->service_interface);
	sd_event_unref(server->event);
	free(server);
}

void varlink_server_set_limits(struct varlink_server *server, size_t connections, size_t per_uid)
{
	server->max_connections = connections;
	server->max_per_uid = per_uid;
}

void varlink_server_set_share(struct varlink_server *server, varlink_server_share *share,
			      void *data)
{
	server->share = share;
	server->share_data = data;
}

void varlink_server_set_watch(struct varlink_server *server, varlink_server_watch *watch,
			      void *data)
{
	server->watch = watch;
	server->watch_data = data;
}

void varlink_server_set_present(struct varlink_server *server, varlink_server_present *present,
				void *data)
{
	server->present = present;
	server->present_data = data;
}

void varlink_server_set_strict(struct varlink_server *server, bool strict)
{
	server->strict = strict;
}
