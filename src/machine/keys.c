/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/keys.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/paths.h"
#include "cli/process.h"
#include "machine/machine_store.h"

#define KEY_MAX 65536u

char *keys_identity(const struct paths *own)
{
	return text_format("%s/id_ed25519", own->state);
}

char *keys_known_hosts(const struct paths *own)
{
	return text_format("%s/known_hosts", own->state);
}

/* Under the lock of the state folder, so that two commands do not make one key twice. */
static int make_key(const char *path, const char *comment, struct error *err)
{
	AUTO_FREE char *public = text_format("%s.pub", path);
	if (access(path, R_OK) == 0 && access(public, R_OK) == 0)
		return 0;
	unlink(path);
	const char *argv[] = {"ssh-keygen", "-q",    "-t", "ed25519", "-N", "",
			      "-C",	    comment, "-f", path,      NULL};
	AUTO_FREE char *text = NULL;
	int result = process_run(argv, &text, err);
	if (result == -ENOENT)
		return error_set(err, ENOENT,
				 "ssh-keygen is not installed (package openssh-client)");
	if (result > 0)
		return error_set(err, EIO, "ssh-keygen: %s", process_sentence(text, "ssh-keygen"));
	return result;
}

static int lock_state(const struct paths *own, struct error *err)
{
	AUTO_FREE char *path = text_format("%s/lock", own->state);
	int result = directory_make(own->state, 0700, err);
	return result < 0 ? result : lock_take(path, "the keys", err);
}

static void append(char **text, const char *more)
{
	size_t length = *text ? strlen(*text) : 0;
	bool has_end = length == 0 || (*text)[length - 1] == '\n';
	char *joined = text_format("%s%s%s", *text ? *text : "", has_end ? "" : "\n", more);
	free(*text);
	*text = joined;
}

/* What cannot be read is left out: our own key is enough for `lanyard ssh`. */
static void append_users_keys(char **text)
{
	const struct passwd *account = getpwuid(geteuid());
	const char *home = getenv("HOME");
	if (account && account->pw_dir)
		home = account->pw_dir;
	AUTO_FREE char *pattern = text_format("%s/.ssh/id_*.pub", home ? home : "");
	glob_t found = {0};
	if (glob(pattern, 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++) {
			AUTO_FREE char *key = NULL;
			if (file_read(found.gl_pathv[i], KEY_MAX, &key, NULL) > 0)
				append(text, key);
		}
	}
	globfree(&found);
}

int keys_authorized(const struct paths *own, char **ret_text, struct error *err)
{
	AUTO_CLOSE int lock = lock_state(own, err);
	if (lock < 0)
		return lock;
	AUTO_FREE char *identity = keys_identity(own);
	AUTO_FREE char *public = text_format("%s.pub", identity);
	AUTO_FREE char *comment = text_format("lanyard-%s", own->instance);
	int result = make_key(identity, comment, err);
	AUTO_FREE char *text = NULL;
	if (result == 0 && file_read(public, KEY_MAX, &text, err) < 0)
		result = -EIO;
	if (result < 0)
		return result;
	append_users_keys(&text);
	*ret_text = TAKE(text);
	return 0;
}

static int is_machine(const struct dirent *item)
{
	return item->d_name[0] != '.';
}

/* "NAMES KEYTYPE KEY" per machine. */
static int write_known_hosts(const struct paths *own, struct error *err)
{
	AUTO_FREE char *folder = text_format("%s/machines", own->state);
	AUTO_FREE char *known = keys_known_hosts(own);
	AUTO_FREE char *text = text_copy("");
	struct dirent **items = NULL;
	int count = scandir(folder, &items, is_machine, alphasort);
	for (int i = 0; i < count; i++) {
		AUTO_FREE char *names_file = text_format("%s/%s/names", folder, items[i]->d_name);
		AUTO_FREE char *key_file =
			text_format("%s/%s/host_key.pub", folder, items[i]->d_name);
		AUTO_FREE char *names = NULL, *key = NULL;
		if (file_read(names_file, KEY_MAX, &names, NULL) > 0 &&
		    file_read(key_file, KEY_MAX, &key, NULL) > 0) {
			names[strcspn(names, "\n")] = '\0';
			AUTO_FREE char *line = text_format("%s %s", names, key);
			append(&text, line);
		}
		free(items[i]);
	}
	free(items);
	return file_write_atomic(known, text, strlen(text), 0600, false, err);
}

int keys_host(const struct paths *own, const char *machine, const char *names, char **ret_text,
	      struct error *err)
{
	AUTO_CLOSE int lock = lock_state(own, err);
	if (lock < 0)
		return lock;
	AUTO_FREE char *parent = text_format("%s/machines", own->state);
	AUTO_FREE char *folder = text_format("%s/%s", parent, machine);
	AUTO_FREE char *key = text_format("%s/host_key", folder);
	AUTO_FREE char *names_file = text_format("%s/names", folder);
	AUTO_FREE char *known = keys_known_hosts(own);
	AUTO_FREE char *before = NULL;
	int result = directory_make(parent, 0700, err);
	if (result == 0)
		result = directory_make(folder, 0700, err);
	bool is_new = access(key, R_OK) < 0 || access(known, R_OK) < 0;
	if (result == 0)
		result = make_key(key, machine, err);
	if (result == 0 && file_read(key, KEY_MAX, ret_text, err) < 0)
		result = -EIO;
	if (result < 0 || (!is_new && file_read(names_file, KEY_MAX, &before, NULL) >= 0 &&
			   strcmp(before, names) == 0))
		return result;
	result = file_write_atomic(names_file, names, strlen(names), 0600, false, err);
	return result < 0 ? result : write_known_hosts(own, err);
}

void keys_forget(const struct paths *own, const char *machine)
{
	static const char *const files[] = {"host_key", "host_key.pub", "names"};
	AUTO_FREE char *folder = text_format("%s/machines/%s", own->state, machine);
	AUTO_CLOSE int lock = access(folder, F_OK) == 0 ? lock_state(own, NULL) : -1;
	if (lock < 0)
		return;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		AUTO_FREE char *path = text_format("%s/%s", folder, files[i]);
		unlink(path);
	}
	rmdir(folder);
	write_known_hosts(own, NULL);
}
