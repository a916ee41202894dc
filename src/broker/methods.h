/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The methods of io.lanyard: one table, with the right that each needs beside it. */
#pragma once

#include <stdbool.h>

#include "broker/authorise.h"
#include "broker/state.h"
#include "ipc/varlink_server.h"

struct broker;

/* As varlink_handler; data is the broker. */
struct method {
	const char *name;
	enum right right;
	varlink_handler *handler;
};

/* Serves the interface; it stays the server's until the end. */
int methods_serve(struct broker *broker, struct error *err);

/* By file: methods.c, methods_diagnose.c, methods_lab.c, methods_network.c, methods_port.c,
 * methods_reach.c, methods_reservation.c, methods_uplink.c */
varlink_handler methods_apply, methods_add_network, methods_set_network, methods_remove_network,
	methods_list_networks, methods_reserve, methods_unreserve, methods_check;
varlink_handler methods_add_port, methods_set_port, methods_remove_port, methods_list_ports;
varlink_handler methods_connect, methods_publish, methods_unpublish, methods_list_published,
	methods_list_leases;
varlink_handler methods_diagnose;
varlink_handler methods_add_uplink, methods_remove_uplink, methods_list_uplinks,
	methods_confirm_uplink;

/* Members of parameters; the server has checked their types. NULL, false where missing. */
const char *methods_text(const json_t *parameters, const char *key);
bool methods_flag(const json_t *parameters, const char *key);

json_t *methods_networks_json(const struct broker *broker);
json_t *methods_ports_json(const struct broker *broker, const char *network);
/* -ENOENT with the nearest name. */
struct network *methods_network(const struct state *state, const char *name, struct error *err);

/* The last step of every single change: runs the candidate (taken) and answers with `changes` and,
 * where key is one, the value (taken) under it. */
int methods_finish(struct varlink_call *call, struct broker *broker, struct state *candidate,
		   json_t *parameters, const char *key, json_t *value, struct error *err);
