/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lanyardd, the broker of one instance: it decodes, authorises, keeps the model, plans, persists
 * and answers. It has no capability and never touches the kernel's network; that is the executor's
 * work. Killing it loses nothing: the definitions are on disk, the rest is found again.
 */
#include "broker/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "broker/callers.h"
#include "broker/change.h"
#include "broker/confinement.h"
#include "broker/first_network.h"
#include "broker/host_names.h"
#include "broker/host_uplinks.h"
#include "broker/instance.h"
#include "broker/lock.h"
#include "broker/methods.h"
#include "broker/overlap.h"
#include "broker/publications.h"
#include "broker/renewal.h"
#include "broker/store.h"
#include "broker/teardown.h"
#include "broker/uplink.h"
#include "kern/capability.h"

#ifndef LANYARD_VERSION
#define LANYARD_VERSION "unknown"
#endif

#define MILLISECOND    1000ull
#define REPAIR_DELAY   (15 * MILLISECOND) /* what comes in a burst is repaired at once */
#define REPAIR_FIRST   (500 * MILLISECOND)
#define REPAIR_LONGEST (60000 * MILLISECOND)
#define ATTEMPTS       3
/* So that a row of commands does not start an instance each. */
#define GRACE (1000 * MILLISECOND)

static void on_executor_event(enum record_event event, const char *text, void *data)
{
	if (event == EVENT_SERVICE_DIED)
		log_warning("%s", text);
	broker_repair_soon(data);
}

static void on_executor_lost(void *data)
{
	log_warning("the executor has died");
	broker_repair_soon(data);
}

static void on_holder_lost(void *data)
{
	broker_repair_soon(data);
}

static int connect_executor(void *data, struct error *err)
{
	struct broker *broker = data;
	const struct executor_watch watch = {on_executor_event, on_executor_lost, broker};
	return executor_client_connect(broker->event, broker->paths.executor,
				       broker->paths.instance, !broker->paths.system, &watch,
				       &broker->executor, err);
}

/* A user instance's processes: whichever of holder and executor lives leads to the other. */
static int ensure_processes(struct broker *broker, struct error *err)
{
	struct error none = {0};
	bool found = connect_executor(broker, &none) == 0;
	if (!found && none.code == EPROTO)
		return error_set(err, none.code, "%s", none.text);
	pid_t executor = found ? executor_client_pid(broker->executor) : 0;
	int r = instance_hold(broker->instance, executor, err);
	if (r < 0)
		return r;
	if (r > 0 && !found) { /* a new world: what served the old one goes */
		uplink_end(broker->uplink);
		if (broker->publications)
			publications_restart(broker->publications);
	}
	uplink_set_target(broker->uplink, instance_pid(broker->instance));
	if (found)
		return 0;
	return instance_start_executor(broker->instance, connect_executor, broker, err);
}

static int ensure_once(struct broker *broker, struct error *err)
{
	executor_client_free(broker->executor);
	broker->executor = NULL;
	int r = broker->instance ? ensure_processes(broker, err) : connect_executor(broker, err);
	if (r < 0)
		return r;
	r = change_repair(broker, err);
	return r < 0 ? r : 0;
}

int broker_ensure(struct broker *broker, struct error *err)
{
	bool held = !broker->instance || instance_pid(broker->instance) > 0;
	if (!executor_client_is_lost(broker->executor) && held)
		return 0;
	struct error why = {0};
	int r = -1;
	/* A process that dies while we look at it is looked for once more. */
	for (int attempt = 0; attempt < ATTEMPTS && r < 0; attempt++) {
		why = (struct error){0};
		r = ensure_once(broker, &why);
		if (r < 0 && why.code != ECONNRESET && why.code != ECHILD && why.code != EPROTO &&
		    why.code != ESRCH)
			break;
	}
	if (r < 0) {
		if (!broker->instance)
			error_prefix(&why,
				     "the executor of the system instance does not answer; is "
				     "lanyard-executor --system running?");
		return error_set(err, r, "%s", why.text);
	}
	uplink_consider(broker->uplink);
	return 0;
}

static bool is_empty(const struct broker *broker)
{
	return broker->instance && broker->state.n_networks == 0 && broker->state.n_ports == 0 &&
	       publications_count(broker->publications) == 0;
}

static int on_grace(sd_event_source *source, uint64_t usec, void *data)
{
	struct broker *broker = data;
	(void)source;
	(void)usec;
	broker->grace = sd_event_source_disable_unref(broker->grace);
	broker->finished = is_empty(broker) && varlink_server_connections(broker->server) == 0;
	return 0;
}

void broker_consider_end(struct broker *broker)
{
	if (!is_empty(broker) || broker->grace || varlink_server_connections(broker->server) > 0)
		return;
	sd_event_add_time_relative(broker->event, &broker->grace, CLOCK_MONOTONIC, GRACE, 0,
				   on_grace, broker);
}

void broker_end(struct broker *broker)
{
	broker->ending = true;
}

static void on_client(const struct varlink_peer *peer, bool connected, void *data)
{
	struct broker *broker = data;
	callers_count(broker->callers, peer, connected);
	if (connected) {
		broker->grace = sd_event_source_disable_unref(broker->grace);
		return;
	}
	if (broker->ending && is_empty(broker) && varlink_server_connections(broker->server) == 0)
		broker->finished = true;
	else
		broker_consider_end(broker);
}

static int on_repair(sd_event_source *source, uint64_t usec, void *data)
{
	struct broker *broker = data;
	struct error err = {0};
	(void)source;
	(void)usec;
	broker->repair = sd_event_source_disable_unref(broker->repair);
	bool fresh = executor_client_is_lost(broker->executor);
	int r = broker_ensure(broker, &err); /* repairs a fresh executor's world itself */
	if (r == 0 && !fresh)
		r = change_repair(broker, &err);
	if (r >= 0) {
		broker->repair_wait = 0;
		overlap_consider(broker);
		uplink_consider(broker->uplink);
		broker_consider_end(broker);
		return 0;
	}
	log_error("repairing: %s", err.text);
	broker->repair_wait = broker->repair_wait ? broker->repair_wait * 2 : REPAIR_FIRST;
	if (broker->repair_wait > REPAIR_LONGEST)
		broker->repair_wait = REPAIR_LONGEST;
	broker_repair_soon(broker);
	return 0;
}

void broker_repair_soon(struct broker *broker)
{
	if (broker->repair)
		return;
	uint64_t wait = broker->repair_wait ? broker->repair_wait : REPAIR_DELAY;
	sd_event_add_time_relative(broker->event, &broker->repair, CLOCK_MONOTONIC, wait, 0,
				   on_repair, broker);
}

/* The executor of a system instance is started by others: it is noticed by its socket. */
static int on_runtime(sd_event_source *source, const struct inotify_event *event, void *data)
{
	struct broker *broker = data;
	(void)source;
	if (event->len == 0 || strcmp(event->name, "executor.sock") != 0 ||
	    !executor_client_is_lost(broker->executor))
		return 0;
	broker->repair = sd_event_source_disable_unref(broker->repair);
	broker->repair_wait = 0;
	broker_repair_soon(broker);
	return 0;
}

static int open_event_loop(struct broker *broker, struct error *err)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	int r = sd_event_new(&broker->event);
	if (r >= 0)
		r = sd_event_add_signal(broker->event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(broker->event, NULL, SIGINT, NULL, NULL);
	return r < 0 ? error_errno(err, r, "event loop") : 0;
}

/* A system instance as if it had no networks, for the removal of the package: the definitions stay
 * on disk, what others' files say of us goes. */
static int take_down(struct broker *broker, struct error *err)
{
	int r = open_event_loop(broker, err);
	state_init(&broker->state, &broker->paths);
	if (r == 0)
		r = state_load(&broker->state, err);
	struct state before = broker->state;
	for (size_t i = 0; i < before.n_networks; i++)
		host_uplinks_leaving(broker, before.networks[i], NULL);
	state_init(&broker->state, &broker->paths);
	if (r == 0)
		r = instance_wait(&broker->paths, 0, connect_executor, broker, err);
	if (r == 0)
		r = change_repair(broker, err);
	for (size_t i = 0; i < before.n_networks; i++)
		host_uplinks_left(broker, before.networks[i], true);
	state_done(&before);
	return r < 0 ? r : 0;
}

/* On the service manager's socket, where it has one: then nobody is ever refused. */
static int listen_for_clients(struct broker *broker, struct error *err)
{
	int fd = store_take("broker");
	if (fd >= 0)
		return varlink_server_listen_fd(broker->server, fd, err);
	return varlink_server_listen(broker->server, broker->paths.broker,
				     broker->paths.system ? 0666 : 0600, err);
}

static int broker_start(struct broker *broker, struct error *err)
{
	int r = open_event_loop(broker, err);
	if (r < 0)
		return r;
	state_init(&broker->state, &broker->paths);
	r = state_load(&broker->state, err);
	if (r < 0)
		return r;
	if (!broker->paths.system) {
		broker->instance =
			instance_new(broker->event, &broker->paths, on_holder_lost, broker);
		broker->uplink = uplink_new(broker->event, &broker->paths);
	} else {
		r = instance_wait(&broker->paths, 0, connect_executor, broker, err);
		if (r == 0)
			r = change_repair(broker, err);
		if (r < 0)
			return r;
		r = sd_event_add_inotify(broker->event, NULL, broker->paths.runtime,
					 IN_CREATE | IN_MOVED_TO, on_runtime, broker);
		if (r < 0)
			return error_errno(err, r, "%s", broker->paths.runtime);
	}
	if (broker->paths.system)
		broker->callers = callers_new(broker->event, broker->paths.policy);
	broker->publications = publications_new(broker);
	r = broker_ensure(broker, err);
	if (r < 0)
		return r;
	/* Without it the instance is as good as with it, so nothing else waits for it. */
	struct error why = {0};
	if (broker->first_network && first_network_make(broker, broker->first_network, &why) < 0)
		log_error("%s", why.text);
	broker->host_names = host_names_new(broker);
	publications_load(broker->publications);
	renewal_consider(broker);
	overlap_consider(broker);
	r = methods_serve(broker, err);
	if (r == 0)
		r = listen_for_clients(broker, err);
	if (r == 0) {
		store_close();
		varlink_server_set_watch(broker->server, on_client, broker);
		callers_limit(broker->callers, broker->server);
		broker_consider_end(broker);
	}
	return r;
}

/* Those who found the socket before it went are served first. Who comes later starts another
 * broker, which waits for our lock. */
static bool somebody_came(struct broker *broker)
{
	broker->finished = false;
	unlink(broker->paths.broker);
	while (sd_event_run(broker->event, 0) > 0)
		if (sd_event_get_state(broker->event) == SD_EVENT_FINISHED)
			return false;
	return !is_empty(broker) || varlink_server_connections(broker->server) > 0;
}

static void broker_stop(struct broker *broker)
{
	varlink_server_free(broker->server);
	host_names_free(broker->host_names);
	publications_free(broker->publications);
	executor_client_free(broker->executor);
	uplink_free(broker->uplink);
	instance_free(broker->instance);
	callers_free(broker->callers);
	free(broker->sight.networks);
	free(broker->sight.ports);
	state_done(&broker->state);
	sd_event_source_disable_unref(broker->repair);
	sd_event_source_disable_unref(broker->grace);
	sd_event_source_disable_unref(broker->leaving);
	sd_event_unref(broker->event);
}

static int serve(struct broker *broker)
{
	struct error err = {0};
	int r = 0;
	while (r >= 0 && sd_event_get_state(broker->event) != SD_EVENT_FINISHED) {
		r = sd_event_run(broker->event, UINT64_MAX);
		if (r < 0 || !broker->finished)
			continue;
		if (!somebody_came(broker)) {
			teardown_instance(broker);
			return 0;
		}
		r = listen_for_clients(broker, &err);
		if (r < 0)
			log_error("%s", err.text);
	}
	/* A signal ends the broker alone; its instance goes on and is found by the next one. */
	return r < 0 ? 1 : 0;
}

/* The parent of --daemonize waits for one of these: 0 bytes and the end of the broker, a sentence,
 * or "\n". */
static void tell_parent(int pipe, const char *text)
{
	if (pipe >= 0) {
		if (write(pipe, text, strlen(text)) < 0)
			log_warning("the starter went away");
		close(pipe);
	}
}

static int run(const struct paths *paths, const char *first_network, bool going, int pipe)
{
	struct broker broker = {.paths = *paths, .first_network = first_network};
	struct error err = {0};
	descriptor_raise_limit();
	AUTO_CLOSE int lock = lock_take(paths, &err);
	if (lock == -EALREADY && pipe >= 0) {
		tell_parent(pipe, "\n");
		return 0;
	}
	int r = lock < 0 ? lock : going ? take_down(&broker, &err) : broker_start(&broker, &err);
	if (going && r == 0) {
		broker_stop(&broker);
		return 0;
	}
	if (r < 0) {
		if (pipe < 0)
			log_error("%s", err.text);
		tell_parent(pipe, err.text);
		if (lock >= 0 && broker.instance && broker.state.n_networks == 0)
			teardown_instance(&broker);
		broker_stop(&broker);
		return 1;
	}
	tell_parent(pipe, "\n");
	sd_notify(0, "READY=1");
	sd_event_set_watchdog(broker.event, true);
	r = serve(&broker);
	broker_stop(&broker);
	return r;
}

/* Output of a broker in the background goes to RUNTIME/log. */
static void detach(const struct paths *paths)
{
	AUTO_FREE char *path = text_format("%s/log", paths->runtime);
	setsid();
	if (chdir("/") < 0)
		log_warning("chdir: %m");
	umask(022);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	directory_make(paths->runtime, 0700, NULL);
	int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(log >= 0 ? log : null, STDERR_FILENO);
	/* What the starter has open is none of our business, and would keep its pipes from ending.
	 */
	close(null);
	close(log);
}

static int wait_for_child(int pipe)
{
	char text[ERROR_TEXT_SIZE + 1];
	size_t used = 0;
	for (ssize_t got; used < sizeof(text) - 1; used += (size_t)got) {
		got = read(pipe, text + used, sizeof(text) - 1 - used);
		if (got < 0 && errno == EINTR)
			got = 0;
		else if (got <= 0)
			break;
	}
	text[used] = '\0';
	if (strcmp(text, "\n") == 0)
		return 0;
	fprintf(stderr, "lanyardd: %s\n", used ? text : "the broker died while starting");
	return 1;
}

static int daemonize(const struct paths *paths)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0) {
		log_error("pipe: %m");
		return 1;
	}
	pid_t pid = fork();
	if (pid < 0) {
		log_error("fork: %m");
		return 1;
	}
	if (pid == 0) {
		int report = fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
		detach(paths);
		close(ends[0]);
		close(ends[1]);
		return run(paths, NULL, false, report);
	}
	close(ends[1]);
	int r = wait_for_child(ends[0]);
	close(ends[0]);
	return r;
}

/* The system broker gives root up before it reads anything. Without the account it stays root's,
 * with a warning. */
static int drop_root(const struct paths *paths, struct error *err)
{
	const struct passwd *account = geteuid() == 0 ? getpwnam(BROKER_USER) : NULL;
	int r = directory_give(paths->runtime, 0755, account, err);
	if (r == 0)
		r = directory_give(paths->state, 0700, account, err);
	if (r < 0 || geteuid() != 0)
		return r;
	if (account)
		return capability_become(account->pw_uid, account->pw_gid, 0, err);
	log_warning("there is no user 'lanyard'; the broker stays root without capabilities");
	return capability_become(0, 0, 0, err);
}

static void confine(const struct paths *paths)
{
	struct error err = {0};
	int r = confinement_enter(paths, &err);
	if (r < 0)
		log_warning("%s", err.text);
	else if (r == 0)
		log_info("the kernel has no Landlock; files are guarded by their modes alone");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"user", no_argument, NULL, 'u'},
						{"system", no_argument, NULL, 's'},
						{"take-down", no_argument, NULL, 't'},
						{"first-network", required_argument, NULL, 'f'},
						{"instance", required_argument, NULL, 'i'},
						{"daemonize", no_argument, NULL, 'd'},
						{"verbose", no_argument, NULL, 'v'},
						{"version", no_argument, NULL, 'V'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	bool system = false, background = false, verbose = false, going = false;
	const char *instance = NULL, *first_network = NULL;
	for (int c; (c = getopt_long(argc, argv, "hv", options, NULL)) != -1;) {
		if (c == 'h' || c == 'V') {
			puts(c == 'V' ? "lanyardd " LANYARD_VERSION
				      : "usage: lanyardd --user|--system [--instance NAME] "
					"[--daemonize] [--verbose]\n"
					"       lanyardd --system [--instance NAME] "
					"[--first-network NAME | --take-down] [--verbose]");
			return 0;
		}
		if (c == '?')
			return 2;
		system = c == 's' || (system && c != 'u');
		background |= c == 'd';
		verbose |= c == 'v';
		going |= c == 't';
		first_network = c == 'f' ? optarg : first_network;
		if (c == 'i')
			instance = optarg;
	}
	if (!system && (going || first_network)) {
		fputs("lanyardd: --take-down and --first-network are for --system\n", stderr);
		return 2;
	}
	log_init("lanyardd", verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	struct paths paths;
	struct error err = {0};
	int r = paths_init(&paths, system, instance, &err);
	if (r == 0 && system)
		r = drop_root(&paths, &err);
	if (r == 0 && system)
		confine(&paths);
	if (r < 0)
		log_error("%s", err.text);
	if (r < 0)
		r = 1;
	else
		r = background ? daemonize(&paths) : run(&paths, first_network, going, -1);
	paths_done(&paths);
	return r;
}
