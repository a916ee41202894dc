/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/journal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

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

/* What the note says of networks stands at its top. */
static const struct kind {
	const char *key, *folder, *suffix;
	mode_t mode;
} kinds[] = {{NULL, "networks", ".yaml", 0644}, {"ports", "ports", ".json", 0600}};

static bool is_file_name(const char *name)
{
	return name && name[0] && name[0] != '.' && !strchr(name, '/');
}

static int finish_kind(const struct paths *paths, const struct kind *kind, json_t *change,
		       struct error *err)
{
	const char *name;
	json_t *value;
	size_t index;
	AUTO_FREE char *folder = text_format("%s/%s", paths->state, kind->folder);
	int r = json_object_size(json_object_get(change, "write")) > 0
			? directory_make(folder, 0700, err)
			: 0;
	json_object_foreach (json_object_get(change, "write"), name, value) {
		AUTO_FREE char *path = text_format("%s/%s%s", folder, name, kind->suffix);
		const char *text = json_string_value(value);
		if (r == 0 && text && is_file_name(name))
			r = file_write_atomic(path, text, strlen(text), kind->mode, true, err);
	}
	json_array_foreach (json_object_get(change, "remove"), index, value) {
		name = json_string_value(value);
		AUTO_FREE char *path =
			text_format("%s/%s%s", folder, name ? name : "", kind->suffix);
		if (r == 0 && is_file_name(name) && unlink(path) < 0 && errno != ENOENT)
			r = error_errno(err, errno, "%s", path);
	}
	return r;
}

static int finish(const struct paths *paths, json_t *change, struct error *err)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		r = finish_kind(paths, &kinds[i],
				kinds[i].key ? json_object_get(change, kinds[i].key) : change, err);
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
	log_info("a change of several definitions that was cut off is finished");
	journal_end(paths);
	return 0;
}
