/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lanyard up, down (status and plan: verb_status.c).
 *
 * Theory of operation. A lab is brought up in steps that each leave something consistent:
 * everything that can be known is checked; the networks become what the file says in one call, all
 * or nothing; machines that the file no longer has are stopped; then each machine starts on its
 * own. Interrupted anywhere, the next `up` goes on and `down` clears away. One command at a time
 * works on a lab (a lock file in the runtime directory).
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/image.h"
#include "cli/lab_file.h"
#include "cli/machine_live.h"
#include "cli/machine_run.h"
#include "cli/machine_store.h"
#include "cli/machine_view.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "ipc/varlink_client.h"
#include "model/lab.h"
#include "model/schema.h"

#define STOP_SECONDS  10
#define READY_SECONDS 120

AUTO_DEFINE(lab)

/* Where one `up` is. */
struct up {
	struct invocation *invocation;
	struct lab *lab;
	struct machine_list wanted; /* of the file */
	struct machine_list stored; /* of every lab */
	json_t *changes;	    /* of the networks */
	size_t n_done;		    /* machines started, changed or stopped */
	int failed;
};

static void interrupted(int number)
{
	static const char text[] =
		"lanyard: interrupted; what is done stays: 'lanyard up' goes on, "
		"'lanyard down' clears away\n";
	(void)number;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(130);
	_exit(130);
}

static char *lock_path(const struct invocation *invocation, const char *lab)
{
	return text_format("%s/lab-%s.lock", invocation->own.runtime, lab);
}

static int lock_lab(const struct invocation *invocation, const char *lab, struct error *err)
{
	AUTO_FREE char *path = lock_path(invocation, lab);
	AUTO_FREE char *what = text_format("lab '%s'", lab);
	int result = directory_make(invocation->own.runtime, 0700, err);
	return result < 0 ? result : lock_take(path, what, err);
}

static bool is_of_lab(const struct machine_entry *entry, const char *lab)
{
	return strcmp(entry->machine->lab, lab) == 0;
}

/* Fills up->wanted with what the file says, moving the machines out of the lab. */
static void take_machines(struct up *up)
{
	for (size_t i = 0; i < up->lab->n_machines; i++) {
		struct machine *machine = TAKE(up->lab->machines[i]);
		memcpy(machine->lab, up->lab->name, sizeof(machine->lab));
		machine_list_add(&up->wanted, machine_entry_new(&up->invocation->own, machine));
	}
	up->lab->n_machines = 0;
}

/* Before anything is changed: what can be known to go wrong. */
static int check_machines(const struct up *up, struct error *err)
{
	for (size_t i = 0; i < up->wanted.count; i++) {
		const struct machine_entry *entry = up->wanted.items[i];
		const char *name = entry->machine->name;
		const struct machine_entry *other = machine_list_find(&up->stored, name);
		if (other && !is_of_lab(other, up->lab->name))
			return error_set(err, EEXIST,
					 "machine '%s' is there already, of lab '%s'; call this "
					 "one differently",
					 name, other->machine->lab);
		int result = machine_start_check(entry, err);
		if (result < 0)
			return result;
	}
	return 0;
}

/* Images are built before the first change; each once. */
static int prepare_images(const struct up *up, struct error *err)
{
	for (size_t i = 0; i < up->wanted.count; i++) {
		struct image image;
		if (machine_entry_pid(up->wanted.items[i]))
			continue;
		int result = image_prepare(&up->invocation->own,
					   up->wanted.items[i]->machine->image, &image, err);
		image_done(&image);
		if (result < 0)
			return result;
	}
	return 0;
}

/* Stops and forgets machines, all at once. stop: those for which it says so. */
static int stop_machines(struct invocation *invocation, struct machine_list *list,
			 bool (*stop)(const struct machine_entry *, const void *), const void *data,
			 struct error *err)
{
	AUTO_FREE struct machine_stop *stops = memory_zero(list->count + 1, sizeof(*stops));
	size_t n_stops = 0;
	int result = 0;
	for (size_t i = 0; result == 0 && i < list->count; i++) {
		struct machine_entry *entry = list->items[i];
		if (!stop(entry, data))
			continue;
		if (invocation->dry_run) {
			output_line("stop machine %s", entry->machine->name);
			continue;
		}
		result = machine_entry_lock(entry, err);
		if (result == 0)
			result = machine_stop_begin(entry, verb_given(invocation, "force"),
						    &stops[n_stops], err);
		n_stops += result == 0;
	}
	long long deadline = machine_now() + STOP_SECONDS * 1000LL;
	for (size_t i = 0; i < n_stops; i++) {
		int one = machine_stop_end(&stops[i], deadline, err);
		if (one == 0) {
			output_line("machine %s stopped", stops[i].entry->machine->name);
			machine_entry_forget(stops[i].entry);
		}
		result = one < 0 ? one : result;
	}
	return result;
}

/* Of this lab, but not in its file any more. */
static bool is_removed(const struct machine_entry *entry, const void *data)
{
	const struct up *up = data;
	return is_of_lab(entry, up->lab->name) &&
	       !machine_list_find(&up->wanted, entry->machine->name);
}

static int apply_networks(struct up *up, struct error *err)
{
	json_t *networks = json_array();
	for (size_t i = 0; i < up->lab->n_networks; i++) {
		json_t *network = schema_encode(&network_schema, up->lab->networks[i]);
		/* The broker's own business. */
		json_object_del(network, "id");
		json_object_del(network, "ifname");
		json_object_del(network, "lab");
		json_array_append_new(networks, network);
	}
	json_t *parameters = json_pack("{s:s,s:o}", "lab", up->lab->name, "networks", networks);
	if (up->invocation->dry_run)
		json_object_set_new(parameters, "dry_run", json_true());
	struct varlink_answer answer = {0};
	int result = client_call(up->invocation, "Apply", parameters, &answer, err);
	if (result == 0) {
		up->changes = json_incref(json_object_get(answer.parameters, "changes"));
		if (up->invocation->dry_run || up->invocation->verbose)
			client_print_changes(up->changes, NULL);
	}
	varlink_answer_done(&answer);
	return result;
}

/* What one machine needs. Fills start when QEMU was started and has to be waited for. */
static int bring_up(struct up *up, struct machine_entry *entry, struct machine_start *start,
		    struct error *err)
{
	const char *name = entry->machine->name;
	int result = machine_entry_lock(entry, err);
	json_t *running = result < 0 ? NULL : machine_entry_running(entry);
	if (result == 0 && !running) {
		result = machine_entry_save(entry, err);
		return result < 0 ? result : machine_start_begin(up->invocation, entry, start, err);
	}
	const json_t *definition = json_object_get(running, "definition");
	if (result == 0 && definition && !json_equal(definition, entry->definition)) {
		up->n_done++;
		result = machine_entry_save(entry, err);
		if (result == 0)
			result = machine_live_change(up->invocation, entry, running, err);
		if (result == 0 &&
		    !json_equal(json_object_get(running, "definition"), entry->definition))
			output_note(
				"machine %s changed: takes effect after 'lanyard vm restart %s'",
				name, name);
	}
	json_decref(running);
	return result;
}

static void note_failure(struct up *up, const struct error *err)
{
	output_error(err);
	up->failed = 1;
}

/* All begin, then all are waited for: QEMU needs most of its time by itself. */
static void start_machines(struct up *up)
{
	AUTO_FREE struct machine_start *starts = memory_zero(up->wanted.count + 1, sizeof(*starts));
	for (size_t i = 0; i < up->wanted.count; i++) {
		struct error err = {0};
		if (bring_up(up, up->wanted.items[i], &starts[i], &err) < 0) {
			starts[i].entry = NULL;
			note_failure(up, &err);
		}
	}
	for (size_t i = 0; i < up->wanted.count; i++) {
		struct error err = {0};
		if (!starts[i].entry)
			continue;
		up->n_done++;
		if (machine_start_end(&starts[i], &err) < 0)
			note_failure(up, &err);
	}
}

static void wait_machines(struct up *up)
{
	long long deadline = machine_now() + READY_SECONDS * 1000LL;
	for (size_t i = 0; i < up->wanted.count; i++) {
		struct error err = {0};
		long long rest = deadline - machine_now();
		if (machine_entry_pid(up->wanted.items[i]) &&
		    machine_wait_ready(up->wanted.items[i], rest > 0 ? (int)rest : 0, &err) < 0)
			note_failure(up, &err);
	}
}

static void print_up(struct up *up)
{
	bool is_changed = up->n_done > 0 || json_array_size(up->changes) > 0;
	json_t *networks = machine_view_networks(up->invocation);
	json_t *views = json_array();
	for (size_t i = 0; i < up->wanted.count; i++)
		json_array_append_new(views, machine_view(up->wanted.items[i], networks));
	json_decref(networks);
	size_t index;
	json_t *view;
	json_array_foreach (views, index, view)
		machine_view_print(view);
	if (!is_changed)
		output_line("lab %s is up; nothing was to do", up->lab->name);
	if (output_is_json())
		output_json(json_pack("{s:s,s:b,s:O,s:O}", "lab", up->lab->name, "changed",
				      is_changed, "changes", up->changes, "machines", views));
	json_decref(views);
}

static void print_intended(const struct up *up)
{
	json_t *starts = json_array();
	for (size_t i = 0; i < up->wanted.count; i++) {
		const struct machine_entry *entry = up->wanted.items[i];
		json_t *running = machine_entry_running(entry);
		const char *what =
			!running ? "start"
			: json_equal(json_object_get(running, "definition"), entry->definition)
				? NULL
				: "change";
		if (what) {
			output_line("%s machine %s", what, entry->machine->name);
			json_array_append_new(starts, json_pack("{s:s,s:s}", "operation", what,
								"machine", entry->machine->name));
		}
		json_decref(running);
	}
	if (json_array_size(starts) == 0 && json_array_size(up->changes) == 0)
		output_line("nothing to do");
	if (output_is_json())
		output_json(json_pack("{s:s,s:O,s:O}", "lab", up->lab->name, "changes", up->changes,
				      "machines", starts));
	json_decref(starts);
}

static int up_all(struct up *up, struct error *err)
{
	struct invocation *invocation = up->invocation;
	int result = machine_store_list(&invocation->own, &up->stored, err);
	if (result == 0)
		result = check_machines(up, err);
	if (result == 0 && !invocation->dry_run)
		result = prepare_images(up, err);
	/* The broker stays while we are connected. */
	if (result == 0)
		result = client_open(invocation, err);
	for (size_t i = 0; i < up->stored.count; i++)
		up->n_done += is_removed(up->stored.items[i], up);
	/* The networks first: when they are refused, nothing at all was changed. */
	if (result == 0)
		result = apply_networks(up, err);
	if (result == 0)
		result = stop_machines(invocation, &up->stored, is_removed, up, err);
	if (result < 0)
		return result;
	if (invocation->dry_run) {
		print_intended(up);
		return 0;
	}
	start_machines(up);
	if (verb_given(invocation, "wait"))
		wait_machines(up);
	print_up(up);
	return up->failed;
}

static int up_run(struct invocation *invocation, struct error *err)
{
	AUTO(lab) struct lab *lab = NULL;
	int result = client_paths(invocation, err);
	if (result == 0)
		result = lab_file_read(invocation, &lab, err);
	if (result < 0)
		return result;
	AUTO_CLOSE int lock = invocation->dry_run ? -1 : lock_lab(invocation, lab->name, err);
	if (lock < 0 && !invocation->dry_run)
		return lock;
	signal(SIGINT, interrupted);
	signal(SIGTERM, interrupted);
	struct up up = {.invocation = invocation, .lab = lab};
	take_machines(&up);
	result = up_all(&up, err);
	machine_list_done(&up.wanted);
	machine_list_done(&up.stored);
	json_decref(up.changes);
	return result;
}

static bool is_of_named_lab(const struct machine_entry *entry, const void *data)
{
	return is_of_lab(entry, data);
}

static int down_lab(struct invocation *invocation, const char *lab, struct error *err)
{
	struct machine_list stored = {0};
	AUTO_FREE char *lock_file = lock_path(invocation, lab);
	AUTO_CLOSE int lock = invocation->dry_run ? -1 : lock_lab(invocation, lab, err);
	if (lock < 0 && !invocation->dry_run)
		return lock;
	int result = machine_store_list(&invocation->own, &stored, err);
	if (result == 0)
		result = stop_machines(invocation, &stored, is_of_named_lab, lab, err);
	machine_list_done(&stored);
	struct varlink_answer answer = {0};
	if (result == 0)
		result = client_change(invocation, "Apply",
				       json_pack("{s:s,s:[]}", "lab", lab, "networks"), &answer,
				       err);
	if (result == 0 && !invocation->dry_run) {
		bool is_changed =
			json_array_size(json_object_get(answer.parameters, "changes")) > 0;
		output_line(is_changed ? "lab %s is down"
				       : "lab %s is down; no network was left of it",
			    lab);
		unlink(lock_file);
		rmdir(invocation->own.machines);
	}
	varlink_answer_done(&answer);
	return result;
}

/* The lab by its name, for when its file is gone. */
static int down_run(struct invocation *invocation, struct error *err)
{
	AUTO(lab) struct lab *lab = NULL;
	int result = client_paths(invocation, err);
	if (result == 0 && invocation->n_arguments && verb_given(invocation, "file"))
		return error_set(err, EINVAL, "name the lab or its file, not both");
	if (result == 0 && invocation->n_arguments == 0)
		result = lab_file_read(invocation, &lab, err);
	if (result < 0)
		return result;
	signal(SIGINT, interrupted);
	signal(SIGTERM, interrupted);
	return down_lab(invocation, lab ? lab->name : invocation->arguments[0], err);
}

static const struct verb_option up_options[] = {
	{"file", 'f', "FILE", "the lab's file (default: lanyard.yaml in this folder)",
	 COMPLETE_FILE},
	{"wait", 'w', NULL, "return when the machines are reachable", COMPLETE_NOTHING},
	{"force", 0, NULL, "end removed machines at once", COMPLETE_NOTHING},
	{0},
};

static const struct verb_option down_options[] = {
	{"file", 'f', "FILE", "the lab's file (default: lanyard.yaml in this folder)",
	 COMPLETE_FILE},
	{"force", 0, NULL, "end machines at once", COMPLETE_NOTHING},
	{0},
};

const struct verb lab_verbs[] = {
	{.name = "up",
	 .arguments = "[-f FILE]",
	 .help = "make networks and machines what a lab's file says",
	 .details = "Running machines stay; what differs is changed live where that is possible.",
	 .options = up_options,
	 .run = up_run},
	{.name = "down",
	 .arguments = "[-f FILE | LAB]",
	 .help = "stop a lab's machines and remove its networks",
	 .options = down_options,
	 .max = 1,
	 .run = down_run},
	{.name = "status", .arguments = "", .help = "show everything at once", .run = status_run},
	{.name = "plan",
	 .arguments = "",
	 .help = "print what would have to be done to repair the instance",
	 .run = plan_run},
	{0},
};
