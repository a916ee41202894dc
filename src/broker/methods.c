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
#include "broker/publications.h"
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
				leases_json(&broker->state, NULL), "published",
				publications_json(broker->publications)));
	return 0;
}

static int get_plan(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct object_list actual = {0};
	struct plan plan = {0};
	(void)parameters;
	int r = change_look(data, &actual, &plan, err);
	if (r == 0)
		varlink_reply(call, json_pack("{s:o}", "changes", change_json(&plan)));
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

static const struct method methods[] = {
	{"GetVersion", RIGHT_ASK, get_version},
	{"Status", RIGHT_SEE, status},
	{"Plan", RIGHT_SEE, get_plan},
	{"GetNamespace", RIGHT_SEE, get_namespace},
	{"ListNetworks", RIGHT_SEE, methods_list_networks},
	{"ListPorts", RIGHT_SEE, methods_list_ports},
	{"ListLeases", RIGHT_SEE, methods_list_leases},
	{"ListPublished", RIGHT_SEE, methods_list_published},
	{"Check", RIGHT_SEE, methods_check},
	{"Diagnose", RIGHT_SEE, methods_diagnose},
	{"Connect", RIGHT_SEE,
	 methods_connect}, /* on this host its members reach the machines anyway */
	{"AddPort", RIGHT_PLUG, methods_add_port},
	{"RemovePort", RIGHT_PLUG, methods_remove_port},
	{"SetPort", RIGHT_CHANGE, methods_set_port},
	{"Apply", RIGHT_CHANGE, methods_apply},
	{"AddNetwork", RIGHT_CHANGE, methods_add_network},
	{"SetNetwork", RIGHT_CHANGE, methods_set_network},
	{"RemoveNetwork", RIGHT_CHANGE, methods_remove_network},
	{"Reserve", RIGHT_CHANGE, methods_reserve},
	{"Unreserve", RIGHT_CHANGE, methods_unreserve},
	{"Publish", RIGHT_CHANGE, methods_publish},
	{"Unpublish", RIGHT_CHANGE, methods_unpublish},
	{"ListUplinks", RIGHT_SEE, methods_list_uplinks},
	{"AddUplink", RIGHT_CHANGE, methods_add_uplink},
	{"ConfirmUplink", RIGHT_CHANGE, methods_confirm_uplink},
	{"RemoveUplink", RIGHT_CHANGE, methods_remove_uplink},
	{"Stop", RIGHT_CHANGE, stop},
};

#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

/* Every call comes through here, so that none can be forgotten. */
static int dispatch(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	const char *name = strrchr(varlink_call_method(call), '.') + 1;
	for (size_t i = 0; i < N_METHODS; i++) {
		if (strcmp(methods[i].name, name) != 0)
			continue;
		const struct varlink_peer *peer = varlink_call_peer(call);
		int r = authorise(broker->paths.system, peer->uid, methods[i].right, name, err);
		return r < 0 ? r : methods[i].handler(call, parameters, data, err);
	}
	return error_set(err, EOPNOTSUPP, "no method %s", name);
}

int methods_serve(struct broker *broker, struct error *err)
{
	static const struct varlink_service service = {"Lanyard", "Lanyard", LANYARD_VERSION, ""};
	static struct varlink_method table[N_METHODS + 1];
	static struct varlink_interface *interface; /* the server borrows it for good */
	for (size_t i = 0; i < N_METHODS; i++)
		table[i] = (struct varlink_method){methods[i].name, dispatch};
	int r = interface ? 0 : varlink_interface_new(varlink_interface_lanyard, &interface, err);
	if (r == 0)
		r = varlink_server_new(broker->event, &service, &broker->server, err);
	if (r == 0)
		r = varlink_server_add(broker->server, interface, table, broker, err);
	return r;
}
