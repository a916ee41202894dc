/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/spawn.h"
#include "kern/capability.h"
#include "kern/namespace.h"
#include "kern/sysctl.h"

#define WAIT_MILLISECONDS 10000
#define STEP_MILLISECONDS                                                                          \
	20 /* between a socket's appearance and its listen(2) there is no event                    \
	    */

struct instance {
	sd_event *event;
	const struct paths *paths;
	void (*lost)(void *data);
	void *data;
	pid_t holder;
	int holder_pidfd;
	sd_event_source *source;
};

struct instance *instance_new(sd_event *event, const struct paths *paths, void (*lost)(void *data),
			      void *data)
{
	struct instance *instance = memory_zero(1, sizeof(*instance));
	*instance = (struct instance){
		.event = event, .paths = paths, .lost = lost, .data = data, .holder_pidfd = -1};
	return instance;
}

static void forget_holder(struct instance *instance)
{
	instance->source = sd_event_source_unref(instance->source);
	if (instance->holder_pidfd >= 0)
		close(instance->holder_pidfd);
	instance->holder_pidfd = -1;
	instance->holder = 0;
}

void instance_free(struct instance *instance)
{
	if (!instance)
		return;
	forget_holder(instance);
	free(instance);
}

pid_t instance_pid(const struct instance *instance)
{
	return instance->holder;
}

static bool is_alive(int pidfd)
{
	struct pollfd item = {.fd = pidfd, .events = POLLIN};
	return pidfd >= 0 && poll(&item, 1, 0) == 0;
}

static int on_holder(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct instance *instance = data;
	(void)source;
	(void)fd;
	(void)events;
	waitpid(instance->holder, NULL, WNOHANG); /* it may be our own child */
	log_warning("the holder (pid %d) has died", (int)instance->holder);
	forget_holder(instance);
	instance->lost(instance->data);
	return 0;
}

static int watch_holder(struct instance *instance, pid_t pid, struct error *err)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return error_errno(err, errno, "holder (pid %d)", (int)pid);
	int r = sd_event_add_io(instance->event, &instance->source, pidfd, POLLIN, on_holder,
				instance);
	if (r < 0) {
		close(pidfd);
		return error_errno(err, r, "event loop");
	}
	instance->holder = pid;
	instance->holder_pidfd = pidfd;
	return 0;
}

/* Who listens at a path; 0 when nobody of ours does. */
static pid_t listener(const char *path, int type)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address.sun_path))
		return 0;
	strcpy(address.sun_path, path);
	AUTO_CLOSE int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 && errno != EAGAIN))
		return 0;
	pid_t pid;
	uid_t uid;
	if (descriptor_peer(fd, &pid, &uid, NULL) < 0 || uid != geteuid())
		return 0;
	return pid;
}

/* The holder's half of the conversation is in holder.c: 'u' (unshared), we map, 'm', then 'r'
 * (ready); anything else is a sentence. */
static int converse(int socket, pid_t pid, bool joins, struct error *err)
{
	char text[ERROR_TEXT_SIZE];
	for (;;) {
		ssize_t got = recv(socket, text, sizeof(text) - 1, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return error_set(err, ECHILD, "the holder died while starting");
		text[got] = '\0';
		if (strcmp(text, "r") == 0)
			return 0;
		if (strcmp(text, "u") != 0 || joins)
			return error_set(err, EPERM, "%s", text);
		bool range = false;
		int r = namespace_map(pid, &range, err);
		if (r < 0)
			return r;
		if (send(socket, "m", 1, MSG_NOSIGNAL) < 0)
			return error_errno(err, errno, "holder");
	}
}

static int start_holder(struct instance *instance, pid_t executor, pid_t *ret_pid,
			struct error *err)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "socketpair");
	AUTO_CLOSE int ours = pair[0];
	AUTO_CLOSE int theirs = pair[1];
	AUTO_FREE char *program = paths_program("lanyard-holder");
	AUTO_FREE char *join = text_format("%d", (int)executor);
	const char *const argv[] = {
		program, "--instance", instance->paths->instance, executor ? "--join" : NULL,
		join,	 NULL};
	pid_t pid = spawn_start(program, argv, SPAWN_OWN_SESSION, theirs, NULL, NULL, err);
	if (pid < 0)
		return pid;
	close(TAKE_FD(theirs));
	int r = converse(ours, pid, executor != 0, err);
	if (r < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return r;
	}
	*ret_pid = pid;
	return 0;
}

int instance_hold(struct instance *instance, pid_t executor, struct error *err)
{
	if (is_alive(instance->holder_pidfd))
		return 0;
	forget_holder(instance);
	pid_t pid = listener(instance->paths->holder, SOCK_STREAM);
	bool fresh = pid <= 0;
	int r = fresh ? start_holder(instance, executor, &pid, err) : 0;
	if (r == 0)
		r = watch_holder(instance, pid, err);
	return r < 0 ? r : fresh;
}

/* In the child: inside, with exactly the executor's three capabilities. */
static int enter(void *data, struct error *err)
{
	const struct instance *instance = data;
	int r = namespace_enter(instance->holder, err);
	if (r < 0)
		return r;
	/* The namespace is a world of its own, so interfaces that others make in it (the uplink)
	 * may forward from birth; networks have a switch each. A kernel that refuses is found by
	 * the networks' own switches. */
	sysctl_set(SYSCTL_FORWARDING_IPV4, "default", 1, NULL);
	sysctl_set(SYSCTL_FORWARDING_IPV6, "all", 1, NULL);
	return capability_keep(CAPABILITY_EXECUTOR, err);
}

int instance_start_executor(struct instance *instance, instance_attempt *attempt, void *data,
			    struct error *err)
{
	AUTO_FREE char *program = paths_program("lanyard-executor");
	/* In a world of one's own any name is free. */
	const char *const argv[] = {
		program,	"--user", "--instance", instance->paths->instance,
		"--allow-name", "*",	  NULL};
	pid_t pid = spawn_start(program, argv, SPAWN_OWN_SESSION, -1, enter, instance, err);
	if (pid < 0)
		return error_prefix(err, "executor");
	log_debug("executor started (pid %d)", (int)pid);
	return instance_wait(instance->paths, pid, attempt, data, err);
}

static bool has_ended(pid_t pid)
{
	return pid > 0 && waitpid(pid, NULL, WNOHANG) == pid;
}

int instance_wait(const struct paths *paths, pid_t pid, instance_attempt *attempt, void *data,
		  struct error *err)
{
	AUTO_CLOSE int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch < 0 || inotify_add_watch(watch, paths->runtime, IN_CREATE | IN_MOVED_TO) < 0)
		return error_errno(err, errno, "%s", paths->runtime);
	for (int waited = 0; waited < WAIT_MILLISECONDS; waited += STEP_MILLISECONDS) {
		struct error why = {0};
		int r = attempt(data, &why);
		if (r == 0 || (r != -ENOENT && r != -ECONNREFUSED))
			return r == 0 ? 0 : error_set(err, r, "%s", why.text);
		if (has_ended(pid))
			return error_set(err, ECHILD,
					 "the executor ended while starting; see %s/log",
					 paths->runtime);
		struct pollfd item = {.fd = watch, .events = POLLIN};
		char events[4096];
		if (poll(&item, 1, STEP_MILLISECONDS) > 0 &&
		    read(watch, events, sizeof(events)) > 0)
			waited -= STEP_MILLISECONDS - 1;
	}
	return error_set(err, ETIMEDOUT, "nobody answers at %s", paths->executor);
}

void instance_end(struct instance *instance)
{
	pid_t pid = instance->holder;
	if (pid <= 0)
		return;
	instance->source = sd_event_source_unref(instance->source);
	syscall(SYS_pidfd_send_signal, instance->holder_pidfd, SIGKILL, NULL, 0);
	waitpid(pid, NULL, WNOHANG);
	unlink(instance->paths->holder);
	forget_holder(instance);
}
