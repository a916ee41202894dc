/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/naming.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/authorise.h"
#include "broker/broker.h"
#include "broker/callers.h"
#include "broker/methods.h"
#include "broker/sight.h"
#include "ipc/varlink_server.h"
#include "model/name.h"

static const struct network *find(const struct state *state, uid_t owner, const char *called)
{
	for (size_t i = 0; i < state->n_networks; i++)
		if (state->networks[i]->owner == owner &&
		    strcmp(state->networks[i]->called, called) == 0)
			return state->networks[i];
	return NULL;
}

/* Into the model's names. */

/* others: definitions that come along, theirs received already. */
static const char *received(const struct broker *broker, const json_t *others, const char *name)
{
	for (size_t i = 0; i < json_array_size(others); i++) {
		const json_t *other = json_array_get(others, i);
		const char *called = methods_text(other, "called");
		if (called && strcmp(called, name) == 0)
			return methods_text(other, "name");
	}
	const struct network *own =
		name[0] ? find(&broker->state, broker->caller->uid, name) : NULL;
	return own ? own->name : name;
}

const char *naming_received(const struct broker *broker, const char *name)
{
	return broker->caller ? received(broker, NULL, name) : name;
}

static void receive_member(const struct broker *broker, json_t *map, const char *key)
{
	const char *name = json_string_value(json_object_get(map, key));
	if (name)
		json_object_set_new(map, key, json_string(received(broker, NULL, name)));
}

static void receive_peers(const struct broker *broker, const json_t *others, json_t *map)
{
	json_t *peers = json_object_get(map, "peers");
	for (size_t i = 0; i < json_array_size(peers); i++) {
		const char *name = json_string_value(json_array_get(peers, i));
		if (name)
			json_array_set_new(peers, i, json_string(received(broker, others, name)));
	}
}

static bool is_taken(const struct broker *broker, const json_t *others, const char *name)
{
	for (size_t i = 0; i < json_array_size(others); i++) {
		const char *other = methods_text(json_array_get(others, i), "name");
		if (other && strcmp(other, name) == 0)
			return true;
	}
	return state_network(&broker->state, name);
}

/* "lab-bob", "lab-bob-2". */
static bool choose(const struct broker *broker, const json_t *others, const char *called,
		   char ret[NAME_SIZE])
{
	const struct caller *caller = broker->caller;
	char user[POLICY_NAME_SIZE], tail[8] = "";
	if (name_is_label(caller->name))
		snprintf(user, sizeof(user), "%s", caller->name);
	else
		snprintf(user, sizeof(user), "%u", (unsigned)caller->uid);
	for (unsigned n = 2; n < 1000; n++) {
		if (snprintf(ret, NAME_SIZE, "%s-%s%s", called, user, tail) >= NAME_SIZE)
			return false;
		if (!is_taken(broker, others, ret))
			return true;
		snprintf(tail, sizeof(tail), "-%u", n);
	}
	return false;
}

/* A network's definition. others: those that come along. */
static void receive_network(const struct broker *broker, json_t *network, const json_t *others)
{
	char name[NAME_SIZE];
	const char *called = methods_text(network, "name");
	if (!called || !called[0])
		return;
	const struct network *own = find(&broker->state, broker->caller->uid, called);
	const struct network *other = own ? NULL : state_network(&broker->state, called);
	if (own)
		snprintf(name, sizeof(name), "%s", own->name);
	else if (!other || sight_has_network(broker, other) || !name_is_label(called) ||
		 !choose(broker, others, called, name))
		return;
	json_object_set_new(network, "called", json_string(called));
	json_object_set_new(network, "name", json_string(name));
}

static void forget_called(json_t *parameters)
{
	json_t *networks = json_object_get(parameters, "networks");
	for (size_t i = 0; i < json_array_size(networks); i++)
		json_object_del(json_array_get(networks, i), "called");
	json_object_del(json_object_get(parameters, "network"), "called");
}

void naming_receive(const struct broker *broker, const struct method *method, json_t *parameters)
{
	forget_called(parameters); /* the broker's own */
	if (!broker->caller)
		return;
	json_t *networks = json_object_get(parameters, "networks");
	json_t *network = json_object_get(parameters, "network");
	for (size_t i = 0; i < json_array_size(networks); i++)
		receive_network(broker, json_array_get(networks, i), networks);
	for (size_t i = 0; i < json_array_size(networks); i++)
		receive_peers(broker, networks, json_array_get(networks, i));
	if (json_is_object(network)) {
		receive_network(broker, network, NULL);
		receive_peers(broker, NULL, network);
	}
	json_t *settings = json_object_get(parameters, "settings");
	receive_peers(broker, NULL, settings);
	receive_member(broker, settings, "network");
	receive_member(broker, json_object_get(parameters, "port"), "network");
	json_t *ports = json_object_get(parameters, "ports");
	for (size_t i = 0; i < json_array_size(ports); i++)
		receive_member(broker, json_array_get(ports, i), "network");
	receive_member(broker, parameters, method->network ? method->network : "network");
}

/* Into the caller's. */

struct view {
	const struct state *state;
	uid_t uid;
};

static const char *presented(const struct view *view, const char *name)
{
	const struct network *network = state_network(view->state, name);
	return network && network->owner == view->uid && network->called[0] ? network->called
									    : name;
}

static void present_member(const struct view *view, json_t *map, const char *key)
{
	const char *name = json_string_value(json_object_get(map, key));
	if (name)
		json_object_set_new(map, key, json_string(presented(view, name)));
}

static void present_peers(const struct view *view, json_t *peers)
{
	for (size_t i = 0; i < json_array_size(peers); i++) {
		const char *name = json_string_value(json_array_get(peers, i));
		if (name)
			json_array_set_new(peers, i, json_string(presented(view, name)));
	}
}

/* What has a space is no name but a sentence with names in it. */
static void present_sentence(const struct view *view, json_t *value)
{
	const char *text = json_string_value(value);
	for (size_t i = 0; text && strchr(text, ' ') && i < view->state->n_networks; i++) {
		const struct network *network = view->state->networks[i];
		if (network->owner != view->uid || !network->called[0] ||
		    !strstr(text, network->name))
			continue;
		AUTO_FREE char *theirs = name_replace(text, network->name, network->called);
		json_string_set(value, theirs);
		text = json_string_value(value);
	}
}

static void present(const struct view *view, json_t *value)
{
	for (size_t i = 0; i < json_array_size(value); i++)
		present(view, json_array_get(value, i));
	present_sentence(view, value);
	if (!json_is_object(value))
		return;
	const char *key;
	json_t *member;
	json_object_foreach (value, key, member)
		present(view, member);
	present_peers(view, json_object_get(value, "peers"));
	present_member(view, value, "network");
	if (json_object_get(value, "called")) {
		present_member(view, value, "name");
		json_object_del(value, "called");
	}
}

void naming_present(const struct varlink_peer *peer, json_t *parameters, void *data)
{
	const struct broker *broker = data;
	const struct view view = {&broker->state, peer->uid};
	bool has_any = false;
	for (size_t i = 0; i < view.state->n_networks && !has_any; i++)
		has_any = view.state->networks[i]->owner == peer->uid &&
			  view.state->networks[i]->called[0];
	if (has_any)
		present(&view, parameters);
}
