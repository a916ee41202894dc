/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One call: what its handler may ask it, and the ways to end it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "ipc/varlink_connection.h"
#include "ipc/varlink_interface.h"

struct varlink_call *varlink_call_new(struct varlink_connection *connection,
				      struct varlink_message *message)
{
	struct varlink_call *call = memory_zero(1, sizeof(*call));
	call->connection = connection;
	call->peer = connection->peer;
	call->message = *message;
	call->strict = varlink_server_is_strict(connection->server);
	*message = (struct varlink_message){0};
	connection->call = call;
	return call;
}

static void call_free(struct varlink_call *call)
{
	json_decref(call->instead);
	free(call->prepared);
	varlink_message_done(&call->message);
	free(call);
}

/* A handler that has ended its call still holds the pointer until it returns. */
static void end(struct varlink_call *call)
{
	struct varlink_connection *connection = call->connection;
	call->ended = true;
	call->connection = NULL;
	if (connection) {
		connection->call = NULL;
		if (!call->in_handler)
			varlink_connection_update(connection);
	}
	if (!call->in_handler)
		call_free(call);
}

void varlink_call_disconnected(struct varlink_call *call)
{
	call->connection = NULL;
	void (*callback)(struct varlink_call *, void *) = call->disconnected;
	call->disconnected = NULL;
	if (callback)
		callback(call, call->disconnected_data);
}

void varlink_call_finish(struct varlink_call *call)
{
	void (*callback)(struct varlink_call *, void *) = call->finish;
	call->finish = NULL;
	if (callback)
		callback(call, call->finish_data);
}

void varlink_call_handled(struct varlink_call *call, int result, struct error *err)
{
	if (result < 0 && !call->ended) {
		if (err->code == 0)
			error_errno(err, result, "%s", call->message.method);
		varlink_fail(call, err);
	} else if (result < 0) {
		log_error("varlink: %s failed after its reply: %s", call->message.method,
			  err->text);
	}
	call->in_handler = false;
	if (call->ended)
		call_free(call);
}

const char *varlink_call_method(const struct varlink_call *call)
{
	return call->message.method;
}

const struct varlink_peer *varlink_call_peer(const struct varlink_call *call)
{
	return &call->peer;
}

bool varlink_call_wants_more(const struct varlink_call *call)
{
	return call->message.more;
}

bool varlink_call_is_connected(const struct varlink_call *call)
{
	return call->connection && !call->connection->broken;
}

size_t varlink_call_fd_count(const struct varlink_call *call)
{
	return call->message.n_fds;
}

int varlink_call_take_fd(struct varlink_call *call, int64_t index, struct error *err)
{
	int fd = varlink_message_take_fd(&call->message, index);
	if (fd < 0)
		return error_set(err, EINVAL,
				 "there is no descriptor %lld in the call (it brought %zu)",
				 (long long)index, call->message.n_fds);
	return fd;
}

void varlink_call_on_disconnect(struct varlink_call *call,
				void (*callback)(struct varlink_call *call, void *data), void *data)
{
	call->disconnected = callback;
	call->disconnected_data = data;
}

void varlink_call_on_finish(struct varlink_call *call,
			    void (*callback)(struct varlink_call *call, void *data), void *data)
{
	call->finish = callback;
	call->finish_data = data;
}

/* Sends encoded bytes (taken, NULL when encoding failed) unless nobody wants them. */
static int send_bytes(struct varlink_call *call, char *data, size_t length, const int *fds,
		      size_t n_fds)
{
	if (data && call->connection && !call->message.oneway)
		return varlink_connection_send(call->connection, data, length, fds, n_fds);
	free(data);
	descriptor_close_all(fds, n_fds);
	return call->message.oneway ? 0 : -EPIPE;
}

/* In tests a reply that the interface does not allow is an error of ours. */
static bool is_allowed(const struct varlink_call *call, const char *error, const json_t *parameters)
{
	struct error err = {0};
	int done = 0;
	if (!call->strict || !call->interface)
		return true;
	const char *interface = varlink_interface_name(call->interface);
	size_t length = strlen(interface);
	if (!error)
		done = varlink_interface_check_reply(
			call->interface, strrchr(call->message.method, '.') + 1, parameters, &err);
	else if (!strncmp(error, interface, length) && error[length] == '.')
		done = varlink_interface_check_error(call->interface, error + length + 1,
						     parameters, &err);
	if (done < 0)
		log_error("varlink: %s: wrong reply: %s", call->message.method, err.text);
	return done >= 0;
}

static int fail_code(struct varlink_call *call, int code, const char *text)
{
	struct error err = {.code = code};
	snprintf(err.text, sizeof(err.text), "%s: %s", call->message.method, text);
	return varlink_fail(call, &err);
}

void varlink_call_answer_with(struct varlink_call *call, json_t *parameters)
{
	json_decref(call->instead);
	call->instead = parameters;
}

/* Takes the parameters. */
static int encode(struct varlink_call *call, const char *error, json_t *parameters, unsigned flags,
		  char **ret, size_t *ret_length, struct error *err)
{
	if (!parameters)
		parameters = json_object();
	if (call->connection)
		varlink_server_reply(call->connection->server, &call->peer, parameters);
	int done;
	if (!is_allowed(call, error, parameters))
		done = error_set(err, EPROTO, "the reply is not what the interface says");
	else if (error)
		done = varlink_encode_error(error, parameters, ret, ret_length, err);
	else
		done = varlink_encode_reply(parameters, flags, ret, ret_length, err);
	json_decref(parameters);
	return done;
}

/* One reply, good or not; parameters and descriptors are taken. */
static int answer(struct varlink_call *call, const char *error, json_t *parameters, unsigned flags,
		  const int *fds, size_t n_fds)
{
	char *data = NULL;
	size_t length = 0;
	struct error err = {0};
	int done = encode(call, error, parameters, flags, &data, &length, &err);
	if (done >= 0)
		done = send_bytes(call, data, length, fds, n_fds);
	else {
		descriptor_close_all(fds, n_fds);
		if (flags & VARLINK_CONTINUES)
			return done;
		if (!error)
			return fail_code(call, EPROTO, err.text);
		if (call->connection)
			varlink_connection_break(call->connection);
	}
	if (!(flags & VARLINK_CONTINUES))
		end(call);
	return done;
}

/* What was set to be said instead of it; the descriptors of the other stay here. */
static int answer_instead(struct varlink_call *call, json_t *parameters, const int *fds,
			  size_t n_fds)
{
	json_decref(parameters);
	descriptor_close_all(fds, n_fds);
	parameters = call->instead;
	call->instead = NULL;
	return answer(call, NULL, parameters, 0, NULL, 0);
}

int varlink_reply(struct varlink_call *call, json_t *parameters)
{
	if (call->instead)
		return answer_instead(call, parameters, NULL, 0);
	return answer(call, NULL, parameters, 0, NULL, 0);
}

int varlink_reply_fds(struct varlink_call *call, json_t *parameters, const int *fds, size_t n_fds)
{
	if (call->instead)
		return answer_instead(call, parameters, fds, n_fds);
	if (n_fds <= DESCRIPTORS_MAX)
		return answer(call, NULL, parameters, 0, fds, n_fds);
	json_decref(parameters);
	descriptor_close_all(fds, n_fds);
	return fail_code(call, E2BIG, "too many descriptors for one reply");
}

int varlink_reply_prepare(struct varlink_call *call, json_t *parameters, struct error *err)
{
	return encode(call, NULL, parameters, 0, &call->prepared, &call->prepared_length, err);
}

int varlink_reply_prepared(struct varlink_call *call, const int *fds, size_t n_fds)
{
	if (call->instead)
		return answer_instead(call, NULL, fds, n_fds);
	int done = send_bytes(call, call->prepared, call->prepared_length, fds, n_fds);
	call->prepared = NULL;
	end(call);
	return done;
}

int varlink_reply_lend(const struct varlink_call *call, const char **ret_data, size_t *ret_length)
{
	const struct varlink_connection *connection = call->connection;
	if (!call->prepared || call->instead || call->message.oneway || !connection ||
	    connection->broken || connection->first)
		return -1;
	*ret_data = call->prepared;
	*ret_length = call->prepared_length;
	return connection->fd;
}

void varlink_reply_sent(struct varlink_call *call)
{
	end(call);
}

int varlink_reply_more(struct varlink_call *call, json_t *parameters)
{
	if (!call->message.more) {
		json_decref(parameters);
		return -EINVAL;
	}
	return answer(call, NULL, parameters, VARLINK_CONTINUES, NULL, 0);
}

int varlink_error(struct varlink_call *call, const char *name, json_t *parameters)
{
	return answer(call, name, parameters, 0, NULL, 0);
}

int varlink_invalid(struct varlink_call *call, const char *field, const char *format, ...)
{
	char text[ERROR_TEXT_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_t *parameters = json_object();
	json_object_set_new(parameters, "field", varlink_string(field));
	json_object_set_new(parameters, "message", varlink_string(text));
	return varlink_error(call, varlink_error_of_code(EINVAL), parameters);
}

/* "parameters.port: ..." names its field. */
static json_t *field_of(const char *text)
{
	static const char prefix[] = "parameters.";
	char field[ERROR_TEXT_SIZE] = "";
	if (!strncmp(text, prefix, sizeof(prefix) - 1))
		snprintf(field, sizeof(field), "%.*s", (int)strcspn(text, ": "), text);
	return varlink_string(field);
}

int varlink_fail(struct varlink_call *call, const struct error *err)
{
	int code = err->code > 0 ? err->code : EIO;
	const char *name = varlink_error_of_code(code);
	const char *kind = strrchr(name, '.') + 1;
	json_t *parameters = json_object();
	if (!strcmp(kind, "InvalidArgument"))
		json_object_set_new(parameters, "field", field_of(err->text));
	else if (!strcmp(kind, "NotFound"))
		json_object_set_new(parameters, "what", json_string(""));
	else if (!strcmp(kind, "Failed"))
		json_object_set_new(parameters, "code", json_integer(code));
	json_object_set_new(parameters, "message", varlink_string(err->text));
	return varlink_error(call, name, parameters);
}

void varlink_call_drop(struct varlink_call *call)
{
	if (call->connection)
		varlink_connection_break(call->connection);
	end(call);
}
