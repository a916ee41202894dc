/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A service is down (no pid), starting (a pid that has not yet said "started")
 * or ready. Only a ready one may get SIGHUP: before, the signal's default action would end it; so a
 * reload that is asked for meanwhile is remembered. Death is told by SIGCHLD; the pipe that carries
 * a process's words may be held open by its grandchildren (dnsmasq forks for TCP). A process that
 * lived for a while is started again at once, one that keeps dying with growing pauses.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "executor/service.h"
#include "executor/services.h"

#define STOP_MS	    1000     /* then SIGKILL */
#define STEADY_USEC 5000000u /* who lived that long has not failed repeatedly */
#define PAUSE_USEC  50000u   /* before the second attempt; doubles */
#define PAUSE_MAX   30000000u

void service_stop_listening(struct service *service)
{
	service->words_source = sd_event_source_disable_unref(service->words_source);
	service->again = sd_event_source_disable_unref(service->again);
	if (service->words >= 0)
		close(service->words);
	service->words = -1;
}

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

int service_spawn(struct service *service, struct error *err)
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
	service_stop_listening(service);
	service->pid = pid;
	service->words = ends[0];
	service->is_ready = service->reload = false;
	service->started = clock_usec(CLOCK_MONOTONIC);
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
bool service_listen(struct service *service)
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
			else if (service->line_used < SERVICE_LINE_SIZE - 1)
				service->line[service->line_used++] = bytes[i];
		}
	}
}

static int on_words(sd_event_source *source, int fd, uint32_t events, void *data)
{
	(void)fd;
	(void)events;
	struct service *service = data;
	if (!service_listen(service))
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

void service_watch(struct service *service)
{
	if (service->words >= 0 && !service->words_source)
		sd_event_add_io(service->services->event, &service->words_source, service->words,
				EPOLLIN, on_words, service);
}

void service_describe_end(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "killed by signal %d", WTERMSIG(status));
	else
		snprintf(text, size, "exit code %d", WEXITSTATUS(status));
}

/* Ends a process for good; leases are on disk after each change, so SIGKILL would do no harm
 * either. */
void service_end(struct service *service, bool gently)
{
	if (!service->pid)
		return;
	kill(service->pid, gently ? SIGTERM : SIGKILL);
	service_stop_listening(service);
}

void service_reap(struct service *service)
{
	if (!service->pid)
		return;
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	uint64_t deadline = clock_usec(CLOCK_MONOTONIC) + STOP_MS * 1000u;
	/* SIGCHLD is blocked and pending signals merge, so the process is asked for after each. */
	while (waitpid(service->pid, NULL, WNOHANG) == 0) {
		uint64_t now = clock_usec(CLOCK_MONOTONIC);
		struct timespec left = {.tv_nsec = 50 * 1000000L};
		if (now >= deadline)
			kill(service->pid, SIGKILL);
		sigtimedwait(&child, NULL, &left);
	}
	service->pid = 0;
	service->is_ready = false;
	raise(SIGCHLD); /* it was taken from the event loop and may have meant another one too */
}

void service_reload(struct service *service)
{
	if (service->is_ready)
		kill(service->pid, SIGHUP);
	else
		service->reload = true;
}

static int on_again(sd_event_source *source, uint64_t usec, void *data);

void service_start_again(struct service *service)
{
	struct error err = {0};
	uint64_t pause = 0;
	if (clock_usec(CLOCK_MONOTONIC) - service->started >= STEADY_USEC)
		service->failures = 0;
	if (service->failures)
		pause = PAUSE_USEC << (service->failures < 12 ? service->failures - 1 : 11);
	if (pause > PAUSE_MAX)
		pause = PAUSE_MAX;
	service->failures++;
	if (!pause && service_spawn(service, &err) == 0) {
		service_watch(service);
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
	if (service_spawn(service, &err) == 0) {
		service_watch(service);
		return 0;
	}
	log_error("%s: %s", service->object.ifname, err.text);
	service_start_again(service);
	return 0;
}

void service_ended(struct service *service, int status)
{
	char how[64], text[SERVICE_LINE_SIZE * 2];
	if (service->words >= 0)
		service_listen(service); /* its last words */
	service_describe_end(status, how, sizeof(how));
	snprintf(text, sizeof(text), "dnsmasq of %s ended (%s)%s%s", service->object.ifname, how,
		 WIFSIGNALED(status) ? "" : ": ", WIFSIGNALED(status) ? "" : service->last);
	service_stop_listening(service);
	service->pid = 0;
	service->is_ready = false;
	log_warning("%s; starting it again", text);
	service_start_again(service);
	service->services->died(text, service->services->data);
}
