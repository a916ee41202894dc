/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lanyard vm: machines one by one. What defines them is a lab (verb_lab.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "cli/client.h"
#include "cli/console.h"
#include "cli/output.h"
#include "machine/keys.h"
#include "machine/machine_renew.h"
#include "machine/machine_run.h"
#include "machine/machine_store.h"
#include "machine/machine_view.h"
#include "verbs/verbs.h"

#define STOP_SECONDS  10
#define READY_SECONDS 120

AUTO_DEFINE(machine_entry)

static int list_run(struct invocation *invocation, struct error *err)
{
	struct machine_list list = {0};
	int result = client_paths(invocation, err);
	if (result == 0)
		result = machine_store_list(&invocation->own, &list, err);
	if (result < 0)
		return result;
	json_t *networks = machine_view_networks(invocation);
	json_t *views = json_array();
	for (size_t i = 0; i < list.count; i++)
		json_array_append_new(views, machine_view(list.items[i], networks));
	json_decref(networks);
	machine_list_done(&list);
	if (!output_is_json())
		machine_view_table(views);
	else
		output_json(json_incref(views));
	json_decref(views);
	return 0;
}

static int load(struct invocation *invocation, const char *name, struct machine_entry **ret,
		struct error *err)
{
	int result = client_paths(invocation, err);
	return result < 0 ? result : machine_store_load(&invocation->own, name, ret, err);
}

static int show_run(struct invocation *invocation, struct error *err)
{
	AUTO(machine_entry) struct machine_entry *entry = NULL;
	int result = load(invocation, invocation->arguments[0], &entry, err);
	if (result < 0)
		return result;
	json_t *networks = machine_view_networks(invocation);
	json_t *view = machine_view(entry, networks);
	json_decref(networks);
	if (!output_is_json()) {
		machine_view_print(view);
		json_decref(view);
	} else {
		output_json(view);
	}
	return 0;
}

/* What was done to a machine, or with --dry-run would be, for eyes and for scripts. */
static void tell(const struct machine_entry *entry, const char *operation, bool changed)
{
	if (output_is_json())
		output_json(json_pack("{s:s,s:s,s:b}", "operation", operation, "machine",
				      entry->machine->name, "changed", changed));
}

/* Does one thing to each machine that is named; one that fails does not stop the others. */
static int for_each(struct invocation *invocation,
		    int (*act)(struct invocation *, struct machine_entry *, struct error *),
		    struct error *err)
{
	int failed = 0;
	/* nothing to undo: a machine that QEMU has runs on, a guest that was asked to power off
	 * does so */
	output_on_interrupt(
		"interrupted; what is done stays: the same command goes on, 'lanyard vm "
		"list' shows where");
	if (invocation->n_arguments > 1)
		output_several();
	for (size_t i = 0; i < invocation->n_arguments; i++) {
		AUTO(machine_entry) struct machine_entry *entry = NULL;
		int result = load(invocation, invocation->arguments[i], &entry, err);
		if (result == 0 && !invocation->dry_run)
			result = machine_entry_lock(entry, err);
		if (result == 0)
			result = act(invocation, entry, err);
		if (result < 0 && invocation->n_arguments == 1)
			return result;
		if (result < 0)
			output_error(err);
		failed |= result != 0;
	}
	return failed;
}

static void print_started(struct invocation *invocation, const struct machine_entry *entry)
{
	json_t *networks = machine_view_networks(invocation);
	json_t *view = machine_view(entry, networks);
	json_decref(networks);
	if (output_is_json())
		output_json(json_incref(view));
	else
		machine_view_print(view);
	json_decref(view);
}

static int start_one(struct invocation *invocation, struct machine_entry *entry, struct error *err)
{
	struct machine_start start;
	int result = machine_start_check(entry, err);
	if (result == 0 && machine_entry_pid(entry))
		result = error_set(err, EBUSY, "machine '%s' runs already", entry->machine->name);
	if (result == 0 && invocation->dry_run) {
		output_line("start machine %s", entry->machine->name);
		tell(entry, "start", true);
		return 0;
	}
	if (result == 0)
		result = machine_start_begin(invocation, entry, &start, err);
	if (result == 0)
		result = machine_start_end(&start, err);
	if (result == 0 && verb_given(invocation, "wait"))
		result = machine_wait_ready(entry, READY_SECONDS * 1000, err);
	if (result == 0)
		print_started(invocation, entry);
	return result;
}

static int stop_seconds(const struct invocation *invocation, int *ret, struct error *err)
{
	const char *text = verb_value(invocation, "timeout");
	*ret = STOP_SECONDS;
	if (!text)
		return 0;
	char *end;
	long value = strtol(text, &end, 10);
	if (end == text || *end || value < 0 || value > 3600)
		return error_set(err, EINVAL, "--timeout '%s': write seconds from 0 to 3600", text);
	*ret = (int)value;
	return 0;
}

static int stop_it(struct invocation *invocation, struct machine_entry *entry, struct error *err)
{
	struct machine_stop stop;
	int seconds;
	int result = stop_seconds(invocation, &seconds, err);
	if (result < 0)
		return result;
	if (!machine_entry_pid(entry)) {
		output_note("machine '%s' does not run", entry->machine->name);
		return 0;
	}
	if (invocation->dry_run) {
		output_line("stop machine %s", entry->machine->name);
		return 0;
	}
	result = machine_stop_begin(entry, verb_given(invocation, "force"), &stop, err);
	if (result == 0)
		result = machine_stop_end(&stop, clock_ms(CLOCK_MONOTONIC) + seconds * 1000LL, err);
	if (result == 0)
		output_line("machine %s stopped", entry->machine->name);
	return result;
}

static int stop_one(struct invocation *invocation, struct machine_entry *entry, struct error *err)
{
	bool runs = machine_entry_pid(entry) > 0;
	int result = stop_it(invocation, entry, err);
	if (result == 0)
		tell(entry, "stop", runs);
	return result;
}

static int restart_one(struct invocation *invocation, struct machine_entry *entry,
		       struct error *err)
{
	int result = machine_start_check(entry, err);
	if (result == 0 && machine_entry_pid(entry))
		result = stop_it(invocation, entry, err);
	if (result == 0 && invocation->dry_run) {
		output_line("start machine %s", entry->machine->name);
		tell(entry, "restart", true);
	} else if (result == 0) {
		result = start_one(invocation, entry, err);
	}
	return result;
}

static int remove_one(struct invocation *invocation, struct machine_entry *entry, struct error *err)
{
	int result = 0;
	if (machine_entry_pid(entry) && !verb_given(invocation, "force"))
		return error_set(err, EBUSY, "machine '%s' runs; stop it first, or use --force",
				 entry->machine->name);
	if (machine_entry_pid(entry))
		result = stop_it(invocation, entry, err);
	if (result < 0)
		return result;
	output_line(invocation->dry_run ? "remove machine %s" : "machine %s removed",
		    entry->machine->name);
	if (!invocation->dry_run) {
		machine_entry_forget(entry);
		keys_forget(&invocation->own, entry->machine->name);
	}
	tell(entry, "remove", true);
	return 0;
}

static struct machine_renewal renewal;

static int renew_one(struct invocation *invocation, struct machine_entry *entry, struct error *err)
{
	int result = invocation->dry_run ? 0 : machine_renewal_add(&renewal, entry, err);
	if (result < 0)
		return result;
	output_line("machine %s asks for its addresses anew", entry->machine->name);
	tell(entry, "renew", true);
	return 0;
}

static int start_run(struct invocation *invocation, struct error *err)
{
	return for_each(invocation, start_one, err);
}

static int stop_run(struct invocation *invocation, struct error *err)
{
	int seconds;
	int result = stop_seconds(invocation, &seconds, err);
	return result < 0 ? result : for_each(invocation, stop_one, err);
}

static int restart_run(struct invocation *invocation, struct error *err)
{
	return for_each(invocation, restart_one, err);
}

static int renew_run(struct invocation *invocation, struct error *err)
{
	int result = for_each(invocation, renew_one, err);
	machine_renewal_end(&renewal);
	return result;
}

static int remove_run(struct invocation *invocation, struct error *err)
{
	return for_each(invocation, remove_one, err);
}

static int console_run(struct invocation *invocation, struct error *err)
{
	AUTO(machine_entry) struct machine_entry *entry = NULL;
	int result = load(invocation, invocation->arguments[0], &entry, err);
	if (result == 0 && !machine_entry_pid(entry))
		result = error_set(err, ENOENT,
				   "machine '%s' does not run; its last words are in %s",
				   entry->machine->name, entry->console_log);
	return result < 0 ? result
			  : console_attach(entry->machine->name, entry->console, entry->console_log,
					   err);
}

static const struct verb_option start_options[] = {
	{"wait", 'w', NULL, "return when the machine is reachable", COMPLETE_NOTHING},
	{0},
};

static const struct verb_option stop_options[] = {
	{"force", 'f', NULL, "end it at once", COMPLETE_NOTHING},
	{"timeout", 't', "SECONDS", "how long the guest may take (default: 10)", COMPLETE_NOTHING},
	{0},
};

static const struct verb_option restart_options[] = {
	{"force", 'f', NULL, "end it at once", COMPLETE_NOTHING},
	{"timeout", 't', "SECONDS", "how long the guest may take (default: 10)", COMPLETE_NOTHING},
	{"wait", 'w', NULL, "return when the machine is reachable", COMPLETE_NOTHING},
	{0},
};

static const struct verb_option remove_options[] = {
	{"force", 'f', NULL, "even when it runs", COMPLETE_NOTHING},
	{"timeout", 't', "SECONDS", "how long the guest may take (default: 10)", COMPLETE_NOTHING},
	{0},
};

#define MACHINES COMPLETE_MACHINE, COMPLETE_MACHINE, COMPLETE_MACHINE

const struct verb vm_verbs[] = {
	{.group = "vm",
	 .name = "list",
	 .arguments = "",
	 .help = "list the machines",
	 .run = list_run},
	{.group = "vm",
	 .name = "show",
	 .arguments = "NAME",
	 .help = "show everything about a machine",
	 .min = 1,
	 .max = 1,
	 .completes = {COMPLETE_MACHINE},
	 .run = show_run},
	{.group = "vm",
	 .name = "start",
	 .arguments = "NAME...",
	 .help = "start machines",
	 .options = start_options,
	 .min = 1,
	 .max = -1,
	 .completes = {MACHINES},
	 .run = start_run},
	{.group = "vm",
	 .name = "stop",
	 .arguments = "NAME...",
	 .help = "ask machines to power off, then end them",
	 .options = stop_options,
	 .min = 1,
	 .max = -1,
	 .completes = {MACHINES},
	 .run = stop_run},
	{.group = "vm",
	 .name = "restart",
	 .arguments = "NAME...",
	 .help = "stop machines and start them as they are defined now",
	 .options = restart_options,
	 .min = 1,
	 .max = -1,
	 .completes = {MACHINES},
	 .run = restart_run},
	{.group = "vm",
	 .name = "renew",
	 .arguments = "NAME...",
	 .help = "have machines ask for their addresses anew",
	 .details = "Their cables are out for a second. Commands that change what machines have "
		    "learnt "
		    "do it by\n"
		    "themselves for the machines of who gives them; root's for everybody's.",
	 .min = 1,
	 .max = -1,
	 .completes = {MACHINES},
	 .run = renew_run},
	{.group = "vm",
	 .name = "console",
	 .arguments = "NAME",
	 .help = "open the serial console; Ctrl-] leaves it",
	 .min = 1,
	 .max = 1,
	 .no_dry_run = true,
	 .completes = {COMPLETE_MACHINE},
	 .run = console_run},
	{.group = "vm",
	 .name = "ssh",
	 .arguments = "NAME [COMMAND]...",
	 .help = "log in by SSH, or run a command there",
	 .min = 1,
	 .max = 1,
	 .rest = REST_FOLLOWS,
	 .no_dry_run = true,
	 .completes = {COMPLETE_MACHINE},
	 .run = ssh_run},
	{.group = "vm",
	 .name = "remove",
	 .arguments = "NAME...",
	 .help = "forget machines that do not run",
	 .options = remove_options,
	 .min = 1,
	 .max = -1,
	 .completes = {MACHINES},
	 .run = remove_run},
	{0},
};
