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
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "broker/authorise.h"
#include "broker/broker.h"
#include "broker/instance.h"
#include "broker/leases.h"
#include "broker/publisher.h"

#define FILE_MAX 65536
#define REST_FIRST                                                                                 \
	1000000ull /* microseconds before a dead one is started again, doubled each time */
#define REST_MAX    60000000ull
#define REST_LOADED (REST_FIRST / 20) /* its predecessor may be about to leave the port */

struct item {
	struct publication what;
	struct publications *all;
	struct publisher publisher; /* asks for the machine's address */
	bool dry;		    /* only tried */
	uint64_t rest;
	sd_event_source *source, *timer;
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

/* A child that has closed its port: its connections go on, and somebody has to wait for it. */
static void leave_alone(struct item *item)
{
	struct remnant *remnant = memory_zero(1, sizeof(*remnant));
	*remnant = (struct remnant){.all = item->all,
				    .next = item->all->remnants,
				    .pid = item->publisher.pid,
				    .pidfd = item->publisher.pidfd};
	item->all->remnants = remnant;
	sd_event_add_io(item->all->broker->event, &remnant->source, remnant->pidfd, POLLIN,
			on_remnant, remnant);
}

/* Its port is free afterwards; connections that exist go on. */
static void stop(struct item *item)
{
	item->timer = sd_event_source_disable_unref(item->timer);
	item->source = sd_event_source_disable_unref(item->source);
	publisher_stop(&item->publisher);
	if (item->publisher.pid > 0)
		leave_alone(item);
	item->publisher = publisher_none;
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
		struct item *item = publications->items[i];
		if (item->publisher.kept) { /* for the next broker, which finds it in the store */
			item->timer = sd_event_source_disable_unref(item->timer);
			item->source = sd_event_source_disable_unref(item->source);
			close(item->publisher.control);
		} else {
			stop(item);
		}
		free(item);
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
	if (publication->owner)
		json_object_set_new(json, "owner", json_integer(publication->owner));
	return json;
}

static json_t *list_json(const struct publications *publications, bool all)
{
	json_t *list = json_array();
	for (size_t i = 0; i < publications->count; i++)
		if (all || authorise_sees(publications->broker, publications->items[i]->what.owner))
			json_array_append_new(list,
					      publication_json(&publications->items[i]->what));
	return list;
}

json_t *publications_json(const struct publications *publications)
{
	return list_json(publications, false);
}

size_t publications_count_of(const struct publications *publications, uid_t owner)
{
	size_t count = 0;
	for (size_t i = 0; i < publications->count; i++)
		count += publications->items[i]->what.owner == owner;
	return count;
}

static int save(struct publications *publications, struct error *err)
{
	AUTO_FREE char *path = path_of(publications);
	json_t *json = list_json(publications, true);
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
	item->rest = clock_backoff(item->rest, REST_FIRST, REST_MAX);
	sd_event_add_time_relative(item->all->broker->event, &item->timer, CLOCK_MONOTONIC,
				   item->rest, 0, on_rest, item);
	return 0;
}

/* Asked anew with each connection: a name may have become somebody else's machine. */
static int resolve(const struct item *item, struct ip *ret, struct error *err)
{
	const struct broker *broker = item->all->broker;
	char where[NAME_SIZE];
	int r = leases_resolve(&broker->state, item->what.name,
			       item->what.network[0] ? item->what.network : NULL, ret, where, err);
	if (r == 0 && !authorise_is_machine_of(broker, item->what.owner, where, ret))
		r = error_set(err, EACCES, "'%.80s' is no longer a machine of who published it",
			      item->what.name);
	return r;
}

static void start_again(struct item *item)
{
	log_warning("lanyard-publish of port %u has ended; starting it again",
		    item->what.host_port);
	stop(item);
	sd_event_add_time_relative(item->all->broker->event, &item->timer, CLOCK_MONOTONIC,
				   item->rest / 100, 0, on_rest, item);
}

static void answer(struct item *item)
{
	struct ip target;
	struct error err = {0};
	bool found = resolve(item, &target, &err) == 0;
	if (!found)
		log_warning("port %u: %s", item->what.host_port, err.text);
	if (send(item->publisher.control, found ? (const void *)&target : "n",
		 found ? sizeof(target) : 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_warning("port %u: %m", item->what.host_port);
}

/* A question, or its end. */
static int on_control(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct item *item = data;
	char byte;
	(void)source;
	(void)events;
	ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got != 1) {
		start_again(item);
		return 0;
	}
	answer(item);
	return 0;
}

static struct publish_order order_of(const struct item *item)
{
	const struct broker *broker = item->all->broker;
	struct publish_order order;
	memset(&order, 0, sizeof(order)); /* it is sent as it is */
	order.host = item->what.host;
	order.host_port = item->what.host_port;
	order.port = item->what.port;
	order.holder = broker->instance ? instance_pid(broker->instance) : 0;
	order.dry = item->dry;
	return order;
}

static int watch(struct item *item, struct error *err)
{
	int r = sd_event_add_io(item->all->broker->event, &item->source, item->publisher.control,
				POLLIN, on_control, item);
	return r < 0 ? error_errno(err, r, "event loop") : 0;
}

static int start(struct item *item, struct error *err)
{
	struct ip target;
	struct publish_order order = order_of(item);
	int r = resolve(item, &target, err);
	if (r < 0)
		return r;
	r = publisher_start(&item->publisher, &item->all->broker->paths, &order, err);
	if (r == 0)
		r = watch(item, err);
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
			      .publisher = publisher_none,
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

static int refuse_taken(const struct publications *publications, const struct publication *there,
			struct error *err)
{
	char host[IP_TEXT_SIZE];
	ip_format(&there->host, host);
	if (!authorise_sees(publications->broker, there->owner))
		return error_set(err, EEXIST,
				 "port %u of %s was published by somebody else; choose another one",
				 there->host_port, host);
	return error_set(err, EEXIST,
			 "port %u of %s is published already, to %s:%u; 'lanyard unpublish' ends "
			 "that",
			 there->host_port, host, there->name, there->port);
}

int publications_add(struct publications *publications, const struct publication *publication,
		     bool dry, struct error *err)
{
	struct item *item = find(publications, &publication->host, publication->host_port);
	if (item)
		return refuse_taken(publications, &item->what, err);
	item = append(publications, publication);
	item->dry = dry;
	int r = start(item, err);
	if (r == 0 && !dry)
		r = save(publications, err);
	if (r < 0 || dry)
		drop(publications, item);
	return r;
}

int publications_remove(struct publications *publications, const struct ip *host, uint16_t port,
			bool dry, struct error *err)
{
	char text[IP_TEXT_SIZE];
	struct item *item = find(publications, host, port);
	if (!item)
		return error_set(
			err, ENOENT,
			"port %u of %s is not published; 'lanyard published' lists those that are",
			port, ip_format(host, text));
	if (!authorise_owns(publications->broker, item->what.owner))
		return error_set(
			err, EACCES,
			"port %u of %s was published by somebody else; only they and root end that",
			port, ip_format(host, text));
	if (dry)
		return 0;
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
	what.owner = (uid_t)json_integer_value(json_object_get(json, "owner"));
	snprintf(what.name, sizeof(what.name), "%s", name);
	snprintf(what.network, sizeof(what.network), "%s", network ? network : "");
	struct item *item = append(publications, &what);
	struct publish_order order = order_of(item);
	if (publisher_adopt(&item->publisher, &order) && watch(item, NULL) == 0) {
		item->rest = REST_FIRST;
		answer(item); /* to what the broker before may have heard last */
		return;
	}
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
