/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A lab's networks as one change: what its file says, with what was made by hand since. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "broker/broker.h"
#include "broker/candidate.h"
#include "broker/change.h"
#include "broker/handmade.h"
#include "broker/methods.h"
#include "broker/renewal.h"
#include "model/name.h"

static int put_of_lab(struct broker *broker, struct state *candidate, const char *lab,
		      const json_t *json, size_t index, struct error *err)
{
	AUTO_FREE char *path = text_format("parameters.networks[%zu]", index);
	struct network *network = NULL;
	int r = candidate_decode(json, path, &network, err);
	if (r < 0)
		return r;
	const struct network *before = state_network(&broker->state, network->name);
	if (before && !authorise_owns(broker, before->owner))
		r = error_set(err, EEXIST,
			      "network '%s' is there already, and not yours; call this one "
			      "differently",
			      network->name);
	else if (before && strcmp(before->lab, lab) != 0)
		r = error_set(err, EEXIST,
			      "network '%s' is there already, %s%s%s; call this one differently, "
			      "or remove that: lanyard %s %s",
			      network->name, before->lab[0] ? "of lab '" : "made by hand",
			      before->lab, before->lab[0] ? "'" : "",
			      before->lab[0] ? "down" : "net remove",
			      before->lab[0] ? before->lab : before->name);
	if (r < 0) {
		network_free(network);
		return r;
	}
	snprintf(network->lab, sizeof(network->lab), "%s", lab);
	if (before)
		network_inherit(network, before);
	return candidate_put(broker, candidate, network, err);
}

/* Networks of the lab that the list lacks go first: they make room for others' prefixes. */
static void remove_missing(struct state *candidate, const char *lab, uid_t owner,
			   const json_t *networks)
{
	for (size_t i = candidate->n_networks; i-- > 0;) {
		struct network *network = candidate->networks[i];
		/* a lab of the same name may be somebody else's */
		bool stays = strcmp(network->lab, lab) != 0 || network->owner != owner;
		for (size_t j = 0; !stays && j < json_array_size(networks); j++) {
			const char *name = methods_text(json_array_get(networks, j), "name");
			stays = name && strcmp(name, network->name) == 0;
		}
		if (!stays)
			candidate_remove(candidate, network->name);
	}
}

static int check_twice(const json_t *networks, struct error *err)
{
	for (size_t i = 0; i < json_array_size(networks); i++)
		for (size_t j = 0; j < i; j++) {
			const char *one = methods_text(json_array_get(networks, i), "name");
			const char *other = methods_text(json_array_get(networks, j), "name");
			if (one && other && strcmp(one, other) == 0)
				return error_set(
					err, EINVAL,
					"parameters.networks[%zu].name: '%s' is there twice", i,
					one);
		}
	return 0;
}

/* Tells the caller what is begun, before it is done. */
static void announce(const struct plan *plan, bool prepare, void *data)
{
	json_t *changes = change_part_json(plan, prepare);
	if (json_array_size(changes))
		varlink_reply_more(data, json_pack("{s:O, s:b}", "changes", changes, "changed", 1));
	json_decref(changes);
}

/* The candidate's networks of the lab, as the file and what was made by hand say. next: the record
 * of it. */
static int put_lab(struct broker *broker, struct state *candidate, const char *lab,
		   const json_t *parameters, json_t *next, json_t *kept, struct error *err)
{
	const json_t *networks = json_object_get(parameters, "networks");
	json_t *record = methods_flag(parameters, "reset")
				 ? json_object()
				 : handmade_read(&broker->state, lab, authorise_uid(broker));
	int r = 0;
	for (size_t i = 0; r == 0 && i < json_array_size(networks); i++) {
		const json_t *network = json_array_get(networks, i);
		const char *name = methods_text(network, "name");
		/* What was made by hand has gone with its network. */
		if (name && !state_network(&broker->state, name))
			json_object_del(record, name);
		json_t *merged = handmade_merge(record, network, next, kept);
		r = put_of_lab(broker, candidate, lab, merged, i, err);
		json_decref(merged);
	}
	json_decref(record);
	return r == 0 ? candidate_check_peers(candidate, err) : r;
}

static void blame_hand(const json_t *kept, struct error *err)
{
	size_t length = strlen(err->text);
	if (json_array_size(kept) > 0)
		snprintf(err->text + length, sizeof(err->text) - length,
			 " (changed by hand: %s%s; 'lanyard up --reset' goes by the file)",
			 json_string_value(json_array_get(kept, 0)),
			 json_array_size(kept) > 1 ? " and more" : "");
}

int methods_apply(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	const char *lab = methods_text(parameters, "lab");
	const json_t *networks = json_object_get(parameters, "networks");
	int r = name_check(lab, "lab", err);
	if (r == 0)
		r = authorise_lab(broker, json_array_size(networks), err);
	if (r == 0)
		r = check_twice(networks, err);
	if (r < 0)
		return r;
	struct state candidate;
	state_copy(&broker->state, &candidate);
	remove_missing(&candidate, lab, authorise_uid(broker), networks);
	json_t *changes = NULL, *renewals = NULL, *next = json_object(), *kept = json_array();
	r = put_lab(broker, &candidate, lab, parameters, next, kept, err);
	bool dry_run = methods_flag(parameters, "dry_run");
	const struct change_watch watch = {announce, call};
	if (r == 0) {
		candidate_drop_ports(&candidate);
		renewals = renewal_ports(&broker->state, &candidate);
		r = change_run_watched(broker, &candidate, dry_run,
				       varlink_call_wants_more(call) ? &watch : NULL, &changes,
				       err);
	}
	state_done(&candidate);
	if (r == 0 && !dry_run)
		handmade_write(&broker->state, lab, authorise_uid(broker), next);
	if (r < 0)
		blame_hand(kept, err);
	else
		varlink_reply(call, json_pack("{s:O, s:b, s:O, s:O}", "changes", changes, "changed",
					      json_array_size(changes) > 0, "kept", kept,
					      "renewals", renewals));
	json_decref(renewals);
	json_decref(changes);
	json_decref(next);
	json_decref(kept);
	return r;
}
