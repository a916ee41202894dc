/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the caller may: all at once, or whether one call would be served. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "broker/broker.h"
#include "broker/callers.h"
#include "broker/methods.h"
#include "broker/naming.h"
#include "broker/publications.h"
#include "ipc/varlink_interface.h"
#include "model/schema.h"

json_t *methods_policy_json(const struct broker *broker)
{
	if (!broker->callers)
		return NULL;
	const struct policy_file *file = callers_file(broker->callers);
	const struct policy *policy = policy_file_policy(file);
	const char *problem = policy_file_problem(file);
	const char *state = policy_file_is_closed(file) ? "closed"
			    : problem			? "old"
			    : policy->file		? "file"
							: "default";
	json_t *json = json_pack("{s:s, s:s}", "file", policy_file_path(file), "state", state);
	if (problem)
		json_object_set_new(json, "problem", json_string(problem));
	AUTO_FREE char *unknown = broker->caller ? NULL : policy_file_unknown(file); /* root's */
	if (unknown)
		json_object_set_new(json, "unknown", json_string(unknown));
	return json;
}

static size_t count_used(const struct broker *broker, enum policy_key key)
{
	uid_t uid = broker->caller->uid;
	if (key == POLICY_PUBLISHED)
		return publications_count_of(broker->publications, uid);
	if (key == POLICY_CONNECTIONS)
		return broker->caller->connections;
	if (key == POLICY_MACHINES)
		return state_machines_of(&broker->state, uid, NULL);
	return key == POLICY_NETWORKS ? state_networks_of(&broker->state, uid)
				      : state_ports_of(&broker->state, uid);
}

static json_t *right_json(const struct broker *broker, enum policy_key key)
{
	char place[POLICY_PLACE_SIZE], value[POLICY_VALUE_SIZE];
	const struct policy_grant *grant = &broker->caller->grant;
	const struct schema_key *entry = &policy_schema.keys[key];
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:s}", "key", entry->key, "value", policy_value(grant, key, value),
		"help", entry->help, "rule",
		policy_place(policy_file_policy(callers_file(broker->callers)), grant, key, place));
	if (key >= POLICY_CONNECTIONS && key <= POLICY_PUBLISHED)
		json_object_set_new(json, "used",
				    json_integer((json_int_t)count_used(broker, key)));
	return json;
}

int methods_get_rights(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	const struct broker *broker = data;
	(void)parameters;
	(void)err;
	json_t *rights = json_array();
	for (size_t i = 0; broker->caller && i < POLICY_KEYS; i++)
		json_array_append_new(rights, right_json(broker, (enum policy_key)i));
	json_t *answer = json_pack("{s:b, s:b, s:o}", "limited", broker->caller != NULL, "use",
				   !broker->caller ||
					   (broker->caller->grant.rights.use &&
					    !policy_file_is_closed(callers_file(broker->callers))),
				   "rights", rights);
	json_t *policy = methods_policy_json(broker);
	if (policy)
		json_object_set_new(answer, "policy", policy);
	varlink_reply(call, answer);
	return 0;
}

/* The method runs as if it were called, up to the point where it would change something; its
 * answer is replaced by ours. */
static int try(const struct method *method, struct varlink_call *call, json_t *parameters,
	       struct broker *broker, struct error *err)
{
	naming_receive(broker, method, parameters);
	varlink_call_answer_with(call, json_pack("{s:b}", "allowed", 1));
	if (method->has_dry_run) {
		json_object_set_new(parameters, "dry_run", json_true());
		return methods_run(method, call, parameters, broker, err);
	}
	int r = methods_permit(method, call, parameters, broker, err);
	if (r == 0)
		varlink_reply(call, NULL);
	return r;
}

int methods_can_i(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	const char *name = methods_text(parameters, "method");
	const json_t *given = json_object_get(parameters, "parameters");
	const struct method *method = methods_find(name);
	if (!method || method->handler == methods_can_i)
		return error_set(err, EINVAL, "parameters.method: '%.40s' is no method to ask for",
				 name);
	json_t *inner = given ? json_deep_copy(given) : json_object();
	int r = varlink_interface_check_call(methods_interface(), name, inner, NULL, 0, err);
	if (r == 0)
		r = try(method, call, inner, data, err);
	else
		error_prefix(err, "parameters.parameters");
	json_decref(inner);
	if (r != -EACCES && r != -EPERM)
		return r;
	varlink_call_answer_with(call, NULL);
	varlink_reply(call, json_pack("{s:b, s:s}", "allowed", 0, "reason", err->text));
	return 0;
}
