/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "executor/services.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "executor/service.h"

#define START_MS   10000u    /* a start that takes longer has failed */
#define START_MAX  64u	     /* side by side */
#define AGAIN_NSEC 20000000l /* between attempts while the ports are taken */
#define AGAIN_MAX  50u

/* The table of networks */

static size_t position(const struct services *services, uint32_t network)
{
	size_t low = 0, high = services->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (services->items[middle]->network < network)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct service *find(const struct services *services, uint32_t network)
{
	size_t i = position(services, network);
	return i < services->count && services->items[i]->network == network ? services->items[i]
									     : NULL;
}

static struct service *obtain(struct services *services, uint32_t network)
{
	struct service *service = find(services, network);
	if (service)
		return service;
	size_t i = position(services, network);
	services->items = memory_grow(services->items, &services->room, services->count + 1,
				      sizeof(struct service *));
	memmove(services->items + i + 1, services->items + i,
		(services->count - i) * sizeof(struct service *));
	services->count++;
	service = services->items[i] = memory_zero(1, sizeof(*service));
	service->services = services;
	service->network = network;
	service->words = -1;
	return service;
}

static void service_free(struct service *service)
{
	service_stop_listening(service);
	free(service->names);
	free(service);
}

/* An entry without names and without a process is not worth keeping. */
static void forget_if_empty(struct services *services, struct service *service)
{
	if (service->is_wanted || service->n_names || service->pid)
		return;
	size_t i = position(services, service->network);
	services->count--;
	memmove(services->items + i, services->items + i + 1,
		(services->count - i) * sizeof(struct service *));
	service_free(service);
}

/* Processes */

static int on_children(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
	(void)source;
	(void)info;
	struct services *services = data;
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < services->count; i++) {
			if (services->items[i]->pid != pid)
				continue;
			service_ended(services->items[i], status);
			break;
		}
	}
	return 0;
}

int services_init(struct services *services, struct error *err)
{
	int result = sd_event_add_signal(services->event, &services->children, SIGCHLD, on_children,
					 services);
	return result < 0 ? error_errno(err, result, "watching child processes") : 0;
}

void services_done(struct services *services)
{
	services->children = sd_event_source_disable_unref(services->children);
	for (size_t i = 0; i < services->count; i++)
		service_free(services->items[i]);
	free(services->items);
	free(services->ending);
	services->items = NULL;
	services->count = services->room = 0;
}

/* Starting and changing */

/* Whether the running process would read the same configuration on the same interface. */
static bool needs_no_restart(const struct service *service, const struct object_service *wanted)
{
	return service->is_wanted && service->pid &&
	       service->ifindex == if_nametoindex(wanted->ifname) &&
	       service_has_same_conf(service, wanted);
}

struct start {
	struct service *service;
	struct object_service before;
	bool was_wanted;
	unsigned again; /* how often the ports were taken */
	int result;
	struct error err;
};

static int begin(struct start *start, const struct object *object)
{
	struct service *service = start->service;
	bool keep = needs_no_restart(service, &object->service);
	start->before = service->object;
	start->was_wanted = service->is_wanted;
	service->object = object->service;
	service->is_wanted = true;
	int result = service_write_all(service, &start->err);
	if (result < 0 || keep) {
		if (result == 0)
			service_reload(service);
		return result;
	}
	service_end(service, true);
	service_reap(service);
	service->failures = 0;
	return service_spawn(service, &start->err);
}

/* Reads on; 0: still starting, 1: ready, negative: ended. */
static int progress(struct start *start)
{
	struct service *service = start->service;
	bool open = service_listen(service);
	if (service->is_ready)
		return 1;
	if (open)
		return 0;
	int status = 0;
	char how[64];
	kill(service->pid, SIGKILL);
	waitpid(service->pid, &status, 0);
	service->pid = 0;
	if (strstr(service->last, "Address already in use") && start->again < AGAIN_MAX) {
		/* The one of an executor that was killed a moment ago is still ending; it is not
		 * our child, so nothing tells of it. */
		struct timespec pause = {.tv_nsec = AGAIN_NSEC};
		start->again++;
		nanosleep(&pause, NULL);
		return service_spawn(service, &start->err);
	}
	service_describe_end(status, how, sizeof(how));
	return error_set(&start->err, EIO, "%s (dnsmasq, %s)",
			 service->last[0] ? service->last : "no word from it", how);
}

static void await(struct start *starts, size_t count)
{
	struct pollfd *polls = memory_zero(count, sizeof(*polls));
	uint64_t deadline = clock_usec(CLOCK_MONOTONIC) + START_MS * 1000u;
	size_t waiting = 0;
	for (size_t i = 0; i < count; i++) {
		struct service *service = starts[i].service;
		bool waits = starts[i].result == 0 && service->pid && !service->is_ready;
		polls[i] = (struct pollfd){.fd = waits ? service->words : -1, .events = POLLIN};
		waiting += waits;
	}
	while (waiting > 0) {
		uint64_t now = clock_usec(CLOCK_MONOTONIC);
		int timeout = now >= deadline ? 0 : (int)((deadline - now) / 1000u) + 1;
		if (poll(polls, count, timeout) < 0 && errno != EINTR)
			break;
		for (size_t i = 0; i < count; i++) {
			if (polls[i].fd < 0 || (!polls[i].revents && timeout))
				continue;
			int result = polls[i].revents ? progress(&starts[i]) : 0;
			if (result == 0 && timeout == 0)
				result = error_set(&starts[i].err, ETIMEDOUT,
						   "dnsmasq does not answer after %u seconds",
						   START_MS / 1000u);
			polls[i].fd = starts[i].service->words;
			if (result == 0)
				continue;
			starts[i].result = result < 0 ? result : 0;
			polls[i].fd = -1;
			waiting--;
		}
	}
	free(polls);
}

/* Goes on as before: the old configuration again, or nothing. */
static void give_up(struct services *services, struct start *start)
{
	struct service *service = start->service;
	struct error err = {0};
	service_end(service, false);
	service_reap(service);
	service_stop_listening(service);
	service->object = start->before;
	service->is_wanted = start->was_wanted;
	if (!start->was_wanted) {
		service_remove_folder(services->folder, service->network);
		forget_if_empty(services, service);
		return;
	}
	if (service_write_all(service, &err) < 0)
		log_error("%s: %s", service->object.ifname, err.text);
	service_start_again(service);
}

static int start_some(struct services *services, const struct object *const *objects, size_t count,
		      size_t *ret_done, struct error *err)
{
	struct start *starts = memory_zero(count, sizeof(*starts));
	int result = 0;
	for (size_t i = 0; i < count; i++) {
		starts[i].service = obtain(services, objects[i]->network);
		starts[i].result = begin(&starts[i], objects[i]);
	}
	await(starts, count);
	for (size_t i = 0; i < count; i++) {
		if (starts[i].result == 0) {
			service_watch(starts[i].service);
			*ret_done += result == 0;
			continue;
		}
		if (result == 0) {
			result = starts[i].result;
			error_set(err, result, "%s", starts[i].err.text);
			error_prefix(err, "service on %s", objects[i]->service.ifname);
		}
		give_up(services, &starts[i]);
	}
	free(starts);
	return result;
}

int services_start(struct services *services, const struct object *const *objects, size_t count,
		   size_t *ret_done, struct error *err)
{
	int result = 0;
	*ret_done = 0;
	services_wait(services); /* a process that is ending may hold the ports */
	for (size_t i = 0; i < count && result == 0; i += START_MAX) {
		size_t some = count - i < START_MAX ? count - i : START_MAX;
		result = start_some(services, objects + i, some, ret_done, err);
	}
	return result;
}

static void stop_one(struct services *services, struct service *service)
{
	if (service->pid) {
		service_end(service, false);
		services->ending = memory_grow(services->ending, &services->ending_room,
					       services->n_ending + 1, sizeof(pid_t));
		services->ending[services->n_ending++] = service->pid;
		service->pid = 0;
	}
	service_stop_listening(service);
	service->is_ready = service->is_wanted = false;
	service_remove_folder(services->folder, service->network);
	forget_if_empty(services, service);
}

int services_stop(struct services *services, const struct object *const *objects, size_t count,
		  size_t *ret_done, struct error *err)
{
	(void)err;
	for (size_t i = 0; i < count; i++) {
		struct service *service = find(services, objects[i]->network);
		if (service && service->is_wanted &&
		    strcmp(service->object.ifname, objects[i]->service.ifname) == 0)
			stop_one(services, service);
	}
	*ret_done = count;
	return 0;
}

void services_wait(struct services *services)
{
	for (size_t i = 0; i < services->n_ending; i++)
		while (waitpid(services->ending[i], NULL, 0) < 0 && errno == EINTR)
			;
	services->n_ending = 0;
}

/* Names */

static size_t name_position(const struct service *service, const char *name)
{
	size_t low = 0, high = service->n_names;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (strcmp(service->names[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void name_set(struct service *service, const struct object_name *name)
{
	size_t i = name_position(service, name->name);
	if (i == service->n_names || strcmp(service->names[i].name, name->name) != 0) {
		service->names = memory_grow(service->names, &service->names_room,
					     service->n_names + 1, sizeof(*name));
		memmove(service->names + i + 1, service->names + i,
			(service->n_names - i) * sizeof(*name));
		service->n_names++;
	}
	service->names[i] = *name;
}

static void name_remove(struct service *service, const struct object_name *name)
{
	size_t i = name_position(service, name->name);
	if (i == service->n_names || strcmp(service->names[i].name, name->name) != 0)
		return;
	service->n_names--;
	memmove(service->names + i, service->names + i + 1, (service->n_names - i) * sizeof(*name));
}

/* One network's share of a batch. */
static int name_network(struct services *services, const struct object *const *objects,
			size_t count, bool remove, struct error *err)
{
	struct service *service = obtain(services, objects[0]->network);
	size_t n_before = service->n_names;
	struct object_name *before = memory_zero(n_before, sizeof(*before));
	if (n_before)
		memcpy(before, service->names, n_before * sizeof(*before));
	for (size_t i = 0; i < count; i++)
		(remove ? name_remove : name_set)(service, &objects[i]->name);
	int result = service->is_wanted ? service_write_names(service, err) : 0;
	if (result == 0) {
		free(before);
		if (service->is_wanted)
			service_reload(service);
	} else {
		free(service->names);
		service->names = before;
		service->n_names = n_before;
		service->names_room = n_before;
	}
	forget_if_empty(services, service);
	return result;
}

int services_name(struct services *services, const struct object *const *objects, size_t count,
		  bool remove, size_t *ret_done, struct error *err)
{
	*ret_done = 0;
	while (*ret_done < count) {
		size_t first = *ret_done, n = 1;
		while (first + n < count && objects[first + n]->network == objects[first]->network)
			n++;
		int result = name_network(services, objects + first, n, remove, err);
		if (result < 0)
			return result;
		*ret_done += n;
	}
	return 0;
}

void services_ask_others(struct services *services)
{
	struct error err = {0};
	for (size_t i = 0; i < services->count; i++) {
		struct service *service = services->items[i];
		if (!service->is_wanted)
			continue;
		if (service_write_servers(service, &err) < 0)
			log_error("%s: %s", service->object.ifname, err.text);
		else if (service->pid)
			service_reload(service);
	}
}

void services_dump(const struct services *services, struct object_list *ret)
{
	for (size_t i = 0; i < services->count; i++) {
		const struct service *service = services->items[i];
		for (size_t j = 0; j < service->n_names; j++)
			object_list_add(ret, OBJECT_NAME, service->network)->name =
				service->names[j];
		if (service->is_wanted)
			object_list_add(ret, OBJECT_SERVICE, service->network)->service =
				service->object;
	}
}

/* What a crash left */

static bool has_bridge(const struct object_list *list, uint32_t network)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].kind == OBJECT_BRIDGE && list->items[i].network == network)
			return true;
	return false;
}

void services_remove_stale(const char *folder, const struct object_list *list)
{
	DIR *directory = opendir(folder);
	const struct dirent *entry;
	while (directory && (entry = readdir(directory))) {
		char *end;
		unsigned long network = strtoul(entry->d_name, &end, 10);
		if (*end || end == entry->d_name || network > UINT32_MAX ||
		    has_bridge(list, (uint32_t)network))
			continue;
		service_remove_folder(folder, (uint32_t)network);
	}
	if (directory)
		closedir(directory);
}
