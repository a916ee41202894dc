/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/host_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/host_claims.h"
#include "ipc/errand.h"
#include "ipc/errand_names.h"
#include "model/name.h"

#define RESOLVED       "org.freedesktop.resolve1"
#define ANSWER_USEC    20000000u
#define AGAIN_USEC     1000000u
#define AGAIN_MAX_USEC 3600000000u
#define ACCURACY_USEC  100000u

/* One network as it was told or is to be told. */
struct entry {
	unsigned ifindex;
	bool failed; /* the telling */
	struct errand_names errand;
};

struct entries {
	struct entry *items;
	size_t count, room;
};

struct host_names {
	struct broker *broker;
	sd_bus *bus; /* NULL: not reachable yet */
	bool runs;   /* resolved */
	struct entries wanted;
	size_t next; /* of the wanted ones to be looked at */
	struct entries told;
	struct entry sent; /* whose answer is awaited */
	int socket;	   /* -1: none is */
	sd_event_source *answer, *limit, *again;
	uint64_t pause; /* microseconds until the next try; 0: none has failed */
};

static struct entry *find(struct entries *entries, const char *ifname)
{
	for (size_t i = 0; i < entries->count; i++)
		if (strcmp(entries->items[i].errand.ifname, ifname) == 0)
			return &entries->items[i];
	return NULL;
}

static void forget_failed(struct entries *entries)
{
	for (size_t i = entries->count; i-- > 0;)
		if (entries->items[i].failed)
			entries->items[i] = entries->items[--entries->count];
}

static struct entry *add(struct entries *entries)
{
	entries->items = memory_grow(entries->items, &entries->room, entries->count + 1,
				     sizeof(struct entry));
	struct entry *entry = &entries->items[entries->count++];
	*entry = (struct entry){0};
	return entry;
}

/* A domain of the world is nobody's to take, however a network is called; its machines have their
 * names among themselves. */
static bool is_told(const struct object *object)
{
	const struct object_service *service = &object->service;
	return object->kind == OBJECT_SERVICE && service->flags & SERVICE_DNS &&
	       (ip_is_set(&service->ipv4) || ip_is_set(&service->ipv6)) &&
	       name_is_private(service->domain);
}

static void fill(struct errand_names *errand, const struct object_service *service)
{
	size_t count = 0;
	errand->version = ERRAND_VERSION;
	errand->verb = ERRAND_NAMES;
	memcpy(errand->ifname, service->ifname, IFNAMSIZ);
	if (ip_is_set(&service->ipv4))
		errand->servers[count++] = service->ipv4;
	if (ip_is_set(&service->ipv6))
		errand->servers[count++] = service->ipv6;
	memcpy(errand->domain, service->domain, strlen(service->domain) + 1);
}

static void expand(const struct state *state, struct entries *ret)
{
	struct object_list list = {0};
	object_expand(state->networks, state->n_networks, NULL, 0, &list);
	for (size_t i = 0; i < list.count; i++) {
		unsigned ifindex =
			is_told(&list.items[i]) ? if_nametoindex(list.items[i].service.ifname) : 0;
		if (!ifindex)
			continue;
		struct entry *entry = add(ret);
		entry->ifindex = ifindex;
		fill(&entry->errand, &list.items[i].service);
	}
	object_list_done(&list);
}

/* What the host had said of its NIC: it is the bridge's, as its addresses are. The NIC keeps it in
 * the resolver, for its return. */
static void expand_uplinks(const struct state *state, struct entries *ret)
{
	for (size_t i = 0; i < state->n_networks; i++) {
		const struct network *network = state->networks[i];
		unsigned ifindex = network->uplink[0] ? if_nametoindex(network->ifname) : 0;
		if (!ifindex)
			continue;
		struct entry *entry = add(ret);
		entry->ifindex = ifindex;
		entry->errand.version = ERRAND_VERSION;
		entry->errand.verb = ERRAND_NAMES;
		memcpy(entry->errand.ifname, network->ifname, IFNAMSIZ);
		memcpy(entry->errand.nic, network->uplink, IFNAMSIZ);
	}
}

static bool says_nothing(const struct errand_names *errand)
{
	return !ip_is_set(&errand->servers[0]) && (!errand->nic[0] || errand->back);
}

static bool is_same(const struct entry *a, const struct entry *b)
{
	return a->ifindex == b->ifindex && memcmp(&a->errand, &b->errand, sizeof(a->errand)) == 0;
}

/* The next thing to say: a network that is new or was told otherwise, then one to be forgotten. */
static bool choose(struct host_names *names, struct entry *ret)
{
	while (names->next < names->wanted.count) {
		const struct entry *entry = &names->wanted.items[names->next++];
		const struct entry *told = find(&names->told, entry->errand.ifname);
		*ret = *entry;
		if (!told || !is_same(told, entry))
			return true;
	}
	for (size_t i = names->told.count; i-- > 0;) {
		const struct entry *told = &names->told.items[i];
		if (find(&names->wanted, told->errand.ifname))
			continue;
		*ret = *told;
		memset(ret->errand.servers, 0, sizeof(ret->errand.servers));
		ret->errand.back = ret->errand.nic[0] != '\0';
		if (ret->errand.back || if_nametoindex(told->errand.ifname) == told->ifindex)
			return true;
		names->told.items[i] = names->told.items[--names->told.count];
	}
	return false;
}

static void remember(struct host_names *names)
{
	struct entry *told = find(&names->told, names->sent.errand.ifname);
	bool forget = says_nothing(&names->sent.errand);
	if (forget && told)
		*told = names->told.items[--names->told.count];
	else if (!forget)
		memcpy(told ? told : add(&names->told), &names->sent, sizeof(names->sent));
}

static void go_on(struct host_names *names);

static void stop_waiting(struct host_names *names)
{
	names->answer = sd_event_source_disable_unref(names->answer);
	names->limit = sd_event_source_disable_unref(names->limit);
	if (names->socket >= 0)
		close(names->socket);
	names->socket = -1;
}

static int on_again(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	host_names_update(data);
	return 0;
}

/* What failed stands as told until the next try, so that the others have their turn. */
static void try_again_later(struct host_names *names)
{
	names->pause = clock_backoff(names->pause, AGAIN_USEC, AGAIN_MAX_USEC);
	names->again = sd_event_source_disable_unref(names->again);
	sd_event_add_time_relative(names->broker->event, &names->again, CLOCK_MONOTONIC,
				   names->pause, ACCURACY_USEC, on_again, names);
}

static void finish(struct host_names *names, const char *failure)
{
	if (failure)
		log_warning("%s: the host's resolver was not told of its names: %s",
			    names->sent.errand.ifname, failure);
	stop_waiting(names);
	names->sent.failed = failure != NULL;
	remember(names);
	if (failure)
		try_again_later(names);
	else
		names->pause = 0;
	go_on(names);
}

static int on_answer(sd_event_source *source, int fd, uint32_t events, void *data)
{
	(void)source;
	(void)events;
	struct host_names *names = data;
	struct errand_answer answer;
	ssize_t got = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	bool good = got == (ssize_t)sizeof(answer);
	if (good)
		answer.text[sizeof(answer.text) - 1] = '\0';
	finish(names, !good		? "lanyard-steward does not answer"
		      : answer.code < 0 ? answer.text
					: NULL);
	return 0;
}

static int on_limit(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	finish(data, "no answer in time");
	return 0;
}

static void send_errand(struct host_names *names)
{
	struct error err = {0};
	sd_event *event = names->broker->event;
	names->socket = errand_connect(&names->broker->paths, &err);
	if (names->socket < 0) {
		log_debug("names on the host: %s", err.text);
		names->socket = -1;
		return; /* without a steward; the next change asks again */
	}
	if (send(names->socket, &names->sent.errand, sizeof(names->sent.errand), MSG_NOSIGNAL) <
		    0 ||
	    sd_event_add_io(event, &names->answer, names->socket, EPOLLIN, on_answer, names) < 0 ||
	    sd_event_add_time_relative(event, &names->limit, CLOCK_MONOTONIC, ANSWER_USEC,
				       ACCURACY_USEC, on_limit, names) < 0) {
		log_warning("names on the host: lanyard-steward cannot be asked");
		stop_waiting(names);
	}
}

static void go_on(struct host_names *names)
{
	if (names->runs && names->socket < 0 && choose(names, &names->sent))
		send_errand(names);
}

/* The bus: whether resolved runs */

static void set_running(struct host_names *names, bool runs)
{
	names->runs = runs;
	names->told.count = 0;
	host_names_update(names);
}

static int on_owner_changed(sd_bus_message *message, void *data, sd_bus_error *failure)
{
	(void)failure;
	const char *name, *before, *after;
	if (sd_bus_message_read(message, "sss", &name, &before, &after) >= 0)
		set_running(data, after[0] != '\0');
	return 0;
}

static int on_has_owner(sd_bus_message *message, void *data, sd_bus_error *failure)
{
	(void)failure;
	int runs = 0;
	struct host_names *names = data;
	if (sd_bus_message_is_method_error(message, NULL) ||
	    sd_bus_message_read(message, "b", &runs) < 0)
		return 0;
	if (runs && !names->runs)
		set_running(names, true);
	return 0;
}

static void close_bus(struct host_names *names)
{
	if (names->bus) {
		sd_bus_detach_event(names->bus);
		sd_bus_close(names->bus);
	}
	names->bus = sd_bus_unref(names->bus);
	names->runs = false;
	names->told.count = 0;
}

static int on_disconnected(sd_bus_message *message, void *data, sd_bus_error *failure)
{
	(void)message;
	(void)failure;
	struct host_names *names = data;
	names->runs = false; /* the bus is opened again by the next update */
	return 0;
}

/* Nothing of this waits. */
static void open_bus(struct host_names *names)
{
	int r = sd_bus_open_system(&names->bus);
	if (r >= 0)
		r = sd_bus_attach_event(names->bus, names->broker->event, 0);
	if (r >= 0)
		r = sd_bus_match_signal_async(names->bus, NULL, "org.freedesktop.DBus.Local",
					      "/org/freedesktop/DBus/Local",
					      "org.freedesktop.DBus.Local", "Disconnected",
					      on_disconnected, NULL, names);
	if (r >= 0)
		r = sd_bus_add_match_async(names->bus, NULL,
					   "type='signal',sender='org.freedesktop.DBus',"
					   "interface='org.freedesktop.DBus',"
					   "member='NameOwnerChanged',arg0='" RESOLVED "'",
					   on_owner_changed, NULL, names);
	if (r >= 0)
		r = sd_bus_call_method_async(names->bus, NULL, "org.freedesktop.DBus",
					     "/org/freedesktop/DBus", "org.freedesktop.DBus",
					     "NameHasOwner", on_has_owner, names, "s", RESOLVED);
	if (r >= 0)
		r = host_claims_watch(names->bus, names->broker);
	if (r < 0) {
		log_debug("names on the host: no system bus: %s", strerror(-r));
		close_bus(names);
	}
}

struct host_names *host_names_new(struct broker *broker)
{
	if (!broker->paths.system)
		return NULL;
	struct host_names *names = memory_zero(1, sizeof(*names));
	names->broker = broker;
	names->socket = -1;
	host_names_update(names);
	return names;
}

void host_names_free(struct host_names *names)
{
	if (!names)
		return;
	stop_waiting(names);
	sd_event_source_disable_unref(names->again);
	close_bus(names);
	free(names->wanted.items);
	free(names->told.items);
	free(names);
}

void host_names_update(struct host_names *names)
{
	if (!names)
		return;
	if (names->bus && !sd_bus_is_open(names->bus))
		close_bus(names);
	if (!names->bus)
		open_bus(names);
	if (!names->runs)
		return;
	forget_failed(&names->told);
	names->wanted.count = names->next = 0;
	expand(&names->broker->state, &names->wanted);
	expand_uplinks(&names->broker->state, &names->wanted);
	go_on(names);
}
