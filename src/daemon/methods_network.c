/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks and reservations: from a message to a candidate model, and from the model to answers. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "daemon/broker.h"
#include "daemon/change.h"
#include "daemon/handmade.h"
#include "daemon/host_uplinks.h"
#include "daemon/methods.h"
#include "daemon/taken.h"
#include "model/name.h"
#include "model/schema.h"

struct network *methods_network(const struct state *state, const char *name, struct error *err)
{
	struct network *network = state_network(state, name);
	if (network)
		return network;
	AUTO_FREE const char **words = memory_zero(state->n_networks, sizeof(*words));
	for (size_t i = 0; i < state->n_networks; i++)
		words[i] = state->networks[i]->name;
	const char *nearest = name_nearest(name, words, state->n_networks);
	error_set(err, ENOENT, "there is no network '%.80s'%s%s%s", name,
		  nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct network *const *one = a, *const *other = b;
	return strcmp((*one)->name, (*other)->name);
}

json_t *methods_networks_json(const struct broker *broker)
{
	size_t count = broker->state.n_networks;
	AUTO_FREE struct network **sorted = memory_zero(count, sizeof(*sorted));
	if (count) {
		memcpy(sorted, broker->state.networks, count * sizeof(*sorted));
		qsort(sorted, count, sizeof(*sorted), by_name);
	}
	json_t *list = json_array();
	for (size_t i = 0; i < count; i++) {
		json_t *json = schema_encode(&network_schema, sorted[i]);
		json_object_set_new(
			json, "state",
			json_string(executor_client_is_lost(broker->executor) ? "unknown" : "up"));
		json_array_append_new(list, json);
	}
	return list;
}

int methods_list_networks(struct varlink_call *call, json_t *parameters, void *data,
			  struct error *err)
{
	(void)parameters;
	(void)err;
	varlink_reply(call, json_pack("{s:o}", "networks", methods_networks_json(data)));
	return 0;
}

/* A definition as a message has it: the keys of the file, `name` beside them. What only the broker
 * decides is ignored, so that an answer can be sent back. */
static int decode(const json_t *json, const char *path, struct network **ret, struct error *err)
{
	const char *name = json_string_value(json_object_get(json, "name"));
	if (!json_is_object(json) || !name)
		return error_set(err, EINVAL, "%s.name: a network needs a name", path);
	int r = name_check(name, "network", err);
	if (r < 0)
		return r;
	static const char *const ours[] = {"id",      "ifname",	 "lab",	   "state", "owner",
					   "leaving", "overlap", "uplink", "mac"};
	json_t *rest = json_copy((json_t *)json);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		json_object_del(rest, ours[i]);
	struct node *node = NULL;
	r = node_from_json(path, rest, &node, err);
	json_decref(rest);
	if (r < 0)
		return r;
	struct network *network = network_new();
	r = schema_decode(&network_schema, node, network, true, err);
	node_free(node);
	if (r < 0)
		network_free(network);
	else
		*ret = network;
	return r;
}

static int check_overlap(const struct network *a, const struct network *b, struct error *err)
{
	char first[IP_TEXT_SIZE], second[IP_TEXT_SIZE];
	struct ip own, other;
	if (!network_overlaps(a, b, &own, &other))
		return 0;
	return error_set(err, EINVAL,
			 "network '%s': %s overlaps with %s of network '%s'; choose another "
			 "prefix, or auto",
			 a->name, ip_format_prefix(&own, first), ip_format_prefix(&other, second),
			 b->name);
}

/* Both sides need rules for it. */
static int check_peer(const struct state *candidate, const struct network *network,
		      const char *name, struct error *err)
{
	const struct network *peer = methods_network(candidate, name, err);
	if (!peer)
		return error_prefix(err, "network '%s': peers", network->name);
	if (peer->mode == NETWORK_OPEN || peer->mode == NETWORK_BRIDGED)
		return error_set(err, EINVAL,
				 "network '%s': '%s' cannot be its peer: no rule of ours separates "
				 "a network of mode '%s'",
				 network->name, name, network_mode_name(peer->mode));
	return 0;
}

static int check_peers(const struct state *candidate, struct error *err)
{
	for (size_t i = 0; i < candidate->n_networks; i++) {
		const struct network *network = candidate->networks[i];
		for (size_t j = 0; j < NETWORK_PEERS && network->peers[j][0]; j++) {
			int r = check_peer(candidate, network, network->peers[j], err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* A network that goes is nobody's peer any more. */
static void remove_network(struct state *candidate, const char *name)
{
	for (size_t i = 0; i < candidate->n_networks; i++) {
		struct network *network = candidate->networks[i];
		size_t kept = 0;
		char peers[NETWORK_PEERS][NAME_SIZE] = {0};
		for (size_t j = 0; j < NETWORK_PEERS && network->peers[j][0]; j++)
			if (strcmp(network->peers[j], name) != 0)
				memcpy(peers[kept++], network->peers[j], NAME_SIZE);
		memcpy(network->peers, peers, sizeof(peers));
	}
	state_remove_network(candidate, name);
}

/* Two networks on one bridge of the host would be one segment with two names. */
static int check_bridge(const struct network *a, const struct network *b, struct error *err)
{
	if (a->mode != NETWORK_BRIDGED || b->mode != NETWORK_BRIDGED ||
	    strcmp(a->bridge, b->bridge) != 0)
		return 0;
	return error_set(err, EEXIST, "network '%s': bridge '%s' is network '%s' already", a->name,
			 a->bridge, b->name);
}

static int check_host_bridge(const struct network *network, const struct network *before,
			     struct error *err)
{
	if (!network->bridge[0] || (before && strcmp(before->bridge, network->bridge) == 0) ||
	    if_nametoindex(network->bridge) > 0)
		return 0;
	return error_set(err, ENOENT, "network '%s': the host has no bridge '%s'", network->name,
			 network->bridge);
}

/* Settles a network against all others of the candidate and puts it in. Takes it, on failure too.
 */
static int put(struct broker *broker, struct state *candidate, struct network *network,
	       struct error *err)
{
	const struct network *before = state_network(&broker->state, network->name);
	int r = taken_allocate(candidate, broker->paths.instance, network, err);
	if (r == 0)
		r = network_settle(network, err);
	if (r == 0 && before)
		network_retire(network, before, (int64_t)time(NULL));
	for (size_t i = 0; r == 0 && i < candidate->n_networks; i++) {
		if (strcmp(candidate->networks[i]->name, network->name) == 0)
			continue;
		r = check_overlap(network, candidate->networks[i], err);
		if (r == 0)
			r = check_bridge(network, candidate->networks[i], err);
	}
	if (r == 0 && broker->paths.system)
		r = check_host_bridge(network, before, err);
	if (r == 0 && broker->paths.system)
		r = taken_check(candidate, network, before, err);
	if (r < 0) {
		network_free(network);
		return r;
	}
	state_put_network(candidate, network);
	return 0;
}

/* Ports of networks that are no more go along. */
static void drop_ports(struct state *candidate)
{
	for (size_t i = candidate->n_ports; i-- > 0;)
		if (!state_network(candidate, candidate->ports[i]->network))
			state_remove_port(candidate, candidate->ports[i]->id);
}

static int put_of_lab(struct broker *broker, struct state *candidate, const char *lab,
		      const json_t *json, size_t index, struct error *err)
{
	AUTO_FREE char *path = text_format("parameters.networks[%zu]", index);
	struct network *network = NULL;
	int r = decode(json, path, &network, err);
	if (r < 0)
		return r;
	const struct network *before = state_network(&broker->state, network->name);
	if (before && strcmp(before->lab, lab) != 0) {
		r = error_set(err, EEXIST,
			      "network '%s' is there already, %s%s%s; call this one differently, "
			      "or remove that: lanyard %s %s",
			      network->name, before->lab[0] ? "of lab '" : "made by hand",
			      before->lab, before->lab[0] ? "'" : "",
			      before->lab[0] ? "down" : "net remove",
			      before->lab[0] ? before->lab : before->name);
		network_free(network);
		return r;
	}
	snprintf(network->lab, sizeof(network->lab), "%s", lab);
	if (before)
		network_inherit(network, before);
	return put(broker, candidate, network, err);
}

/* Networks of the lab that the list lacks go first: they make room for others' prefixes. */
static void remove_missing(struct state *candidate, const char *lab, const json_t *networks)
{
	for (size_t i = candidate->n_networks; i-- > 0;) {
		struct network *network = candidate->networks[i];
		bool stays = strcmp(network->lab, lab) != 0;
		for (size_t j = 0; !stays && j < json_array_size(networks); j++) {
			const char *name = methods_text(json_array_get(networks, j), "name");
			stays = name && strcmp(name, network->name) == 0;
		}
		if (!stays)
			remove_network(candidate, network->name);
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
	json_t *record = methods_flag(parameters, "reset") ? json_object()
							   : handmade_read(&broker->state, lab);
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
	return r == 0 ? check_peers(candidate, err) : r;
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
		r = check_twice(networks, err);
	if (r < 0)
		return r;
	struct state candidate;
	state_copy(&broker->state, &candidate);
	remove_missing(&candidate, lab, networks);
	json_t *changes = NULL, *next = json_object(), *kept = json_array();
	r = put_lab(broker, &candidate, lab, parameters, next, kept, err);
	bool dry_run = methods_flag(parameters, "dry_run");
	const struct change_watch watch = {announce, call};
	if (r == 0) {
		drop_ports(&candidate);
		r = change_run_watched(broker, &candidate, dry_run,
				       varlink_call_wants_more(call) ? &watch : NULL, &changes,
				       err);
	}
	state_done(&candidate);
	if (r == 0 && !dry_run)
		handmade_write(&broker->state, lab, next);
	if (r < 0)
		blame_hand(kept, err);
	else
		varlink_reply(call, json_pack("{s:O, s:b, s:O}", "changes", changes, "changed",
					      json_array_size(changes) > 0, "kept", kept));
	json_decref(changes);
	json_decref(next);
	json_decref(kept);
	return r;
}

/* The last step of every single change: run and answer with what an encoder makes of the model. */
static int finish(struct varlink_call *call, struct broker *broker, struct state *candidate,
		  json_t *parameters, const char *key, json_t *value, struct error *err)
{
	json_t *changes = NULL;
	int r = change_run(broker, candidate, methods_flag(parameters, "dry_run"), &changes, err);
	state_done(candidate);
	if (r < 0) {
		json_decref(value);
		return r;
	}
	json_t *answer = json_pack("{s:o}", "changes", changes);
	if (key)
		json_object_set_new(answer, key, value);
	varlink_reply(call, answer);
	return 0;
}

int methods_add_network(struct varlink_call *call, json_t *parameters, void *data,
			struct error *err)
{
	struct broker *broker = data;
	struct network *network = NULL;
	int r = decode(json_object_get(parameters, "network"), "parameters.network", &network, err);
	if (r < 0)
		return r;
	if (state_network(&broker->state, network->name)) {
		r = error_set(err, EEXIST,
			      "network '%s' is there already; 'lanyard net set' changes it",
			      network->name);
		network_free(network);
		return r;
	}
	char name[NAME_SIZE];
	memcpy(name, network->name, sizeof(name));
	struct state candidate;
	state_copy(&broker->state, &candidate);
	r = put(broker, &candidate, network, err);
	if (r == 0)
		r = check_peers(&candidate, err);
	if (r < 0) {
		state_done(&candidate);
		return r;
	}
	json_t *json = schema_encode(&network_schema, state_network(&candidate, name));
	return finish(call, broker, &candidate, parameters, "network", json, err);
}

static int decode_settings(const json_t *settings, struct network *network, struct error *err)
{
	struct node *node = NULL;
	int r = node_from_json("parameters.settings", settings, &node, err);
	if (r == 0)
		r = schema_decode(&network_schema, node, network, false, err);
	node_free(node);
	return r;
}

int methods_set_network(struct varlink_call *call, json_t *parameters, void *data,
			struct error *err)
{
	struct broker *broker = data;
	const struct network *before =
		methods_network(&broker->state, methods_text(parameters, "name"), err);
	if (!before)
		return -err->code;
	struct network *network = network_copy(before);
	int r = decode_settings(json_object_get(parameters, "settings"), network, err);
	if (r == 0)
		network_renumber(network, before);
	if (r < 0) {
		network_free(network);
		return r;
	}
	struct state candidate;
	state_copy(&broker->state, &candidate);
	char name[NAME_SIZE];
	memcpy(name, before->name, sizeof(name));
	r = put(broker, &candidate, network, err);
	if (r == 0)
		r = check_peers(&candidate, err);
	if (r < 0) {
		state_done(&candidate);
		return r;
	}
	json_t *json = schema_encode(&network_schema, state_network(&candidate, name));
	r = finish(call, broker, &candidate, parameters, "network", json, err);
	if (r == 0 && !methods_flag(parameters, "dry_run"))
		handmade_note_settings(&broker->state, state_network(&broker->state, name),
				       json_object_get(parameters, "settings"));
	return r;
}

int methods_remove_network(struct varlink_call *call, json_t *parameters, void *data,
			   struct error *err)
{
	struct broker *broker = data;
	const char *name = methods_text(parameters, "name");
	if (!methods_network(&broker->state, name, err))
		return -err->code;
	size_t plugged = 0;
	for (int pass = 0; pass < 2; pass++) {
		plugged = 0;
		for (size_t i = 0; i < broker->state.n_ports; i++)
			plugged += strcmp(broker->state.ports[i]->network, name) == 0;
		/* Those that went a moment ago do not count. */
		if (plugged == 0 || pass == 1 || broker_ensure(broker, NULL) < 0 ||
		    change_repair(broker, NULL) < 0)
			break;
	}
	if (plugged > 0 && !methods_flag(parameters, "force"))
		return error_set(err, EBUSY,
				 "network '%s' has %zu port%s plugged in; stop the machines first, "
				 "or use --force",
				 name, plugged, plugged == 1 ? "" : "s");
	struct network gone = *state_network(&broker->state, name);
	struct state candidate;
	state_copy(&broker->state, &candidate);
	remove_network(&candidate, name);
	drop_ports(&candidate);
	int r = finish(call, broker, &candidate, parameters, NULL, NULL, err);
	if (r == 0 && gone.uplink[0] && !gone.unconfirmed && !methods_flag(parameters, "dry_run"))
		host_uplinks_forget(broker, &gone);
	return r;
}

static int decode_reservation(const json_t *json, struct reservation *ret, struct error *err)
{
	struct node *node = NULL;
	*ret = (struct reservation){0};
	int r = node_from_json("parameters.reservation", json, &node, err);
	if (r == 0)
		r = schema_decode(&reservation_schema, node, ret, false, err);
	node_free(node);
	return r;
}

/* What is not said anew of a reservation stays. */
static void keep_unsaid(struct reservation *reservation, const struct reservation *old)
{
	reservation->automatic = old->automatic;
	if (!mac_is_set(&reservation->mac))
		reservation->mac = old->mac;
	if (!ip_is_set(&reservation->ipv4))
		reservation->ipv4 = old->ipv4;
	if (!ip_is_set(&reservation->ipv6) && mac_equal(&reservation->mac, &old->mac))
		reservation->ipv6 = old->ipv6;
}

int methods_reserve(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	struct reservation reservation;
	const struct network *before =
		methods_network(&broker->state, methods_text(parameters, "network"), err);
	if (!before)
		return -err->code;
	int r = decode_reservation(json_object_get(parameters, "reservation"), &reservation, err);
	if (r < 0)
		return r;
	struct network *network = network_copy(before);
	const struct reservation *old = network_reservation(network, reservation.name);
	if (old) {
		keep_unsaid(&reservation, old);
		struct error ignored = {0};
		network_unreserve(network, reservation.name, &ignored);
	}
	r = network_reserve(network, &reservation, err);
	if (r < 0) {
		network_free(network);
		return r;
	}
	struct state candidate;
	state_copy(&broker->state, &candidate);
	r = put(broker, &candidate, network, err);
	if (r < 0) {
		state_done(&candidate);
		return r;
	}
	char name[NAME_SIZE];
	memcpy(name, before->name, sizeof(name));
	json_t *json = schema_encode(
		&reservation_schema,
		network_reservation(state_network(&candidate, name), reservation.name));
	json_incref(json);
	r = finish(call, broker, &candidate, parameters, "reservation", json, err);
	if (r == 0 && !methods_flag(parameters, "dry_run"))
		handmade_note_reservation(&broker->state, state_network(&broker->state, name),
					  reservation.name, json);
	json_decref(json);
	return r;
}

int methods_unreserve(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	const struct network *before =
		methods_network(&broker->state, methods_text(parameters, "network"), err);
	if (!before)
		return -err->code;
	struct network *network = network_copy(before);
	int r = network_unreserve(network, methods_text(parameters, "name"), err);
	if (r < 0) {
		network_free(network);
		return r;
	}
	struct state candidate;
	state_copy(&broker->state, &candidate);
	state_put_network(&candidate, network);
	char name[NAME_SIZE];
	memcpy(name, before->name, sizeof(name));
	r = finish(call, broker, &candidate, parameters, NULL, NULL, err);
	if (r == 0 && !methods_flag(parameters, "dry_run"))
		handmade_note_reservation(&broker->state, state_network(&broker->state, name),
					  methods_text(parameters, "name"), NULL);
	return r;
}

/* One sentence for each kind of thing a network wants. */
static void check_kind(const struct network *network, enum object_kind kind,
		       const struct object_list *actual, const struct plan *plan, json_t *list)
{
	static const char *const sentences[OBJECT_KINDS] = {
		[OBJECT_BRIDGE] = "interface",
		[OBJECT_ADDRESS] = "addresses",
		[OBJECT_FORWARDING] = "forwarding",
		[OBJECT_ROUTE] = "routes",
		[OBJECT_PROXY] = "answers on the LAN",
		[OBJECT_FILTER] = "rules",
		[OBJECT_NAME] = "names",
		[OBJECT_SERVICE] = "services",
		[OBJECT_PORT] = "ports",
		[OBJECT_UPLINK] = "uplink",
	};
	size_t present = 0;
	const struct operation *wrong = NULL;
	for (size_t i = 0; i < actual->count; i++)
		present += actual->items[i].kind == kind && actual->items[i].network == network->id;
	for (size_t i = 0; i < plan->count && !wrong; i++)
		if (plan->items[i].object.kind == kind &&
		    plan->items[i].object.network == network->id)
			wrong = &plan->items[i];
	if (present == 0 && !wrong)
		return;
	static const char *const faults[] = {"is missing", "is not as it should be",
					     "should not be there"};
	char object[256];
	json_t *text =
		wrong ? json_sprintf("%s %s; the next change puts it right",
				     object_describe(&wrong->object, object), faults[wrong->verb])
		      : json_sprintf("%zu as wanted", present);
	json_array_append_new(list,
			      json_pack("{s:s, s:s, s:b, s:o}", "network", network->name, "what",
					sentences[kind], "ok", wrong == NULL, "text", text));
}

int methods_check(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	const char *name = methods_text(parameters, "network");
	if (name && !methods_network(&broker->state, name, err))
		return -err->code;
	struct object_list actual = {0};
	struct plan plan = {0};
	int r = change_look(broker, &actual, &plan, err);
	if (r == 0) {
		json_t *list = json_array();
		for (size_t i = 0; i < broker->state.n_networks; i++) {
			const struct network *network = broker->state.networks[i];
			if (name && strcmp(network->name, name) != 0)
				continue;
			if (network->overlap[0])
				json_array_append_new(list,
						      json_pack("{s:s, s:s, s:b, s:s}", "network",
								network->name, "what", "prefix",
								"ok", 0, "text", network->overlap));
			for (int kind = 0; kind < OBJECT_KINDS; kind++)
				check_kind(network, (enum object_kind)kind, &actual, &plan, list);
		}
		varlink_reply(call, json_pack("{s:o}", "checks", list));
	}
	object_list_done(&actual);
	plan_done(&plan);
	return r;
}
