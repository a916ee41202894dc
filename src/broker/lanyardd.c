/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lanyardd, the broker of one instance: it decodes, authorises, keeps the model, plans, persists
 * and answers. It has no capability and never touches the kernel's network; that is the executor's
 * work. Killing it loses nothing: the definitions are on disk, the rest is found again. Here is
 * what lies around that: options, rights given up, the background.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/paths.h"
#include "broker/broker.h"
#include "broker/confinement.h"
#include "kern/capability.h"

#ifndef LANYARD_VERSION
#define LANYARD_VERSION "unknown"
#endif

/* Output of a broker in the background goes to RUNTIME/log. */
static void detach(const struct paths *paths)
{
	AUTO_FREE char *path = text_format("%s/log", paths->runtime);
	setsid();
	if (chdir("/") < 0)
		log_warning("chdir: %m");
	umask(022);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	directory_make(paths->runtime, 0700, NULL);
	int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(log >= 0 ? log : null, STDERR_FILENO);
	/* What the starter has open is none of our business, and would keep its pipes from ending.
	 */
	close(null);
	close(log);
}

static int wait_for_child(int pipe)
{
	char text[ERROR_TEXT_SIZE + 1];
	size_t used = 0;
	for (ssize_t got; used < sizeof(text) - 1; used += (size_t)got) {
		got = read(pipe, text + used, sizeof(text) - 1 - used);
		if (got < 0 && errno == EINTR)
			got = 0;
		else if (got <= 0)
			break;
	}
	text[used] = '\0';
	if (strcmp(text, "\n") == 0)
		return 0;
	fprintf(stderr, "lanyardd: %s\n", used ? text : "the broker died while starting");
	return 1;
}

static int daemonize(const struct paths *paths)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0) {
		log_error("pipe: %m");
		return 1;
	}
	pid_t pid = fork();
	if (pid < 0) {
		log_error("fork: %m");
		return 1;
	}
	if (pid == 0) {
		int report = fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
		detach(paths);
		close(ends[0]);
		close(ends[1]);
		return broker_run(paths, NULL, false, report);
	}
	close(ends[1]);
	int r = wait_for_child(ends[0]), status;
	close(ends[0]);
	if (r != 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status))
		r = WEXITSTATUS(status);
	return r;
}

/* The system broker gives root up before it reads anything. Without the account it stays root's,
 * with a warning. */
static int drop_root(const struct paths *paths, struct error *err)
{
	const struct passwd *account = geteuid() == 0 ? getpwnam(BROKER_USER) : NULL;
	int r = directory_give(paths->runtime, 0755, account, err);
	if (r == 0)
		r = directory_give(paths->state, 0700, account, err);
	if (r < 0 || geteuid() != 0)
		return r;
	if (account)
		return capability_become(account->pw_uid, account->pw_gid, 0, err);
	log_warning("there is no user 'lanyard'; the broker stays root without capabilities");
	return capability_become(0, 0, 0, err);
}

static void confine(const struct paths *paths)
{
	struct error err = {0};
	int r = confinement_enter(paths, &err);
	if (r < 0)
		log_warning("%s", err.text);
	else if (r == 0)
		log_info("the kernel has no Landlock; files are guarded by their modes alone");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"user", no_argument, NULL, 'u'},
						{"system", no_argument, NULL, 's'},
						{"take-down", no_argument, NULL, 't'},
						{"first-network", required_argument, NULL, 'f'},
						{"instance", required_argument, NULL, 'i'},
						{"daemonize", no_argument, NULL, 'd'},
						{"verbose", no_argument, NULL, 'v'},
						{"version", no_argument, NULL, 'V'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	bool system = false, background = false, verbose = false, going = false;
	const char *instance = NULL, *first_network = NULL;
	for (int c; (c = getopt_long(argc, argv, "hv", options, NULL)) != -1;) {
		if (c == 'h' || c == 'V') {
			puts(c == 'V' ? "lanyardd " LANYARD_VERSION
				      : "usage: lanyardd --user|--system [--instance NAME] "
					"[--daemonize] [--verbose]\n"
					"       lanyardd --system [--instance NAME] "
					"[--first-network NAME | --take-down] [--verbose]");
			return 0;
		}
		if (c == '?')
			return 2;
		system = c == 's' || (system && c != 'u');
		background |= c == 'd';
		verbose |= c == 'v';
		going |= c == 't';
		first_network = c == 'f' ? optarg : first_network;
		if (c == 'i')
			instance = optarg;
	}
	if (!system && (going || first_network)) {
		fputs("lanyardd: --take-down and --first-network are for --system\n", stderr);
		return 2;
	}
	log_init("lanyardd", verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	struct paths paths;
	struct error err = {0};
	int r = paths_init(&paths, system, instance, &err);
	if (r == 0 && system)
		r = drop_root(&paths, &err);
	if (r == 0 && system)
		confine(&paths);
	if (r < 0)
		log_error("%s", err.text);
	if (r < 0)
		r = 1;
	else
		r = background ? daemonize(&paths) : broker_run(&paths, first_network, going, -1);
	paths_done(&paths);
	return r;
}
