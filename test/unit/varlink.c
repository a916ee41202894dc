/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Varlink layer: messages and interfaces as pure functions, then a real server in a thread of
 * its own with real clients over a unix socket, well-behaved and hostile ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "ipc/varlink_client.h"
#include "ipc/varlink_interface.h"
#include "ipc/varlink_server.h"
#include "ipc/varlink_wire.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Messages. */

static int feed(struct varlink_reader *reader, const char *text, size_t length, struct error *err)
{
	size_t used = 0;
	while (used < length) {
		ssize_t done =
			varlink_reader_feed(reader, text + used, length - used, NULL, 0, err);
		if (done < 0)
			return (int)done;
		if (done == 0)
			break;
		used += (size_t)done;
	}
	return 0;
}

static int decode(const char *text, struct varlink_message *ret, struct error *err)
{
	return varlink_message_decode(text, strlen(text), ret, err);
}

static void test_decode(void **state)
{
	struct varlink_message message;
	struct error err = {0};
	assert_int_equal(decode("{\"method\":\"a.b.C\",\"parameters\":{\"x\":1},\"more\":true}",
				&message, &err),
			 0);
	assert_string_equal(message.method, "a.b.C");
	assert_true(message.more);
	assert_false(message.oneway);
	assert_int_equal(json_integer_value(json_object_get(message.parameters, "x")), 1);
	varlink_message_done(&message);

	assert_int_equal(decode("{\"error\":\"a.B\"}", &message, &err), 0);
	assert_string_equal(message.error, "a.B");
	assert_true(json_is_object(message.parameters));
	varlink_message_done(&message);
}

static void test_decode_errors(void **state)
{
	static const struct {
		const char *message, *text;
	} cases[] = {
		{"[]", "message: not a JSON object"},
		{"{\"method\":\"a.B\",\"method\":\"a.C\"}", "duplicate object key"},
		{"{\"method\":\"a.B\",\"colour\":1}", "message: unknown key 'colour'"},
		{"{\"method\":7}", "message: 'method' is not a string"},
		{"{\"method\":\"B\"}", "is not a name like io.lanyard.GetVersion"},
		{"{\"method\":\"a.\"}", "is not a name like"},
		{"{\"method\":\"a.B\\n\"}", "is not a name like"},
		{"{\"method\":\"a.B\",\"parameters\":[]}", "'parameters' is not an object"},
		{"{\"method\":\"a.B\",\"more\":1}", "message: 'more' is not true or false"},
		{"{\"method\":\"a.B\",\"error\":\"a.C\"}", "message: both call and reply"},
		{"{\"more\":true}", "message: a call without 'method'"},
		{"{\"method\":\"a.B\",\"more\":true,\"oneway\":true}", "both 'more' and 'oneway'"},
		{"{\"method\":\"a.B\"", "message: byte 15"},
		{"", "message: byte 0"},
		{"{\"method\":\"a.B\xff\"}", "message: byte"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct varlink_message message;
		struct error err = {0};
		assert_int_equal(decode(cases[i].message, &message, &err), -EBADMSG);
		if (!strstr(err.text, cases[i].text))
			fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].message, err.text,
				 cases[i].text);
	}
}

static void test_reader_bytes(void **state)
{
	static const char stream[] = "{\"method\":\"a.B\"}\0{\"method\":\"a.C\"}"; /* and its NUL */
	struct varlink_reader reader;
	struct varlink_message message;
	struct error err = {0};
	size_t found = 0;
	varlink_reader_init(&reader, VARLINK_CALL_MAX);
	for (size_t i = 0; i < sizeof(stream); i++) {
		assert_int_equal(varlink_reader_feed(&reader, stream + i, 1, NULL, 0, &err), 1);
		if (varlink_reader_next(&reader, &message, &err) > 0) {
			assert_string_equal(message.method, found++ ? "a.C" : "a.B");
			varlink_message_done(&message);
		}
	}
	assert_int_equal(found, 2);
	varlink_reader_done(&reader);
}

static void test_reader_bounds(void **state)
{
	struct varlink_reader reader;
	struct varlink_message message;
	struct error err = {0};
	char text[512] = "{\"method\":\"a.B\",\"parameters\":{\"x\":";
	size_t head = strlen(text), nest = VARLINK_DEPTH_MAX - 2;
	memset(text + head, '[', nest);
	memset(text + head + nest, ']', nest);
	strcpy(text + head + 2 * nest, "}}");
	varlink_reader_init(&reader, VARLINK_CALL_MAX);
	assert_int_equal(feed(&reader, text, strlen(text) + 1, &err), 0);
	assert_int_equal(varlink_reader_next(&reader, &message, &err), 1);
	varlink_message_done(&message);
	text[head + nest] = '[';
	assert_int_equal(feed(&reader, text, strlen(text), &err), -EBADMSG);
	assert_string_equal(err.text, "message: nested deeper than 64 levels");
	varlink_reader_done(&reader);

	/* brackets in a string are text */
	strcpy(text, "{\"method\":\"a.B\",\"parameters\":{\"x\":\"\\\"");
	memset(text + strlen(text), '[', 100);
	strcat(text, "\"}}");
	varlink_reader_init(&reader, VARLINK_CALL_MAX);
	assert_int_equal(feed(&reader, text, strlen(text) + 1, &err), 0);
	assert_int_equal(varlink_reader_next(&reader, &message, &err), 1);
	varlink_message_done(&message);
	varlink_reader_done(&reader);

	AUTO_FREE char *commas = malloc(VARLINK_CALL_MAX);
	memset(commas, ',', VARLINK_CALL_MAX);
	varlink_reader_init(&reader, VARLINK_CALL_MAX);
	assert_int_equal(feed(&reader, commas, VARLINK_CALL_MAX, &err), -EBADMSG);
	assert_string_equal(err.text, "message: more than 131072 values");
	varlink_reader_done(&reader);

	memset(commas, ' ', VARLINK_CALL_MAX);
	varlink_reader_init(&reader, VARLINK_CALL_MAX);
	assert_int_equal(feed(&reader, commas, VARLINK_CALL_MAX, &err), -EMSGSIZE);
	assert_string_equal(err.text, "message: longer than 1048576 bytes");
	varlink_reader_done(&reader);
}

static void test_string(void **state)
{
	json_t *string = varlink_string("a\033[1m\xff\xc3\xa9\xed\xa0\x80\xc2\x9b"
					"b");
	assert_string_equal(json_string_value(string), "a?[1m?\xc3\xa9?????b");
	json_decref(string);
}

/* Interfaces. */

static const char test_text[] =
	"# a comment\n"
	"interface io.lanyard.test\n"
	"type Kind (user, system)\n"
	"type Net (name: string, kind: ?Kind, tags: ?[]string, sizes: ?[string]int,\n"
	"  inner: ?(x: float), next: ?Net, any: ?object)\n"
	"method Echo(text: string) -> (text: string)\n"
	"method Lend(text: string) -> (text: string)\n"
	"method Take(net: Net, on: bool) -> ()\n"
	"method Keep() -> (kept: int)\n"
	"method Release() -> (released: int)\n"
	"method Count(until: int) -> (number: int)\n"
	"method Flood() -> (text: string)\n"
	"method Write(descriptors: []int, text: string) -> ()\n"
	"method Pipe(text: string) -> (descriptor: int)\n"
	"method Fail(code: int, text: string) -> ()\n"
	"method Wrong() -> (number: int)\n"
	"method Late() -> ()\n"
	"method Whoami() -> (uid: int, gid: int, pid: int)\n"
	"method Quit() -> ()\n"
	"error Odd (why: string)\n";

static void test_interface_lanyard(void **state)
{
	struct varlink_interface *interface;
	struct error err = {0};
	if (varlink_interface_new(varlink_interface_lanyard, &interface, &err) < 0)
		fail_msg("io.lanyard.varlink: %s", err.text);
	assert_string_equal(varlink_interface_name(interface), "io.lanyard");
	assert_string_equal(varlink_interface_method(interface, 0), "GetVersion");
	assert_true(varlink_interface_has_method(interface, "Apply"));
	assert_false(varlink_interface_has_method(interface, "Change"));
#ifdef LANYARD_SOURCE_DIR
	/* .incbin is unknown to the build's dependencies */
	AUTO_FREE char *text = NULL;
	assert_true(file_read(LANYARD_SOURCE_DIR "/src/ipc/io.lanyard.varlink", 1 << 20, &text,
			      &err) > 0);
	if (strcmp(text, varlink_interface_lanyard) != 0)
		fail_msg("io.lanyard.varlink is newer than the build: touch varlink_interface.c");
#endif
	varlink_interface_free(interface);
}

static void test_interface_errors(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"", "line 1, column 1: expected 'interface'"},
		{"interface x", "line 1, column 11: 'x' is not a name like io.lanyard"},
		{"interface a.b\nmethod X(a: int)", "line 2, column 17: expected '->'"},
		{"interface a.b\nmethod X(a: int) -> (", "expected a field's name"},
		{"interface a.b\nmethod x() -> ()", "'x' does not begin with a capital"},
		{"interface a.b\ntype X (a: Y)", "line 2, column 12: there is no type 'Y'"},
		{"interface a.b\ntype X (a: integer)", "column 12: 'integer' is not a type"},
		{"interface a.b\ntype X (a, b: int)", "fields with and without a type"},
		{"interface a.b\ntype X (a, a)", "column 12: 'a' is there twice"},
		{"interface a.b\ntype X (a)\nerror X ()", "line 3, column 7: 'X' is there twice"},
		{"interface a.b\nmethod X(a, b) -> ()", "expected fields with types"},
		{"interface a.b\ntype X (a: ??int)", "'?' twice"},
		{"interface a.b\nfoo X ()", "expected 'type', 'method' or 'error', not 'foo'"},
		{"interface a.b\ntype X [][][][][][][][][][][][][][][][][][][][][][][][][][][][][]",
		 "'('"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct varlink_interface *interface;
		struct error err = {0};
		assert_int_equal(varlink_interface_new(cases[i].text, &interface, &err), -EINVAL);
		if (!strstr(err.text, cases[i].error))
			fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].text, err.text,
				 cases[i].error);
	}
}

static void test_interface_check(void **state)
{
	static const struct {
		const char *method, *parameters, *error;
	} cases[] = {
		{"Echo", "{'text':'x'}", NULL},
		{"Take",
		 "{'on':true,'net':{'name':'a','kind':'user','tags':['x'],'sizes':{'a':1},"
		 "'inner':{'x':1},'next':{'name':'b','next':null},'any':{'z':[]}}}",
		 NULL},
		{"Echo", "{}", "parameters.text: missing, expected string"},
		{"Echo", "{'text':null}", "parameters.text: expected string, got null"},
		{"Echo", "{'text':'x','txt':1}", "parameters.txt: unknown field (there are: text)"},
		{"Keep", "{'x':1}", "parameters.x: unknown field (there are none)"},
		{"Take", "{'net':{'name':7},'on':true}",
		 "parameters.net.name: expected string, got number"},
		{"Take", "{'net':{'name':'a','kind':'root'},'on':true}",
		 "parameters.net.kind: expected one of user, system, got 'root'"},
		{"Take", "{'net':{'name':'a','tags':['x',[]]},'on':true}",
		 "parameters.net.tags[1]: expected string, got array"},
		{"Take", "{'net':{'name':'a','sizes':{'a':1,'b':1.5}},'on':true}",
		 "parameters.net.sizes.b: expected int, got 1.5"},
		{"Take", "{'net':{'name':'a','next':{'name':'b','next':{}}},'on':true}",
		 "parameters.net.next.next.name: missing, expected string"},
		{"Take", "{'net':[],'on':true}", "parameters.net: expected object, got array"},
		{"Take", "{'net':{'name':'a'},'on':'yes'}",
		 "parameters.on: expected bool, got string"},
		{"Nothing", "{}", "there is no method io.lanyard.test.Nothing"},
	};
	struct varlink_interface *interface;
	struct error err = {0};
	assert_int_equal(varlink_interface_new(test_text, &interface, &err), 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[512], field[64] = "";
		snprintf(text, sizeof(text), "%s", cases[i].parameters);
		for (char *c = text; *c; c++)
			*c = *c == '\'' ? '"' : *c;
		json_t *parameters = json_loads(text, 0, NULL);
		assert_non_null(parameters);
		int done = varlink_interface_check_call(interface, cases[i].method, parameters,
							field, sizeof(field), &err);
		json_decref(parameters);
		if ((done < 0) != (cases[i].error != NULL))
			fail_msg("%s: %d %s", text, done, err.text);
		if (done < 0)
			assert_string_equal(err.text, cases[i].error);
		if (done == -EINVAL)
			assert_int_equal(strncmp(err.text, field, strlen(field)), 0);
	}
	varlink_interface_free(interface);
}

static void test_error_names(void **state)
{
	static const int codes[] = {EINVAL, ENOENT, EEXIST, EBUSY, EACCES};
	struct error err = {0};
	for (size_t i = 0; i < COUNT(codes); i++) {
		json_t *parameters = json_pack("{s:s}", "message", "why");
		assert_int_equal(
			varlink_error_code(varlink_error_of_code(-codes[i]), parameters, &err),
			codes[i]);
		assert_string_equal(err.text, "why");
		json_decref(parameters);
	}
	assert_string_equal(varlink_error_of_code(EPERM), "io.lanyard.Refused");
	assert_string_equal(varlink_error_of_code(ENOSPC), "io.lanyard.Failed");
	json_t *parameters = json_pack("{s:s, s:i}", "message", "why", "code", ENOSPC);
	assert_int_equal(varlink_error_code("io.lanyard.Failed", parameters, &err), ENOSPC);
	json_object_set_new(parameters, "code", json_integer(EINTR));
	assert_int_equal(varlink_error_code("io.lanyard.Failed", parameters, &err), EIO);
	assert_int_equal(varlink_error_code("com.example.Odd", NULL, &err), EPROTO);
	json_decref(parameters);
}

/* A server. Its thread owns it; events tells of connections that came (+) and went (-) and
 * calls that were dropped (d) or kept (k). */

struct world {
	char directory[32], path[64];
	sd_event *event;
	struct varlink_server *server;
	struct varlink_interface *interface;
	pthread_t thread;
	int events[2], quit;
	struct varlink_call *kept[16];
	size_t n_kept;
};

static void tell(struct world *world, char what)
{
	assert_int_equal(write(world->events[1], &what, 1), 1);
}

/* Waits for an event of the server; others before it are dropped. */
static void await(struct world *world, char what)
{
	char got;
	do {
		struct pollfd watched = {.fd = world->events[0], .events = POLLIN};
		assert_int_equal(poll(&watched, 1, 10000), 1);
		assert_int_equal(read(world->events[0], &got, 1), 1);
	} while (got != what);
}

static int on_echo(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	return varlink_reply(call, json_incref(parameters));
}

static int on_take(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	return varlink_reply(call, NULL);
}

static void on_gone(struct varlink_call *call, void *data)
{
	struct world *world = data;
	assert_false(varlink_call_is_connected(call));
	tell(world, 'd');
}

static void on_finish(struct varlink_call *call, void *data)
{
	struct world *world = data;
	assert_true(varlink_call_is_connected(call));
	tell(world, 'f');
}

static int on_keep(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct world *world = data;
	world->kept[world->n_kept++] = call;
	varlink_call_on_disconnect(call, on_gone, world);
	varlink_call_on_finish(call, on_finish, world);
	tell(world, 'k');
	return 0;
}

static int on_release(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct world *world = data;
	json_int_t n = (json_int_t)world->n_kept;
	for (size_t i = 0; i < world->n_kept; i++)
		varlink_reply(world->kept[i], json_pack("{s:i}", "kept", (int)i));
	world->n_kept = 0;
	return varlink_reply(call, json_pack("{s:I}", "released", n));
}

static int on_count(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	json_int_t until = json_integer_value(json_object_get(parameters, "until"));
	if (!varlink_call_wants_more(call))
		return error_set(err, EINVAL, "parameters.until: needs 'more'");
	for (json_int_t i = 1; i < until; i++)
		assert_int_equal(varlink_reply_more(call, json_pack("{s:I}", "number", i)), 0);
	return varlink_reply(call, json_pack("{s:I}", "number", until));
}

/* More than any socket buffer takes, until the server has had enough. */
static int on_flood(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	static char text[100000];
	memset(text, 'x', sizeof(text) - 1);
	for (int i = 0; i < 100; i++)
		if (varlink_reply_more(call, json_pack("{s:s}", "text", text)) == -EPIPE) {
			varlink_call_drop(call);
			return 0;
		}
	return varlink_reply(call, json_pack("{s:s}", "text", "never dropped"));
}

static int on_write(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	const char *text = json_string_value(json_object_get(parameters, "text"));
	json_t *index;
	size_t i;
	json_array_foreach (json_object_get(parameters, "descriptors"), i, index) {
		int fd = varlink_call_take_fd(call, json_integer_value(index), err);
		if (fd < 0)
			return fd;
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		assert_true(write(fd, text, strlen(text)) > 0);
		close(fd);
	}
	return varlink_reply(call, NULL);
}

static int on_pipe(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	const char *text = json_string_value(json_object_get(parameters, "text"));
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(write(ends[1], text, strlen(text)) > 0);
	close(ends[1]);
	return varlink_reply_fds(call, json_pack("{s:i}", "descriptor", 0), ends, 1);
}

/* Somebody else sends the reply. */
static int on_lend(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	const char *reply;
	size_t length;
	assert_int_equal(varlink_reply_lend(call, &reply, &length), -1);
	assert_int_equal(varlink_reply_prepare(call, json_copy(parameters), err), 0);
	int fd = varlink_reply_lend(call, &reply, &length);
	if (fd < 0)
		return varlink_reply_prepared(call, NULL, 0);
	assert_int_equal(descriptor_send(fd, reply, length, NULL, 0, 0), length);
	varlink_reply_sent(call);
	return 0;
}

static int on_fail(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	return error_set(err, (int)json_integer_value(json_object_get(parameters, "code")), "%s",
			 json_string_value(json_object_get(parameters, "text")));
}

static int on_wrong(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	varlink_reply(call, json_pack("{s:s}", "number", "one"));
	return 0;
}

static int on_late(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	varlink_reply(call, NULL);
	return error_set(err, EIO, "after the reply");
}

static int on_whoami(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	const struct varlink_peer *peer = varlink_call_peer(call);
	return varlink_reply(call, json_pack("{s:i, s:i, s:i}", "uid", (int)peer->uid, "gid",
					     (int)peer->gid, "pid", (int)peer->pid));
}

static const struct varlink_method test_methods[] = {
	{"Echo", on_echo},     {"Take", on_take},   {"Keep", on_keep},
	{"Count", on_count},   {"Flood", on_flood}, {"Release", on_release},
	{"Write", on_write},   {"Pipe", on_pipe},   {"Lend", on_lend},
	{"Fail", on_fail},     {"Wrong", on_wrong}, {"Late", on_late},
	{"Whoami", on_whoami}, {NULL, NULL},
};

static void on_connection(const struct varlink_peer *peer, bool connected, void *data)
{
	assert_true(peer->connection > 0);
	tell(data, connected ? '+' : '-');
}

static int on_quit(sd_event_source *source, int fd, uint32_t events, void *data)
{
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static void *serve(void *data)
{
	struct world *world = data;
	sd_event_loop(world->event);
	return NULL;
}

static void world_open(struct world *world, bool strict)
{
	static const struct varlink_service service = {"Lanyard", "test", "1",
						       "https://example.org"};
	struct error err = {0};
	*world = (struct world){.directory = "/tmp/varlink-XXXXXX"};
	assert_non_null(mkdtemp(world->directory));
	chmod(world->directory, 0755);
	snprintf(world->path, sizeof(world->path), "%s/socket", world->directory);
	assert_int_equal(pipe2(world->events, O_CLOEXEC), 0);
	assert_int_equal(sd_event_new(&world->event), 0);
	world->quit = eventfd(0, EFD_CLOEXEC);
	sd_event_add_io(world->event, NULL, world->quit, POLLIN, on_quit, NULL);
	assert_int_equal(varlink_interface_new(test_text, &world->interface, &err), 0);
	assert_int_equal(varlink_server_new(world->event, &service, &world->server, &err), 0);
	assert_int_equal(
		varlink_server_add(world->server, world->interface, test_methods, world, &err), 0);
	varlink_server_set_watch(world->server, on_connection, world);
	varlink_server_set_strict(world->server, strict);
	assert_int_equal(varlink_server_listen(world->server, world->path, 0666, &err), 0);
}

static void world_start(struct world *world)
{
	assert_int_equal(pthread_create(&world->thread, NULL, serve, world), 0);
}

static int setup(void **state)
{
	struct world *world = memory_zero(1, sizeof(*world));
	world_open(world, true);
	world_start(world);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	assert_int_equal(eventfd_write(world->quit, 1), 0);
	pthread_join(world->thread, NULL);
	varlink_server_free(world->server);
	for (size_t i = 0; i < world->n_kept; i++)
		varlink_call_drop(world->kept[i]);
	varlink_interface_free(world->interface);
	sd_event_unref(world->event);
	close(world->quit);
	close(world->events[0]);
	close(world->events[1]);
	assert_int_equal(access(world->path, F_OK), -1);
	assert_int_equal(rmdir(world->directory), 0);
	free(world);
	return 0;
}

static struct varlink_client *client_of(struct world *world)
{
	struct varlink_client *client;
	struct error err = {0};
	if (varlink_client_connect(world->path, &client, &err) < 0)
		fail_msg("%s", err.text);
	varlink_client_set_timeout(client, 20000);
	return client;
}

static int call(struct varlink_client *client, const char *method, json_t *parameters,
		struct varlink_answer *answer, struct error *err)
{
	char name[64];
	snprintf(name, sizeof(name), "io.lanyard.test.%s", method);
	return varlink_client_call(client, name, parameters, NULL, 0, answer, err);
}

static const char *text_of(const struct varlink_answer *answer, const char *key)
{
	const char *text = json_string_value(json_object_get(answer->parameters, key));
	return text ? text : "";
}

static void assert_echo(struct varlink_client *client)
{
	struct varlink_answer answer = {0};
	struct error err = {0};
	if (call(client, "Echo", json_pack("{s:s}", "text", "hello"), &answer, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(text_of(&answer, "text"), "hello");
	varlink_answer_done(&answer);
}

static void test_call(void **state)
{
	struct varlink_client *client = client_of(*state);
	for (int i = 0; i < 100; i++)
		assert_echo(client);
	struct varlink_answer answer = {0};
	struct error err = {0};
	assert_int_equal(call(client, "Whoami", NULL, &answer, &err), 0);
	assert_int_equal(json_integer_value(json_object_get(answer.parameters, "uid")), getuid());
	assert_int_equal(json_integer_value(json_object_get(answer.parameters, "pid")), getpid());
	varlink_answer_done(&answer);
	varlink_client_free(client);
	await(*state, '-');
}

/* Larger than the socket's buffers, both ways. */
static void test_large(void **state)
{
	struct varlink_client *client = client_of(*state);
	struct varlink_answer answer = {0};
	struct error err = {0};
	size_t length = VARLINK_CALL_MAX - 200;
	AUTO_FREE char *text = malloc(length + 1);
	memset(text, 'y', length);
	text[length] = '\0';
	if (call(client, "Echo", json_pack("{s:s}", "text", text), &answer, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(text_of(&answer, "text"), text);
	varlink_answer_done(&answer);
	varlink_client_free(client);
}

static void test_service(void **state)
{
	struct varlink_client *client = client_of(*state);
	struct varlink_answer answer = {0};
	struct error err = {0};
	assert_int_equal(varlink_client_call(client, "org.varlink.service.GetInfo", NULL, NULL, 0,
					     &answer, &err),
			 0);
	assert_string_equal(text_of(&answer, "vendor"), "Lanyard");
	assert_int_equal(json_array_size(json_object_get(answer.parameters, "interfaces")), 2);
	assert_int_equal(varlink_client_call(client, "org.varlink.service.GetInterfaceDescription",
					     json_pack("{s:s}", "interface", "io.lanyard.test"),
					     NULL, 0, &answer, &err),
			 0);
	assert_string_equal(text_of(&answer, "description"), test_text);
	varlink_answer_done(&answer);
	varlink_client_free(client);
}

static void test_unknown(void **state)
{
	static const struct {
		const char *method, *error, *key, *value;
	} cases[] = {
		{"com.example.X", "org.varlink.service.InterfaceNotFound", "interface",
		 "com.example"},
		{"io.lanyard.test.Nothing", "org.varlink.service.MethodNotFound", "method",
		 "io.lanyard.test.Nothing"},
		{"io.lanyard.test.Quit", "org.varlink.service.MethodNotImplemented", "method",
		 "io.lanyard.test.Quit"},
		{"org.varlink.service.GetInterfaceDescription",
		 "org.varlink.service.InvalidParameter", "parameter", "parameters.interface"},
		{"io.lanyard.test.Echo", "io.lanyard.InvalidArgument", "field", "parameters.text"},
		{"io.lanyard.test.Echo", "io.lanyard.InvalidArgument", "message",
		 "parameters.text: missing, expected string"},
	};
	struct varlink_client *client = client_of(*state);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct varlink_answer answer = {0};
		struct error err = {0};
		assert_true(varlink_client_call(client, cases[i].method, NULL, NULL, 0, &answer,
						&err) < 0);
		assert_string_equal(answer.error, cases[i].error);
		assert_string_equal(text_of(&answer, cases[i].key), cases[i].value);
		varlink_answer_done(&answer);
		assert_echo(client);
	}
	varlink_client_free(client);
}

static void test_failures(void **state)
{
	struct varlink_client *client = client_of(*state);
	struct varlink_answer answer = {0};
	struct error err = {0};
	assert_int_equal(
		call(client, "Fail",
		     json_pack("{s:i, s:s}", "code", ENOENT, "text", "network 'x' is not there"),
		     &answer, &err),
		-ENOENT);
	assert_string_equal(answer.error, "io.lanyard.NotFound");
	assert_string_equal(err.text, "network 'x' is not there");
	assert_int_equal(call(client, "Fail",
			      json_pack("{s:i, s:s}", "code", EINVAL, "text",
					"parameters.network.ipv4: not an address"),
			      &answer, &err),
			 -EINVAL);
	assert_string_equal(text_of(&answer, "field"), "parameters.network.ipv4");
	assert_int_equal(call(client, "Fail",
			      json_pack("{s:i, s:s}", "code", ENOSPC, "text", "disk\033 full"),
			      &answer, &err),
			 -ENOSPC);
	assert_string_equal(err.text, "disk? full");
	/* strict: a reply that is not what the interface says does not leave the server */
	assert_int_equal(call(client, "Wrong", NULL, &answer, &err), -EPROTO);
	assert_string_equal(answer.error, "io.lanyard.Failed");
	assert_int_equal(call(client, "Late", NULL, &answer, &err), 0);
	varlink_answer_done(&answer);
	assert_echo(client);
	varlink_client_free(client);
}

static void test_more(void **state)
{
	struct varlink_client *client = client_of(*state);
	struct varlink_answer answer = {0};
	struct error err = {0};
	int number = 0, done;
	assert_int_equal(varlink_client_start(client, "io.lanyard.test.Count",
					      json_pack("{s:i}", "until", 500), &err),
			 0);
	assert_int_equal(varlink_client_start(client, "io.lanyard.test.Count", NULL, &err), -EBUSY);
	do {
		done = varlink_client_next(client, &answer, &err);
		assert_int_equal(json_integer_value(json_object_get(answer.parameters, "number")),
				 ++number);
	} while (done > 0);
	assert_int_equal(done, 0);
	assert_int_equal(number, 500);
	assert_int_equal(varlink_client_next(client, &answer, &err), -EINVAL);
	/* without 'more' the handler refuses, and so would varlink_reply_more */
	assert_int_equal(call(client, "Count", json_pack("{s:i}", "until", 5), &answer, &err),
			 -EINVAL);
	varlink_answer_done(&answer);
	assert_echo(client);
	varlink_client_free(client);
}

static void assert_reads(int fd, const char *text)
{
	char got[64] = "";
	assert_int_equal(read(fd, got, sizeof(got) - 1), strlen(text));
	assert_string_equal(got, text);
}

static void test_descriptors(void **state)
{
	struct varlink_client *client = client_of(*state);
	struct varlink_answer answer = {0};
	struct error err = {0};
	int first[2], second[2];
	assert_int_equal(pipe2(first, O_CLOEXEC), 0);
	assert_int_equal(pipe2(second, O_CLOEXEC), 0);
	int fds[] = {first[1], second[1]};
	assert_int_equal(
		varlink_client_call(client, "io.lanyard.test.Write",
				    json_pack("{s:[i,i], s:s}", "descriptors", 1, 0, "text", "hi"),
				    fds, 2, &answer, &err),
		0);
	close(first[1]);
	close(second[1]);
	assert_reads(first[0], "hi");
	assert_reads(second[0], "hi");
	assert_reads(first[0], ""); /* nobody keeps the other end */
	close(first[0]);
	close(second[0]);
	assert_int_equal(
		varlink_client_call(client, "io.lanyard.test.Write",
				    json_pack("{s:[i], s:s}", "descriptors", 0, "text", "hi"), NULL,
				    0, &answer, &err),
		-EINVAL);
	assert_string_equal(err.text, "there is no descriptor 0 in the call (it brought 0)");

	assert_int_equal(call(client, "Pipe", json_pack("{s:s}", "text", "yo"), &answer, &err), 0);
	int fd = varlink_answer_take_fd(&answer, 0, &err);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_reads(fd, "yo");
	close(fd);
	assert_int_equal(varlink_answer_take_fd(&answer, 0, &err), -EPROTO);
	assert_int_equal(varlink_answer_take_fd(&answer, -1, &err), -EPROTO);
	varlink_answer_done(&answer);
	varlink_client_free(client);
}

/* Raw sockets: for what the client would never send. */

static int raw_of(struct world *world)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval patience = {.tv_sec = 20};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", world->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* What comes until the server hangs up. */
static size_t raw_read(int fd, char *ret, size_t size)
{
	size_t used = 0;
	while (used < size) {
		ssize_t done = recv(fd, ret + used, size - used, 0);
		if (done <= 0) {
			assert_true(done == 0 || errno == ECONNRESET);
			break;
		}
		used += (size_t)done;
	}
	return used;
}

static void assert_refused(struct world *world, const char *data, size_t length, const char *why)
{
	char got[1024] = "";
	int fd = raw_of(world);
	size_t sent = 0;
	while (sent < length) {
		ssize_t done = send(fd, data + sent, length - sent, MSG_NOSIGNAL);
		if (done < 0)
			break; /* the server has heard enough */
		sent += (size_t)done;
	}
	size_t used = raw_read(fd, got, sizeof(got));
	close(fd);
	if (!strstr(got, why) || !strstr(got, "org.varlink.service.InvalidParameter") ||
	    strlen(got) + 1 != used)
		fail_msg("\"%s\" lacks \"%s\"", got, why);
}

static void test_hostile(void **state)
{
	static const struct {
		const char *data, *why;
	} cases[] = {
		{"nonsense", "message: byte"},
		{"", "message: byte 0"},
		{"[1]", "message: not a JSON object"},
		{"{}", "message: a call needs 'method'"},
		{"{\"error\":\"a.B\"}", "message: a call needs 'method'"},
		{"{\"method\":\"a.B\",\"parameters\":{\"a\":1,\"a\":2}}", "duplicate"},
		{"{\"method\":\"\\u0000\"}", "message: byte"},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_refused(*state, cases[i].data, strlen(cases[i].data) + 1, cases[i].why);
	size_t length = 10 * 1000 * 1000;
	AUTO_FREE char *much = malloc(length);
	memset(much, '[', length);
	assert_refused(*state, much, length, "message: nested deeper than 64 levels");
	memset(much, 'a', length);
	assert_refused(*state, much, length, "message: longer than 1048576 bytes");
	struct varlink_client *client = client_of(*state);
	assert_echo(client);
	varlink_client_free(client);
}

/* Calls that come in one write are answered in order; a half closed connection is served to its
 * end. */
static void test_pipelined(void **state)
{
	static const char calls[] =
		"{\"method\":\"io.lanyard.test.Echo\",\"parameters\":{\"text\":\"1\"}}\0"
		"{\"method\":\"io.lanyard.test.Echo\",\"oneway\":true,\"parameters\":{\"text\":"
		"\"2\"}}\0"
		"{\"method\":\"io.lanyard.test.Echo\",\"oneway\":true}\0"
		"{\"method\":\"io.lanyard.test.Echo\",\"parameters\":{\"text\":\"3\"}}";
	char got[256];
	int fd = raw_of(*state);
	assert_int_equal(send(fd, calls, sizeof(calls), 0), sizeof(calls));
	shutdown(fd, SHUT_WR);
	size_t used = raw_read(fd, got, sizeof(got));
	static const char wanted[] =
		"{\"parameters\":{\"text\":\"1\"}}\0{\"parameters\":{\"text\":\"3\"}}";
	assert_int_equal(used, sizeof(wanted));
	assert_memory_equal(got, wanted, used);
	close(fd);
}

/* Descriptors of the third message are not given to the first, though all lie in the socket
 * together. */
static void test_descriptor_pairing(void **state)
{
	static const char echo[] = "{\"method\":\"io.lanyard.test.Echo\",\"oneway\":true,"
				   "\"parameters\":{\"text\":\"1\"}}";
	static const char take[] = "{\"method\":\"io.lanyard.test.Write\",\"parameters\":{"
				   "\"descriptors\":[0],\"text\":\"x\"}}";
	char got[256];
	int fd = raw_of(*state), first[2], second[2];
	assert_int_equal(pipe2(first, O_CLOEXEC), 0);
	assert_int_equal(pipe2(second, O_CLOEXEC), 0);
	descriptor_send(fd, echo, sizeof(echo), NULL, 0, 0);
	descriptor_send(fd, take, sizeof(take), &first[1], 1, 0);
	descriptor_send(fd, take, sizeof(take), &second[1], 1, 0);
	close(first[1]);
	close(second[1]);
	shutdown(fd, SHUT_WR);
	raw_read(fd, got, sizeof(got));
	assert_string_equal(got, "{\"parameters\":{}}");
	assert_reads(first[0], "x");
	assert_reads(first[0], "");
	assert_reads(second[0], "x");
	close(first[0]);
	close(second[0]);
	close(fd);
}

/* In their order, each once; one that nobody is to hear is not lent. */
static void test_lent_reply(void **state)
{
	static const char calls[] =
		"{\"method\":\"io.lanyard.test.Lend\",\"parameters\":{\"text\":\"1\"}}\0"
		"{\"method\":\"io.lanyard.test.Lend\",\"oneway\":true,"
		"\"parameters\":{\"text\":\"2\"}}\0"
		"{\"method\":\"io.lanyard.test.Echo\",\"parameters\":{\"text\":\"3\"}}\0"
		"{\"method\":\"io.lanyard.test.Lend\",\"parameters\":{\"text\":\"4\"}}";
	static const char wanted[] = "{\"parameters\":{\"text\":\"1\"}}\0"
				     "{\"parameters\":{\"text\":\"3\"}}\0"
				     "{\"parameters\":{\"text\":\"4\"}}";
	char got[256];
	int fd = raw_of(*state);
	assert_int_equal(send(fd, calls, sizeof(calls), 0), sizeof(calls));
	shutdown(fd, SHUT_WR);
	assert_int_equal(raw_read(fd, got, sizeof(got)), sizeof(wanted));
	assert_memory_equal(got, wanted, sizeof(wanted));
	close(fd);
}

static void test_too_many_descriptors(void **state)
{
	char got[256] = "";
	int fd = raw_of(*state), ends[2], fds[DESCRIPTORS_MAX];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	for (size_t i = 0; i < DESCRIPTORS_MAX; i++)
		fds[i] = ends[1];
	descriptor_send(fd, "{", 1, fds, DESCRIPTORS_MAX, 0);
	descriptor_send(fd, " ", 1, fds, 1, 0);
	close(ends[1]);
	raw_read(fd, got, sizeof(got));
	assert_non_null(strstr(got, "more than 16 descriptors"));
	assert_reads(ends[0], "");
	close(ends[0]);
	close(fd);
}

static void test_late_reply(void **state)
{
	struct world *world = *state;
	struct varlink_client *slow = client_of(world), *quick = client_of(world);
	struct varlink_answer answer = {0};
	struct error err = {0};
	assert_int_equal(varlink_client_start(slow, "io.lanyard.test.Keep", NULL, &err), 0);
	await(world, 'k');
	assert_echo(quick);
	assert_int_equal(call(quick, "Release", NULL, &answer, &err), 0);
	assert_int_equal(json_integer_value(json_object_get(answer.parameters, "released")), 1);
	assert_int_equal(varlink_client_next(slow, &answer, &err), 0);
	assert_int_equal(json_integer_value(json_object_get(answer.parameters, "kept")), 0);
	assert_echo(slow);
	varlink_answer_done(&answer);
	varlink_client_free(slow);
	varlink_client_free(quick);
}

/* The client of a kept call goes; the call is told, and its reply goes nowhere. */
static void test_disconnect(void **state)
{
	struct world *world = *state;
	struct varlink_client *slow = client_of(world), *quick = client_of(world);
	struct varlink_answer answer = {0};
	struct error err = {0};
	assert_int_equal(varlink_client_start(slow, "io.lanyard.test.Keep", NULL, &err), 0);
	await(world, 'k');
	varlink_client_free(slow);
	await(world, 'd');
	await(world, '-');
	assert_int_equal(call(quick, "Release", NULL, &answer, &err), 0);
	varlink_answer_done(&answer);
	assert_echo(quick);
	varlink_client_free(quick);
}

/* Kept to the end: the server is freed first, the calls are dropped after it (teardown). */
static void test_kept_beyond_server(void **state)
{
	struct world *world = *state;
	int fds[3];
	static const char keep[] = "{\"method\":\"io.lanyard.test.Keep\"}";
	for (size_t i = 0; i < COUNT(fds); i++) {
		fds[i] = raw_of(world);
		assert_int_equal(send(fds[i], keep, sizeof(keep), 0), sizeof(keep));
		await(world, 'k');
	}
	close(fds[0]);
	await(world, '-');
	close(fds[1]);
	await(world, '-');
	/* the third is still connected; the process's end of it goes with the test */
	assert_int_equal(teardown(state), 0);
	char byte;
	assert_int_equal(recv(fds[2], &byte, 1, 0), 0);
	close(fds[2]);
	assert_int_equal(setup(state), 0);
}

static void test_slow_client(void **state)
{
	struct world *world = *state;
	int fd = raw_of(world);
	static const char flood[] = "{\"method\":\"io.lanyard.test.Flood\",\"more\":true}";
	assert_int_equal(send(fd, flood, sizeof(flood), 0), sizeof(flood));
	await(world, '-'); /* dropped though it never hung up */
	close(fd);
	struct varlink_client *client = client_of(world);
	assert_echo(client);
	varlink_client_free(client);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* A client that says nothing more is told of once, and still hears. */
static void test_finish(void **state)
{
	struct world *world = *state;
	struct varlink_client *client = client_of(world), *other = client_of(world);
	struct varlink_answer answer = {0};
	struct error err = {0};
	assert_int_equal(varlink_client_start(client, "io.lanyard.test.Keep", NULL, &err), 0);
	await(world, 'k');
	assert_int_equal(shutdown(varlink_client_fd(client), SHUT_WR), 0);
	await(world, 'f');
	assert_int_equal(
		varlink_client_call(other, "io.lanyard.test.Release", NULL, NULL, 0, NULL, &err),
		0);
	assert_int_equal(varlink_client_next(client, &answer, &err), 0);
	assert_int_equal(json_integer_value(json_object_get(answer.parameters, "kept")), 0);
	varlink_answer_done(&answer);
	varlink_client_free(client);
	varlink_client_free(other);
}

static void test_interrupted(void **state)
{
	struct world *world = *state;
	struct varlink_client *client = client_of(world), *other = client_of(world);
	struct varlink_answer answer = {0};
	struct error err = {0};
	int cancel = eventfd(0, EFD_CLOEXEC);
	varlink_client_set_cancel(client, cancel);
	assert_int_equal(varlink_client_start(client, "io.lanyard.test.Keep", NULL, &err), 0);
	await(world, 'k');
	eventfd_write(cancel, 1);
	assert_int_equal(varlink_client_next(client, &answer, &err), -EINTR);
	varlink_client_set_cancel(client, -1);
	close(cancel);

	/* the thread of the server takes no signals here: sd_event_loop would only wake up */
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}, before;
	sigaction(SIGALRM, &action, &before);
	struct itimerspec soon = {.it_value.tv_nsec = 50 * 1000 * 1000,
				  .it_interval.tv_nsec = 50 * 1000 * 1000};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
	event._sigev_un._tid = gettid();
	timer_t timer;
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	timer_settime(timer, 0, &soon, NULL);
	assert_int_equal(varlink_client_next(client, &answer, &err), -EINTR);
	timer_delete(timer);
	sigaction(SIGALRM, &before, NULL);

	varlink_client_set_timeout(client, 20);
	assert_int_equal(varlink_client_next(client, &answer, &err), -ETIMEDOUT);
	varlink_client_set_timeout(client, 20000);
	/* the call is still under way, and answered in the end */
	assert_int_equal(call(client, "Echo", json_pack("{s:s}", "text", "x"), &answer, &err),
			 -EBUSY);
	assert_int_equal(call(other, "Release", NULL, &answer, &err), 0);
	assert_int_equal(varlink_client_next(client, &answer, &err), 0);
	assert_echo(client);
	varlink_answer_done(&answer);
	varlink_client_free(client);
	varlink_client_free(other);
}

static void test_limits(void **state)
{
	struct world *world = *state;
	struct varlink_answer answer = {0};
	struct error err = {0};
	struct varlink_client *first = client_of(world);
	assert_echo(first);
	varlink_server_set_limits(world->server, 2, 2); /* the thread sleeps in epoll */
	struct varlink_client *second = client_of(world);
	assert_echo(second);
	struct varlink_client *third = client_of(world);
	assert_int_equal(call(third, "Echo", json_pack("{s:s}", "text", "x"), &answer, &err),
			 -EBUSY);
	assert_string_equal(err.text, "there are 2 connections already, no more are taken");
	varlink_answer_done(&answer);
	varlink_client_free(third);
	varlink_client_free(second);
	await(world, '-');
	second = client_of(world);
	assert_echo(second);
	varlink_client_free(second);
	varlink_client_free(first);
}

/* Returns the exit status of a child of another user that makes two connections. */
static int as_other_user(struct world *world)
{
	struct varlink_client *clients[2];
	struct varlink_answer answer = {0};
	struct error err = {0};
	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
		return 1;
	for (size_t i = 0; i < 2; i++) {
		if (varlink_client_connect(world->path, &clients[i], &err) < 0)
			return 2;
		int done = call(clients[i], "Whoami", NULL, &answer, &err);
		if (done != (i ? -EBUSY : 0))
			return 3;
		if (!i && json_integer_value(json_object_get(answer.parameters, "uid")) != 65534)
			return 4;
		varlink_answer_done(&answer);
	}
	varlink_client_free(clients[0]);
	varlink_client_free(clients[1]);
	return strcmp(err.text, "user 65534 has 1 connections already, no more are taken") ? 5 : 0;
}

static void test_limit_per_uid(void **state)
{
	struct world *world = *state;
	if (geteuid() != 0)
		skip(); /* needs a second user */
	varlink_server_set_limits(world->server, 100, 1);
	struct varlink_client *first = client_of(world), *second = client_of(world);
	assert_echo(first);
	assert_echo(second); /* root is exempt */
	pid_t child = fork();
	if (child == 0)
		_exit(as_other_user(world));
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	varlink_client_free(first);
	varlink_client_free(second);
}

/* Out of descriptors, the server rests a second instead of spinning, then serves. */
static void test_descriptors_out(void **state)
{
	struct world *world = *state;
	struct rlimit before, low;
	struct varlink_client *client;
	struct error err = {0};
	AUTO_CLOSE int first_free = fcntl(0, F_DUPFD_CLOEXEC, 3);
	client = client_of(world);
	assert_echo(client);
	varlink_client_free(client);
	await(world, '-');
	/* sockets here first, then no descriptor for the server's end of the connection */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", world->path);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = (rlim_t)first_free;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	struct timespec start, end;
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	client = varlink_client_new(fd);
	struct timespec used_before, used_after;
	clockid_t clock;
	pthread_getcpuclockid(world->thread, &clock);
	clock_gettime(clock, &used_before);
	varlink_client_set_timeout(client, 500);
	struct varlink_answer answer = {0};
	assert_int_equal(call(client, "Echo", json_pack("{s:s}", "text", "x"), &answer, &err),
			 -ETIMEDOUT);
	clock_gettime(clock, &used_after);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	long used = (used_after.tv_sec - used_before.tv_sec) * 1000 +
		    (used_after.tv_nsec - used_before.tv_nsec) / 1000000;
	assert_true(used < 100);
	varlink_client_set_timeout(client, 10000);
	assert_int_equal(varlink_client_next(client, &answer, &err), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_string_equal(text_of(&answer, "text"), "x");
	assert_true(end.tv_sec - start.tv_sec < 5);
	varlink_answer_done(&answer);
	varlink_client_free(client);
}

/* Listening: modes, long paths, what is there already, what others put there since. */
static void test_listen(void **state)
{
	static const struct varlink_service service = {"Lanyard", "test", "1", ""};
	char directory[] = "/tmp/varlink-XXXXXX", deep[256], path[300];
	struct varlink_server *server;
	struct varlink_client *client;
	struct error err = {0};
	struct stat status;
	sd_event *event;
	assert_non_null(mkdtemp(directory));
	snprintf(deep, sizeof(deep), "%s/%0150d", directory, 0);
	snprintf(path, sizeof(path), "%s/socket", deep);
	assert_int_equal(mkdir(deep, 0700), 0);
	assert_int_equal(sd_event_new(&event), 0);
	assert_int_equal(varlink_server_new(event, &service, &server, &err), 0);
	int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(file);
	assert_int_equal(varlink_server_listen(server, path, 0600, &err), -EEXIST);
	unlink(path);
	assert_int_equal(varlink_client_connect(path, &client, &err), -ENOENT);
	for (int i = 0; i < 2; i++) { /* the second replaces the first */
		if (varlink_server_listen(server, path, 0660, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(stat(path, &status), 0);
		assert_int_equal(status.st_mode & 07777, 0660);
	}
	assert_int_equal(varlink_client_connect(path, &client, &err), 0);
	varlink_client_free(client);
	assert_int_equal(sd_event_run(event, 0), 1);
	varlink_server_free(server);
	assert_int_equal(stat(path, &status), -1);
	sd_event_unref(event);
	rmdir(deep);
	rmdir(directory);
}

static void test_server_gone(void **state)
{
	int ends[2];
	struct error err = {0};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	struct varlink_client *client = varlink_client_new(ends[0]);
	assert_int_equal(varlink_client_start(client, "a.B", NULL, &err), 0);
	close(ends[1]);
	struct varlink_answer answer = {0};
	assert_int_equal(varlink_client_next(client, &answer, &err), -ECONNRESET);
	assert_string_equal(err.text, "the server closed the connection");
	assert_int_equal(varlink_client_oneway(client, "a.B", NULL, &err), -ECONNRESET);
	/* it never read the call; a caller may say it again */
	assert_true(varlink_client_is_unheard(client));
	varlink_client_free(client);
}

/* Once read, a call may have been done. */
static void test_server_gone_later(void **state)
{
	int ends[2];
	char call[256];
	struct error err = {0};
	struct varlink_answer answer = {0};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	struct varlink_client *client = varlink_client_new(ends[0]);
	assert_int_equal(varlink_client_start(client, "a.B", NULL, &err), 0);
	assert_true(read(ends[1], call, sizeof(call)) > 0);
	close(ends[1]);
	assert_int_equal(varlink_client_next(client, &answer, &err), -ECONNRESET);
	assert_false(varlink_client_is_unheard(client));
	varlink_client_free(client);
}

/* A server that goes away before it takes the connection. */
static void test_server_gone_before(void **state)
{
	char directory[] = "/tmp/gone.XXXXXX";
	struct error err = {0};
	struct varlink_answer answer = {0};
	struct varlink_client *client;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	assert_non_null(mkdtemp(directory));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", directory);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(varlink_client_connect(address.sun_path, &client, &err), 0);
	assert_int_equal(varlink_client_start(client, "a.B", NULL, &err), 0);
	close(listener);
	assert_int_equal(varlink_client_next(client, &answer, &err), -ECONNRESET);
	assert_true(varlink_client_is_unheard(client));
	varlink_client_free(client);
	unlink(address.sun_path);
	rmdir(directory);
}

static void test_hostile_server(void **state)
{
	static const char *const replies[] = {"{\"method\":\"a.B\"}", "[", "{\"parameters\":7}"};
	for (size_t i = 0; i < COUNT(replies); i++) {
		int ends[2];
		struct error err = {0};
		struct varlink_answer answer = {0};
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		struct varlink_client *client = varlink_client_new(ends[0]);
		assert_true(write(ends[1], replies[i], strlen(replies[i]) + 1) > 0);
		int done = varlink_client_call(client, "a.B", NULL, NULL, 0, &answer, &err);
		assert_true(done == -EPROTO || done == -EBADMSG);
		varlink_answer_done(&answer);
		varlink_client_free(client);
		close(ends[1]);
	}
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_decode_errors),
		cmocka_unit_test(test_reader_bytes),
		cmocka_unit_test(test_reader_bounds),
		cmocka_unit_test(test_string),
		cmocka_unit_test(test_interface_lanyard),
		cmocka_unit_test(test_interface_errors),
		cmocka_unit_test(test_interface_check),
		cmocka_unit_test(test_error_names),
		WITH_SERVER(test_call),
		WITH_SERVER(test_large),
		WITH_SERVER(test_service),
		WITH_SERVER(test_unknown),
		WITH_SERVER(test_failures),
		WITH_SERVER(test_more),
		WITH_SERVER(test_descriptors),
		WITH_SERVER(test_hostile),
		WITH_SERVER(test_pipelined),
		WITH_SERVER(test_descriptor_pairing),
		WITH_SERVER(test_lent_reply),
		WITH_SERVER(test_too_many_descriptors),
		WITH_SERVER(test_late_reply),
		WITH_SERVER(test_disconnect),
		WITH_SERVER(test_kept_beyond_server),
		WITH_SERVER(test_slow_client),
		WITH_SERVER(test_finish),
		WITH_SERVER(test_interrupted),
		WITH_SERVER(test_limits),
		WITH_SERVER(test_limit_per_uid),
		WITH_SERVER(test_descriptors_out),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_server_gone),
		cmocka_unit_test(test_server_gone_later),
		cmocka_unit_test(test_server_gone_before),
		cmocka_unit_test(test_hostile_server),
	};
	log_init("varlink", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("varlink", tests, NULL, NULL);
}
