/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

#define WORDS_MAX 65536u

/* A fork whose child has none of our handlers, and holds no signal back: an interrupt between fork
 * and exec is answered once. */
static pid_t fork_plain(void)
{
	static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	sigset_t all, none, before;
	sigfillset(&all);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	for (size_t i = 0; pid == 0 && i < sizeof(caught) / sizeof(caught[0]); i++) {
		struct sigaction action;
		if (sigaction(caught[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			signal(caught[i], SIG_DFL);
	}
	sigprocmask(SIG_SETMASK, pid == 0 ? &none : &before, NULL);
	return pid;
}

/* Only calls that are safe after fork. */
static void __attribute__((noreturn)) child(const char *const *argv, enum process_rights rights,
					    const int *fds, size_t n_fds, int words, int report)
{
	int nothing = open("/dev/null", O_RDONLY);
	setsid();
	signal(SIGPIPE, SIG_DFL);
	if (nothing >= 0)
		dup2(nothing, STDIN_FILENO);
	dup2(words, STDOUT_FILENO);
	dup2(words, STDERR_FILENO);
	for (size_t i = 0; i < n_fds; i++)
		fcntl(fds[i], F_SETFD, 0);
	if (rights == PROCESS_RIGHTS_FIXED)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	execvp(argv[0], (char *const *)(const void *)argv);
	int code = errno;
	if (write(report, &code, sizeof(code)) < 0)
		_exit(126);
	_exit(127);
}

int process_start(const char *const *argv, enum process_rights rights, const int *fds, size_t n_fds,
		  struct process *ret, struct error *err)
{
	int report[2];
	AUTO_CLOSE int words = memfd_create("words", MFD_CLOEXEC);
	if (words < 0 || pipe2(report, O_CLOEXEC) < 0)
		return error_errno(err, errno, "%s", argv[0]);
	/* Descriptors 0 to 2 are replaced in the child, so no other one may lie there. */
	pid_t pid = fork_plain();
	if (pid == 0)
		child(argv, rights, fds, n_fds, words, report[1]);
	int code = pid < 0 ? errno : 0;
	close(report[1]);
	/* The pipe closes when exec succeeds. */
	if (pid > 0 && read(report[0], &code, sizeof(code)) == (ssize_t)sizeof(code))
		waitpid(pid, NULL, 0);
	close(report[0]);
	if (code == ENOENT)
		return error_set(err, ENOENT, "%s is not installed", argv[0]);
	if (code != 0)
		return error_errno(err, code, "%s", argv[0]);
	ret->pid = pid;
	ret->words = TAKE_FD(words);
	return 0;
}

static char *read_words(int words)
{
	char *text = memory_zero(WORDS_MAX + 1, 1);
	ssize_t length = pread(words, text, WORDS_MAX, 0);
	text[length > 0 ? length : 0] = '\0';
	return text;
}

int process_finish(struct process *process, char **ret_text, struct error *err)
{
	int status;
	while (waitpid(process->pid, &status, 0) < 0)
		if (errno != EINTR)
			return error_errno(err, errno, "process %d", (int)process->pid);
	if (ret_text)
		*ret_text = read_words(process->words);
	close(process->words);
	process->words = -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int process_run(const char *const *argv, char **ret_text, struct error *err)
{
	struct process process;
	int result = process_start(argv, PROCESS_RIGHTS_USUAL, NULL, 0, &process, err);
	return result < 0 ? result : process_finish(&process, ret_text, err);
}

int process_run_shown(const char *const *argv, struct error *err)
{
	pid_t pid = fork_plain();
	if (pid < 0)
		return error_errno(err, errno, "%s", argv[0]);
	if (pid == 0) {
		signal(SIGPIPE, SIG_DFL);
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execvp(argv[0], (char *const *)(const void *)argv);
		dprintf(STDERR_FILENO, "lanyard: %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return error_errno(err, errno, "%s", argv[0]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int process_become(const char *const *argv, struct error *err)
{
	signal(SIGPIPE, SIG_DFL);
	execvp(argv[0], (char *const *)(const void *)argv);
	if (errno == ENOENT)
		return error_set(err, ENOENT, "%s: no such command", argv[0]);
	return error_errno(err, errno, "%s", argv[0]);
}

const char *process_sentence(char *text, const char *name)
{
	size_t length = strlen(text);
	while (length > 0 && text[length - 1] == '\n')
		text[--length] = '\0';
	char *line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	size_t prefix = strlen(name);
	if (strncmp(line, name, prefix) == 0 && strncmp(line + prefix, ": ", 2) == 0)
		line += prefix + 2;
	return line;
}
