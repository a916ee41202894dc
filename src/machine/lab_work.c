/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/lab_work.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "machine/machine_run.h"
#include "machine/machine_store.h"

#define STOP_SECONDS 10

void lab_work_catch_signals(void)
{
	output_on_interrupt("interrupted; what is done stays: 'lanyard up' goes on, 'lanyard down' "
			    "clears away");
}

static char *lock_path(const struct invocation *invocation, const char *lab)
{
	return text_format("%s/lab-%s.lock", invocation->own.runtime, lab);
}

int lab_work_lock(const struct invocation *invocation, const char *lab, struct error *err)
{
	AUTO_FREE char *path = lock_path(invocation, lab);
	AUTO_FREE char *what = text_format("lab '%s'", lab);
	int result = directory_make(invocation->own.runtime, 0700, err);
	return result < 0 ? result : lock_take(path, what, err);
}

void lab_work_forget(const struct invocation *invocation, const char *lab)
{
	AUTO_FREE char *path = lock_path(invocation, lab);
	unlink(path);
	rmdir(invocation->own.machines);
}

void lab_work_leave(const struct invocation *invocation, int lock, const char *lab)
{
	struct stat status;
	if (lock >= 0 && fstat(lock, &status) == 0 && status.st_size == 0)
		lab_work_forget(invocation, lab);
}

static bool is_same_folder(const char *one, const char *other)
{
	size_t length = (size_t)(strrchr(one, '/') - one);
	return strncmp(one, other, length + 1) == 0 && !strchr(other + length + 1, '/');
}

/* A lab is known by its name. Labs of one name in two folders would each undo the other's: the lock
 * file holds the path of the one that is up. Files of one folder are versions of a lab; a file that
 * was moved is no other one. */
static int check_file(const char *lab, const char *known, const char *path, struct error *err)
{
	struct stat one, other;
	if (known[0] != '/' || is_same_folder(known, path) || stat(known, &one) < 0 ||
	    (stat(path, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino))
		return 0;
	return error_set(err, EEXIST,
			 "a lab '%s' is up already, of %s; give this one another name ('name: ...' "
			 "in its file), or take that one down: lanyard down %s",
			 lab, known, lab);
}

int lab_work_check_file(const struct invocation *invocation, const char *lab, const char *path,
			struct error *err)
{
	AUTO_FREE char *lock_file = lock_path(invocation, lab), *known = NULL;
	if (file_read(lock_file, PATH_MAX, &known, NULL) < 0)
		return 0;
	return check_file(lab, known, path, err);
}

void lab_work_note_file(int lock, const char *path)
{
	if (lock >= 0 && (ftruncate(lock, 0) < 0 || pwrite(lock, path, strlen(path), 0) < 0))
		output_detail("the lab's file could not be noted: %m");
}

void lab_work_begun(const json_t *parameters, void *data)
{
	size_t index;
	json_t *change;
	(void)data;
	const json_t *changes = json_object_get(parameters, "changes");
	output_progress("%zu operation%s on networks", json_array_size(changes),
			json_array_size(changes) == 1 ? "" : "s");
	json_array_foreach (changes, index, change)
		output_detail("%s", json_string_value(json_object_get(change, "text")));
}

int lab_work_stop(struct invocation *invocation, struct machine_list *list,
		  bool (*stop)(const struct machine_entry *, const void *), const void *data,
		  json_t *told, struct error *err)
{
	AUTO_FREE struct machine_stop *stops = memory_zero(list->count + 1, sizeof(*stops));
	AUTO_FREE bool *ran = memory_zero(list->count + 1, sizeof(bool));
	size_t n_stops = 0;
	int result = 0;
	for (size_t i = 0; result == 0 && i < list->count; i++) {
		struct machine_entry *entry = list->items[i];
		if (!stop(entry, data))
			continue;
		json_array_append_new(told, json_pack("{s:s,s:s}", "operation", "stop", "machine",
						      entry->machine->name));
		if (invocation->dry_run) {
			output_line("stop machine %s", entry->machine->name);
			continue;
		}
		ran[n_stops] = machine_entry_pid(entry) > 0;
		result = machine_entry_lock(entry, err);
		if (result == 0)
			result = machine_stop_begin(entry, verb_given(invocation, "force"),
						    &stops[n_stops], err);
		n_stops += result == 0;
	}
	long long deadline = clock_ms(CLOCK_MONOTONIC) + STOP_SECONDS * 1000LL;
	for (size_t i = 0; i < n_stops; i++) {
		int one = machine_stop_end(&stops[i], deadline, err);
		if (one == 0) {
			output_line("machine %s %s", stops[i].entry->machine->name,
				    ran[i] ? "stopped" : "forgotten");
			machine_entry_forget(stops[i].entry);
		}
		result = one < 0 ? one : result;
	}
	return result;
}
