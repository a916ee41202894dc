/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lanyard-holder: the first process of a user instance's namespaces. It makes them (or joins those
 * of a living executor when its predecessor died), listens on a socket so that it can be found, and
 * then does nothing for as long as the instance lives.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/paths.h"
#include "base/spawn.h"
#include "kern/capability.h"
#include "kern/namespace.h"

static int make_namespaces(struct error *err)
{
	int r = namespace_unshare(err);
	if (r < 0)
		return r;
	/* The broker maps us from outside; the kernel takes a map only once. */
	char answer;
	if (send(SPAWN_DESCRIPTOR, "u", 1, MSG_NOSIGNAL) != 1 ||
	    recv(SPAWN_DESCRIPTOR, &answer, 1, 0) != 1)
		return error_set(err, ECONNRESET, "the broker went away");
	return 0;
}

/* Nobody is ever accepted: SO_PEERCRED of a connection tells who listens. What was connected and
 * closed again stays in the queue, hence its length. */
static int stand(const char *path, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ENAMETOOLONG, "%s: the path of a socket must be shorter",
				 path);
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 4096) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

/* For doctor: whether it would work, from whoever starts us, under the profile that is ours. */
static int try_namespaces(void)
{
	struct error err = {0};
	if (namespace_unshare(&err) == 0)
		return 0;
	fprintf(stderr, "lanyard-holder: %s\n", err.text);
	return 1;
}

static int begin(const char *instance, pid_t join, struct error *err)
{
	struct paths paths;
	int r = paths_init(&paths, false, instance, err);
	if (r == 0)
		r = join > 0 ? namespace_enter(join, err) : make_namespaces(err);
	if (r == 0)
		r = stand(paths.holder, err);
	if (r == 0)
		r = capability_keep(0, err); /* it only waits */
	/* Whoever may enter is decided by the kernel: the namespace's owner. Losing capabilities
	 * must not hide /proc/PID/ns from that owner. */
	if (r == 0 && prctl(PR_SET_DUMPABLE, 1) < 0)
		r = error_errno(err, errno, "prctl");
	paths_done(&paths);
	return r;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"instance", required_argument, NULL, 'i'},
						{"join", required_argument, NULL, 'j'},
						{"try", no_argument, NULL, 't'},
						{0}};
	const char *instance = NULL;
	pid_t join = 0;
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 'i')
			instance = optarg;
		else if (c == 'j')
			join = (pid_t)atoi(optarg);
		else if (c == 't')
			return try_namespaces();
		else
			return 2;
	}
	struct error err = {0};
	if (begin(instance, join, &err) < 0) {
		if (send(SPAWN_DESCRIPTOR, err.text, strlen(err.text), MSG_NOSIGNAL) < 0)
			fprintf(stderr, "lanyard-holder: %s\n", err.text);
		return 1;
	}
	if (send(SPAWN_DESCRIPTOR, "r", 1, MSG_NOSIGNAL) < 0)
		return 1;
	close(SPAWN_DESCRIPTOR);
	if (chdir("/") < 0)
		return 1;
	for (;;)
		pause();
}
