/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lanyard-executor: does to one network namespace what the broker asks for, with CAP_NET_ADMIN
 * (links, rules, sysctl), CAP_NET_RAW (dnsmasq's ICMPv6 socket) and CAP_NET_BIND_SERVICE (ports 53
 * and 67) and nothing else. It has no policy and no memory that matters: everything it needs is in
 * the kernel. It cleans nothing up when it ends (the broker plans down first), so that the next one
 * finds all as it was.
 */
#include "executor/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "executor/ahead.h"
#include "executor/conversation.h"
#include "executor/listener.h"
#include "executor/notices.h"
#include "kern/capability.h"
#include "kern/sysctl.h"

#define PASTA_RESOLVER "169.254.1.1" /* pasta --dns-forward, see DESIGN */
#define RESOLV_CONF    "/etc/resolv.conf"
#define ALLOWED_MAX    16

struct options {
	bool system, chosen;
	const char *instance;
	const char *allowed[ALLOWED_MAX + 1];
	size_t n_allowed;
	struct ip upstream;
	enum log_level level;
};

/* What the operations tell */

static void on_died(const char *text, void *data)
{
	conversation_tell(data, EVENT_SERVICE_DIED, text);
}

static void on_report(const char *text, void *data)
{
	conversation_tell(data, EVENT_CHANGED, text);
}

static int on_deliver(const int *fds, size_t n_fds, void *data)
{
	struct executor *executor = data;
	if (executor->n_taps + n_fds > DESCRIPTORS_MAX)
		return -E2BIG;
	memcpy(executor->taps + executor->n_taps, fds, n_fds * sizeof(*fds));
	executor->n_taps += n_fds;
	return 0;
}

static void on_resolvers(void *data)
{
	struct executor *executor = data;
	services_ask_others(&executor->operations.services);
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

/* As root, before the rights go: folders for both users. Without these users everything stays
 * root's. */
static int prepare_system(struct executor *executor, struct error *err)
{
	const struct passwd *entry = getpwnam(BROKER_USER);
	executor->broker_uid = entry ? entry->pw_uid : 0;
	int result = directory_give(executor->paths.runtime, 0755, entry, err);
	if (result == 0)
		result = directory_give(executor->paths.services, 0755, getpwnam(EXECUTOR_USER),
					err);
	return result;
}

/* Started by a service manager as the executor's user already: the socket is handed over, the
 * folders are there, and the broker is who owns the folder around them. The manager starts one of
 * us only. */
static int prepare_service(struct executor *executor, struct error *err)
{
	struct stat status;
	if (lstat(executor->paths.runtime, &status) < 0)
		return error_errno(err, errno, "%s", executor->paths.runtime);
	executor->broker_uid = status.st_uid;
	executor->listening = SD_LISTEN_FDS_START;
	return directory_make(executor->paths.services, 0755, err);
}

/* Folders, then the socket. */
static int prepare_alone(struct executor *executor, const struct options *options,
			 struct error *err)
{
	int result;
	executor->broker_uid = geteuid();
	if (options->system && geteuid() == 0)
		result = prepare_system(executor, err);
	else if ((result = directory_make(executor->paths.runtime, 0700, err)) == 0)
		result = directory_make(executor->paths.services, 0755, err);
	if (result == 0 && (result = lock_instance(&executor->paths, err)) > 0)
		result = executor->listening =
			listener_open(&executor->paths, executor->broker_uid, err);
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

/* ping has no capability of its own on Debian 13: there the host's sysctl.d lets every group send
 * echoes, and a new namespace nobody. Nothing else depends on it. */
static void let_owner_ping(void)
{
	struct error err = {0};
	if (sysctl_let_ping(getegid(), &err) < 0)
		log_info("%s (ping may not work in the instance)", err.text);
}

static int open_kernel(struct executor *executor, const struct options *options, struct error *err)
{
	struct operations *operations = &executor->operations;
	int result = netlink_open(&operations->route, NETLINK_ROUTE, err);
	if (result == 0)
		result = firewall_open(&operations->firewall, executor->paths.instance, err);
	permits_open(&operations->permits, executor->paths.instance);
	if (result == 0)
		result = monitor_open(&executor->monitor, err);
	if (result == 0 && !options->system) {
		let_owner_ping();
		result = bring_up_loopback(operations, err);
	}
	return result;
}

static int open_events(struct executor *executor, struct error *err)
{
	int result = listener_watch(executor, err);
	if (result == 0)
		result = notices_watch(executor, err);
	if (result < 0)
		return result;
	result = sd_event_add_signal(executor->event, NULL, SIGTERM, NULL, NULL);
	if (result >= 0)
		result = sd_event_add_signal(executor->event, NULL, SIGINT, NULL, NULL);
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
	operations->user = !options->system;
	operations->deliver = on_deliver;
	operations->report = on_report;
	operations->data = executor;
#ifdef LANYARD_FAULTS
	operations->fail_at = text_format("%s/fail-at", executor->paths.runtime);
#endif
	operations->services = (struct services){
		.event = executor->event,
		.folder = executor->paths.services,
		.upstreams = executor->resolvers.items,
		.died = on_died,
		.data = executor,
	};
	operations->adoptions = (struct adoptions){
		.operations = operations,
		.event = executor->event,
		.folder = executor->paths.services,
		.told = on_report,
		.data = executor,
	};
#ifdef LANYARD_FAULTS
	operations->adoptions.stop_at = text_format("%s/stop-at", executor->paths.runtime);
#endif
}

static int start(struct executor *executor, const struct options *options, struct error *err)
{
	sigset_t mask;
	descriptor_raise_limit();
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	int result = paths_init(&executor->paths, options->system, options->instance, err);
	if (result < 0)
		return result;
	result = sd_listen_fds(1) == 1 ? prepare_service(executor, err)
				       : prepare_alone(executor, options, err);
	if (result >= 0)
		result = drop_rights(options, err);
	if (result < 0)
		return result;
	if ((result = sd_event_default(&executor->event)) < 0)
		return error_errno(err, result, "event loop");
	set_up(executor, options);
	if (ip_is_set(&options->upstream))
		resolvers_set(&executor->resolvers, &options->upstream);
	else
		resolvers_watch(&executor->resolvers, executor->event, RESOLV_CONF, on_resolvers,
				executor);
	result = open_kernel(executor, options, err);
	if (result == 0)
		result = open_events(executor, err);
	if (result == 0) {
		adoptions_start(&executor->operations.adoptions);
		remove_stale_folders(executor);
	}
	return result;
}

/* For the leak checkers: the kernel would do it as well. */
static void finish(struct executor *executor)
{
	conversation_end_all(executor);
	adoptions_done(&executor->operations.adoptions);
	free((char *)executor->operations.adoptions.stop_at);
	services_done(&executor->operations.services);
	resolvers_done(&executor->resolvers);
	listener_close(executor);
	notices_done(executor);
	monitor_close(&executor->monitor);
	firewall_close(&executor->operations.firewall);
	permits_close(&executor->operations.permits);
	netlink_close(&executor->operations.route);
	ahead_end(executor);
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
	static struct executor executor = {.listening = -1, .operations.tap_ahead.fd = -1};
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
	else {
		sd_notify(0, "READY=1");
		sd_event_set_watchdog(executor.event, true);
		result = sd_event_loop(executor.event);
	}
	finish(&executor);
	return result < 0 ? 1 : 0;
}
