/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lanyard up.
 *
 * Theory of operation. A lab is brought up in steps that each leave something consistent:
 * everything that can be known is checked; the networks become what the file says in one call, all
 * or nothing; machines that the file no longer has are stopped; then each machine starts on its
 * own. Interrupted anywhere, the next `up` goes on and `down` clears away. One command at a time
 * works on a lab (a lock file in the runtime directory).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/output.h"
#include "ipc/varlink_client.h"
#include "machine/image.h"
#include "machine/lab_file.h"
#include "machine/lab_work.h"
#include "machine/machine_live.h"
#include "machine/machine_renew.h"
#include "machine/machine_run.h"
#include "machine/machine_store.h"
#include "machine/machine_view.h"
#include "model/lab.h"
#include "model/schema.h"
#include "verbs/verbs.h"

#define READY_SECONDS 120

AUTO_DEFINE(lab)

/* Where one `up` is. */
struct up {
	struct invocation *invocation;
	struct lab *lab;
	struct machine_list wanted; /* of the file */
	struct machine_list stored; /* of every lab */
	json_t *changes;	    /* of the networks */
	json_t *told;		    /* machines that are stopped, started, changed */
	json_t *kept;		    /* what goes on of changes by hand */
	json_t *renewals;	    /* ports whose machines are to ask anew */
	size_t n_done;		    /* machines started, changed or stopped */
	int lock;
	const char *path; /* of the file */
	int failed;
};

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
					 "one differently, or remove that: lanyard down %s",
					 name, other->machine->lab, other->machine->lab);
		int result = machine_start_check(entry, err);
		if (result < 0)
			return error_prefix(err, "%s", up->lab->image_places[i]);
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

/* Of this lab, but not in its file any more. */
static bool is_removed(const struct machine_entry *entry, const void *data)
{
	const struct up *up = data;
	return is_of_lab(entry, up->lab->name) &&
	       !machine_list_find(&up->wanted, entry->machine->name);
}

static void print_kept(const json_t *kept)
{
	size_t index;
	json_t *item;
	json_array_foreach (kept, index, item)
		output_note(
			"changed by hand, and stays so ('lanyard up --reset' goes by the file): "
			"%s",
			json_string_value(item));
}

static json_t *networks_of(const struct up *up)
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
	return networks;
}

static bool has_network(const json_t *networks, const char *wanted)
{
	size_t index;
	const json_t *network;
	json_array_foreach (networks, index, network) {
		const char *name = json_string_value(json_object_get(network, "name"));
		if (name && strcmp(name, wanted) == 0)
			return true;
	}
	return false;
}

/* Networks that are not the lab's: they are there, or nothing is begun. */
static int check_needs(const struct up *up, struct error *err)
{
	struct varlink_answer answer = {0};
	int result = up->lab->n_needs
			     ? client_call(up->invocation, "ListNetworks", NULL, &answer, err)
			     : 0;
	const json_t *networks = json_object_get(answer.parameters, "networks");
	for (size_t i = 0; result == 0 && i < up->lab->n_needs; i++) {
		const struct lab_need *need = &up->lab->needs[i];
		if (!has_network(networks, need->nic->network))
			result = error_set(err, ENOENT,
					   "%s: machine '%s': there is no network '%s'; define it "
					   "under 'networks'",
					   need->place, need->machine->name, need->nic->network);
	}
	varlink_answer_done(&answer);
	return result;
}

static int apply_networks(struct up *up, struct error *err)
{
	json_t *parameters =
		json_pack("{s:s,s:o}", "lab", up->lab->name, "networks", networks_of(up));
	if (up->invocation->dry_run)
		json_object_set_new(parameters, "dry_run", json_true());
	if (verb_given(up->invocation, "reset"))
		json_object_set_new(parameters, "reset", json_true());
	struct varlink_answer answer = {0};
	int result = client_call_more(up->invocation, "Apply", parameters, lab_work_begun, NULL,
				      &answer, err);
	if (result == 0) {
		lab_work_note_file(up->lock, up->path);
		up->changes = json_incref(json_object_get(answer.parameters, "changes"));
		up->kept = json_incref(json_object_get(answer.parameters, "kept"));
		up->renewals = json_incref(json_object_get(answer.parameters, "renewals"));
		print_kept(up->kept);
		if (up->invocation->dry_run)
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
		output_progress("starting machine %s", name);
		result = machine_entry_save(entry, err);
		return result < 0 ? result : machine_start_begin(up->invocation, entry, start, err);
	}
	const json_t *definition = json_object_get(running, "definition");
	if (result == 0 && definition &&
	    (!json_equal(definition, entry->definition) ||
	     machine_live_is_lost(up->invocation, running))) {
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
	long long deadline = clock_ms(CLOCK_MONOTONIC) + READY_SECONDS * 1000LL;
	for (size_t i = 0; i < up->wanted.count; i++) {
		struct error err = {0};
		long long rest = deadline - clock_ms(CLOCK_MONOTONIC);
		if (machine_entry_pid(up->wanted.items[i]))
			output_progress("waiting for machine %s",
					up->wanted.items[i]->machine->name);
		if (machine_entry_pid(up->wanted.items[i]) &&
		    machine_wait_ready(up->wanted.items[i], rest > 0 ? (int)rest : 0, &err) < 0)
			note_failure(up, &err);
	}
}

static void print_summary(const struct up *up, bool is_changed)
{
	size_t n_networks = up->lab->n_networks, n_running = 0;
	for (size_t i = 0; i < up->wanted.count; i++)
		n_running += machine_entry_pid(up->wanted.items[i]) > 0;
	if (up->failed)
		output_line("lab %s is up in part: %zu of %zu machines run", up->lab->name,
			    n_running, up->wanted.count);
	else if (!is_changed)
		output_line("lab %s is up; nothing was to do", up->lab->name);
	else
		output_line("lab %s is up: %zu network%s, %zu machine%s", up->lab->name, n_networks,
			    n_networks == 1 ? "" : "s", n_running, n_running == 1 ? "" : "s");
}

/* Why machines are slower than they could be, each reason once. */
static void print_reasons(const json_t *views)
{
	json_t *told = json_object(), *view;
	size_t index;
	json_array_foreach (views, index, view) {
		const char *reason = json_string_value(json_object_get(view, "reason"));
		if (reason && !json_object_get(told, reason))
			output_line("%s", reason);
		if (reason)
			json_object_set_new(told, reason, json_true());
	}
	json_decref(told);
}

static void print_machines(const json_t *views)
{
	const char *name = NULL;
	size_t index;
	json_t *view;
	json_array_foreach (views, index, view)
		if (!name && json_object_get(view, "ssh"))
			name = json_string_value(json_object_get(view, "name"));
	machine_view_table(views);
	print_reasons(views);
	if (name)
		output_line("'lanyard ssh %s' logs in, 'lanyard vm show %s' tells all", name, name);
}

static void print_up(struct up *up)
{
	bool is_changed = up->n_done > 0 || json_array_size(up->changes) > 0;
	json_t *networks = machine_view_networks(up->invocation);
	json_t *views = json_array();
	for (size_t i = 0; i < up->wanted.count; i++)
		json_array_append_new(views, machine_view(up->wanted.items[i], networks));
	json_decref(networks);
	if (is_changed && !output_is_json() && !up->invocation->quiet && json_array_size(views) > 0)
		print_machines(views);
	print_summary(up, is_changed);
	if (output_is_json())
		output_json(json_pack("{s:s,s:b,s:O,s:O?,s:O}", "lab", up->lab->name, "changed",
				      is_changed, "changes", up->changes, "kept", up->kept,
				      "machines", views));
	json_decref(views);
}

static void print_intended(const struct up *up)
{
	json_t *starts = up->told;
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
		output_json(json_pack("{s:s,s:b,s:O,s:O?,s:O}", "lab", up->lab->name, "changed",
				      json_array_size(starts) + json_array_size(up->changes) > 0,
				      "changes", up->changes, "kept", up->kept, "machines",
				      starts));
}

static int up_all(struct up *up, struct error *err)
{
	struct invocation *invocation = up->invocation;
	int result = machine_store_list(&invocation->own, &up->stored, err);
	if (result == 0)
		result = check_machines(up, err);
	if (result == 0)
		result = check_needs(up, err);
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
		result = lab_work_stop(invocation, &up->stored, is_removed, up, up->told, err);
	if (result < 0)
		return result;
	if (invocation->dry_run) {
		print_intended(up);
		return 0;
	}
	machine_renew_ports(invocation, up->renewals);
	start_machines(up);
	if (verb_given(invocation, "wait"))
		wait_machines(up);
	print_up(up);
	return up->failed;
}

int up_run(struct invocation *invocation, struct error *err)
{
	AUTO(lab) struct lab *lab = NULL;
	AUTO_FREE char *path = NULL;
	int result = client_paths(invocation, err);
	if (result == 0)
		result = lab_file_read(invocation, &lab, &path, err);
	if (result == 0)
		result = lab_work_check_file(invocation, lab->name, path, err);
	if (result < 0)
		return result;
	if (lab->n_networks + lab->n_machines == 0)
		output_note("the file has neither networks nor machines: lab '%s' is empty",
			    lab->name);
	AUTO_CLOSE int lock = invocation->dry_run ? -1 : lab_work_lock(invocation, lab->name, err);
	if (lock < 0 && !invocation->dry_run)
		return lock;
	/* Again: another one may have been at work. */
	result = lab_work_check_file(invocation, lab->name, path, err);
	if (result < 0)
		return result;
	lab_work_catch_signals();
	struct up up = {.invocation = invocation,
			.lab = lab,
			.lock = lock,
			.path = path,
			.told = json_array()};
	take_machines(&up);
	result = up_all(&up, err);
	if (result < 0)
		lab_work_leave(invocation, lock, lab->name);
	machine_list_done(&up.wanted);
	machine_list_done(&up.stored);
	json_decref(up.changes);
	json_decref(up.told);
	json_decref(up.kept);
	json_decref(up.renewals);
	return result;
}
