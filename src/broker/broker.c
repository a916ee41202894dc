/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life of a broker: its start, its repairs, its end. */
#include "broker/broker.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/log.h"
#include "broker/callers.h"
#include "broker/change.h"
#include "broker/first_network.h"
#include "broker/host_names.h"
#include "broker/host_uplinks.h"
#include "broker/instance.h"
#include "broker/lock.h"
#include "broker/members.h"
#include "broker/methods.h"
#include "broker/overlap.h"
#include "broker/publications.h"
#include "broker/renewal.h"
#include "broker/store.h"
#include "broker/teardown.h"
#include "broker/uplink.h"

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
	broker->repair_wait = clock_backoff(broker->repair_wait, REPAIR_FIRST, REPAIR_LONGEST);
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
		r = sd_event_add_inotify(broker->event, &broker->runtime, broker->paths.runtime,
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
	members_end();
	publications_free(broker->publications);
	executor_client_free(broker->executor);
	uplink_free(broker->uplink);
	instance_free(broker->instance);
	callers_free(broker->callers);
	free(broker->sight.networks);
	free(broker->sight.ports);
	state_done(&broker->state);
	sd_event_source_disable_unref(broker->runtime);
	sd_event_source_disable_unref(broker->repair);
	sd_event_source_disable_unref(broker->retry);
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

int broker_run(const struct paths *paths, const char *first_network, bool going, int pipe)
{
	struct broker broker = {.paths = *paths, .first_network = first_network};
	struct error err = {0};
	descriptor_raise_limit();
	/* A list of all there is comes and goes with each look: it is to go for good. Left alone,
	 * the limit rises with the first big one (mallopt(3)), and a thousand ports cost 1.2 MiB
	 * for ever. */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
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
		return r == -EPERM || r == -EACCES ? BROKER_REFUSED : 1;
	}
	tell_parent(pipe, "\n");
	sd_notify(0, "READY=1");
	sd_event_set_watchdog(broker.event, true);
	r = serve(&broker);
	broker_stop(&broker);
	return r;
}
