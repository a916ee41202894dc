/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/uplink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
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
#include "base/spawn.h"
#include "kern/address.h"
#include "kern/netlink.h"
#include "svc/pasta.h"

#define SECOND	     1000000ull
#define SHORT_LIFE   (5 * SECOND) /* one that ends sooner is not started again at once */
#define REST_FIRST   (1 * SECOND)
#define REST_LONGEST (60 * SECOND)

struct uplink {
	sd_event *event;
	const struct paths *paths;
	pid_t target;
	pid_t pid;
	int pidfd;
	uint64_t started;
	uint64_t rest; /* before the next start */
	sd_event_source *source, *timer;
	char why[128];
};

struct uplink *uplink_new(sd_event *event, const struct paths *paths)
{
	struct uplink *uplink = memory_zero(1, sizeof(*uplink));
	*uplink = (struct uplink){
		.event = event, .paths = paths, .pidfd = -1, .why = "not needed yet"};
	return uplink;
}

static void forget(struct uplink *uplink)
{
	uplink->source = sd_event_source_unref(uplink->source);
	if (uplink->pidfd >= 0)
		close(uplink->pidfd);
	uplink->pidfd = -1;
	uplink->pid = 0;
}

void uplink_free(struct uplink *uplink)
{
	if (!uplink)
		return;
	forget(uplink);
	sd_event_source_unref(uplink->timer);
	free(uplink);
}

static char *note_path(const struct uplink *uplink)
{
	return text_format("%s/uplink", uplink->paths->runtime);
}

/* When a process started, in clock ticks since boot (proc(5), field 22): tells it from another of
 * the same pid. 0: it is gone, or dead and not yet reaped. */
static unsigned long long start_time(pid_t pid)
{
	char path[64];
	AUTO_FREE char *text = NULL;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (file_read(path, 4096, &text, NULL) < 0)
		return 0;
	char *field = strrchr(text, ')');
	if (field && (strncmp(field, ") Z", 3) == 0 || strncmp(field, ") X", 3) == 0))
		return 0;
	for (int i = 0; field && i < 20; i++)
		field = strchr(field + 1, ' ');
	return field ? strtoull(field + 1, NULL, 10) : 0;
}

static void absent(struct uplink *uplink, const char *why)
{
	if (strcmp(uplink->why, why) != 0)
		log_info("uplink absent: %s; everything inside works", why);
	snprintf(uplink->why, sizeof(uplink->why), "%s", why);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct uplink *uplink = data;
	(void)source;
	(void)usec;
	uplink->timer = sd_event_source_unref(uplink->timer);
	uplink_consider(uplink);
	return 0;
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct uplink *uplink = data;
	uint64_t now = 0;
	(void)source;
	(void)fd;
	(void)events;
	waitpid(uplink->pid, NULL, WNOHANG);
	log_warning("the uplink (pasta, pid %d) has ended", (int)uplink->pid);
	forget(uplink);
	snprintf(uplink->why, sizeof(uplink->why), "pasta has ended");
	sd_event_now(uplink->event, CLOCK_MONOTONIC, &now);
	if (now - uplink->started > SHORT_LIFE) {
		uplink->rest = REST_FIRST;
		uplink_consider(uplink);
		return 0;
	}
	sd_event_source_unref(uplink->timer);
	uplink->timer = NULL;
	sd_event_add_time_relative(uplink->event, &uplink->timer, CLOCK_MONOTONIC, uplink->rest, 0,
				   on_timer, uplink);
	uplink->rest = clock_backoff(uplink->rest, REST_FIRST, REST_LONGEST);
	return 0;
}

static bool watch(struct uplink *uplink, pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0 ||
	    sd_event_add_io(uplink->event, &uplink->source, pidfd, POLLIN, on_end, uplink) < 0) {
		if (pidfd >= 0)
			close(pidfd);
		return false;
	}
	uplink->pid = pid;
	uplink->pidfd = pidfd;
	uplink->why[0] = '\0';
	return true;
}

/* The pasta of a broker that was killed. */
static bool take_over(struct uplink *uplink)
{
	AUTO_FREE char *path = note_path(uplink);
	AUTO_FREE char *text = NULL;
	int pid = 0, target = 0;
	unsigned long long start = 0;
	if (file_read(path, 256, &text, NULL) < 0 ||
	    sscanf(text, "%d %llu %d", &pid, &start, &target) != 3 || pid <= 1 || start == 0 ||
	    start_time(pid) != start)
		return false;
	if (!watch(uplink, pid))
		return false;
	sd_event_now(uplink->event, CLOCK_MONOTONIC, &uplink->started);
	return true;
}

static void note(struct uplink *uplink)
{
	AUTO_FREE char *path = note_path(uplink);
	AUTO_FREE char *text = text_format("%d %llu %d\n", (int)uplink->pid,
					   start_time(uplink->pid), (int)uplink->target);
	struct error err = {0};
	if (file_write_atomic(path, text, strlen(text), 0600, false, &err) < 0)
		log_warning("%s", err.text);
}

static void look_for_routes(bool *ret_ipv4, bool *ret_ipv6)
{
	struct netlink netlink;
	int ifindex = 0;
	*ret_ipv4 = *ret_ipv6 = false;
	if (netlink_open(&netlink, NETLINK_ROUTE, NULL) < 0)
		return;
	*ret_ipv4 = route_default(&netlink, AF_INET, &ifindex, NULL) == 0 && ifindex > 0;
	ifindex = 0;
	*ret_ipv6 = route_default(&netlink, AF_INET6, &ifindex, NULL) == 0 && ifindex > 0;
	netlink_close(&netlink);
}

static const char *program(void)
{
	static const char *const places[] = {"/usr/bin/pasta", "/usr/local/bin/pasta",
					     "/bin/pasta"};
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

void uplink_consider(struct uplink *uplink)
{
	if (!uplink || uplink->pid > 0 || uplink->target <= 0 || uplink->timer)
		return;
	if (take_over(uplink))
		return;
	bool ipv4, ipv6;
	look_for_routes(&ipv4, &ipv6);
	if (!ipv4 && !ipv6) {
		absent(uplink, "the host has no default route");
		return;
	}
	const char *pasta = program();
	if (!pasta) {
		absent(uplink, "pasta is not installed (package passt)");
		return;
	}
	struct pasta_argv argv;
	struct error err = {0};
	pasta_argv(&argv, uplink->target, geteuid(), ipv4, ipv6);
	pid_t pid = spawn_start(pasta, argv.items, SPAWN_OWN_SESSION | SPAWN_QUIET, -1, NULL, NULL,
				&err);
	if (pid < 0 || !watch(uplink, pid)) {
		absent(uplink, pid < 0 ? err.text : "pasta ended at once");
		return;
	}
	sd_event_now(uplink->event, CLOCK_MONOTONIC, &uplink->started);
	if (uplink->rest == 0)
		uplink->rest = REST_FIRST;
	note(uplink);
	log_debug("uplink started (pasta, pid %d)", (int)pid);
}

void uplink_set_target(struct uplink *uplink, pid_t pid)
{
	uplink->target = pid;
}

pid_t uplink_pid(const struct uplink *uplink, const char **ret_why)
{
	if (ret_why)
		*ret_why = uplink->why;
	return uplink->pid;
}

void uplink_end(struct uplink *uplink)
{
	uplink->target = 0;
	uplink->timer = sd_event_source_unref(uplink->timer);
	if (uplink->pid > 0 || take_over(uplink)) {
		uplink->source = sd_event_source_unref(uplink->source);
		syscall(SYS_pidfd_send_signal, uplink->pidfd, SIGKILL, NULL, 0);
		waitpid(uplink->pid, NULL, 0);
		forget(uplink);
	}
	AUTO_FREE char *path = note_path(uplink);
	unlink(path);
}
