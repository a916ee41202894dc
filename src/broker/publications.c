/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/publications.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/spawn.h"
#include "broker/broker.h"
#include "broker/instance.h"
#include "broker/leases.h"

#define FILE_MAX 65536
#define REST_FIRST                                                                                 \
	1000000ull /* microseconds before a dead one is started again, doubled each time */
#define REST_MAX	  60000000ull
#define REST_LOADED	  (REST_FIRST / 20) /* its predecessor may be about to leave the port */
#define STOP_MILLISECONDS 1000		    /* for one to close its socket before it is killed */

struct item {
	struct publication what;
	struct publications *all;
	pid_t pid; /* 0: not running */
	int pidfd;
	int control; /* it asks for the machine's address here; its end ends the listening */
	uint64_t rest;
	sd_event_source *source, *control_source, *timer;
};

/* One that listens no more but still has connections. */
struct remnant {
	struct publications *all;
	struct remnant *next;
	pid_t pid;
	int pidfd;
	sd_event_source *source;
};

struct publications {
	struct broker *broker;
	struct item **items;
	size_t count, room;
	struct remnant *remnants;
};

struct publications *publications_new(struct broker *broker)
{
	struct publications *publications = memory_zero(1, sizeof(*publications));
	publications->broker = broker;
	return publications;
}

static void remnant_free(struct remnant *remnant)
{
	struct remnant **place = &remnant->all->remnants;
	while (*place != remnant)
		place = &(*place)->next;
	*place = remnant->next;
	sd_event_source_disable_unref(remnant->source);
	close(remnant->pidfd);
	free(remnant);
}

static int on_remnant(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct remnant *remnant = data;
	(void)source;
	(void)fd;
	(void)events;
	waitpid(remnant->pid, NULL, WNOHANG);
	remnant_free(remnant);
	return 0;
}

/* Waits for "d" (or its death) among questions that nobody will answer. */
static bool has_closed(int control)
{
	for (;;) {
		char byte;
		struct pollfd item = {.fd = control, .events = POLLIN};
		int ready = poll(&item, 1, STOP_MILLISECONDS);
		if (ready == 0)
			return false;
		if (ready > 0 && (recv(control, &byte, 1, 0) <= 0 || byte == 'd'))
			return true;
	}
}

static void leave_alone(struct item *item)
{
	struct remnant *remnant = memory_zero(1, sizeof(*remnant));
	*remnant = (struct remnant){.all = item->all,
				    .next = item->all->remnants,
				    .pid = item->pid,
				    .pidfd = item->pidfd};
	item->all->remnants = remnant;
	sd_event_add_io(item->all->broker->event, &remnant->source, item->pidfd, POLLIN, on_remnant,
			remnant);
}

static void forget(struct item *item)
{
	item->timer = sd_event_source_disable_unref(item->timer);
	item->source = sd_event_source_disable_unref(item->source);
	item->control_source = sd_event_source_disable_unref(item->control_source);
	if (item->control >= 0)
		close(item->control);
	item->pid = 0;
	item->pidfd = item->control = -1;
}

/* Its port is free afterwards; connections that exist go on. */
static void stop(struct item *item)
{
	if (item->pid > 0 && item->control >= 0) {
		shutdown(item->control, SHUT_WR);
		if (!has_closed(item->control))
			syscall(SYS_pidfd_send_signal, item->pidfd, SIGKILL, NULL, 0);
	}
	if (item->pid > 0)
		leave_alone(item);
	forget(item);
}

static char *path_of(const struct publications *publications)
{
	return text_format("%s/published.json", publications->broker->paths.runtime);
}

void publications_free(struct publications *publications)
{
	if (!publications)
		return;
	for (size_t i = 0; i < publications->count; i++) {
		stop(publications->items[i]);
		free(publications->items[i]);
	}
	while (publications->remnants)
		remnant_free(publications->remnants);
	free(publications->items);
	free(publications);
}

size_t publications_count(const struct publications *publications)
{
	return publications->count;
}

json_t *publication_json(const struct publication *publication)
{
	char host[IP_TEXT_SIZE];
	json_t *json = json_pack("{s:s, s:i, s:s, s:i}", "host_address",
				 ip_format(&publication->host, host), "host_port",
				 (int)publication->host_port, "name", publication->name, "port",
				 (int)publication->port);
	if (publication->network[0])
		json_object_set_new(json, "network", json_string(publication->network));
	return json;
}

json_t *publications_json(const struct publications *publications)
{
	json_t *list = json_array();
	for (size_t i = 0; i < publications->count; i++)
		json_array_append_new(list, publication_json(&publications->items[i]->what));
	return list;
}

static int save(struct publications *publications, struct error *err)
{
	AUTO_FREE char *path = path_of(publications);
	json_t *json = publications_json(publications);
	AUTO_FREE char *text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	return file_write_atomic(path, text, strlen(text), 0600, false, err);
}

static int start(struct item *item, struct error *err);

static int on_rest(sd_event_source *source, uint64_t usec, void *data)
{
	struct item *item = data;
	struct error err = {0};
	(void)source;
	(void)usec;
	item->timer = sd_event_source_unref(item->timer);
	if (start(item, &err) == 0)
		return 0;
	log_error("publishing port %u: %s", item->what.host_port, err.text);
	item->rest = item->rest * 2 > REST_MAX ? REST_MAX : item->rest * 2;
	sd_event_add_time_relative(item->all->broker->event, &item->timer, CLOCK_MONOTONIC,
				   item->rest, 0, on_rest, item);
	return 0;
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct item *item = data;
	(void)source;
	(void)fd;
	(void)events;
	waitpid(item->pid, NULL, WNOHANG);
	log_warning("lanyard-publish of port %u (pid %d) has ended; starting it again",
		    item->what.host_port, (int)item->pid);
	close(item->pidfd);
	forget(item);
	sd_event_add_time_relative(item->all->broker->event, &item->timer, CLOCK_MONOTONIC,
				   item->rest / 100, 0, on_rest, item);
	return 0;
}

/* The program says "r" when it listens, else a sentence. */
static int hear(int socket, struct error *err)
{
	struct error why = {0};
	ssize_t got;
	do {
		got = recv(socket, &why, sizeof(why), 0);
	} while (got < 0 && errno == EINTR);
	if (got == 1)
		return 0;
	why.text[sizeof(why.text) - 1] = '\0';
	if (got == (ssize_t)sizeof(why) && why.code)
		return error_set(err, why.code, "%s", why.text);
	return error_set(err, ECHILD, "lanyard-publish died while starting");
}

static int launch(struct item *item, int socket, struct error *err)
{
	char host[IP_TEXT_SIZE], host_port[8], port[8], holder[16];
	const struct broker *broker = item->all->broker;
	pid_t inside = broker->instance ? instance_pid(broker->instance) : 0;
	snprintf(host_port, sizeof(host_port), "%u", item->what.host_port);
	snprintf(port, sizeof(port), "%u", item->what.port);
	snprintf(holder, sizeof(holder), "%d", (int)inside);
	AUTO_FREE char *program = paths_program("lanyard-publish");
	const char *const argv[] = {
		program, ip_format(&item->what.host, host), host_port, port, holder, NULL};
	pid_t pid = spawn_start(program, argv, SPAWN_OWN_SESSION, socket, NULL, NULL, err);
	if (pid < 0)
		return pid;
	item->pid = pid;
	item->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return 0;
}

static int resolve(const struct item *item, struct ip *ret, struct error *err)
{
	return leases_resolve(&item->all->broker->state, item->what.name,
			      item->what.network[0] ? item->what.network : NULL, ret, NULL, err);
}

static int on_control(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct item *item = data;
	struct ip target;
	struct error err = {0};
	char byte;
	(void)events;
	if (recv(fd, &byte, 1, MSG_DONTWAIT) != 1) {
		sd_event_source_set_enabled(source, SD_EVENT_OFF); /* on_end comes */
		return 0;
	}
	bool found = resolve(item, &target, &err) == 0;
	if (!found)
		log_warning("port %u: %s", item->what.host_port, err.text);
	if (send(fd, found ? (const void *)&target : "n", found ? sizeof(target) : 1,
		 MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_warning("port %u: %m", item->what.host_port);
	return 0;
}

static int start(struct item *item, struct error *err)
{
	struct ip target;
	int pair[2];
	int r = resolve(item, &target, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "socketpair");
	AUTO_CLOSE int theirs = pair[1];
	item->control = pair[0];
	r = launch(item, theirs, err);
	close(TAKE_FD(theirs));
	if (r == 0)
		r = hear(item->control, err);
	sd_event *event = item->all->broker->event;
	if (r == 0 &&
	    (sd_event_add_io(event, &item->source, item->pidfd, POLLIN, on_end, item) < 0 ||
	     sd_event_add_io(event, &item->control_source, item->control, POLLIN, on_control,
			     item) < 0))
		r = error_set(err, ENOMEM, "event loop");
	if (r < 0)
		stop(item);
	else
		item->rest = REST_FIRST;
	return r;
}

static struct item *find(const struct publications *publications, const struct ip *host,
			 uint16_t port)
{
	for (size_t i = 0; i < publications->count; i++)
		if (ip_equal(&publications->items[i]->what.host, host) &&
		    publications->items[i]->what.host_port == port)
			return publications->items[i];
	return NULL;
}

static struct item *append(struct publications *publications, const struct publication *what)
{
	struct item *item = memory_zero(1, sizeof(*item));
	*item = (struct item){.what = *what,
			      .all = publications,
			      .pidfd = -1,
			      .control = -1,
			      .rest = REST_LOADED};
	publications->items = memory_grow(publications->items, &publications->room,
					  publications->count + 1, sizeof(struct item *));
	publications->items[publications->count++] = item;
	return item;
}

static void drop(struct publications *publications, struct item *item)
{
	for (size_t i = 0; i < publications->count; i++)
		if (publications->items[i] == item)
			publications->items[i] = publications->items[--publications->count];
	stop(item);
	free(item);
}

int publications_add(struct publications *publications, const struct publication *publication,
		     struct error *err)
{
	char host[IP_TEXT_SIZE];
	if (find(publications, &publication->host, publication->host_port))
		return error_set(
			err, EEXIST,
			"port %u of %s is published already; 'lanyard unpublish %u' ends that",
			publication->host_port, ip_format(&publication->host, host),
			publication->host_port);
	struct item *item = append(publications, publication);
	int r = start(item, err);
	if (r == 0)
		r = save(publications, err);
	if (r < 0)
		drop(publications, item);
	return r;
}

int publications_remove(struct publications *publications, const struct ip *host, uint16_t port,
			struct error *err)
{
	char text[IP_TEXT_SIZE];
	struct item *item = find(publications, host, port);
	if (!item)
		return error_set(err, ENOENT, "port %u of %s is not published", port,
				 ip_format(host, text));
	drop(publications, item);
	return save(publications, err);
}

void publications_clear(struct publications *publications)
{
	while (publications->count > 0)
		drop(publications, publications->items[0]);
	for (struct remnant *one = publications->remnants; one; one = one->next)
		syscall(SYS_pidfd_send_signal, one->pidfd, SIGKILL, NULL, 0);
	AUTO_FREE char *path = path_of(publications);
	unlink(path);
}

void publications_restart(struct publications *publications)
{
	for (size_t i = 0; i < publications->count; i++) {
		struct item *item = publications->items[i];
		stop(item);
		sd_event_add_time_relative(publications->broker->event, &item->timer,
					   CLOCK_MONOTONIC, 0, 0, on_rest, item);
	}
}

static void load_item(struct publications *publications, const json_t *json)
{
	struct publication what = {0};
	const char *host = json_string_value(json_object_get(json, "host_address"));
	const char *name = json_string_value(json_object_get(json, "name"));
	const char *network = json_string_value(json_object_get(json, "network"));
	if (!host || !name || ip_parse(host, &what.host, NULL) < 0)
		return;
	what.host_port = (uint16_t)json_integer_value(json_object_get(json, "host_port"));
	what.port = (uint16_t)json_integer_value(json_object_get(json, "port"));
	snprintf(what.name, sizeof(what.name), "%s", name);
	snprintf(what.network, sizeof(what.network), "%s", network ? network : "");
	struct item *item = append(publications, &what);
	sd_event_add_time_relative(publications->broker->event, &item->timer, CLOCK_MONOTONIC, 0, 0,
				   on_rest, item);
}

void publications_load(struct publications *publications)
{
	AUTO_FREE char *path = path_of(publications);
	AUTO_FREE char *text = NULL;
	ssize_t length = file_read(path, FILE_MAX, &text, NULL);
	if (length <= 0)
		return;
	json_t *list = json_loadb(text, (size_t)length, 0, NULL), *json;
	size_t index;
	json_array_foreach (list, index, json)
		load_item(publications, json);
	json_decref(list);
}
