/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the confined broker of a system instance may open and write, by the kernel's own Landlock;
 * which calls a filter leaves. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/paths.h"
#include "broker/confinement.h"
#include "kern/seccomp.h"

#define ABSENT 77

static char folder[] = "/var/tmp/lanyard-confinement.XXXXXX";
static struct paths paths;

static char *below(const char *name)
{
	return text_format("%s/%s", folder, name);
}

/* 0 or errno */
static int attempt(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int expect(const char *name, int flags, int code)
{
	AUTO_FREE char *path = name[0] == '/' ? text_copy(name) : below(name);
	int got = attempt(path, flags);
	if (got == code)
		return 0;
	fprintf(stderr, "%s: %s, expected: %s\n", path, strerror(got), strerror(code));
	return 1;
}

static const struct {
	const char *name;
	int flags, code;
} attempts[] = {
	/* its own */
	{"run/port", O_WRONLY | O_CREAT | O_TRUNC, 0},
	{"state/network", O_RDWR | O_CREAT | O_TRUNC, 0},
	{"state/network", O_RDONLY, 0},
	/* the system's, to read */
	{"/etc/passwd", O_RDONLY, 0},
	{"/proc/sys/kernel/random/boot_id", O_RDONLY, 0},
	{"/dev/null", O_RDWR, 0},
	/* somebody's, by its name, by a link, and beside ours */
	{"secret", O_RDONLY, EACCES},
	{"secret", O_WRONLY, EACCES},
	{"state/link", O_RDONLY, EACCES},
	{"state/../secret", O_RDONLY, EACCES},
	{"new", O_WRONLY | O_CREAT, EACCES},
	{"/etc/passwd", O_WRONLY, EACCES},
	{"/etc/lanyard-test", O_WRONLY | O_CREAT, EACCES},
	{"/tmp", O_RDONLY | O_DIRECTORY, EACCES},
	{"/root", O_RDONLY | O_DIRECTORY, EACCES},
	{"/home", O_RDONLY | O_DIRECTORY, EACCES},
};

static int confined(void)
{
	struct error err = {0};
	AUTO_FREE char *from = below("state/network"), *out = below("network");
	int r = confinement_enter(&paths, &err), bad = 0;
	if (r < 0)
		fprintf(stderr, "%s\n", err.text);
	if (r <= 0)
		return r < 0 ? 1 : ABSENT;
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		bad |= expect(attempts[i].name, attempts[i].flags, attempts[i].code);
	/* out of the hierarchy: EXDEV, as the kernel says it for names that may not move */
	if (rename(from, out) == 0 || (errno != EACCES && errno != EXDEV))
		bad = 1;
	AUTO_FREE char *inside = below("state/other");
	bad |= rename(from, inside) < 0 || unlink(inside) < 0;
	return bad;
}

static void broker_opens_only_its_own(void **state)
{
	(void)state;
	AUTO_FREE char *secret = below("secret"), *link = below("state/link");
	assert_int_equal(file_write_atomic(secret, "x", 1, 0666, false, NULL), 0);
	assert_int_equal(symlink(secret, link), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(confined());
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == ABSENT)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(attempt(secret, O_RDONLY), 0); /* we are not */
}

/* Calls by a process that may write to one descriptor and nothing else. */
static void write_allowed(const int *fds)
{
	syscall(SYS_exit_group, write(fds[0], "", 1) != 1);
}

static void write_elsewhere(const int *fds)
{
	syscall(SYS_exit_group, write(fds[1], "", 1));
}

static void read_allowed(const int *fds)
{
	syscall(SYS_exit_group, read(fds[0], (char[1]){0}, 1));
}

static void open_something(const int *fds)
{
	(void)fds;
	syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY);
}

static void filter_leaves_what_it_says(void **state)
{
	static const struct {
		void (*run)(const int *fds);
		bool is_allowed;
	} calls[] = {{write_allowed, true},
		     {write_elsewhere, false},
		     {read_allowed, false},
		     {open_something, false}};
	int fds[] = {open("/dev/null", O_RDWR), open("/dev/null", O_RDWR)};
	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		const struct seccomp_rule rules[] = {{SYS_write, fds[0]}};
		int status = 0;
		pid_t pid = fork();
		if (pid == 0) {
			int r = seccomp_confine(rules, 1, NULL);
			if (r <= 0)
				_exit(r < 0 ? 1 : ABSENT);
			calls[i].run(fds);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) && WEXITSTATUS(status) == ABSENT)
			skip();
		assert_int_equal(WIFEXITED(status) && WEXITSTATUS(status) == 0,
				 calls[i].is_allowed);
		assert_int_equal(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS,
				 !calls[i].is_allowed);
	}
	close(fds[0]);
	close(fds[1]);
}

static int make(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	AUTO_FREE char *run = below("run"), *kept = below("state");
	setenv("LANYARD_RUNTIME_DIR", run, 1);
	setenv("LANYARD_STATE_DIR", kept, 1);
	if (mkdir(run, 0700) < 0 || mkdir(kept, 0700) < 0 || paths_init(&paths, true, NULL, NULL))
		return -1;
	/* the folders themselves: an instance's are one level below */
	free(paths.runtime);
	free(paths.state);
	paths.runtime = below("run");
	paths.state = below("state");
	return 0;
}

static int clear(void **state)
{
	static const char *const names[] = {"run/port", "state/link", "secret", "run", "state"};
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		AUTO_FREE char *path = below(names[i]);
		remove(path);
	}
	paths_done(&paths);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broker_opens_only_its_own),
		cmocka_unit_test(filter_leaves_what_it_says),
	};
	return cmocka_run_group_tests(tests, make, clear);
}
