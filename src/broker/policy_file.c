/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/policy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#define FILE_MAX (1u << 20)
#define EVENTS                                                                                     \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ATTRIB |        \
	 IN_DELETE_SELF | IN_MOVE_SELF)

struct policy_file {
	sd_event *event;
	char *path;
	struct policy *policy;
	bool closed;
	bool has_unknown; /* a rule for somebody who was not there when it was read */
	char *problem;
	sd_event_source *hangup, *folder;
	bool is_parent; /* the folder is not there yet: its parent is watched */
	void (*changed)(void *data);
	void *data;
};

/* The text of a file that only root can have written. *ret stays NULL where there is none. */
static int read_file(const char *path, char **ret, size_t *ret_length, struct error *err)
{
	struct stat status;
	if (stat(path, &status) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "%s", path);
	if (!S_ISREG(status.st_mode))
		return error_set(err, EINVAL, "%s is no file", path);
	if (status.st_uid != 0 || (status.st_mode & (S_IWGRP | S_IWOTH)))
		return error_set(
			err, EPERM,
			"%s can be written by others than root; 'chown root:root %s; chmod "
			"644 %s' helps",
			path, path, path);
	ssize_t length = file_read(path, FILE_MAX, ret, err);
	if (length < 0)
		return (int)length;
	*ret_length = (size_t)length;
	return 0;
}

static int read_policy(const char *path, struct policy **ret, struct error *err)
{
	AUTO_FREE char *text = NULL;
	size_t length = 0;
	int r = read_file(path, &text, &length, err);
	if (r == 0 && text)
		return policy_parse(path, text, length, ret, err);
	if (r == 0)
		*ret = policy_new();
	return r;
}

/* A name that nobody has is a slip more often than not; but the account may still come. The first
 * rule from this one on that has such a name. */
static char *unknown_name(const struct policy *policy, size_t *rule_index)
{
	for (; *rule_index < policy->n_rules; ++*rule_index) {
		const struct policy_rule *rule = &policy->rules[*rule_index];
		bool user = rule->whose == POLICY_USER, group = rule->whose == POLICY_OF_GROUP;
		if ((user && !getpwnam(rule->name)) || (group && !getgrnam(rule->name)))
			return text_format("%s:%u: there is no %s '%s'", policy->file, rule->line,
					   user ? "user" : "group", rule->name);
	}
	return NULL;
}

static void warn_of_names(struct policy_file *file)
{
	size_t rule = 0;
	file->has_unknown = false;
	for (char *text; (text = unknown_name(file->policy, &rule)); rule++) {
		log_warning("%s", text);
		free(text);
		file->has_unknown = true;
	}
}

char *policy_file_unknown(const struct policy_file *file)
{
	size_t rule = 0;
	return file->has_unknown ? unknown_name(file->policy, &rule) : NULL;
}

static void keep_old(struct policy_file *file, const struct error *err)
{
	if (file->problem && strcmp(file->problem, err->text) == 0)
		return;
	free(file->problem);
	file->problem = text_copy(err->text);
	log_error("%s; %s", err->text,
		  file->closed ? "until it is mended, nobody but root may do anything"
			       : "the policy that was in force stays so");
}

static void load(struct policy_file *file)
{
	struct error err = {0};
	struct policy *policy = NULL;
	if (read_policy(file->path, &policy, &err) < 0) {
		keep_old(file, &err);
		return;
	}
	bool was_there = file->policy->file != NULL;
	policy_free(file->policy);
	free(file->problem);
	file->policy = policy;
	file->problem = NULL;
	file->closed = false;
	warn_of_names(file);
	if (policy->file)
		log_info("%s: %zu rules are in force", policy->file, policy->n_rules);
	else if (was_there)
		log_info("%s is gone; the defaults are in force", file->path);
	file->changed(file->data);
}

static void watch(struct policy_file *file);

static bool is_ours(const struct policy_file *file, const struct inotify_event *event)
{
	const char *name = strrchr(file->path, '/') + 1;
	return event->len > 0 && strcmp(event->name, name) == 0;
}

static int on_folder(sd_event_source *source, const struct inotify_event *event, void *data)
{
	struct policy_file *file = data;
	(void)source;
	bool is_other =
		(event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) || file->is_parent;
	if (is_other)
		watch(file);
	/* a file that is being written is read when it is closed */
	if (is_other || (is_ours(file, event) && !(event->mask & IN_CREATE)))
		load(file);
	return 0;
}

/* The file's folder, or what is above it while it is not there. */
static void watch(struct policy_file *file)
{
	AUTO_FREE char *folder = text_copy(file->path);
	file->folder = sd_event_source_disable_unref(file->folder);
	for (int level = 0; level < 2; level++) {
		char *slash = strrchr(folder, '/');
		*(slash == folder ? slash + 1 : slash) = '\0';
		file->is_parent = level > 0;
		if (sd_event_add_inotify(file->event, &file->folder, folder, EVENTS, on_folder,
					 file) >= 0)
			return;
	}
	log_warning("%s: changes are only noticed with SIGHUP", file->path);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
	struct policy_file *file = data;
	(void)source;
	(void)info;
	free(file->problem); /* who asks again is told again */
	file->problem = NULL;
	watch(file);
	load(file);
	return 0;
}

struct policy_file *policy_file_new(sd_event *event, const char *path, void (*changed)(void *data),
				    void *data)
{
	struct policy_file *file = memory_zero(1, sizeof(*file));
	sigset_t signals;
	file->event = sd_event_ref(event);
	file->path = text_copy(path);
	file->policy = policy_new();
	file->closed = true;
	file->changed = changed;
	file->data = data;
	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	if (sd_event_add_signal(event, &file->hangup, SIGHUP, on_hangup, file) < 0)
		log_warning("SIGHUP is not noticed");
	watch(file);
	load(file);
	return file;
}

void policy_file_free(struct policy_file *file)
{
	if (!file)
		return;
	sd_event_source_disable_unref(file->hangup);
	sd_event_source_disable_unref(file->folder);
	sd_event_unref(file->event);
	policy_free(file->policy);
	free(file->problem);
	free(file->path);
	free(file);
}

const struct policy *policy_file_policy(const struct policy_file *file)
{
	return file->policy;
}

const char *policy_file_path(const struct policy_file *file)
{
	return file->path;
}

const char *policy_file_problem(const struct policy_file *file)
{
	return file->problem;
}

bool policy_file_is_closed(const struct policy_file *file)
{
	return file->closed;
}
