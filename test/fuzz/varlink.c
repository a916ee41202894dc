/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the Varlink layer. The first byte of the input chooses: the reader in pieces of odd
 * sizes, with every message checked against io.lanyard and encoded again; an interface text; or a
 * real server that gets the input through a socket and must answer each call or hang up.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "ipc/varlink_interface.h"
#include "ipc/varlink_server.h"
#include "ipc/varlink_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct varlink_interface *interface;
static sd_event *event;
static struct varlink_server *server;

static int on_any(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	(void)data;
	if (varlink_call_wants_more(call))
		varlink_reply_more(call, json_incref(parameters));
	if (varlink_call_fd_count(call) > 0 || json_object_size(parameters) % 2)
		return error_set(err, (int)json_object_size(parameters) + 1, "no");
	return varlink_reply(call, json_incref(parameters));
}

static const struct varlink_method methods[] = {
	{"GetVersion", on_any}, {"Apply", on_any},   {"AddNetwork", on_any}, {"ListPorts", on_any},
	{"RemovePort", on_any}, {"Publish", on_any}, {NULL, NULL},
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct varlink_service service = {"Lanyard", "fuzz", "1", ""};
	(void)argc;
	(void)argv;
	log_init("fuzz", LOG_LEVEL_ERROR);
	if (varlink_interface_new(varlink_interface_lanyard, &interface, NULL) < 0 ||
	    sd_event_new(&event) < 0 || varlink_server_new(event, &service, &server, NULL) < 0 ||
	    varlink_server_add(server, interface, methods, NULL, NULL) < 0)
		abort();
	return 0;
}

static void check_message(struct varlink_message *message)
{
	struct error err;
	char *text = NULL;
	size_t length;
	const char *dot = message->method ? strrchr(message->method, '.') : NULL;
	if (dot)
		varlink_interface_check_call(interface, dot + 1, message->parameters, NULL, 0,
					     &err);
	if (message->error)
		varlink_error_code(message->error, message->parameters, &err);
	int done = dot ? varlink_encode_call(message->method, message->parameters, 0, &text,
					     &length, NULL)
		       : varlink_encode_reply(message->parameters, 0, &text, &length, NULL);
	struct varlink_message again;
	if (done < 0 || varlink_message_decode(text, length - 1, &again, NULL) < 0 ||
	    !json_equal(again.parameters, message->parameters))
		abort();
	varlink_message_done(&again);
	free(text);
}

static void fuzz_reader(const uint8_t *data, size_t size)
{
	struct varlink_reader reader;
	struct varlink_message message;
	struct error err;
	varlink_reader_init(&reader, 4096);
	while (size > 0) {
		size_t piece = data[0] % 32 + 1u;
		if (piece > size)
			piece = size;
		ssize_t taken =
			varlink_reader_feed(&reader, (const char *)data, piece, NULL, 0, &err);
		if (taken <= 0)
			break;
		data += taken;
		size -= (size_t)taken;
		if (varlink_reader_next(&reader, &message, &err) > 0) {
			check_message(&message);
			varlink_message_done(&message);
		}
	}
	varlink_reader_done(&reader);
}

static void fuzz_interface(const uint8_t *data, size_t size)
{
	struct varlink_interface *parsed;
	struct error err;
	AUTO_FREE char *text = strndup((const char *)data, size);
	if (varlink_interface_new(text, &parsed, &err) < 0)
		return;
	json_t *parameters = json_pack("{s:i, s:{s:[s]}}", "a", 1, "b", "c", "d");
	const char *method;
	for (size_t i = 0; (method = varlink_interface_method(parsed, i)); i++)
		varlink_interface_check_call(parsed, method, parameters, NULL, 0, &err);
	json_decref(parameters);
	varlink_interface_free(parsed);
}

/* Everything written, the writing side shut: the server serves all and then closes. */
static void fuzz_server(const uint8_t *data, size_t size)
{
	int ends[2], fd = 0;
	char reply[4096];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ||
	    varlink_server_add_connection(server, ends[1], NULL) < 0)
		abort();
	if (size > 0)
		descriptor_send(ends[0], data, size, &fd, size % 2, 0);
	shutdown(ends[0], SHUT_WR);
	while (varlink_server_connections(server) > 0) {
		if (sd_event_run(event, 0) < 0)
			abort();
		while (recv(ends[0], reply, sizeof(reply), MSG_DONTWAIT) > 0)
			;
	}
	close(ends[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const targets[])(const uint8_t *, size_t) = {fuzz_reader, fuzz_interface,
								   fuzz_server};
	if (size > 0)
		targets[data[0] % 3](data + 1, size - 1);
	return 0;
}
