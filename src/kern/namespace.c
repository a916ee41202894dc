/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory: a process that unshares a user namespace has every capability in it and owns the network
 * namespace made with it. Its ids mean nothing until a map is written, once, from outside: by the
 * caller a single id (user_namespaces(7)), by the set-uid programs newuidmap and newgidmap also a
 * range that /etc/subuid grants.
 */
#include "kern/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <pwd.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

extern char **environ;

static bool setting_is(const char *path, char value)
{
	AUTO_FREE char *text = NULL;
	return file_read(path, 64, &text, NULL) > 0 && text[0] == value;
}

static bool has_filter(void)
{
	AUTO_FREE char *text = NULL;
	return file_read("/proc/self/status", 1 << 16, &text, NULL) > 0 &&
	       strstr(text, "\nSeccomp:\t2");
}

/* "NAME (enforce)", or "ONE//&OTHER (mixed)": the profile of AppArmor whose rules count for us;
 * NULL when none does. */
static char *profile_enforced(void)
{
	AUTO_FREE char *text = NULL;
	if (file_read("/proc/self/attr/apparmor/current", 4096, &text, NULL) <= 0)
		return NULL;
	char *mode = strstr(text, " (");
	if (!mode || (strncmp(mode, " (enforce)", 10) != 0 && strncmp(mode, " (mixed)", 8) != 0))
		return NULL;
	*mode = '\0';
	return TAKE(text);
}

static bool may_be_apparmor(int code)
{
	return code == EACCES || (code == EPERM && !has_filter());
}

/* The profile that lacks the rule, or that there has to be a profile: Ubuntu's kernel puts a
 * program without one into that of the name unprivileged_userns as it makes a user namespace, which
 * takes all rights in it away. 0 when it is not AppArmor. */
static int forbidden_by_apparmor(int code, const char *rule, struct error *err)
{
	AUTO_FREE char *profile = profile_enforced();
	bool none = !profile || strstr(profile, "unprivileged_userns");
	if (!none && may_be_apparmor(code))
		return error_set(err, code,
				 "AppArmor's profile '%s', in which this runs, forbids user "
				 "namespaces (as root: add the rule '%s' to that profile, or "
				 "the narrower one of lanyardd(8))",
				 profile, rule);
	char program[PATH_MAX] = "lanyard-holder";
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
	if (length > 0)
		program[length] = '\0';
	if (none && setting_is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1'))
		return error_set(err, code,
				 "AppArmor forbids user namespaces to programs without a profile "
				 "(as root: load Lanyard's for %s, which its package has, or "
				 "sysctl kernel.apparmor_restrict_unprivileged_userns=0)",
				 program);
	return 0;
}

/* Which of the known switches it is, each with its remedy; rule: what AppArmor would have to allow.
 */
static int forbidden(int code, const char *rule, struct error *err)
{
	if (setting_is("/proc/sys/kernel/unprivileged_userns_clone", '0'))
		return error_set(err, code,
				 "user namespaces are switched off for ordinary users "
				 "(as root: sysctl kernel.unprivileged_userns_clone=1)");
	if (setting_is("/proc/sys/user/max_user_namespaces", '0'))
		return error_set(err, code,
				 "user namespaces are switched off (as root: sysctl "
				 "user.max_user_namespaces=10000)");
	int r = forbidden_by_apparmor(code, rule, err);
	if (r < 0)
		return r;
	return error_errno(
		err, code,
		"new user and network namespace (forbidden by a container or a seccomp filter?)");
}

int namespace_unshare(struct error *err)
{
	/* two steps: AppArmor may let the first one pass and take the capabilities of it away */
	if (unshare(CLONE_NEWUSER) < 0)
		return forbidden(errno, "userns,", err);
	if (unshare(CLONE_NEWNET) < 0)
		return forbidden(errno, "capability,", err);
	return 0;
}

static int write_file(const char *path, const char *text, struct error *err)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

static int write_map(pid_t pid, const char *name, const char *text, struct error *err)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return write_file(path, text, err);
}

static int map_single(pid_t pid, uid_t uid, gid_t gid, struct error *err)
{
	char text[32];
	snprintf(text, sizeof(text), "%u %u 1\n", uid, uid);
	int code = write_map(pid, "uid_map", text, err);
	/* without rights over the outside a group map needs setgroups switched off (CVE-2014-8989)
	 */
	if (code == 0)
		code = write_map(pid, "setgroups", "deny", err);
	snprintf(text, sizeof(text), "%u %u 1\n", gid, gid);
	return code < 0 ? code : write_map(pid, "gid_map", text, err);
}

int namespace_map_self(uid_t uid, gid_t gid, struct error *err)
{
	return map_single(getpid(), uid, gid, err);
}

struct range {
	unsigned long first, count;
};

/* NAME:FIRST:COUNT or UID:FIRST:COUNT (subuid(5)); the first line that fits. */
static bool range_find(const char *path, uid_t uid, struct range *ret)
{
	AUTO_FREE char *text = NULL;
	if (file_read(path, 1 << 20, &text, NULL) < 0)
		return false;
	const struct passwd *account = getpwuid(uid);
	char *rest = text, *line;
	while ((line = strsep(&rest, "\n"))) {
		char *name = strsep(&line, ":"), *end;
		bool own = account && strcmp(name, account->pw_name) == 0;
		if (!own && (strtoul(name, &end, 10) != uid || *end || end == name))
			continue;
		if (line && sscanf(line, "%lu:%lu", &ret->first, &ret->count) == 2 &&
		    ret->count > 0)
			return true;
	}
	return false;
}

/* newuidmap PID  ID ID 1  FIRST FIRST COUNT, without the own id where the range has it. */
static int map_program(const char *program, pid_t pid, unsigned own, const struct range *range)
{
	char texts[4][24];
	snprintf(texts[0], sizeof(texts[0]), "%d", (int)pid);
	snprintf(texts[1], sizeof(texts[1]), "%u", own);
	snprintf(texts[2], sizeof(texts[2]), "%lu", range->first);
	snprintf(texts[3], sizeof(texts[3]), "%lu", range->count);
	char one[] = "1", name[16];
	snprintf(name, sizeof(name), "%s", program);
	char *arguments[] = {name,     texts[0], texts[1], texts[1], one,
			     texts[2], texts[2], texts[3], NULL};
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	pid_t child;
	int status = -1;
	int code = posix_spawnp(&child, program, &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (code != 0)
		return -code;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

static bool is_inside(const struct range *range, unsigned id)
{
	return id >= range->first && id - range->first < range->count;
}

/* Root needs no program: everything there is. */
static int map_root(pid_t pid, struct error *err)
{
	int code = write_map(pid, "uid_map", "0 0 4294967295\n", err);
	return code < 0 ? code : write_map(pid, "gid_map", "0 0 4294967295\n", err);
}

int namespace_map(pid_t pid, bool *ret_range, struct error *err)
{
	struct range uids, gids;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	*ret_range = false;
	if (uid == 0 && map_root(pid, NULL) == 0) {
		*ret_range = true;
		return 0;
	}
	if (!range_find("/etc/subuid", uid, &uids) || !range_find("/etc/subgid", uid, &gids) ||
	    is_inside(&uids, uid) || is_inside(&gids, gid))
		return map_single(pid, uid, gid, err);
	int code = map_program("newuidmap", pid, uid, &uids);
	if (code < 0)
		return map_single(pid, uid, gid, err);
	code = map_program("newgidmap", pid, gid, &gids);
	if (code == 0) {
		*ret_range = true;
		return 0;
	}
	/* half a range: the users are mapped already */
	char text[32];
	snprintf(text, sizeof(text), "%u %u 1\n", gid, gid);
	code = write_map(pid, "setgroups", "deny", err);
	return code < 0 ? code : write_map(pid, "gid_map", text, err);
}

int namespace_enter(pid_t pid, struct error *err)
{
	/* one call for both: the process cannot be replaced by another one in between */
	AUTO_CLOSE int process = (int)syscall(SYS_pidfd_open, pid, 0);
	if (process < 0)
		return error_errno(err, errno, "process %d", (int)pid);
	if (setns(process, CLONE_NEWUSER | CLONE_NEWNET) == 0)
		return 0;
	/* already inside its user namespace */
	if (errno == EINVAL && setns(process, CLONE_NEWNET) == 0)
		return 0;
	return error_errno(err, errno, "namespaces of process %d", (int)pid);
}

int namespace_open_net(const char *path, struct error *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "network namespace %s", path);
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return error_set(
			err, EINVAL,
			"%s is no network namespace (/run/netns/NAME or /proc/PID/ns/net are)",
			path);
	return TAKE_FD(fd);
}

int namespace_open_net_pid(pid_t pid, struct error *err)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	return namespace_open_net(path, err);
}
