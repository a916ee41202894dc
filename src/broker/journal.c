/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "model/name.h"

#define NOTE_MAX (64u << 20)

/* A half-written one is removed like those of definitions (state.c). */
static char *note_path(const struct paths *paths)
{
	return text_format("%s/networks/all.yaml.change", paths->state);
}

int journal_begin(const struct paths *paths, json_t *change, struct error *err)
{
	AUTO_FREE char *path = note_path(paths);
	AUTO_FREE char *text = json_dumps(change, JSON_COMPACT);
	json_decref(change);
	return file_write_atomic(path, text, strlen(text), 0600, true, err);
}

void journal_end(const struct paths *paths)
{
	AUTO_FREE char *path = note_path(paths);
	if (unlink(path) < 0 && errno != ENOENT)
		log_warning("%s: %m", path);
}

static int finish(const struct paths *paths, json_t *change, struct error *err)
{
	const char *name;
	json_t *value;
	size_t index;
	int r = 0;
	json_object_foreach (json_object_get(change, "write"), name, value) {
		AUTO_FREE char *path = text_format("%s/networks/%s.yaml", paths->state, name);
		const char *text = json_string_value(value);
		if (r == 0 && text && name_check(name, "network", NULL) == 0)
			r = file_write_atomic(path, text, strlen(text), 0644, true, err);
	}
	json_array_foreach (json_object_get(change, "remove"), index, value) {
		name = json_string_value(value);
		AUTO_FREE char *path =
			text_format("%s/networks/%s.yaml", paths->state, name ? name : "");
		if (r == 0 && name && name_check(name, "network", NULL) == 0 && unlink(path) < 0 &&
		    errno != ENOENT)
			r = error_errno(err, errno, "%s", path);
	}
	return r;
}

int journal_finish(const struct paths *paths, struct error *err)
{
	AUTO_FREE char *path = note_path(paths), *text = NULL;
	ssize_t length = file_read(path, NOTE_MAX, &text, err);
	if (length == -ENOENT)
		return 0;
	if (length < 0)
		return (int)length;
	json_t *change = json_loadb(text, (size_t)length, 0, NULL);
	int r = finish(paths, change, err);
	json_decref(change);
	if (r < 0)
		return r;
	log_info("a change of several networks that was cut off is finished");
	journal_end(paths);
	return 0;
}
