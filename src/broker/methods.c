/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/methods.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/change.h"
#include "broker/instance.h"
#include "broker/leases.h"
#include "broker/naming.h"
#include "broker/permits.h"
#include "broker/publications.h"
#include "broker/sight.h"
#include "broker/uplink.h"
#include "ipc/varlink_interface.h"

#ifndef LANYARD_VERSION
#define LANYARD_VERSION "unknown"
#endif

const char *methods_text(const json_t *parameters, const char *key)
{
	return json_string_value(json_object_get(parameters, key));
}

bool methods_flag(const json_t *parameters, const char *key)
{
	return json_is_true(json_object_get(parameters, key));
}

static char *boot_id(void)
{
	char *text = NULL;
	ssize_t length = file_read("/proc/sys/kernel/random/boot_id", 64, &text, NULL);
	if (length <= 0)
		return text_copy("");
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static json_t *version_json(const struct broker *broker)
{
	AUTO_FREE char *boot = boot_id();
	return json_pack("{s:s, s:s, s:s, s:i, s:s}", "version", LANYARD_VERSION, "instance",
			 broker->paths.instance, "kind", broker->paths.system ? "system" : "user",
			 "pid", (int)getpid(), "boot_id", boot);
}

static int get_version(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	(void)parameters;
	(void)err;
	varlink_reply(call, version_json(data));
	return 0;
}

static json_t *uplink_json(const struct broker *broker)
{
	const char *why = NULL;
	if (!broker->uplink)
		return json_string("host");
	return json_string(uplink_pid(broker->uplink, &why) > 0 ? "pasta" : "absent");
}

static json_t *instance_json(const struct broker *broker)
{
	json_t *json = version_json(broker);
	const char *why = NULL;
	json_object_set_new(json, "uplink", uplink_json(broker));
	if (broker->uplink && uplink_pid(broker->uplink, &why) <= 0)
		json_object_set_new(json, "uplink_reason", json_string(why));
	json_t *processes = json_pack("{s:i}", "broker", (int)getpid());
	if (!executor_client_is_lost(broker->executor))
		json_object_set_new(processes, "executor",
				    json_integer(executor_client_pid(broker->executor)));
	if (broker->instance && instance_pid(broker->instance) > 0)
		json_object_set_new(processes, "holder",
				    json_integer(instance_pid(broker->instance)));
	if (broker->uplink && uplink_pid(broker->uplink, NULL) > 0)
		json_object_set_new(processes, "pasta",
				    json_integer(uplink_pid(broker->uplink, NULL)));
	json_object_set_new(json, "processes", processes);
	json_object_set_new(json, "permits", permits_json(broker));
	json_t *policy = methods_policy_json(broker);
	if (policy)
		json_object_set_new(json, "policy", policy);
	json_object_set_new(json, "runtime", json_string(broker->paths.runtime));
	json_object_set_new(json, "state", json_string(broker->paths.state));
	return json;
}

static int status(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	(void)parameters;
	(void)err;
	varlink_reply(call,
		      json_pack("{s:o, s:o, s:o, s:o, s:o}", "instance", instance_json(broker),
				"networks", methods_networks_json(broker), "ports",
				methods_ports_json(broker, NULL), "leases",
				leases_json(sight_of(broker), NULL), "published",
				publications_json(broker->publications)));
	return 0;
}

static bool is_seen(const struct state *sight, const struct operation *operation)
{
	for (size_t i = 0; i < sight->n_networks; i++)
		if (sight->networks[i]->id == operation->object.network)
			return true;
	return false;
}

/* Leaves what concerns networks that the caller sees. */
static void filter_plan(struct broker *broker, struct plan *plan)
{
	const struct state *sight = sight_of(broker);
	size_t kept = 0, prepare = 0;
	if (sight == &broker->state)
		return;
	for (size_t i = 0; i < plan->count; i++)
		if (is_seen(sight, &plan->items[i])) {
			prepare += i < plan->n_prepare;
			plan->items[kept++] = plan->items[i];
		}
	plan->count = kept;
	plan->n_prepare = prepare;
}

static int get_plan(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct object_list actual = {0};
	struct plan plan = {0};
	(void)parameters;
	int r = change_look(data, &actual, &plan, err);
	if (r == 0) {
		filter_plan(data, &plan);
		varlink_reply(call, json_pack("{s:o}", "changes", change_json(&plan)));
	}
	object_list_done(&actual);
	plan_done(&plan);
	return r;
}

static int get_namespace(struct varlink_call *call, json_t *parameters, void *data,
			 struct error *err)
{
	struct broker *broker = data;
	(void)parameters;
	int r = broker_ensure(broker, err);
	if (r < 0)
		return r;
	json_t *answer = json_object();
	if (broker->instance)
		json_object_set_new(answer, "pid", json_integer(instance_pid(broker->instance)));
	varlink_reply(call, answer);
	return 0;
}

static int stop(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	if (broker->paths.system)
		return error_set(
			err, EPERM,
			"the system instance is ended by its service manager, not by a call");
	if (!methods_flag(parameters, "force") && broker->state.n_ports > 0)
		return error_set(err, EBUSY,
				 "%zu ports are plugged; stop the machines first, or use --force",
				 broker->state.n_ports);
	struct state empty;
	state_init(&empty, &broker->paths);
	json_t *changes = NULL;
	int r = change_run(broker, &empty, false, &changes, err);
	json_decref(changes);
	state_done(&empty);
	if (r < 0)
		return r;
	publications_clear(broker->publications);
	varlink_reply(call, NULL);
	broker_end(broker);
	return 0;
}

/* is_change, has_dry_run, access and the parameter that names the network, if it is not `network`
 */
static const struct method methods[] = {
	{"GetVersion", RIGHT_ASK, get_version},
	{"GetRights", RIGHT_ASK, methods_get_rights},
	{"CanI", RIGHT_ASK, methods_can_i},
	{"Status", RIGHT_USE, status},
	{"Plan", RIGHT_USE, get_plan},
	{"GetNamespace", RIGHT_USE, get_namespace},
	{"ListNetworks", RIGHT_USE, methods_list_networks},
	{"ListBridgePorts", RIGHT_USE, methods_list_bridge_ports, .access = ACCESS_SEE},
	{"ListPorts", RIGHT_USE, methods_list_ports, .access = ACCESS_SEE},
	{"ListLeases", RIGHT_USE, methods_list_leases, .access = ACCESS_SEE},
	{"ListPublished", RIGHT_USE, methods_list_published},
	{"Check", RIGHT_USE, methods_check, .access = ACCESS_SEE},
	{"Diagnose", RIGHT_USE, methods_diagnose, .access = ACCESS_SEE},
	{"Capture", RIGHT_USE, methods_capture, true, true, ACCESS_SEE},
	{"Connect", RIGHT_USE, methods_connect, .access = ACCESS_SEE},
	{"AddPort", RIGHT_USE, methods_add_port, true, true},
	{"AddPorts", RIGHT_USE, methods_add_ports, true, true},
	{"RemovePort", RIGHT_USE, methods_remove_port, true, true},
	{"RemovePorts", RIGHT_USE, methods_remove_ports, true, true},
	{"SetPort", RIGHT_USE, methods_set_port, true, true},
	{"Apply", RIGHT_USE, methods_apply, true, true},
	{"AddNetwork", RIGHT_USE, methods_add_network, true, true},
	{"SetNetwork", RIGHT_USE, methods_set_network, true, true, ACCESS_OWN, "name"},
	{"RemoveNetwork", RIGHT_USE, methods_remove_network, true, true, ACCESS_OWN, "name"},
	{"Reserve", RIGHT_USE, methods_reserve, true, true, ACCESS_OWN},
	{"Unreserve", RIGHT_USE, methods_unreserve, true, true, ACCESS_OWN},
	{"Publish", RIGHT_USE, methods_publish, true, true, ACCESS_SEE},
	{"Unpublish", RIGHT_USE, methods_unpublish, true, true},
	{"ListUplinks", RIGHT_USE, methods_list_uplinks},
	{"AddUplink", RIGHT_ROOT, methods_add_uplink, true, true},
	{"ConfirmUplink", RIGHT_ROOT, methods_confirm_uplink, true},
	{"RemoveUplink", RIGHT_ROOT, methods_remove_uplink, true, true},
	{"Stop", RIGHT_ROOT, stop, true},
};

#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

const struct method *methods_find(const char *name)
{
	for (size_t i = 0; i < N_METHODS; i++)
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	return NULL;
}

int methods_permit(const struct method *method, struct varlink_call *call, const json_t *parameters,
		   struct broker *broker, struct error *err)
{
	const char *key = method->network ? method->network : "network";
	int r = authorise(broker, varlink_call_peer(call)->uid, method->right, err);
	return r < 0 ? r
		     : authorise_network(broker, methods_text(parameters, key), method->access,
					 err);
}

int methods_run(const struct method *method, struct varlink_call *call, json_t *parameters,
		struct broker *broker, struct error *err)
{
	int r = methods_permit(method, call, parameters, broker, err);
	return r < 0 ? r : method->handler(call, parameters, broker, err);
}

/* Every call comes through here, so that none can be forgotten. */
static int dispatch(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	const char *name = strrchr(varlink_call_method(call), '.') + 1;
	const struct method *method = methods_find(name);
	if (!method)
		return error_set(err, EOPNOTSUPP, "no method %s", name);
	const struct varlink_peer peer = *varlink_call_peer(call);
	bool dry_run = method->has_dry_run && methods_flag(parameters, "dry_run");
	authorise_begin(broker, &peer);
	naming_receive(broker, method, parameters);
	audit_begin(broker, parameters);
	int r = methods_run(method, call, parameters, broker, err);
	if (!dry_run) /* who asks does nothing */
		audit_end(broker, &peer, method->name, method->is_change, r, err);
	authorise_end(broker);
	return r;
}

static struct varlink_interface *interface; /* the server borrows it for good */

const struct varlink_interface *methods_interface(void)
{
	return interface;
}

int methods_serve(struct broker *broker, struct error *err)
{
	static const struct varlink_service service = {"Lanyard", "Lanyard", LANYARD_VERSION, ""};
	static struct varlink_method table[N_METHODS + 1];
	for (size_t i = 0; i < N_METHODS; i++)
		table[i] = (struct varlink_method){methods[i].name, dispatch};
	int r = interface ? 0 : varlink_interface_new(varlink_interface_lanyard, &interface, err);
	if (r == 0)
		r = varlink_server_new(broker->event, &service, &broker->server, err);
	if (r == 0)
		r = varlink_server_add(broker->server, interface, table, broker, err);
	if (r == 0)
		varlink_server_set_present(broker->server, naming_present, broker);
	return r;
}
