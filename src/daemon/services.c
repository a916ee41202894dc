/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A service is down (no pid), starting (a pid that has not yet said "started")
 * or ready. Only a ready one may get SIGHUP: before, the signal's default action would end it; so a
 * reload that is asked for meanwhile is remembered. Death is told by SIGCHLD; the pipe that carries
 * a process's words may be held open by its grandchildren (dnsmasq forks for TCP). A process that
 * lived for a while is started again at once, one that keeps dying with growing pauses.
 */
#include "daemon/services.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#define START_MS    10000u   /* a start that takes longer has failed */
#define STOP_MS	    1000     /* then SIGKILL */
#define STEADY_USEC 5000000u /* who lived that long has not failed repeatedly */
#define PAUSE_USEC  50000u   /* before the second attempt; doubles */
#define AGAIN_NSEC  20000000l /* between attempts while the ports are taken */
#define AGAIN_MAX   50u
#define PAUSE_MAX   30000000u
#define LINE_SIZE   256

struct service {
	struct services *services;
	uint32_t network;
	struct object_name *names; /* sorted by name */
	size_t n_names, names_room;

	bool is_wanted; /* false: only names so far */
	struct object_service object;
	unsigned ifindex; /* of the interface when it was started */
	pid_t pid;	  /* 0: down */
	bool is_ready;
	bool reload; /* SIGHUP as soon as it is ready */
	int words;   /* read end of its standard error, -1 */
	sd_event_source *words_source, *again;
	uint64_t started; /* CLOCK_MONOTONIC microseconds */
	unsigned failures;
	char line[LINE_SIZE]; /* being received */
	size_t line_used;
	char last[LINE_SIZE]; /* the last complete one */
};

static uint64_t now_usec(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

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

static void stop_listening(struct service *service)
{
	service->words_source = sd_event_source_disable_unref(service->words_source);
	service->again = sd_event_source_disable_unref(service->again);
	if (service->words >= 0)
		close(service->words);
	service->words = -1;
}

static void service_free(struct service *service)
{
	stop_listening(service);
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

/* Files */

static char *folder_of(const char *folder, uint32_t network)
{
	return text_format("%s/%u", folder, network);
}

static int write_file(const char *folder, const char *name, char *text, struct error *err)
{
	AUTO_FREE char *owned = text;
	AUTO_FREE char *path = text_format("%s/%s", folder, name);
	return file_write_atomic(path, owned, strlen(owned), 0644, false, err);
}

static int write_names(const struct service *service, struct error *err)
{
	AUTO_FREE char *folder = folder_of(service->services->folder, service->network);
	int result = write_file(folder, DNSMASQ_RESERVED,
				dnsmasq_reserved(service->names, service->n_names), err);
	if (result < 0)
		return result;
	return write_file(folder, DNSMASQ_HOSTS,
			  dnsmasq_hosts(&service->object, service->names, service->n_names), err);
}

static struct dnsmasq_place place_of(const struct service *service, const char *folder)
{
	return (struct dnsmasq_place){.folder = folder,
				      .upstream = service->services->upstream,
				      .resolv_file = service->services->resolv_file,
				      .is_root = geteuid() == 0};
}

static int write_all(const struct service *service, struct error *err)
{
	AUTO_FREE char *folder = folder_of(service->services->folder, service->network);
	int result = directory_make(folder, 0755, err);
	if (result < 0)
		return result;
	struct dnsmasq_place place = place_of(service, folder);
	result = write_file(folder, DNSMASQ_CONF, dnsmasq_conf(&service->object, &place), err);
	if (result < 0)
		return result;
	result =
		write_file(folder, DNSMASQ_SERVERS, dnsmasq_servers(&service->object, &place), err);
	return result < 0 ? result : write_names(service, err);
}

static void remove_folder(const char *services_folder, uint32_t network)
{
	static const char *const files[] = {DNSMASQ_CONF, DNSMASQ_RESERVED, DNSMASQ_HOSTS,
					    DNSMASQ_SERVERS, DNSMASQ_LEASES};
	AUTO_FREE char *folder = folder_of(services_folder, network);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		AUTO_FREE char *path = text_format("%s/%s", folder, files[i]);
		unlink(path);
	}
	if (rmdir(folder) < 0 && errno != ENOENT)
		log_warning("%s: %s", folder, strerror(errno));
}

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
		remove_folder(folder, (uint32_t)network);
	}
	if (directory)
		closedir(directory);
}

/* Processes */

static const char *program(void)
{
	static const char *const paths[] = {"/usr/sbin/dnsmasq", "/usr/bin/dnsmasq",
					    "/usr/local/sbin/dnsmasq"};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	return NULL;
}

/* In the child: only what is safe between fork and exec. */
static void become_dnsmasq(const char *path, const char *configuration, int words, pid_t parent)
{
	char *const arguments[] = {(char *)"dnsmasq", (char *)"-k", (char *)"-C",
				   (char *)configuration, NULL};
	char *const environment[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
				     (char *)"LC_ALL=C", NULL};
	sigset_t none;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	umask(022);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (dup2(null, 0) < 0 || dup2(words, 1) < 0 || dup2(words, 2) < 0)
		_exit(127);
	execve(path, arguments, environment);
	_exit(127);
}

static int spawn(struct service *service, struct error *err)
{
	const char *path = program();
	int ends[2];
	if (!path)
		return error_set(err, ENOENT, "dnsmasq is not installed (package dnsmasq-base)");
	AUTO_FREE char *configuration =
		text_format("%s/%u/" DNSMASQ_CONF, service->services->folder, service->network);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "pipe");
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0)
		become_dnsmasq(path, configuration, ends[1], parent);
	int code = errno;
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return error_errno(err, code, "starting dnsmasq");
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	stop_listening(service);
	service->pid = pid;
	service->words = ends[0];
	service->is_ready = service->reload = false;
	service->started = now_usec();
	service->ifindex = if_nametoindex(service->object.ifname);
	service->line_used = 0;
	service->last[0] = '\0';
	return 0;
}

static void said(struct service *service)
{
	service->line[service->line_used] = '\0';
	service->line_used = 0;
	snprintf(service->last, sizeof(service->last), "%s", service->line);
	log_debug("%s: %s", service->object.ifname, service->line);
	if (service->is_ready || !strstr(service->line, ": started, version"))
		return;
	service->is_ready = true;
	if (service->reload)
		kill(service->pid, SIGHUP);
	service->reload = false;
}

/* Reads what it said, line by line. False at the end of the stream. */
static bool listen_to(struct service *service)
{
	char bytes[512];
	for (;;) {
		ssize_t got = read(service->words, bytes, sizeof(bytes));
		if (got < 0)
			return errno == EAGAIN || errno == EINTR;
		if (got == 0)
			return false;
		for (ssize_t i = 0; i < got; i++) {
			if (bytes[i] == '\n')
				said(service);
			else if (service->line_used < LINE_SIZE - 1)
				service->line[service->line_used++] = bytes[i];
		}
	}
}

static int on_words(sd_event_source *source, int fd, uint32_t events, void *data)
{
	(void)fd;
	(void)events;
	struct service *service = data;
	if (!listen_to(service))
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static void watch(struct service *service)
{
	if (service->words >= 0 && !service->words_source)
		sd_event_add_io(service->services->event, &service->words_source, service->words,
				EPOLLIN, on_words, service);
}

static void describe_end(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "killed by signal %d", WTERMSIG(status));
	else
		snprintf(text, size, "exit code %d", WEXITSTATUS(status));
}

/* Ends a process for good; leases are on disk after each change, so SIGKILL would do no harm
 * either. */
static void end(struct service *service, bool gently)
{
	if (!service->pid)
		return;
	kill(service->pid, gently ? SIGTERM : SIGKILL);
	stop_listening(service);
}

static void reap(struct service *service)
{
	if (!service->pid)
		return;
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	uint64_t deadline = now_usec() + STOP_MS * 1000u;
	/* SIGCHLD is blocked and pending signals merge, so the process is asked for after each. */
	while (waitpid(service->pid, NULL, WNOHANG) == 0) {
		uint64_t now = now_usec();
		struct timespec left = {.tv_nsec = 50 * 1000000l};
		if (now >= deadline)
			kill(service->pid, SIGKILL);
		sigtimedwait(&child, NULL, &left);
	}
	service->pid = 0;
	service->is_ready = false;
	raise(SIGCHLD); /* it was taken from the event loop and may have meant another one too */
}

/* Supervision */

static int on_again(sd_event_source *source, uint64_t usec, void *data);

static void start_again(struct service *service)
{
	struct error err = {0};
	uint64_t pause = 0;
	if (now_usec() - service->started >= STEADY_USEC)
		service->failures = 0;
	if (service->failures)
		pause = PAUSE_USEC << (service->failures < 12 ? service->failures - 1 : 11);
	if (pause > PAUSE_MAX)
		pause = PAUSE_MAX;
	service->failures++;
	if (!pause && spawn(service, &err) == 0) {
		watch(service);
		return;
	}
	if (err.code)
		log_error("%s: %s", service->object.ifname, err.text);
	service->again = sd_event_source_disable_unref(service->again);
	sd_event_add_time_relative(service->services->event, &service->again, CLOCK_MONOTONIC,
				   pause ? pause : PAUSE_USEC, 1000, on_again, service);
}

static int on_again(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	struct service *service = data;
	struct error err = {0};
	if (service->pid || !service->is_wanted)
		return 0;
	if (spawn(service, &err) == 0) {
		watch(service);
		return 0;
	}
	log_error("%s: %s", service->object.ifname, err.text);
	start_again(service);
	return 0;
}

static void ended(struct service *service, int status)
{
	char how[64], text[LINE_SIZE * 2];
	if (service->words >= 0)
		listen_to(service); /* its last words */
	describe_end(status, how, sizeof(how));
	snprintf(text, sizeof(text), "dnsmasq of %s ended (%s)%s%s", service->object.ifname, how,
		 WIFSIGNALED(status) ? "" : ": ", WIFSIGNALED(status) ? "" : service->last);
	stop_listening(service);
	service->pid = 0;
	service->is_ready = false;
	log_warning("%s; starting it again", text);
	start_again(service);
	service->services->died(text, service->services->data);
}

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
			ended(services->items[i], status);
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

static void reload(struct service *service)
{
	if (service->is_ready)
		kill(service->pid, SIGHUP);
	else
		service->reload = true;
}

/* Whether the running process would read the same configuration on the same interface. */
static bool needs_no_restart(const struct service *service, const struct object_service *wanted)
{
	if (!service->is_wanted || !service->pid ||
	    service->ifindex != if_nametoindex(wanted->ifname))
		return false;
	AUTO_FREE char *folder = folder_of(service->services->folder, service->network);
	struct dnsmasq_place place = place_of(service, folder);
	AUTO_FREE char *before = dnsmasq_conf(&service->object, &place);
	AUTO_FREE char *after = dnsmasq_conf(wanted, &place);
	return strcmp(before, after) == 0;
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
	int result = write_all(service, &start->err);
	if (result < 0 || keep) {
		if (result == 0)
			reload(service);
		return result;
	}
	end(service, true);
	reap(service);
	service->failures = 0;
	return spawn(service, &start->err);
}

/* Reads on; 0: still starting, 1: ready, negative: ended. */
static int progress(struct start *start)
{
	struct service *service = start->service;
	bool open = listen_to(service);
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
		struct timespec pause = { .tv_nsec = AGAIN_NSEC };
		start->again++;
		nanosleep(&pause, NULL);
		return spawn(service, &start->err);
	}
	describe_end(status, how, sizeof(how));
	return error_set(&start->err, EIO, "%s (dnsmasq, %s)",
			 service->last[0] ? service->last : "no word from it", how);
}

static void await(struct start *starts, size_t count)
{
	struct pollfd *polls = memory_zero(count, sizeof(*polls));
	uint64_t deadline = now_usec() + START_MS * 1000u;
	size_t waiting = 0;
	for (size_t i = 0; i < count; i++) {
		struct service *service = starts[i].service;
		bool waits = starts[i].result == 0 && service->pid && !service->is_ready;
		polls[i] = (struct pollfd){.fd = waits ? service->words : -1, .events = POLLIN};
		waiting += waits;
	}
	while (waiting > 0) {
		uint64_t now = now_usec();
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
	end(service, false);
	reap(service);
	stop_listening(service);
	service->object = start->before;
	service->is_wanted = start->was_wanted;
	if (!start->was_wanted) {
		remove_folder(services->folder, service->network);
		forget_if_empty(services, service);
		return;
	}
	if (write_all(service, &err) < 0)
		log_error("%s: %s", service->object.ifname, err.text);
	start_again(service);
}

int services_start(struct services *services, const struct object *const *objects, size_t count,
		   size_t *ret_done, struct error *err)
{
	struct start *starts = memory_zero(count, sizeof(*starts));
	int result = 0;
	*ret_done = 0;
	services_wait(services); /* a process that is ending may hold the ports */
	for (size_t i = 0; i < count; i++) {
		starts[i].service = obtain(services, objects[i]->network);
		starts[i].result = begin(&starts[i], objects[i]);
	}
	await(starts, count);
	for (size_t i = 0; i < count; i++) {
		if (starts[i].result == 0) {
			watch(starts[i].service);
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

static void stop_one(struct services *services, struct service *service)
{
	if (service->pid) {
		end(service, false);
		services->ending = memory_grow(services->ending, &services->ending_room,
					       services->n_ending + 1, sizeof(pid_t));
		services->ending[services->n_ending++] = service->pid;
		service->pid = 0;
	}
	stop_listening(service);
	service->is_ready = service->is_wanted = false;
	remove_folder(services->folder, service->network);
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
	int result = service->is_wanted ? write_names(service, err) : 0;
	if (result == 0) {
		free(before);
		if (service->is_wanted)
			reload(service);
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
