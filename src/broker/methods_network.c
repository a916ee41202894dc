/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks one by one: from a message to a candidate model, and from the model to answers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "broker/authorise.h"
#include "broker/broker.h"
#include "broker/candidate.h"
#include "broker/change.h"
#include "broker/handmade.h"
#include "broker/host_uplinks.h"
#include "broker/members.h"
#include "broker/methods.h"
#include "broker/planned.h"
#include "broker/renewal.h"
#include "broker/sight.h"
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
		  nearest ? "; did you mean '" : "; 'lanyard net list' lists those that there are",
		  nearest ? nearest : "", nearest ? "'?" : "");
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct network *const *one = a, *const *other = b;
	return strcmp((*one)->name, (*other)->name);
}

/* Its guard is told as it is, not as it was asked for. */
static json_t *network_json(const struct network *network)
{
	json_t *json = schema_encode(&network_schema, network);
	if (network->openvswitch)
		json_object_set_new(json, "guard", json_false());
	return json;
}

json_t *methods_networks_json(struct broker *broker)
{
	const struct state *sight = sight_of(broker);
	size_t count = sight->n_networks;
	AUTO_FREE struct network **sorted = memory_zero(count, sizeof(*sorted));
	if (count) {
		memcpy(sorted, sight->networks, count * sizeof(*sorted));
		qsort(sorted, count, sizeof(*sorted), by_name);
	}
	json_t *list = json_array();
	for (size_t i = 0; i < count; i++) {
		json_t *json = network_json(sorted[i]);
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

/* Of what is not theirs they are told no more than of other ports. */
static void keep_seen(struct broker *broker, const struct network *network, json_t *ports)
{
	for (size_t i = json_array_size(ports); i-- > 0;) {
		const char *id = methods_text(json_array_get(ports, i), "port");
		if (!authorise_owns(broker, network->owner) &&
		    (!id || !sight_port_named(broker, id)))
			json_array_remove(ports, i);
	}
}

int methods_list_bridge_ports(struct varlink_call *call, json_t *parameters, void *data,
			      struct error *err)
{
	struct broker *broker = data;
	const struct network *network =
		methods_network(sight_of(broker), methods_text(parameters, "network"), err);
	if (!network)
		return -err->code;
	struct error why = {0};
	json_t *ports = members_ports(broker, network, &why);
	if (!ports && why.code)
		return error_set(err, why.code, "%s", why.text);
	keep_seen(broker, network, ports);
	varlink_reply(call, json_pack("{s:o}", "ports", ports ? ports : json_array()));
	return 0;
}

int methods_finish(struct varlink_call *call, struct broker *broker, struct state *candidate,
		   json_t *parameters, const char *key, json_t *value, struct error *err)
{
	json_t *changes = NULL, *renewals = renewal_ports(&broker->state, candidate);
	int r = change_run(broker, candidate, methods_flag(parameters, "dry_run"), &changes, err);
	state_done(candidate);
	if (r < 0) {
		json_decref(renewals);
		json_decref(value);
		return r;
	}
	json_t *answer = json_pack("{s:o}", "changes", changes);
	if (json_array_size(renewals) > 0)
		json_object_set(answer, "renewals", renewals);
	json_decref(renewals);
	if (key)
		json_object_set_new(answer, key, value);
	varlink_reply(call, answer);
	return 0;
}

/* The candidate is made the model; the answer shows this network of it. */
static int finish_network(struct varlink_call *call, struct broker *broker, struct state *candidate,
			  const char *name, json_t *parameters, struct error *err)
{
	json_t *json = network_json(state_network(candidate, name));
	return methods_finish(call, broker, candidate, parameters, "network", json, err);
}

int methods_add_network(struct varlink_call *call, json_t *parameters, void *data,
			struct error *err)
{
	struct broker *broker = data;
	struct network *network = NULL;
	int r = candidate_decode(json_object_get(parameters, "network"), "parameters.network",
				 &network, err);
	if (r < 0)
		return r;
	if (state_network(&broker->state, network->name)) {
		r = error_set(err, EEXIST,
			      "network '%s' is there already; 'lanyard net set' changes it",
			      network->called[0] ? network->called : network->name);
		network_free(network);
		return r;
	}
	char name[NAME_SIZE];
	memcpy(name, network->name, sizeof(name));
	struct state candidate;
	state_copy(&broker->state, &candidate);
	r = candidate_put(broker, &candidate, network, err);
	if (r == 0)
		r = candidate_check_peers(&candidate, err);
	if (r < 0) {
		state_done(&candidate);
		return r;
	}
	return finish_network(call, broker, &candidate, name, parameters, err);
}

int methods_set_network(struct varlink_call *call, json_t *parameters, void *data,
			struct error *err)
{
	struct broker *broker = data;
	const json_t *settings = json_object_get(parameters, "settings");
	const json_t *after = json_object_get(parameters, "after");
	const struct network *before =
		methods_network(&broker->state, methods_text(parameters, "name"), err);
	if (!before)
		return -err->code;
	char name[NAME_SIZE];
	memcpy(name, before->name, sizeof(name));
	json_t *was = schema_encode(&network_schema, before);
	struct state candidate;
	state_copy(&broker->state, &candidate);
	int r = candidate_set(broker, &candidate, name, settings, err);
	if (r == 0 && json_is_integer(after)) /* it would be possible now, and allowed */
		r = authorise_planned(broker, before, &candidate, err);
	if (r == 0 && json_is_integer(after)) {
		state_done(&candidate);
		state_copy(&broker->state, &candidate);
		r = planned_put(&candidate, name, settings, json_integer_value(after), err);
	}
	if (r < 0)
		state_done(&candidate);
	else
		r = finish_network(call, broker, &candidate, name, parameters, err);
	if (r == 0 && !methods_flag(parameters, "dry_run") && !json_is_integer(after))
		handmade_note_settings(&broker->state, state_network(&broker->state, name), was,
				       settings);
	json_decref(was);
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
	candidate_remove(&candidate, name);
	candidate_drop_ports(&candidate);
	bool dry_run = methods_flag(parameters, "dry_run");
	int r = dry_run ? 0 : host_uplinks_leaving(broker, &gone, err);
	if (r < 0) {
		state_done(&candidate);
		return r;
	}
	r = methods_finish(call, broker, &candidate, parameters, NULL, NULL, err);
	if (!dry_run)
		host_uplinks_left(broker, &gone, r == 0);
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
		[OBJECT_PERMIT] = "permits of other firewalls",
		[OBJECT_NAME] = "names",
		[OBJECT_SERVICE] = "services",
		[OBJECT_PORT] = "ports",
		[OBJECT_RATE] = "rates",
		[OBJECT_MEMBER] = "Open vSwitch",
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

static void check_missing(const struct state *sight, const char *network, json_t *list)
{
	for (size_t i = 0; i < sight->n_ports; i++) {
		const struct port *port = sight->ports[i];
		if (strcmp(port->network, network) != 0 || state_port_presence(port) == PORT_THERE)
			continue;
		json_t *text = json_sprintf("port %s (%s) could not be made, the log says why; it "
					    "is tried again, or 'lanyard port remove %s'",
					    port->id, port->ifname, port->id);
		json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:o}", "network", network,
						      "what", "ports", "ok", 0, "text", text));
	}
}

static void check_switch(const struct network *network, json_t *list)
{
	if (network->openvswitch && members_failure()[0])
		json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s}", "network",
						      network->name, "what", "Open vSwitch", "ok",
						      0, "text", members_failure()));
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
		const struct state *sight = sight_of(broker);
		json_t *list = json_array();
		for (size_t i = 0; i < sight->n_networks; i++) {
			const struct network *network = sight->networks[i];
			if (name && strcmp(network->name, name) != 0)
				continue;
			if (network->overlap[0])
				json_array_append_new(list,
						      json_pack("{s:s, s:s, s:b, s:s}", "network",
								network->name, "what", "prefix",
								"ok", 0, "text", network->overlap));
			for (int kind = 0; kind < OBJECT_KINDS; kind++)
				if (kind != OBJECT_MEMBER || !members_failure()[0])
					check_kind(network, (enum object_kind)kind, &actual, &plan,
						   list);
			check_missing(sight, network->name, list);
			check_switch(network, list);
		}
		varlink_reply(call, json_pack("{s:o}", "checks", list));
	}
	object_list_done(&actual);
	plan_done(&plan);
	return r;
}
