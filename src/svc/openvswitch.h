/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Open vSwitch's database as JSON (RFC 7047 and ovs-vswitchd.conf.db(5)): what is asked of it, and
 * what it answers, as pure functions. A port of ours is a row of Port and one of Interface, tagged
 * by external_ids:lanyard=INSTANCE:NETWORK, and lanyard-vlans where its VLANs are ours; nothing
 * else is ever written. Knows no sockets.
 */
#pragma once

#include <jansson.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/object.h"
#include "model/vlan.h"

struct error;

#define OPENVSWITCH_DATABASE "Open_vSwitch"
#define OPENVSWITCH_UUID     37
#define OPENVSWITCH_TAG	     48 /* INSTANCE:NETWORK */
#define OPENVSWITCH_VLANS    "lanyard-vlans"
#define OPENVSWITCH_TEXT     160

struct openvswitch_port {
	char uuid[OPENVSWITCH_UUID];
	char bridge[VLAN_NAME_SIZE];
	char tag[OPENVSWITCH_TAG]; /* external_ids:lanyard, "" without */
	char error[OPENVSWITCH_TEXT];
	bool isolated;
	int64_t number; /* ofport: -1 failed, 0 not looked at yet */
	struct vlan_port vlan;
	struct vlans vlans; /* given by us (external_ids:lanyard-vlans); none: not ours */
	bool has_vlans;
	/* borrowed from the answer, NULL without: to be the same again */
	json_t *vlan_mode, *vlan_tag, *vlan_trunks;
};

struct openvswitch {
	char (*bridges)[VLAN_NAME_SIZE];
	size_t n_bridges;
	struct openvswitch_port *ports; /* those that a bridge has */
	size_t n_ports;
	int64_t asked, done; /* next_cfg, cur_cfg */
};

/* Length of the message (a JSON object) that text begins with; 0: it is not complete yet. White
 * space may go before. -1: it is none. */
long openvswitch_message(const char *text, size_t size);

json_t *openvswitch_request(const char *method, json_t *parameters, unsigned id);
/* {"op": ...} as a list; parameters of a call by openvswitch_transaction. */
json_t *openvswitch_transaction(json_t *operations);

/* The list of results in an answer, borrowed; the first error of all as a sentence. */
int openvswitch_results(const json_t *answer, size_t n_operations, const json_t **ret,
			struct error *err);

/* Everything that is looked at, and the answer to that. */
json_t *openvswitch_look(void);
int openvswitch_read(const json_t *results, struct openvswitch *ret, struct error *err);
void openvswitch_done(struct openvswitch *switches);
bool openvswitch_has_bridge(const struct openvswitch *switches, const char *name);
const struct openvswitch_port *openvswitch_port(const struct openvswitch *switches,
						const char *name);

/* INSTANCE:NETWORK, and back; false: not this instance's. */
void openvswitch_tag(const char *instance, uint32_t network, char ret[OPENVSWITCH_TAG]);
bool openvswitch_parse_tag(const char *tag, const char *instance, uint32_t *ret_network);

/* Operations, appended. before: the row that it replaces, whose VLANs it keeps, or NULL. */
void openvswitch_insert(json_t *operations, const struct object_member *member, const char *tag,
			const struct openvswitch_port *before);
void openvswitch_update(json_t *operations, const struct openvswitch_port *port,
			const struct object_member *member, const char *tag);
void openvswitch_remove(json_t *operations, const struct openvswitch_port *port);
/* Until ovs-vswitchd has looked at this port's interface. */
void openvswitch_wait(json_t *operations, const char *name, unsigned milliseconds);
/* ovs-vswitchd says in cur_cfg how far it is. */
void openvswitch_count(json_t *operations);
void openvswitch_wait_beyond(json_t *operations, int64_t done, unsigned milliseconds);

/* To be told of ports that are changed or go, and of new bridges. */
json_t *openvswitch_monitor(void);
/* A message of that: is it about this instance's ports, or a new bridge? */
bool openvswitch_concerns(const json_t *message, const char *instance);
