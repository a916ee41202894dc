/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lanyard down: a lab by its file, or by its name when that is gone. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/output.h"
#include "ipc/varlink_client.h"
#include "machine/lab_file.h"
#include "machine/lab_work.h"
#include "machine/machine_store.h"
#include "model/lab.h"
#include "model/name.h"
#include "verbs/verbs.h"

AUTO_DEFINE(lab)

static bool is_of_named_lab(const struct machine_entry *entry, const void *data)
{
	return strcmp(entry->machine->lab, data) == 0;
}

/* Is anything there of a lab? The labs that are, and the networks of this one, become keys. */
static int find_lab(struct invocation *invocation, const char *lab,
		    const struct machine_list *stored, json_t *labs, json_t *networks,
		    bool *ret_found, struct error *err)
{
	struct varlink_answer answer = {0};
	int result = client_call(invocation, "ListNetworks", NULL, &answer, err);
	size_t index;
	json_t *network;
	json_array_foreach (json_object_get(answer.parameters, "networks"), index, network) {
		json_t *name = json_object_get(network, "lab");
		if (json_string_length(name) > 0)
			json_object_set(labs, json_string_value(name), json_true());
		if (json_string_length(name) > 0 && strcmp(json_string_value(name), lab) == 0)
			json_object_set(networks,
					json_string_value(json_object_get(network, "name")),
					json_true());
	}
	varlink_answer_done(&answer);
	for (size_t i = 0; i < stored->count; i++)
		if (stored->items[i]->machine->lab[0])
			json_object_set_new(labs, stored->items[i]->machine->lab, json_true());
	*ret_found = json_object_get(labs, lab) != NULL;
	return result;
}

static int unknown_lab(const char *lab, json_t *labs, struct error *err)
{
	struct nearest nearest = {.typed = lab};
	const char *name;
	json_t *value;
	json_object_foreach (labs, name, value)
		nearest_feed(&nearest, name);
	return error_set(err, ENOENT, "there is no lab '%s'%s", lab, nearest_text(&nearest));
}

/* Does what is published lead to the lab: to a network of its, or a machine of its by name? */
static bool leads_to(const json_t *published, const json_t *networks, const char *lab,
		     const struct machine_list *stored)
{
	const char *network = json_string_value(json_object_get(published, "network"));
	const char *name = json_string_value(json_object_get(published, "name"));
	if (network)
		return json_object_get(networks, network) != NULL;
	for (size_t i = 0; name && i < stored->count; i++)
		if (strcmp(stored->items[i]->machine->name, name) == 0)
			return strcmp(stored->items[i]->machine->lab, lab) == 0;
	return false;
}

/* Ports of the host that lead to the lab: nothing would answer there, and the instance would not
 * end. networks: names of the lab's, as keys. */
static int unpublish(struct invocation *invocation, const char *lab, const json_t *networks,
		     const struct machine_list *stored, json_t *told, struct error *err)
{
	struct varlink_answer answer = {0};
	int result = client_call(invocation, "ListPublished", NULL, &answer, err);
	size_t index;
	json_t *published;
	json_array_foreach (json_object_get(answer.parameters, "published"), index, published) {
		if (result < 0 || !leads_to(published, networks, lab, stored))
			continue;
		AUTO_FREE char *outside = publish_end(published, "host_address", "host_port");
		json_array_append(told, published);
		output_line(invocation->dry_run ? "unpublish %s" : "%s is no longer published",
			    outside);
		if (!invocation->dry_run)
			result = client_call(invocation, "Unpublish",
					     json_pack("{s:O,s:O}", "host_address",
						       json_object_get(published, "host_address"),
						       "host_port",
						       json_object_get(published, "host_port")),
					     NULL, err);
	}
	varlink_answer_done(&answer);
	return result;
}

static int remove_lab(struct invocation *invocation, const char *lab, const json_t *networks,
		      struct machine_list *stored, struct error *err)
{
	json_t *told = json_array(), *unpublished = json_array();
	int result = unpublish(invocation, lab, networks, stored, unpublished, err);
	if (result == 0)
		result = lab_work_stop(invocation, stored, is_of_named_lab, lab, told, err);
	if (result < 0) {
		json_decref(told);
		json_decref(unpublished);
		return result;
	}
	struct varlink_answer answer = {0};
	json_t *parameters = json_pack("{s:s,s:[]}", "lab", lab, "networks");
	if (invocation->dry_run)
		json_object_set_new(parameters, "dry_run", json_true());
	result = client_call_more(invocation, "Apply", parameters, lab_work_begun, NULL, &answer,
				  err);
	json_t *changes = json_object_get(answer.parameters, "changes");
	if (result == 0 && invocation->dry_run)
		client_print_changes(changes, NULL);
	else if (result == 0)
		output_line("lab %s is down", lab);
	if (result == 0 && output_is_json())
		output_json(json_pack("{s:s,s:b,s:O,s:O,s:O}", "lab", lab, "changed", 1, "changes",
				      changes, "machines", told, "unpublished", unpublished));
	json_decref(told);
	json_decref(unpublished);
	varlink_answer_done(&answer);
	return result;
}

/* by_name: the lab was named; that it is not there is an error then. */
static int down_lab(struct invocation *invocation, const char *lab, bool by_name, struct error *err)
{
	struct machine_list stored = {0};
	bool is_there = false;
	AUTO_CLOSE int lock = invocation->dry_run ? -1 : lab_work_lock(invocation, lab, err);
	if (lock < 0 && !invocation->dry_run)
		return lock;
	json_t *labs = json_object(), *networks = json_object();
	int result = machine_store_list(&invocation->own, &stored, err);
	if (result == 0)
		result = find_lab(invocation, lab, &stored, labs, networks, &is_there, err);
	if (result == 0 && !is_there && by_name)
		result = unknown_lab(lab, labs, err);
	if (result == 0 && is_there) {
		result = remove_lab(invocation, lab, networks, &stored, err);
	} else if (result == 0) {
		output_line("lab %s is not up; nothing to do", lab);
		if (output_is_json())
			output_json(json_pack("{s:s,s:b,s:[],s:[],s:[]}", "lab", lab, "changed", 0,
					      "changes", "machines", "unpublished"));
	}
	if ((result == 0 || result == -ENOENT) && !invocation->dry_run)
		lab_work_forget(invocation, lab);
	json_decref(labs);
	json_decref(networks);
	machine_list_done(&stored);
	return result;
}

/* The lab by its name, for when its file is gone. */
int down_run(struct invocation *invocation, struct error *err)
{
	AUTO(lab) struct lab *lab = NULL;
	AUTO_FREE char *path = NULL;
	bool by_name = invocation->n_arguments > 0;
	int result = client_paths(invocation, err);
	if (result == 0 && by_name && verb_given(invocation, "file"))
		return error_set(err, EINVAL, "name the lab or its file, not both");
	if (result == 0 && by_name)
		result = name_check(invocation->arguments[0], "lab", err);
	if (result == 0 && !by_name)
		result = lab_file_read(invocation, &lab, &path, err);
	if (result == 0 && !by_name)
		result = lab_work_check_file(invocation, lab->name, path, err);
	if (result < 0)
		return result;
	lab_work_catch_signals();
	return down_lab(invocation, lab ? lab->name : invocation->arguments[0], by_name, err);
}
