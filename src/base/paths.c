/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths of an instance and of our programs, computed alike by every program. */
#include "base/paths.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

#define BUILD_LEVELS 4 /* tests lie some folders below the build folder's root */

static int instance_check(const char *instance, struct error *err)
{
	size_t length = strlen(instance);
	bool good = length > 0 && length < INSTANCE_SIZE && instance[0] != '-';
	for (size_t i = 0; good && i < length; i++)
		good = isalnum((unsigned char)instance[i]) || instance[i] == '-';
	if (!good)
		return error_set(err, EINVAL,
				 "instance '%.40s': not a name; letters, digits and hyphens, at "
				 "most %d, not beginning with a hyphen",
				 instance, INSTANCE_SIZE - 1);
	return 0;
}

static bool is_own_directory(const char *path)
{
	struct stat status;
	return lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid();
}

/* An environment variable that names a folder; relative ones are no good (XDG base directories). */
static const char *environment_folder(const char *name)
{
	const char *value = getenv(name);
	return value && value[0] == '/' ? value : NULL;
}

/* su and sudo may leave somebody else's HOME; then the account's own counts. */
static char *home(void)
{
	const char *value = environment_folder("HOME");
	if (value && is_own_directory(value))
		return text_copy(value);
	const struct passwd *account = getpwuid(geteuid());
	if (account && account->pw_dir && account->pw_dir[0] == '/')
		return text_copy(account->pw_dir);
	return text_copy(value ? value : "/");
}

static char *home_folder(const char *variable, const char *fallback)
{
	const char *value = environment_folder(variable);
	if (value)
		return text_copy(value);
	AUTO_FREE char *own = home();
	return text_format("%s/%s", own, fallback);
}

/* The folder of this user's runtime files. The one in /tmp is made here: whose it is has to be
 * known before anything below it can be trusted. */
static int user_runtime(char **ret, struct error *err)
{
	const char *value = environment_folder("XDG_RUNTIME_DIR");
	if (value && is_own_directory(value)) {
		*ret = text_copy(value);
		return 0;
	}
	AUTO_FREE char *run = text_format("/run/user/%u", (unsigned)geteuid());
	if (is_own_directory(run)) {
		*ret = TAKE(run);
		return 0;
	}
	AUTO_FREE char *temporary = text_format("/tmp/lanyard-%u", (unsigned)geteuid());
	if (mkdir(temporary, 0700) < 0 && errno != EEXIST)
		return error_errno(err, errno, "%s", temporary);
	if (!is_own_directory(temporary))
		return error_set(err, EPERM,
				 "%s belongs to somebody else; set XDG_RUNTIME_DIR to a folder of "
				 "yours",
				 temporary);
	*ret = TAKE(temporary);
	return 0;
}

static int runtime_folder(const struct paths *paths, char **ret, struct error *err)
{
	const char *value = environment_folder("LANYARD_RUNTIME_DIR");
	if (value) {
		*ret = text_format("%s/%s", value, paths->instance);
		return 0;
	}
	if (paths->system) {
		*ret = text_format("/run/lanyard/%s", paths->instance);
		return 0;
	}
	AUTO_FREE char *run = NULL;
	int r = user_runtime(&run, err);
	if (r < 0)
		return r;
	*ret = text_format("%s/lanyard/%s", run, paths->instance);
	return 0;
}

static char *state_folder(const struct paths *paths)
{
	const char *value = environment_folder("LANYARD_STATE_DIR");
	if (value)
		return text_format("%s/%s", value, paths->instance);
	if (paths->system)
		return text_format("/var/lib/lanyard/%s", paths->instance);
	AUTO_FREE char *folder = home_folder("XDG_STATE_HOME", ".local/state");
	return text_format("%s/lanyard/%s", folder, paths->instance);
}

int paths_init(struct paths *paths, bool system, const char *instance, struct error *err)
{
	*paths = (struct paths){.system = system};
	if (!instance || !instance[0])
		instance = "default";
	int r = instance_check(instance, err);
	if (r < 0)
		return r;
	memcpy(paths->instance, instance, strlen(instance) + 1);

	r = runtime_folder(paths, &paths->runtime, err);
	if (r < 0)
		return r;
	paths->state = state_folder(paths);
	AUTO_FREE char *cache = home_folder("XDG_CACHE_HOME", ".cache");
	paths->cache = text_format("%s/lanyard", cache);
	paths->broker = text_format("%s/broker.sock", paths->runtime);
	paths->executor = text_format("%s/executor.sock", paths->runtime);
	paths->holder = text_format("%s/holder.sock", paths->runtime);
	paths->services = text_format("%s/services", paths->runtime);
	paths->machines = text_format("%s/machines", paths->runtime);
	const char *config = environment_folder("LANYARD_CONFIG_DIR");
	paths->policy = text_format("%s/policy.yaml", config ? config : "/etc/lanyard");
	paths->lock = text_format("%s/lock", paths->runtime);
	return 0;
}

void paths_done(struct paths *paths)
{
	if (!paths)
		return;
	char **all[] = {&paths->runtime,  &paths->state,    &paths->cache,
			&paths->broker,	  &paths->executor, &paths->holder,
			&paths->services, &paths->machines, &paths->policy,
			&paths->lock};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		free(*all[i]);
		*all[i] = NULL;
	}
}

/* The folder of the running program; NULL when /proc does not say. */
static char *own_folder(void)
{
	char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (length <= 0)
		return NULL;
	path[length] = '\0';
	char *slash = strrchr(path, '/');
	if (!slash)
		return NULL;
	*(slash == path ? slash + 1 : slash) = '\0';
	return text_copy(path);
}

/* The root of the build folder that we run from; NULL when installed. */
static char *build_folder(void)
{
	AUTO_FREE char *folder = own_folder();
	for (int level = 0; folder && level < BUILD_LEVELS; level++) {
		AUTO_FREE char *mark = text_format("%s/build.ninja", folder);
		if (access(mark, F_OK) == 0)
			return TAKE(folder);
		char *slash = strrchr(folder, '/');
		if (!slash || slash == folder)
			return NULL;
		*slash = '\0';
	}
	return NULL;
}

/* A folder of the installation; the build says each relative to the prefix, or absolute. */
static char *below_prefix(const char *prefix, const char *folder)
{
	return folder[0] == '/' ? text_copy(folder) : text_format("%s/%s", prefix, folder);
}

/* The prefix that we run from: our own folder less the one that the build put us into, so that an
 * installation may be moved as a whole; the built-in one when that does not fit. */
static char *own_prefix(void)
{
	static const char *const folders[] = {LANYARD_BINDIR, LANYARD_SBINDIR, LANYARD_LIBEXECDIR};
	AUTO_FREE char *own = own_folder();
	size_t length = own ? strlen(own) : 0;
	for (size_t i = 0; own && i < sizeof(folders) / sizeof(folders[0]); i++) {
		size_t tail = strlen(folders[i]);
		if (length <= tail + 1 || own[length - tail - 1] != '/' ||
		    strcmp(own + length - tail, folders[i]) != 0)
			continue;
		own[length - tail - 1] = '\0';
		return TAKE(own);
	}
	return text_copy(LANYARD_PREFIX);
}

char *paths_program(const char *name)
{
	AUTO_FREE char *own = own_folder();
	AUTO_FREE char *build = build_folder();
	AUTO_FREE char *prefix = own_prefix();
	AUTO_FREE char *sbin = below_prefix(prefix, LANYARD_SBINDIR);
	AUTO_FREE char *libexec = below_prefix(prefix, LANYARD_LIBEXECDIR);
	const char *folders[] = {own, build, sbin, libexec};
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (!folders[i])
			continue;
		AUTO_FREE char *path = text_format("%s/%s", folders[i], name);
		if (access(path, X_OK) == 0)
			return TAKE(path);
	}
	return text_format("%s/%s", libexec, name);
}

char *paths_share(const char *name)
{
	const char *value = environment_folder("LANYARD_SHARE");
	if (value)
		return text_format("%s/%s", value, name);
	AUTO_FREE char *build = build_folder();
	if (build) { /* where the sources are is no part of a program, which may be compared */
		AUTO_FREE char *mark = text_format("%s/source-folder", build);
		AUTO_FREE char *source = NULL;
		ssize_t length = file_read(mark, 4096, &source, NULL);
		AUTO_FREE char *path =
			text_format("%s/share/%s", length > 0 ? source : "/nonexistent", name);
		if (access(path, F_OK) == 0)
			return TAKE(path);
	}
	AUTO_FREE char *prefix = own_prefix();
	AUTO_FREE char *folder = below_prefix(prefix, LANYARD_DATADIR);
	return text_format("%s/%s", folder, name);
}
