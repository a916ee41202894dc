/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lanyard-executor: does to one network namespace what the broker asks for, with CAP_NET_ADMIN
 * (links, rules, sysctl), CAP_NET_RAW (dnsmasq's ICMPv6 socket) and CAP_NET_BIND_SERVICE (ports 53
 * and 67) and nothing else. It has no policy and no memory that matters: everything it needs is in
 * the kernel. It cleans nothing up when it ends (the broker plans down first), so that the next one
 * finds all as it was.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/paths.h"
#include "daemon/operations.h"
#include "ipc/record.h"
#include "kern/address.h"
#include "kern/capability.h"
#include "kern/monitor.h"

#define EXECUTOR_USER	"lanyard-net"
#define BROKER_USER	"lanyard"
#define PASTA_RESOLVER	"169.254.1.1" /* pasta --dns-forward, see DESIGN */
#define CONNECTIONS_MAX 8
#define ALLOWED_MAX	16
#define SETTLE_USEC	50000u	/* notifications are read this long after the first */
#define SETTLE_MAX_USEC 500000u /* or, while the broker keeps us busy, this long */
#define SEND_SECONDS	30	/* a broker that does not read for so long is dropped */

struct executor;

struct connection {
	struct executor *executor;
	int socket;
	sd_event_source *source;
	bool has_greeted;
};

struct executor {
	struct paths paths;
	struct operations operations;
	struct monitor monitor;
	sd_event *event;
	sd_event_source *listener, *notices, *settle, *accept_again;
	int listening;
	uid_t broker_uid;
	struct connection *connections[CONNECTIONS_MAX];
	struct connection *broker; /* the one that has greeted last */
	struct task *tasks;	   /* the batch that is being received */
	size_t n_tasks, tasks_room;
	struct connection *answering;
	bool foreign_firewall;
	uint64_t first_notice, last_request; /* CLOCK_MONOTONIC microseconds */
};

struct options {
	bool system, chosen;
	const char *instance;
	const char *allowed[ALLOWED_MAX + 1];
	size_t n_allowed;
	struct ip upstream;
	enum log_level level;
};

/* Connections */

static void drop_tasks(struct executor *executor)
{
	for (size_t i = 0; i < executor->n_tasks; i++)
		if (executor->tasks[i].netns >= 0)
			close(executor->tasks[i].netns);
	free(executor->tasks);
	executor->tasks = NULL;
	executor->n_tasks = executor->tasks_room = 0;
}

static void connection_free(struct connection *connection)
{
	struct executor *executor = connection->executor;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (executor->connections[i] == connection)
			executor->connections[i] = NULL;
	if (executor->broker == connection) {
		executor->broker = NULL;
		drop_tasks(executor);
	}
	sd_event_source_disable_unref(connection->source);
	close(connection->socket);
	free(connection);
}

static int answer(struct connection *connection, struct record *record, const int *fds,
		  size_t n_fds)
{
	int result = record_send(connection->socket, record, fds, n_fds);
	if (result < 0)
		log_warning("the broker does not take our answer: %s", strerror(-result));
	return result;
}

static int result_send(struct connection *connection, int code, size_t done, const char *text)
{
	struct record record = {.type = RECORD_RESULT, .code = code, .index = (uint32_t)done};
	snprintf(record.text, sizeof(record.text), "%s", text);
	return answer(connection, &record, NULL, 0);
}

static void tell(struct executor *executor, enum record_event event, const char *text)
{
	struct record record = {.type = RECORD_EVENT, .code = (int32_t)event};
	snprintf(record.text, sizeof(record.text), "%s", text);
	if (executor->broker)
		answer(executor->broker, &record, NULL, 0);
}

static void on_died(const char *text, void *data)
{
	tell(data, EVENT_SERVICE_DIED, text);
}

static void on_report(const char *text, void *data)
{
	tell(data, EVENT_CHANGED, text);
}

static int on_deliver(size_t index, const int *fds, size_t n_fds, void *data)
{
	struct executor *executor = data;
	struct record record = {.type = RECORD_DESCRIPTOR, .index = (uint32_t)index};
	return answer(executor->answering, &record, fds, n_fds);
}

/* Requests. A negative result ends the connection. */

static int send_objects(struct connection *connection, const struct object_list *list)
{
	struct record record = {.type = RECORD_OBJECT};
	for (size_t i = 0; i < list->count; i++) {
		record.object = list->items[i];
		int result = answer(connection, &record, NULL, 0);
		if (result < 0)
			return result;
	}
	record = (struct record){.type = RECORD_END};
	return answer(connection, &record, NULL, 0);
}

static int do_dump(struct connection *connection, const struct record *request, int fd)
{
	(void)request;
	(void)fd;
	struct object_list list = {0};
	struct error err = {0};
	int result = operations_dump(&connection->executor->operations, &list, &err);
	if (result < 0)
		result = result_send(connection, result, 0, err.text);
	else
		result = send_objects(connection, &list);
	object_list_done(&list);
	malloc_trim(0);
	return result;
}

static int do_apply(struct connection *connection, const struct record *request, int fd)
{
	struct executor *executor = connection->executor;
	if (request->index != executor->n_tasks) {
		log_error("protocol error: operation %u instead of %zu", request->index,
			  executor->n_tasks);
		return -EPROTO;
	}
	executor->tasks = memory_grow(executor->tasks, &executor->tasks_room, executor->n_tasks + 1,
				      sizeof(*executor->tasks));
	executor->tasks[executor->n_tasks++] = (struct task){.verb = (enum plan_verb)request->code,
							     .netns = fd >= 0 ? dup(fd) : -1,
							     .object = request->object};
	return 0;
}

static int do_commit(struct connection *connection, const struct record *request, int fd)
{
	(void)request;
	(void)fd;
	struct executor *executor = connection->executor;
	struct error err = {0};
	size_t done = 0;
	executor->answering = connection;
	int code = operations_run(&executor->operations, executor->tasks, executor->n_tasks, &done,
				  &err);
	executor->answering = NULL;
	if (code < 0)
		log_info("operation %zu of %zu failed: %s", done + 1, executor->n_tasks, err.text);
	bool was_big = executor->n_tasks > OPERATIONS_CHUNK;
	drop_tasks(executor);
	int result = result_send(connection, code, done, code < 0 ? err.text : "");
	if (was_big)
		malloc_trim(0);
	return result;
}

static socklen_t socket_address(const struct object_address *target, uint16_t port,
				struct sockaddr_storage *ret)
{
	*ret = (struct sockaddr_storage){.ss_family = target->address.family};
	if (target->address.family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, target->address.bytes, sizeof(in->sin_addr));
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, target->address.bytes, sizeof(in6->sin6_addr));
	if (target->ifname[0] && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
		in6->sin6_scope_id = if_nametoindex(target->ifname);
	return sizeof(*in6);
}

static int do_connect(struct connection *connection, const struct record *request, int fd)
{
	(void)fd;
	struct sockaddr_storage address;
	struct record record = {.type = RECORD_RESULT};
	socklen_t length =
		socket_address(&request->object.address, (uint16_t)request->code, &address);
	AUTO_CLOSE int socket_fd =
		socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (socket_fd < 0 ||
	    (connect(socket_fd, (struct sockaddr *)&address, length) < 0 && errno != EINPROGRESS))
		return result_send(connection, -errno, 0, strerror(errno));
	return answer(connection, &record, &socket_fd, 1);
}

struct routes {
	struct object_list list;
};

static int add_route(const struct ip *prefix, int ifindex, void *data)
{
	struct routes *routes = data;
	char name[IF_NAMESIZE] = "none"; /* several next hops, or a blackhole */
	if (prefix->length == 0)
		return 0;
	if (ifindex)
		if_indextoname((unsigned)ifindex, name);
	struct object_address *address =
		&object_list_add(&routes->list, OBJECT_ADDRESS, 0)->address;
	memcpy(address->ifname, name, strnlen(name, IFNAMSIZ - 1));
	address->address = *prefix;
	return 0;
}

static int do_routes(struct connection *connection, const struct record *request, int fd)
{
	(void)request;
	(void)fd;
	struct routes routes = {0};
	struct error err = {0};
	int result = route_dump(&connection->executor->operations.route, add_route, &routes, &err);
	if (result < 0)
		result = result_send(connection, result, 0, err.text);
	else
		result = send_objects(connection, &routes.list);
	object_list_done(&routes.list);
	return result;
}

static int do_stop(struct connection *connection, const struct record *request, int fd)
{
	(void)request;
	(void)fd;
	log_info("asked to stop");
	AUTO_FREE char *lock = text_format("%s.lock", connection->executor->paths.executor);
	unlink(connection->executor->paths.executor);
	unlink(lock);
	result_send(connection, 0, 0, "");
	sd_event_exit(connection->executor->event, 0);
	return 0;
}

typedef int (*request_function)(struct connection *connection, const struct record *request,
				int fd);
static const request_function requests[RECORD_TYPES] = {
	[RECORD_DUMP] = do_dump,       [RECORD_APPLY] = do_apply,   [RECORD_COMMIT] = do_commit,
	[RECORD_CONNECT] = do_connect, [RECORD_ROUTES] = do_routes, [RECORD_STOP] = do_stop,
};

static int greeted(struct connection *connection, const struct record *hello)
{
	struct executor *executor = connection->executor;
	struct error err = {0};
	int result = record_hello_check(hello, executor->paths.instance, &err);
	if (result < 0) {
		log_error("refused a broker: %s", err.text);
		return result;
	}
	if (executor->broker)
		connection_free(executor->broker);
	executor->broker = connection;
	connection->has_greeted = true;
	return 0;
}

static int handle(struct connection *connection, const struct record *record, int fd)
{
	if (!connection->has_greeted)
		return greeted(connection, record);
	if (!requests[record->type]) {
		log_error("protocol error: record type %u is not a request", record->type);
		return -EPROTO;
	}
	sd_event_now(connection->executor->event, CLOCK_MONOTONIC,
		     &connection->executor->last_request);
	return requests[record->type](connection, record, fd);
}

static int on_record(sd_event_source *source, int socket, uint32_t events, void *data)
{
	(void)source;
	(void)events;
	struct connection *connection = data;
	for (;;) {
		struct record record;
		struct error err = {0};
		int fd = -1;
		size_t n_fds = 1;
		int result = record_receive(socket, &record, &fd, &n_fds, MSG_DONTWAIT, &err);
		if (result == -EAGAIN)
			return 0;
		if (result < 0)
			log_error("protocol error: %s", err.text);
		bool last = result > 0 && record.type != RECORD_APPLY;
		if (result > 0)
			result = handle(connection, &record, n_fds ? fd : -1) < 0 ? 0 : 1;
		if (n_fds)
			close(fd);
		if (result <= 0) {
			connection_free(connection);
			return 0;
		}
		if (last)
			return 0;
	}
}

/* Accepting */

static void adopt(struct executor *executor, int socket)
{
	struct timeval limit = {.tv_sec = SEND_SECONDS};
	size_t slot = 0;
	while (slot < CONNECTIONS_MAX && executor->connections[slot])
		slot++;
	if (slot == CONNECTIONS_MAX) {
		log_warning("too many connections");
		close(socket);
		return;
	}
	struct connection *connection = memory_zero(1, sizeof(*connection));
	*connection = (struct connection){.executor = executor, .socket = socket};
	executor->connections[slot] = connection;
	setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (record_hello_send(socket, executor->paths.instance, NULL) < 0 ||
	    sd_event_add_io(executor->event, &connection->source, socket, EPOLLIN, on_record,
			    connection) < 0)
		connection_free(connection);
}

static int on_accept_again(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	struct executor *executor = data;
	return sd_event_source_set_enabled(executor->listener, SD_EVENT_ON);
}

static int on_connection(sd_event_source *source, int listening, uint32_t events, void *data)
{
	(void)events;
	struct executor *executor = data;
	uid_t uid;
	int socket = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	if (socket < 0 && (errno == EMFILE || errno == ENFILE)) {
		/* Rest a second instead of spinning: the connection stays readable. */
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
		executor->accept_again = sd_event_source_disable_unref(executor->accept_again);
		sd_event_add_time_relative(executor->event, &executor->accept_again,
					   CLOCK_MONOTONIC, 1000000, 0, on_accept_again, executor);
	}
	if (socket < 0)
		return 0;
	if (descriptor_peer(socket, NULL, &uid, NULL) < 0 || uid != executor->broker_uid) {
		log_warning("refused a connection of uid %u", (unsigned)uid);
		close(socket);
		return 0;
	}
	adopt(executor, socket);
	return 0;
}

/* Notifications */

static void on_notice(const struct monitor_event *event, void *data)
{
	struct executor *executor = data;
	if (event->kind == MONITOR_FIREWALL)
		executor->foreign_firewall =
			!firewall_is_current(&executor->operations.firewall, event->generation);
	else
		links_notice(&executor->operations.links, event);
}

static uint64_t now_usec(const struct executor *executor)
{
	uint64_t now = 0;
	sd_event_now(executor->event, CLOCK_MONOTONIC, &now);
	return now;
}

static void read_notices(struct executor *executor)
{
	struct operations *operations = &executor->operations;
	struct error err = {0};
	if (monitor_read(&executor->monitor, on_notice, executor, &err) < 0) {
		log_warning("%s", err.text);
		operations->links.lost = true;
	}
	bool was_lost = operations->links.lost;
	operations->links.lost = false;
	if (was_lost && operations_compare(operations, NULL) < 0)
		operations->links.changed = true;
}

static int wait_for_notices(struct executor *executor)
{
	sd_event_source_set_time_relative(executor->settle, SETTLE_USEC);
	return sd_event_source_set_enabled(executor->settle, SD_EVENT_ONESHOT);
}

/* While requests come one after the other, they go first; most notifications are ours then. */
static int on_settled(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	struct executor *executor = data;
	char reason[LINKS_REASON_SIZE];
	uint64_t now = now_usec(executor);
	if (now - executor->last_request < SETTLE_USEC &&
	    now - executor->first_notice < SETTLE_MAX_USEC)
		return wait_for_notices(executor);
	read_notices(executor);
	sd_event_source_set_enabled(executor->notices, SD_EVENT_ON);
	bool changed = links_verdict(&executor->operations.links, reason);
	if (executor->foreign_firewall) {
		changed = true;
		snprintf(reason, sizeof(reason), "somebody changed the nftables ruleset");
	}
	executor->foreign_firewall = false;
	if (!changed)
		return 0;
	log_info("something of ours changed: %s", reason);
	tell(executor, EVENT_CHANGED, reason);
	return 0;
}

static int on_notices(sd_event_source *source, int fd, uint32_t events, void *data)
{
	(void)fd;
	(void)events;
	struct executor *executor = data;
	executor->first_notice = now_usec(executor);
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return wait_for_notices(executor);
}

/* Start */

/* One executor per instance: the lock ends with its process. */
static int lock_instance(const struct paths *paths, struct error *err)
{
	AUTO_FREE char *path = text_format("%s.lock", paths->executor);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_errno(err, errno, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	int code = errno;
	close(fd);
	return error_set(err, code, "an executor of instance '%s' is running already",
			 paths->instance);
}

/* Appears under its name only when it listens. */
static int open_listener(const struct paths *paths, uid_t broker_uid, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length =
		snprintf(address.sun_path, sizeof(address.sun_path), "%s.new", paths->executor);
	if (length < 0 || (size_t)length >= sizeof(address.sun_path))
		return error_set(err, ENAMETOOLONG, "%s: too long for a socket", paths->executor);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, errno, "socket");
	unlink(address.sun_path);
	mode_t mask = umask(0177);
	int result = bind(fd, (struct sockaddr *)&address, sizeof(address));
	int code = errno;
	umask(mask);
	if (result == 0 && broker_uid != geteuid())
		result = lchown(address.sun_path, broker_uid, (gid_t)-1), code = errno;
	if (result == 0)
		result = listen(fd, CONNECTIONS_MAX), code = errno;
	if (result == 0)
		result = rename(address.sun_path, paths->executor), code = errno;
	if (result < 0)
		return error_errno(err, code, "%s", paths->executor);
	return TAKE_FD(fd);
}

/* Root's or the account's already, then the account's (NULL: root's). */
static int give_folder(const char *path, const struct passwd *account, struct error *err)
{
	struct stat status;
	if (account && lstat(path, &status) == 0 && S_ISDIR(status.st_mode) &&
	    status.st_uid == account->pw_uid)
		return 0;
	int result = directory_make(path, 0755, err);
	if (result == 0 && account && chown(path, account->pw_uid, account->pw_gid) < 0)
		return error_errno(err, errno, "%s", path);
	return result;
}

/* As root, before the rights go: folders for both users. Without these users everything stays
 * root's. */
static int prepare_system(struct executor *executor, struct error *err)
{
	const struct passwd *entry = getpwnam(BROKER_USER);
	executor->broker_uid = entry ? entry->pw_uid : 0;
	int result = give_folder(executor->paths.runtime, entry, err);
	if (result == 0)
		result = give_folder(executor->paths.services, getpwnam(EXECUTOR_USER), err);
	return result;
}

static int drop_rights(const struct options *options, struct error *err)
{
	const struct passwd *entry = NULL;
	if (options->system && geteuid() == 0)
		entry = getpwnam(EXECUTOR_USER);
	int result =
		entry ? capability_become(entry->pw_uid, entry->pw_gid, CAPABILITY_EXECUTOR, err)
		      : capability_keep(CAPABILITY_EXECUTOR, err);
	uint64_t mask = 0;
	if (result == 0)
		result = capability_effective(&mask, err);
	if (result == 0 && mask != CAPABILITY_EXECUTOR)
		result = error_set(err, EPERM,
				   "the capabilities NET_ADMIN, NET_RAW and "
				   "NET_BIND_SERVICE are needed");
	return result;
}

/* The holder brings nothing up. */
static int bring_up_loopback(struct operations *operations, struct error *err)
{
	int ifindex = link_index("lo");
	struct link_change up = {.what = LINK_UP, .up = true};
	if (ifindex <= 0)
		return error_set(err, ENODEV, "there is no loopback interface");
	return link_set(&operations->route, ifindex, &up, err);
}

static int open_kernel(struct executor *executor, const struct options *options, struct error *err)
{
	struct operations *operations = &executor->operations;
	int result = netlink_open(&operations->route, NETLINK_ROUTE, err);
	if (result == 0)
		result = firewall_open(&operations->firewall, executor->paths.instance, err);
	if (result == 0)
		result = monitor_open(&executor->monitor, err);
	if (result == 0 && !options->system)
		result = bring_up_loopback(operations, err);
	return result;
}

static int open_events(struct executor *executor, struct error *err)
{
	sd_event *event = executor->event;
	int result = sd_event_add_io(event, &executor->listener, executor->listening, EPOLLIN,
				     on_connection, executor);
	if (result >= 0)
		result = sd_event_add_io(event, &executor->notices, executor->monitor.fd, EPOLLIN,
					 on_notices, executor);
	if (result >= 0)
		result = sd_event_add_time_relative(event, &executor->settle, CLOCK_MONOTONIC, 0,
						    1000, on_settled, executor);
	if (result >= 0)
		result = sd_event_source_set_enabled(executor->settle, SD_EVENT_OFF);
	if (result >= 0)
		result = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
	if (result >= 0)
		result = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
	if (result < 0)
		return error_errno(err, result, "event loop");
	return services_init(&executor->operations.services, err);
}

/* Folders of networks whose bridge is gone: their leases must not outlive them. */
static void remove_stale_folders(struct executor *executor)
{
	struct operations *operations = &executor->operations;
	struct object_list list = {0};
	AUTO_FREE char *path = text_copy(executor->paths.services);
	if (operations_dump(operations, &list, NULL) == 0)
		services_remove_stale(path, &list);
	object_list_done(&list);
}

static void set_up(struct executor *executor, const struct options *options)
{
	struct operations *operations = &executor->operations;
	operations->instance = executor->paths.instance;
	operations->links.instance = executor->paths.instance;
	operations->allowed = options->allowed;
	operations->deliver = on_deliver;
	operations->report = on_report;
	operations->data = executor;
#ifdef LANYARD_FAULTS
	operations->fail_at = text_format("%s/fail-at", executor->paths.runtime);
#endif
	operations->services = (struct services){
		.event = executor->event,
		.folder = executor->paths.services,
		.upstream = options->upstream,
		.resolv_file = options->system ? "/etc/resolv.conf" : NULL,
		.died = on_died,
		.data = executor,
	};
}

static int start(struct executor *executor, const struct options *options, struct error *err)
{
	struct rlimit files;
	sigset_t mask;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max; /* a pipe per network */
		setrlimit(RLIMIT_NOFILE, &files);
	}
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	int result = paths_init(&executor->paths, options->system, options->instance, err);
	if (result < 0)
		return result;
	executor->broker_uid = geteuid();
	if (options->system && geteuid() == 0)
		result = prepare_system(executor, err);
	else if ((result = directory_make(executor->paths.runtime, 0700, err)) == 0)
		result = directory_make(executor->paths.services, 0755, err);
	if (result == 0 && (result = lock_instance(&executor->paths, err)) > 0)
		result = executor->listening =
			open_listener(&executor->paths, executor->broker_uid, err);
	if (result >= 0)
		result = drop_rights(options, err);
	if (result < 0)
		return result;
	if ((result = sd_event_default(&executor->event)) < 0)
		return error_errno(err, result, "event loop");
	set_up(executor, options);
	result = open_kernel(executor, options, err);
	if (result == 0)
		result = open_events(executor, err);
	if (result == 0)
		remove_stale_folders(executor);
	return result;
}

/* For the leak checkers: the kernel would do it as well. */
static void finish(struct executor *executor)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (executor->connections[i])
			connection_free(executor->connections[i]);
	services_done(&executor->operations.services);
	sd_event_source_disable_unref(executor->listener);
	sd_event_source_disable_unref(executor->notices);
	sd_event_source_disable_unref(executor->settle);
	sd_event_source_disable_unref(executor->accept_again);
	if (executor->listening >= 0)
		close(executor->listening);
	monitor_close(&executor->monitor);
	firewall_close(&executor->operations.firewall);
	netlink_close(&executor->operations.route);
	links_done(&executor->operations.links);
	sd_event_unref(executor->event);
	free((char *)executor->operations.fail_at);
	paths_done(&executor->paths);
}

static int usage(void)
{
	fputs("usage: lanyard-executor --user | --system [--instance NAME]\n"
	      "                        [--dns-forward ADDRESS] [--allow-name PATTERN]... [-v]\n",
	      stderr);
	return 2;
}

static int option_take(struct options *options, int option, const char *value)
{
	struct error err = {0};
	if (option == 'u' || option == 's') {
		options->system = option == 's';
		options->chosen = true;
	} else if (option == 'i') {
		options->instance = value;
	} else if (option == 'v') {
		options->level = LOG_LEVEL_DEBUG;
	} else if (option == 'a' && options->n_allowed < ALLOWED_MAX) {
		options->allowed[options->n_allowed++] = value;
	} else if (option != 'd') {
		return -1;
	} else if (ip_parse(value, &options->upstream, &err) < 0) {
		log_error("%s", err.text);
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option table[] = {
		{"user", no_argument, NULL, 'u'},
		{"system", no_argument, NULL, 's'},
		{"instance", required_argument, NULL, 'i'},
		{"dns-forward", required_argument, NULL, 'd'},
		{"allow-name", required_argument, NULL, 'a'},
		{"verbose", no_argument, NULL, 'v'},
		{0},
	};
	static struct executor executor = {.listening = -1};
	struct options options = {.level = LOG_LEVEL_INFO};
	struct error err = {0};
	int option;
	log_init("lanyard-executor", options.level);
	while ((option = getopt_long(argc, argv, "v", table, NULL)) != -1)
		if (option_take(&options, option, optarg) < 0)
			return usage();
	if (!options.chosen || optind < argc)
		return usage();
	log_init("lanyard-executor", options.level);
	if (!options.system && !ip_is_set(&options.upstream))
		ip_parse(PASTA_RESOLVER, &options.upstream, NULL);
	int result = start(&executor, &options, &err);
	if (result < 0)
		log_error("%s", err.text);
	else
		result = sd_event_loop(executor.event);
	finish(&executor);
	return result < 0 ? 1 : 0;
}
