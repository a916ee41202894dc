/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The methods of io.lanyard: one table, with the right that each needs beside it. */
#pragma once

#include <stdbool.h>

#include "broker/authorise.h"
#include "broker/state.h"
#include "ipc/varlink_server.h"

struct broker;
struct varlink_interface;

/* As varlink_handler; data is the broker. */
struct method {
	const char *name;
	enum right right;
	varlink_handler *handler;
	bool is_change;	     /* it is told in the log */
	bool has_dry_run;    /* it can be asked whether it would be done */
	enum access access;  /* to the network that `network` names, if it names one */
	const char *network; /* the parameter; NULL: "network" */
};

/* NULL: there is none. */
const struct method *methods_find(const char *name);
/* The gates before a handler; whose call it is is set by the dispatcher. */
int methods_permit(const struct method *method, struct varlink_call *call, const json_t *parameters,
		   struct broker *broker, struct error *err);
/* The gates, then the handler. */
int methods_run(const struct method *method, struct varlink_call *call, json_t *parameters,
		struct broker *broker, struct error *err);
const struct varlink_interface *methods_interface(void);

/* Serves the interface; it stays the server's until the end. */
int methods_serve(struct broker *broker, struct error *err);

/* By file: methods.c, methods_capture.c, methods_diagnose.c, methods_lab.c, methods_network.c,
 * methods_policy.c, methods_port.c, methods_reach.c, methods_reservation.c, methods_uplink.c */
varlink_handler methods_apply, methods_add_network, methods_set_network, methods_remove_network,
	methods_list_networks, methods_list_bridge_ports, methods_reserve, methods_unreserve,
	methods_check;
varlink_handler methods_add_port, methods_add_ports, methods_set_port, methods_remove_port,
	methods_remove_ports, methods_list_ports;
varlink_handler methods_connect, methods_publish, methods_unpublish, methods_list_published,
	methods_list_leases;
varlink_handler methods_capture, methods_diagnose;
varlink_handler methods_get_rights, methods_can_i;
varlink_handler methods_add_uplink, methods_remove_uplink, methods_list_uplinks,
	methods_confirm_uplink;

/* Members of parameters; the server has checked their types. NULL, false where missing. */
const char *methods_text(const json_t *parameters, const char *key);
bool methods_flag(const json_t *parameters, const char *key);

/* What the caller may see of them. */
json_t *methods_networks_json(struct broker *broker);
json_t *methods_ports_json(struct broker *broker, const char *network);
/* The policy in force, for Status; NULL in a user instance. */
json_t *methods_policy_json(const struct broker *broker);
/* -ENOENT with the nearest name. */
struct network *methods_network(const struct state *state, const char *name, struct error *err);

/* The last step of every single change: runs the candidate (taken) and answers with `changes` and,
 * where key is one, the value (taken) under it. */
int methods_finish(struct varlink_call *call, struct broker *broker, struct state *candidate,
		   json_t *parameters, const char *key, json_t *value, struct error *err);
