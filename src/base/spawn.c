/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

static void reset_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
}

/* report ends up as 4 and closes on exec; what was passed as 3. */
static int place_descriptors(int report, int pass)
{
	int high_report = fcntl(report, F_DUPFD_CLOEXEC, 10);
	int high_pass = pass >= 0 ? fcntl(pass, F_DUPFD_CLOEXEC, 10) : -1;
	if (high_report < 0 || (pass >= 0 && high_pass < 0))
		return -1;
	if (high_pass >= 0 && dup2(high_pass, SPAWN_DESCRIPTOR) < 0)
		return -1;
	if (high_pass < 0)
		close(SPAWN_DESCRIPTOR);
	if (dup3(high_report, SPAWN_DESCRIPTOR + 1, O_CLOEXEC) < 0)
		return -1;
	close_range(SPAWN_DESCRIPTOR + 2, ~0u, 0);
	return SPAWN_DESCRIPTOR + 1;
}

static void place_output(unsigned flags)
{
	int null = open("/dev/null", O_RDWR);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (flags & SPAWN_QUIET)
		dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

static void __attribute__((noreturn))
child(const char *program, const char *const *argv, unsigned flags, int report, int pass,
      int (*prepare)(void *data, struct error *err), void *data, pid_t parent)
{
	struct error why = {0};
	reset_signals();
	if (flags & SPAWN_OWN_SESSION)
		setsid();
	int r = prepare ? prepare(data, &why) : 0;
	/* after prepare: a change of credentials clears it */
	if (flags & SPAWN_DIE_WITH_US) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	int fd = place_descriptors(report, pass);
	place_output(flags);
	if (r >= 0) {
		execv(program, (char *const *)argv);
		error_errno(&why, errno, "%s", program);
	}
	send(fd, &why, sizeof(why), MSG_NOSIGNAL);
	_exit(127);
}

pid_t spawn_start(const char *program, const char *const *argv, unsigned flags, int pass,
		  int (*prepare)(void *data, struct error *err), void *data, struct error *err)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "socketpair");
	AUTO_CLOSE int ours = pair[0];
	AUTO_CLOSE int theirs = pair[1];
	pid_t parent = getpid(), pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "fork");
	if (pid == 0)
		child(program, argv, flags, theirs, pass, prepare, data, parent);
	close(TAKE_FD(theirs));
	struct error why = {0};
	ssize_t got;
	do {
		got = recv(ours, &why, sizeof(why), 0);
	} while (got < 0 && errno == EINTR);
	if (got != (ssize_t)sizeof(why))
		return pid;
	waitpid(pid, NULL, 0);
	why.text[sizeof(why.text) - 1] = '\0';
	return error_set(err, why.code ? why.code : EIO, "%s", why.text);
}
