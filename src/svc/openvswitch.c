/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is asked of Open vSwitch's database. */
#include "svc/openvswitch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_VALUE "set", json_array()

json_t *openvswitch_request(const char *method, json_t *parameters, unsigned id)
{
	return json_pack("{s:s, s:o, s:i}", "method", method, "params", parameters, "id", (int)id);
}

json_t *openvswitch_transaction(json_t *operations)
{
	json_array_insert_new(operations, 0, json_string(OPENVSWITCH_DATABASE));
	return operations;
}

static json_t *select_all(const char *table, json_t *columns)
{
	return json_pack("{s:s, s:s, s:[], s:o}", "op", "select", "table", table, "where",
			 "columns", columns);
}

/* openvswitch_read knows this order. */
json_t *openvswitch_look(void)
{
	return json_pack(
		"[o, o, o, o]", select_all("Bridge", json_pack("[s, s]", "name", "ports")),
		select_all("Port", json_pack("[s, s, s, s, s, s, s]", "_uuid", "name", "tag",
					     "trunks", "vlan_mode", "protected", "external_ids")),
		select_all("Interface", json_pack("[s, s, s]", "name", "ofport", "error")),
		select_all("Open_vSwitch", json_pack("[s, s]", "next_cfg", "cur_cfg")));
}

void openvswitch_tag(const char *instance, uint32_t network, char ret[OPENVSWITCH_TAG])
{
	snprintf(ret, OPENVSWITCH_TAG, "%s:%u", instance, network);
}

static json_t *tag_map(const char *tag)
{
	return json_pack("[s, [[s, s]]]", "map", "lanyard", tag);
}

static json_t *where_uuid(const char *uuid)
{
	return json_pack("[[s, s, [s, s]]]", "_uuid", "==", "uuid", uuid);
}

static json_t *change_ports(const char *bridge, const char *how, json_t *port)
{
	return json_pack("{s:s, s:s, s:[[s, s, s]], s:[[s, s, o]]}", "op", "mutate", "table",
			 "Bridge", "where", "name", "==", bridge, "mutations", "ports", how, port);
}

void openvswitch_insert(json_t *operations, const char *bridge, const char *name, const char *tag,
			bool isolated, const struct openvswitch_port *before)
{
	char interface[32], port[32];
	size_t number = json_array_size(operations);
	snprintf(interface, sizeof(interface), "interface%zu", number);
	snprintf(port, sizeof(port), "port%zu", number);
	json_t *row =
		json_pack("{s:s, s:[s, s], s:b, s:o}", "name", name, "interfaces", "named-uuid",
			  interface, "protected", isolated, "external_ids", tag_map(tag));
	const struct {
		const char *column;
		json_t *value;
	} kept[] = {{"vlan_mode", before ? before->vlan_mode : NULL},
		    {"tag", before ? before->vlan_tag : NULL},
		    {"trunks", before ? before->vlan_trunks : NULL}};
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (kept[i].value)
			json_object_set(row, kept[i].column, kept[i].value);
	json_array_append_new(operations,
			      json_pack("{s:s, s:s, s:s, s:{s:s, s:o}}", "op", "insert", "table",
					"Interface", "uuid-name", interface, "row", "name", name,
					"external_ids", tag_map(tag)));
	json_array_append_new(operations, json_pack("{s:s, s:s, s:s, s:o}", "op", "insert", "table",
						    "Port", "uuid-name", port, "row", row));
	json_array_append_new(operations, change_ports(bridge, "insert",
						       json_pack("[s, s]", "named-uuid", port)));
}

void openvswitch_update(json_t *operations, const struct openvswitch_port *port, const char *tag,
			bool isolated)
{
	json_array_append_new(operations,
			      json_pack("{s:s, s:s, s:o, s:[[s, s, [s, [s]]], [s, s, o]]}", "op",
					"mutate", "table", "Port", "where", where_uuid(port->uuid),
					"mutations", "external_ids", "delete", "set", "lanyard",
					"external_ids", "insert", tag_map(tag)));
	json_array_append_new(operations,
			      json_pack("{s:s, s:s, s:o, s:{s:b}}", "op", "update", "table", "Port",
					"where", where_uuid(port->uuid), "row", "protected",
					isolated));
}

void openvswitch_remove(json_t *operations, const struct openvswitch_port *port)
{
	json_array_append_new(operations, change_ports(port->bridge, "delete",
						       json_pack("[s, s]", "uuid", port->uuid)));
}

void openvswitch_wait(json_t *operations, const char *name, unsigned milliseconds)
{
	json_array_append_new(
		operations, json_pack("{s:s, s:i, s:s, s:[[s, s, s]], s:[s], s:s, s:[{s:[s, o]}]}",
				      "op", "wait", "timeout", (int)milliseconds, "table",
				      "Interface", "where", "name", "==", name, "columns", "ofport",
				      "until", "!=", "rows", "ofport", NO_VALUE));
}

void openvswitch_count(json_t *operations)
{
	json_array_append_new(operations,
			      json_pack("{s:s, s:s, s:[], s:[[s, s, i]]}", "op", "mutate", "table",
					"Open_vSwitch", "where", "mutations", "next_cfg", "+=", 1));
}

void openvswitch_wait_beyond(json_t *operations, int64_t done, unsigned milliseconds)
{
	json_array_append_new(operations,
			      json_pack("{s:s, s:i, s:s, s:[], s:[s], s:s, s:[{s:I}]}", "op",
					"wait", "timeout", (int)milliseconds, "table",
					"Open_vSwitch", "where", "columns", "cur_cfg", "until",
					"!=", "rows", "cur_cfg", (json_int_t)done));
}

/* Ports that are new are nobody's deed but ours, who has the tag; a bridge that is may be one that
 * is waited for. */
json_t *openvswitch_monitor(void)
{
	return json_pack("[s, n, {s:{s:[s, s, s], s:{s:b, s:b, s:b, s:b}}, "
			 "s:{s:[s], s:{s:b, s:b, s:b, s:b}}}]",
			 OPENVSWITCH_DATABASE, "Port", "columns", "name", "external_ids",
			 "protected", "select", "initial", 0, "insert", 0, "delete", 1, "modify", 1,
			 "Bridge", "columns", "name", "select", "initial", 0, "insert", 1, "delete",
			 0, "modify", 0);
}
