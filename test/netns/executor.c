/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real executor in a user and network namespace of its own; this program plays the broker. Runs
 * as whoever calls it; called by root, once more as the executor of a system instance (in a network
 * namespace alone) and as an ordinary user. No packet leaves the namespaces.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/paths.h"
#include "ipc/record.h"
#include "kern/capability.h"
#include "kern/namespace.h"
#include "model/plan.h"

#define ORDINARY_USER 65534
#define WAIT_MS	      5000

static struct world {
	bool system; /* no user namespace, as root */
	char folder[64];
	struct paths paths;
	pid_t holder, executor, guest;
	int socket;
	struct network *network;
	struct port tap, netns;
	struct object_list wanted; /* of the network alone */
} world;

/* Processes */

/* A child that lives until this program ends; begin runs in it and then a byte is written. */
static pid_t start_child(void (*begin)(void))
{
	int ends[2];
	char byte;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		begin();
		if (write(ends[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	return pid;
}

static void must(int result, const struct error *err)
{
	if (result >= 0)
		return;
	fprintf(stderr, "executor test: %s\n", err->text);
	_exit(1);
}

static void enter(pid_t pid)
{
	struct error err = {0};
	if (!world.system) {
		must(namespace_enter(pid, &err), &err);
		return;
	}
	int fd = namespace_open_net_pid(pid, &err);
	must(fd, &err);
	if (setns(fd, CLONE_NEWNET) < 0)
		_exit(1);
	close(fd);
}

static void begin_holder(void)
{
	struct error err = {0};
	if (world.system) {
		if (unshare(CLONE_NEWNET) < 0)
			_exit(1);
		return;
	}
	uid_t uid = getuid();
	gid_t gid = getgid();
	must(namespace_unshare(&err), &err);
	must(namespace_map_self(uid, gid, &err), &err);
}

static void begin_guest(void)
{
	enter(world.holder);
	if (unshare(CLONE_NEWNET) < 0)
		_exit(1);
}

static void finish_process(pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

/* Runs a shell command in the namespaces of a process, with the executor's capabilities. Returns
 * its output. */
__attribute__((format(printf, 3, 4))) static char *shell(pid_t where, int *ret_status,
							 const char *format, ...)
{
	char command[1024], *text = memory_zero(16384, 1);
	size_t used = 0;
	int ends[2], status;
	va_list args;
	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct error err = {0};
		enter(where);
		must(capability_keep(CAPABILITY_EXECUTOR, &err), &err);
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
		setenv("LC_ALL", "C", 1);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	close(ends[1]);
	for (ssize_t got; used < 16000 && (got = read(ends[0], text + used, 16000 - used)) > 0;)
		used += (size_t)got;
	close(ends[0]);
	waitpid(pid, &status, 0);
	if (ret_status)
		*ret_status = status;
	return text;
}

static void expect_in(pid_t where, const char *command, const char *part)
{
	AUTO_FREE char *text = shell(where, NULL, "%s", command);
	if (!strstr(text, part))
		fail_msg("'%s' said '%s' and not '%s'", command, text, part);
}

static void connect_broker(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct error err = {0};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", world.paths.executor);
	world.socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(world.socket, (struct sockaddr *)&address, sizeof(address)), 0);
	if (record_hello(world.socket, world.paths.instance, &err) < 0)
		fail_msg("%s", err.text);
}

static bool listens(pid_t pid)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	pid_t peer = 0;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", world.paths.executor);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	       descriptor_peer(fd, &peer, NULL, NULL) == 0 && peer == pid;
}

/* The executor says nothing when it is ready; its socket appears. */
static void start_executor(void)
{
	AUTO_FREE char *program = paths_program("lanyard-executor");
	world.executor = fork();
	if (world.executor == 0) {
		struct error err = {0};
		enter(world.holder);
		if (!world.system)
			must(capability_keep(CAPABILITY_EXECUTOR, &err), &err);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(program, program, world.system ? "--system" : "--user", "--instance", "test",
		      getenv("VERBOSE") ? "-v" : NULL, NULL);
		_exit(127);
	}
	struct timespec step = {.tv_nsec = 2000000};
	for (int i = 0; !listens(world.executor); i++) {
		assert_true(i < 2500);
		assert_int_equal(waitpid(world.executor, NULL, WNOHANG), 0);
		nanosleep(&step, NULL);
	}
	connect_broker();
}

static void kill_executor(void)
{
	finish_process(&world.executor);
	close(world.socket);
	world.socket = -1;
}

/* The conversation */

/* The next record that is no event. */
static int hear(struct record *ret, int *fd)
{
	struct error err = {0};
	for (;;) {
		size_t n_fds = fd ? 1 : 0;
		int result = record_receive(world.socket, ret, fd, &n_fds, 0, &err);
		if (result < 0)
			fail_msg("%s", err.text);
		if (result == 0)
			return 0;
		if (ret->type != RECORD_EVENT)
			return (int)n_fds + 1;
	}
}

static void expect_event(enum record_event event, const char *part)
{
	for (;;) {
		struct pollfd wait = {.fd = world.socket, .events = POLLIN};
		struct record record;
		struct error err = {0};
		if (poll(&wait, 1, WAIT_MS) <= 0)
			fail_msg("no event with '%s'", part);
		assert_int_equal(record_receive(world.socket, &record, NULL, NULL, 0, &err), 1);
		assert_int_equal(record.type, RECORD_EVENT);
		if (record.code == (int)event && strstr(record.text, part))
			return;
	}
}

/* Nobody may be told of what the broker itself asked for. */
static void expect_silence(void)
{
	struct pollfd wait = {.fd = world.socket, .events = POLLIN};
	struct record record = {0};
	if (poll(&wait, 1, 200) > 0) {
		record_receive(world.socket, &record, NULL, NULL, 0, NULL);
		fail_msg("unexpected record %u: %s", record.type, record.text);
	}
}

static void dump(struct object_list *ret)
{
	struct record record = {.type = RECORD_DUMP};
	*ret = (struct object_list){0};
	assert_int_equal(record_send(world.socket, &record, NULL, 0), 0);
	for (;;) {
		assert_int_equal(hear(&record, NULL), 1);
		if (record.type == RECORD_END)
			return;
		if (record.type == RECORD_RESULT)
			fail_msg("dump: %s", record.text);
		assert_int_equal(record.type, RECORD_OBJECT);
		*object_list_add(ret, record.object.kind, record.object.network) = record.object;
	}
}

static void send_operation(enum record_type type, uint32_t index, enum plan_verb verb,
			   const struct object *object, int netns)
{
	struct record record = {
		.type = type, .index = index, .code = (int32_t)verb, .object = *object};
	assert_int_equal(record_send(world.socket, &record, &netns, netns >= 0), 0);
}

/* The result of the batch; *fd: the descriptor that came, *ret_done: RESULT.index. */
static int hear_result(int *fd, size_t *ret_done, char *text)
{
	struct record record;
	for (;;) {
		int got = -1;
		if (hear(&record, &got) == 0)
			return -ECONNRESET;
		if (record.type == RECORD_RESULT && fd && record.code == 0) {
			assert_true(got >= 0);
			*fd = got;
		} else if (got >= 0) {
			close(got);
		}
		if (record.type != RECORD_RESULT)
			continue;
		if (ret_done)
			*ret_done = record.index;
		if (text)
			snprintf(text, RECORD_TEXT_SIZE, "%s", record.text);
		return record.code;
	}
}

static int apply(enum plan_verb verb, const struct object *object, int netns, int *fd, char *text)
{
	send_operation(RECORD_COMMIT, 0, verb, object, netns);
	return hear_result(fd, NULL, text);
}

static int run_plan(const struct plan *plan, size_t *ret_done, char *text)
{
	for (size_t i = 0; i < plan->count; i++)
		send_operation(i + 1 < plan->count ? RECORD_APPLY : RECORD_COMMIT, (uint32_t)i,
			       plan->items[i].verb, &plan->items[i].object, -1);
	return plan->count ? hear_result(NULL, ret_done, text) : 0;
}

static struct plan plan_towards(struct object_list *wanted)
{
	struct object_list actual;
	struct plan plan;
	dump(&actual);
	plan_build(wanted, &actual, &plan);
	object_list_done(&actual);
	return plan;
}

static void expect_same(struct object_list *wanted)
{
	struct plan plan = plan_towards(wanted);
	AUTO_FREE char *text = plan_text(&plan);
	assert_string_equal(text, "");
	plan_done(&plan);
}

static void reach(struct object_list *wanted)
{
	char text[RECORD_TEXT_SIZE];
	struct plan plan = plan_towards(wanted);
	if (plan.count && run_plan(&plan, NULL, text) < 0)
		fail_msg("%s", text);
	plan_done(&plan);
	expect_same(wanted);
}

static struct object port_object(const struct port *port)
{
	struct object_list list = {0};
	struct port *ports[] = {(struct port *)port};
	object_expand(&world.network, 1, ports, 1, &list);
	struct object object = list.items[list.count - 1];
	assert_int_equal(object.kind, OBJECT_PORT);
	object_list_done(&list);
	return object;
}

/* The guest gets a lease by a real client; *address is the client's word for it. */
static char *lease_script(void)
{
	AUTO_FREE char *path = text_format("%s/bound", world.folder);
	static const char script[] = "#!/bin/sh\n"
				     "[ \"$1\" = bound ] || exit 0\n"
				     "ip address add $ip/$mask dev $interface\n"
				     "echo lease $ip mtu $mtu domain $domain router $router\n";
	assert_int_equal(file_write_atomic(path, script, sizeof(script) - 1, 0755, false, NULL), 0);
	return TAKE(path);
}

static void plug_guest(void)
{
	struct object object = port_object(&world.netns);
	char text[RECORD_TEXT_SIZE] = "";
	struct error err = {0};
	AUTO_CLOSE int netns = namespace_open_net_pid(world.guest, &err);
	assert_true(netns >= 0);
	if (apply(PLAN_CREATE, &object, netns, NULL, text) < 0)
		fail_msg("%s", text);
	AUTO_FREE char *said = shell(world.guest, NULL, "ip link set lo up; ip link set eth0 up");
	assert_string_equal(said, "");
}

static void unplug(const struct port *port)
{
	struct object object = port_object(port);
	assert_int_equal(apply(PLAN_DELETE, &object, -1, NULL, NULL), 0);
}

/* Tests */

static int set_up(void **state)
{
	(void)state;
	struct error err = {0};
	snprintf(world.folder, sizeof(world.folder), "/tmp/lanyard-executor.XXXXXX");
	assert_non_null(mkdtemp(world.folder));
	setenv("LANYARD_RUNTIME_DIR", world.folder, 1);
	assert_int_equal(paths_init(&world.paths, world.system, "test", &err), 0);
	world.network = network_new();
	struct network *network = world.network;
	strcpy(network->name, "lab");
	strcpy(network->domain, "lab.internal");
	network->id = 7;
	network_ifname(network->name, network->id, network->ifname);
	network->ipv4_choice = network->ipv6_choice = FAMILY_GIVEN;
	assert_int_equal(ip_parse_prefix("10.20.0.1/24", &network->ipv4[0], &err), 0);
	assert_int_equal(ip_parse_prefix("fd12:3456:789a::1/64", &network->ipv6[0], &err), 0);
	network->mtu = 1400;
	struct reservation web = {.name = "web"};
	assert_int_equal(mac_parse("ba:ad:ca:fe:00:0a", &web.mac, &err), 0);
	assert_int_equal(ip_parse("10.20.0.10", &web.ipv4, &err), 0);
	assert_int_equal(ip_parse("fd12:3456:789a::10", &web.ipv6, &err), 0);
	assert_int_equal(network_reserve(network, &web, &err), 0);
	if (network_settle(network, &err) < 0)
		fail_msg("%s", err.text);
	world.tap = (struct port){.id = "t1",
				  .network = "lab",
				  .kind = PORT_TAP,
				  .queues = 1,
				  .owner = (uint32_t)-1,
				  .group = (uint32_t)-1};
	world.netns = (struct port){.id = "n1",
				    .network = "lab",
				    .kind = PORT_NETNS,
				    .peer = "eth0",
				    .mac = web.mac,
				    .queues = 1,
				    .owner = (uint32_t)-1,
				    .group = (uint32_t)-1};
	assert_int_equal(port_settle(&world.tap, &err), 0);
	assert_int_equal(port_settle(&world.netns, &err), 0);
	object_expand(&world.network, 1, NULL, 0, &world.wanted);
	world.holder = start_child(begin_holder);
	if (world.system) /* as every host has it */
		free(shell(world.holder, NULL, "ip link set lo up"));
	world.guest = start_child(begin_guest);
	start_executor();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(world.socket);
	finish_process(&world.executor);
	finish_process(&world.guest);
	finish_process(&world.holder);
	network_free(world.network);
	object_list_done(&world.wanted);
	paths_done(&world.paths);
	AUTO_FREE char *remove = text_format("rm -rf %s", world.folder);
	return system(remove);
}

/* A test that failed must not make the next one fail too. */
static int clean_list(void **state)
{
	(void)state;
	object_list_done(&world.wanted);
	object_expand(&world.network, 1, NULL, 0, &world.wanted);
	return 0;
}

static void network_is_made_and_dumped(void **state)
{
	(void)state;
	reach(&world.wanted);
	expect_silence();
	expect_in(world.executor, "ip -d link show ly-lab", "lanyard:test:bridge:7");
	expect_in(world.executor, "ip link show ly-lab", "LOWER_UP");
	expect_in(world.executor, "ip address show ly-lab", "inet 10.20.0.1/24");
	expect_in(world.executor, "nft list tables", "lanyard_test");
}

static void guest_gets_a_lease(void **state)
{
	(void)state;
	AUTO_FREE char *script = lease_script();
	reach(&world.wanted);
	plug_guest();
	AUTO_FREE char *said =
		shell(world.guest, NULL, "udhcpc -i eth0 -f -n -q -O mtu -t 20 -T 1 -s %s", script);
	if (!strstr(said, "lease 10.20.0.10 mtu 1400 domain lab.internal router 10.20.0.1"))
		fail_msg("udhcpc said %s", said);
	expect_in(world.guest, "ping -c 1 -W 2 10.20.0.1", "1 received");
	expect_in(world.guest, "busybox nslookup web.lab.internal 10.20.0.1", "10.20.0.10");
	expect_in(world.guest, "busybox nslookup -type=aaaa web.lab.internal 10.20.0.1",
		  "fd12:3456:789a::10");
	expect_in(world.guest, "busybox nslookup 10.20.0.10 10.20.0.1", "web.lab.internal");
	expect_in(world.guest, "busybox nslookup gateway 10.20.0.1", "10.20.0.1");
	/* Stateless autoconfiguration: the address appears with the advertisement. */
	expect_in(world.guest,
		  "for i in $(seq 100); do ip -6 address show dev eth0 | grep -q fd12 && break;"
		  " sleep 0.05; done; ip -6 address show dev eth0; ip -6 route show default",
		  "fd12:3456:789a:0:b8ad:caff:fefe:a/64");
	expect_in(world.guest, "ip -6 route show default", "via fe80::1 ");
	AUTO_FREE char *leases = text_format("cat %s/7/leases", world.paths.services);
	expect_in(world.executor, leases, "ba:ad:ca:fe:00:0a 10.20.0.10 web");
	unplug(&world.netns);
	expect_same(&world.wanted);
}

static void names_change_without_restart(void **state)
{
	(void)state;
	struct object name = {.kind = OBJECT_NAME, .network = 7};
	struct error err = {0};
	reach(&world.wanted);
	plug_guest();
	AUTO_FREE char *lo = shell(world.guest, NULL, "ip address add 10.20.0.77/24 dev eth0");
	assert_string_equal(lo, "");
	AUTO_FREE char *children =
		text_format("cat /proc/%d/task/%d/children", world.executor, world.executor);
	AUTO_FREE char *before = shell(world.executor, NULL, "%s", children);
	strcpy(name.name.name, "db");
	assert_int_equal(ip_parse("10.20.0.11", &name.name.ipv4, &err), 0);
	assert_int_equal(apply(PLAN_CREATE, &name, -1, NULL, NULL), 0);
	expect_in(world.guest,
		  "for i in $(seq 50); do busybox nslookup db.lab.internal 10.20.0.1 && break;"
		  " sleep 0.02; done",
		  "10.20.0.11");
	assert_int_equal(apply(PLAN_DELETE, &name, -1, NULL, NULL), 0);
	AUTO_FREE char *after = shell(world.executor, NULL, "%s", children);
	assert_string_equal(before, after);
	assert_true(strlen(before) > 1);
	unplug(&world.netns);
	expect_same(&world.wanted);
}

static void tap_is_handed_over(void **state)
{
	(void)state;
	struct object object = port_object(&world.tap);
	char text[RECORD_TEXT_SIZE] = "";
	int fd = -1;
	reach(&world.wanted);
	if (apply(PLAN_CREATE, &object, -1, &fd, text) < 0)
		fail_msg("%s", text);
	assert_true(fd >= 0);
	expect_silence();
	*object_list_add(&world.wanted, OBJECT_PORT, 7) = object;
	expect_same(&world.wanted);
	/* A frame goes through: the bridge answers an ARP request (RFC 826). */
	uint8_t frame[12 + 42] = {0};
	static const uint8_t arp[42] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xba, 0xad, 0xca, 0xfe, 0,	  0x0b, 8, 6,
		0,    1,    8,	  0,	6,    4,    0,	  1,	0xba, 0xad, 0xca, 0xfe, 0, 0x0b,
		10,   20,   0,	  11,	0,    0,    0,	  0,	0,    0,    10,	  20,	0, 1};
	unsigned header = 10;
	assert_int_equal(ioctl(fd, TUNGETVNETHDRSZ, &header), 0);
	memcpy(frame + header, arp, sizeof(arp));
	assert_int_equal(write(fd, frame, header + sizeof(arp)), header + sizeof(arp));
	for (;;) {
		uint8_t answer[2048];
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
		ssize_t got = read(fd, answer, sizeof(answer));
		if (got >= (ssize_t)(header + sizeof(arp)) && answer[header + 12] == 8 &&
		    answer[header + 13] == 6 && answer[header + 21] == 2)
			break;
	}
	close(fd);
	expect_event(EVENT_CHANGED, "gone");
	world.wanted.count--;
	expect_same(&world.wanted);
}

/* A tap asked for with COMMIT_TO; returns RESULT.code, *ret_fd: what came with it, or -1. */
static int commit_to(const struct object *object, int to, int *ret_fd)
{
	struct record record;
	send_operation(RECORD_COMMIT_TO, 0, PLAN_CREATE, object, -1);
	assert_int_equal(record_send_reply(world.socket, to, "told", 4), 0);
	*ret_fd = -1;
	assert_int_not_equal(hear(&record, ret_fd), 0);
	assert_int_equal(record.type, RECORD_RESULT);
	return record.code;
}

static void expect_tap_ends(int fd)
{
	assert_true(fd >= 0);
	close(fd);
	expect_event(EVENT_CHANGED, "gone");
}

static void tap_goes_to_who_waits(void **state)
{
	(void)state;
	struct object object = port_object(&world.tap), nowhere = object;
	char told[16];
	int pair[2], fd, tap = -1;
	size_t n_fds = 1;
	reach(&world.wanted);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(commit_to(&object, pair[1], &fd), 0);
	assert_int_equal(fd, -1);
	assert_int_equal(descriptor_receive(pair[0], told, sizeof(told), &tap, &n_fds, 0), 4);
	assert_memory_equal(told, "told", 4);
	assert_int_equal(n_fds, 1);
	expect_tap_ends(tap);
	/* Nobody to be told, or one who does not read: it comes to the broker. */
	assert_int_equal(commit_to(&object, -1, &fd), 0);
	expect_tap_ends(fd);
	while (send(pair[1], told, sizeof(told), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(commit_to(&object, pair[1], &fd), 0);
	expect_tap_ends(fd);
	close(pair[0]);
	assert_int_equal(commit_to(&object, pair[1], &fd), 0);
	expect_tap_ends(fd);
	close(pair[1]);
	/* A failure is the broker's to tell. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	strcpy(nowhere.port.bridge, "ly-nowhere");
	assert_true(commit_to(&nowhere, pair[1], &fd) < 0);
	assert_int_equal(fd, -1);
	assert_int_equal(recv(pair[0], told, sizeof(told), MSG_DONTWAIT), -1);
	close(pair[0]);
	close(pair[1]);
	expect_same(&world.wanted);
}

static bool is_there(const char *ifname)
{
	AUTO_FREE char *path = text_format("/proc/%d/net/dev", (int)world.executor);
	AUTO_FREE char *name = text_format("%s:", ifname);
	char *text = NULL;
	assert_true(file_read(path, 1 << 20, &text, NULL) >= 0);
	bool found = strstr(text, name);
	free(text);
	return found;
}

#define ROW_MAX 300

/* Asks for one tap after the other, lyrow0 and so on, until the one that follows is there before it
 * is asked for: on a busy machine not every four are a row. Returns its number. */
static int ask_in_a_row(int *fds, const char *beginning, struct object *object)
{
	for (int i = 0; i < ROW_MAX; i++) {
		struct record record = {.type = RECORD_COMMIT_TO, .code = PLAN_CREATE};
		struct object_list list;
		snprintf(object->port.ifname, IFNAMSIZ, "%s%d", beginning, i);
		snprintf(record.text, sizeof(record.text), "%s%d", beginning, i + 1);
		assert_false(i < 3 && is_there(object->port.ifname));
		record.object = *object;
		assert_int_equal(record_send(world.socket, &record, NULL, 0), 0);
		assert_int_equal(record_send_reply(world.socket, -1, "", 0), 0);
		assert_int_equal(hear(&record, &fds[i]), 2);
		assert_int_equal(record.code, 0);
		dump(&list); /* what follows the answer is over, and it is nobody's */
		for (size_t k = 0; k < list.count; k++)
			assert_false(list.items[k].kind == OBJECT_PORT &&
				     strcmp(list.items[k].port.ifname, record.text) == 0);
		object_list_done(&list);
		snprintf(object->port.ifname, IFNAMSIZ, "%s%d", beginning, i + 1);
		if (is_there(object->port.ifname))
			return i + 1;
	}
	fail_msg("no tap was made ahead");
	return -1;
}

static void next_tap_is_made_ahead(void **state)
{
	(void)state;
	struct object object = port_object(&world.tap);
	struct timespec step = {.tv_nsec = 10000000};
	int fds[ROW_MAX], fd;
	reach(&world.wanted);
	/* It is the one that is asked for, as it was asked for ... */
	int count = ask_in_a_row(fds, "lyrow", &object);
	assert_int_equal(commit_to(&object, -1, &fds[count]), 0);
	struct ifreq request = {0};
	assert_int_equal(ioctl(fds[count], TUNGETIFF, &request), 0);
	assert_string_equal(request.ifr_name, object.port.ifname);
	AUTO_FREE char *look = text_format("ip -o link show %s", object.port.ifname);
	expect_in(world.executor, look, "master ly-lab");
	expect_in(world.executor, look, ",UP");
	descriptor_close_all(fds, (size_t)count + 1);
	expect_event(EVENT_CHANGED, "gone");
	expect_same(&world.wanted);
	/* ... or goes when something else is asked for ... */
	count = ask_in_a_row(fds, "lyway", &object);
	char *unused = object.port.ifname;
	struct object other = object;
	strcpy(other.port.ifname, "lyother");
	assert_int_equal(apply(PLAN_CREATE, &other, -1, &fd, NULL), 0);
	assert_false(is_there(unused));
	close(fd);
	descriptor_close_all(fds, (size_t)count);
	expect_event(EVENT_CHANGED, "gone");
	/* ... or after a moment. */
	count = ask_in_a_row(fds, "lyend", &object);
	for (int i = 0; is_there(unused); i++) {
		assert_true(i < WAIT_MS / 10);
		nanosleep(&step, NULL);
	}
	descriptor_close_all(fds, (size_t)count);
	expect_event(EVENT_CHANGED, "gone");
	expect_same(&world.wanted);
}

/* Only a client's stream is spoken to; anything else ends the conversation, and with it the tap. */
static void reply_elsewhere_is_refused(void **state)
{
	(void)state;
	struct object object = port_object(&world.tap);
	struct record record;
	int pair[2], datagrams[2];
	reach(&world.wanted);
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, datagrams), 0);
	const int bad[] = {pair[1], datagrams[1], -1};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		send_operation(RECORD_COMMIT_TO, 0, PLAN_CREATE, &object, -1);
		if (bad[i] >= 0)
			assert_int_equal(record_send_reply(world.socket, bad[i], "told", 4), 0);
		else /* a record where the reply was due */
			send_operation(RECORD_COMMIT, 0, PLAN_CREATE, &object, -1);
		assert_int_equal(hear(&record, NULL), 0);
		close(world.socket);
		connect_broker();
		expect_same(&world.wanted);
	}
	char told[16];
	assert_int_equal(recv(datagrams[0], told, sizeof(told), MSG_DONTWAIT), -1);
	descriptor_close_all(pair, 2);
	descriptor_close_all(datagrams, 2);
}

static void tap_holder_attacks(void **state)
{
	(void)state;
	struct object object = port_object(&world.tap);
	int fd = -1;
	reach(&world.wanted);
	assert_int_equal(apply(PLAN_CREATE, &object, -1, &fd, NULL), 0);
	assert_true(fd >= 0);
	struct ifreq request = {0};
	assert_int_equal(ioctl(fd, TUNGETIFF, &request), 0);
	request.ifr_hwaddr.sa_family = 1;
	memcpy(request.ifr_hwaddr.sa_data, "\xba\xad\xca\xfe\x00\x0a", 6);
	assert_int_equal(ioctl(fd, SIOCSIFHWADDR, &request), 0);
	expect_event(EVENT_CHANGED, "MAC");
	*object_list_add(&world.wanted, OBJECT_PORT, 7) = object;
	struct plan plan = plan_towards(&world.wanted);
	AUTO_FREE char *text = plan_text(&plan);
	assert_string_equal(text, "change port lyt1 on ly-lab\n");
	plan_done(&plan);
	reach(&world.wanted);
	assert_int_equal(ioctl(fd, TUNSETPERSIST, 1), 0);
	expect_event(EVENT_CHANGED, "persistent");
	plan = plan_towards(&world.wanted);
	assert_int_equal(run_plan(&plan, NULL, NULL), 0);
	plan_done(&plan);
	world.wanted.count--;
	expect_same(&world.wanted); /* the port is closed */
	close(fd);
}

static void others_are_noticed(void **state)
{
	(void)state;
	reach(&world.wanted);
	free(shell(world.executor, NULL, "ip address del 10.20.0.1/24 dev ly-lab"));
	expect_event(EVENT_CHANGED, "address");
	reach(&world.wanted);
	free(shell(world.executor, NULL, "nft delete table inet lanyard_test"));
	expect_event(EVENT_CHANGED, "nftables");
	reach(&world.wanted);
	free(shell(world.executor, NULL, "ip link del ly-lab"));
	expect_event(EVENT_CHANGED, "gone");
	reach(&world.wanted);
	free(shell(world.executor, NULL, "ip link del lyc7"));
	expect_event(EVENT_CHANGED, "carrier");
	reach(&world.wanted);
	expect_silence();
}

static void service_is_started_again(void **state)
{
	(void)state;
	reach(&world.wanted);
	plug_guest();
	free(shell(world.guest, NULL, "ip address add 10.20.0.78/24 dev eth0"));
	AUTO_FREE char *path =
		text_format("/proc/%d/task/%d/children", world.executor, world.executor);
	for (int i = 0; i < 2; i++) {
		AUTO_FREE char *child = NULL;
		assert_true(file_read(path, 100, &child, NULL) > 0);
		assert_int_equal(kill(atoi(child), SIGKILL), 0);
		expect_event(EVENT_SERVICE_DIED, "signal 9");
		expect_in(world.guest,
			  "for i in $(seq 50); do busybox nslookup web.lab.internal 10.20.0.1 &&"
			  " break; sleep 0.02; done",
			  "10.20.0.10");
	}
	unplug(&world.netns);
	expect_same(&world.wanted);
}

static void executor_dies(void **state)
{
	(void)state;
	reach(&world.wanted);
	kill_executor();
	start_executor();
	struct plan plan = plan_towards(&world.wanted);
	AUTO_FREE char *text = plan_text(&plan);
	assert_string_equal(text, "create name web 10.20.0.10 fd12:3456:789a::10\n"
				  "create service on ly-lab (DHCP, DNS, RA)\n");
	plan_done(&plan);
	reach(&world.wanted);
}

static void foreign_names_are_refused(void **state)
{
	(void)state;
	char text[RECORD_TEXT_SIZE];
	AUTO_FREE char *made =
		shell(world.executor, NULL,
		      "ip link add lyforeign type bridge; ip link add br9 type bridge");
	assert_string_equal(made, "");
	struct object bridge = world.wanted.items[0];
	assert_int_equal(bridge.kind, OBJECT_BRIDGE);
	strcpy(bridge.bridge.ifname, "lyforeign");
	bridge.network = 8;
	for (int verb = PLAN_CREATE; verb <= PLAN_DELETE; verb++) {
		assert_int_equal(apply((enum plan_verb)verb, &bridge, -1, NULL, text), -EPERM);
		assert_non_null(strstr(text, "lyforeign"));
	}
	memset(bridge.bridge.ifname, 0, IFNAMSIZ);
	strcpy(bridge.bridge.ifname, "eth9");
	assert_int_equal(apply(PLAN_CREATE, &bridge, -1, NULL, text), -EPERM);
	struct object object = port_object(&world.tap);
	memset(object.port.bridge, 0, IFNAMSIZ);
	strcpy(object.port.bridge, "br9");
	/* a user's executor may use every bridge of its world, nothing else */
	assert_int_equal(apply(PLAN_CREATE, &object, -1, NULL, text), world.system ? -EPERM : 0);
	if (!world.system)
		assert_int_equal(apply(PLAN_DELETE, &object, -1, NULL, text), 0);
	memset(object.port.bridge, 0, IFNAMSIZ);
	strcpy(object.port.bridge, "lo");
	assert_int_equal(apply(PLAN_CREATE, &object, -1, NULL, text), -EINVAL);
	struct object address = {.kind = OBJECT_ADDRESS};
	strcpy(address.address.ifname, "lo");
	assert_int_equal(ip_parse_prefix("10.9.9.9/8", &address.address.address, NULL), 0);
	assert_int_equal(apply(PLAN_CREATE, &address, -1, NULL, text), -EPERM);
	expect_in(world.executor, "ip link show lyforeign; ip link del lyforeign; ip link del br9",
		  "lyforeign");
}

static void garbage_ends_the_conversation(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, sizeof(struct record) - 1, sizeof(struct record)};
	char garbage[sizeof(struct record)];
	memset(garbage, 0xff, sizeof(garbage));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct record record;
		assert_int_equal(send(world.socket, garbage, sizes[i], MSG_NOSIGNAL), sizes[i]);
		assert_int_equal(hear(&record, NULL), 0);
		close(world.socket);
		connect_broker();
	}
	reach(&world.wanted);
}

static void next_broker_replaces_the_first(void **state)
{
	(void)state;
	int first = world.socket;
	struct record record;
	connect_broker();
	reach(&world.wanted);
	int second = world.socket;
	world.socket = first;
	assert_int_equal(hear(&record, NULL), 0);
	close(first);
	world.socket = second;
}

static void connection_is_opened_inside(void **state)
{
	(void)state;
	struct record record = {.type = RECORD_CONNECT, .code = 53};
	record.object.kind = OBJECT_ADDRESS;
	int fd = -1;
	reach(&world.wanted);
	assert_int_equal(ip_parse("10.20.0.1", &record.object.address.address, NULL), 0);
	assert_int_equal(record_send(world.socket, &record, NULL, 0), 0);
	assert_int_equal(hear(&record, &fd), 2);
	assert_int_equal(record.type, RECORD_RESULT);
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
	int code = -1;
	socklen_t size = sizeof(code);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size), 0);
	assert_int_equal(code, 0);
	close(fd);
}

static void down_leaves_nothing(void **state)
{
	(void)state;
	struct object_list nothing = {0};
	reach(&world.wanted);
	reach(&nothing);
	AUTO_FREE char *links = shell(world.executor, NULL,
				      "ip -o link | grep -v ': lo:\\|sit0\\|ip6tnl0\\|tunl0'");
	assert_string_equal(links, "");
	AUTO_FREE char *tables =
		shell(world.executor, NULL, "nft list tables; ls %s", world.paths.services);
	assert_string_equal(tables, "");
	AUTO_FREE char *children = shell(world.executor, NULL, "cat /proc/%d/task/%d/children",
					 world.executor, world.executor);
	assert_string_equal(children, "");
}

#ifdef LANYARD_FAULTS
static void fail_at(size_t n)
{
	AUTO_FREE char *path = text_format("%s/fail-at", world.paths.runtime);
	AUTO_FREE char *text = text_format("%zu", n);
	assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, false, NULL), 0);
}

/* Up and down: whichever operation fails, planning back leads to what was before. */
static void every_failure_is_taken_back(void **state)
{
	(void)state;
	struct object_list nothing = {0};
	reach(&nothing);
	struct plan up = plan_towards(&world.wanted);
	for (size_t n = 1; n <= up.count; n++) {
		size_t done = 99;
		char text[RECORD_TEXT_SIZE];
		fail_at(n);
		assert_int_equal(run_plan(&up, &done, text), -EIO);
		assert_int_equal(done, n - 1);
		assert_non_null(strstr(text, "failed on purpose"));
		reach(&nothing);
	}
	reach(&world.wanted);
	struct plan down = plan_towards(&nothing);
	for (size_t n = 1; n <= down.count; n++) {
		fail_at(n);
		assert_int_equal(run_plan(&down, NULL, NULL), -EIO);
		reach(&world.wanted);
	}
	plan_done(&up);
	plan_done(&down);
}
#endif

static void stop_ends_it(void **state)
{
	(void)state;
	struct record record = {.type = RECORD_STOP};
	int status = -1;
	assert_int_equal(record_send(world.socket, &record, NULL, 0), 0);
	assert_int_equal(hear(&record, NULL), 1);
	assert_int_equal(record.type, RECORD_RESULT);
	assert_int_equal(waitpid(world.executor, &status, 0), world.executor);
	world.executor = 0;
	assert_int_equal(status, 0);
}

static int run_suite(const char *name)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(network_is_made_and_dumped, clean_list),
		cmocka_unit_test_setup(guest_gets_a_lease, clean_list),
		cmocka_unit_test_setup(names_change_without_restart, clean_list),
		cmocka_unit_test_setup(tap_is_handed_over, clean_list),
		cmocka_unit_test_setup(tap_goes_to_who_waits, clean_list),
		cmocka_unit_test_setup(next_tap_is_made_ahead, clean_list),
		cmocka_unit_test_setup(reply_elsewhere_is_refused, clean_list),
		cmocka_unit_test_setup(tap_holder_attacks, clean_list),
		cmocka_unit_test_setup(others_are_noticed, clean_list),
		cmocka_unit_test_setup(service_is_started_again, clean_list),
		cmocka_unit_test_setup(executor_dies, clean_list),
		cmocka_unit_test_setup(foreign_names_are_refused, clean_list),
		cmocka_unit_test_setup(garbage_ends_the_conversation, clean_list),
		cmocka_unit_test_setup(next_broker_replaces_the_first, clean_list),
		cmocka_unit_test_setup(connection_is_opened_inside, clean_list),
		cmocka_unit_test_setup(down_leaves_nothing, clean_list),
#ifdef LANYARD_FAULTS
		cmocka_unit_test_setup(every_failure_is_taken_back, clean_list),
#endif
		cmocka_unit_test_setup(stop_ends_it, clean_list),
	};
	return cmocka_run_group_tests_name(name, tests, set_up, tear_down);
}

static int run_as_ordinary_user(void)
{
	pid_t pid = fork();
	int status = 0;
	if (pid == 0) {
		if (setgroups(0, NULL) < 0 ||
		    setresgid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER) < 0 ||
		    setresuid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER) < 0)
			_exit(1);
		prctl(PR_SET_DUMPABLE, 1);
		exit(run_suite("executor as an ordinary user"));
	}
	waitpid(pid, &status, 0);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

static const char *reason_to_skip(void)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return "/dev/net/tun cannot be opened";
	close(fd);
	if (access("/usr/sbin/dnsmasq", X_OK) < 0)
		return "dnsmasq is not installed (package dnsmasq-base)";
	return access("/usr/sbin/udhcpc", X_OK) < 0 ? "udhcpc is not installed" : NULL;
}

int main(void)
{
	const char *reason = reason_to_skip();
	if (reason) {
		printf("SKIP: %s\n", reason);
		return 77;
	}
	setvbuf(stdout, NULL, _IONBF, 0);
	if (geteuid() != 0)
		return run_suite("executor");
	struct stat status;
	if (stat("/dev/net/tun", &status) == 0 && (status.st_mode & 0666) != 0666)
		chmod("/dev/net/tun", 0666); /* as on every Debian with udev */
	int failed = run_suite("executor as root in a user namespace");
	world = (struct world){.system = true};
	failed += run_suite("executor as root of the system");
	world = (struct world){.system = false};
	return run_as_ordinary_user() || failed;
}
