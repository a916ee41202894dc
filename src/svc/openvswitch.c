/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is asked of Open vSwitch's database. */
#include "svc/openvswitch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *no_value(void)
{
	return json_pack("[s, []]", "set");
}

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

static json_t *ids_map(const char *tag, const struct vlans *vlans)
{
	json_t *map = tag_map(tag);
	if (vlans_are_set(vlans))
		json_array_append_new(json_array_get(map, 1),
				      json_pack("[s, s]", OPENVSWITCH_VLANS, "yes"));
	return map;
}

static json_t *trunks_set(const struct vlans *vlans)
{
	json_t *list = json_array();
	if (!vlans->native && vlans->tagged[0].first) /* 0: frames without a tag */
		json_array_append_new(list, json_integer(0));
	for (size_t i = 0; i < VLAN_RANGES && vlans->tagged[i].first; i++)
		for (unsigned vlan = vlans->tagged[i].first; vlan <= vlans->tagged[i].last; vlan++)
			json_array_append_new(list, json_integer(vlan));
	return json_pack("[s, o]", "set", list);
}

static const char *mode_of(const struct vlans *vlans)
{
	if (!vlans->native)
		return "trunk";
	return vlans->tagged[0].first ? "native-untagged" : "access";
}

/* None set: as of a port on which nobody has set any. */
static void set_vlans(json_t *row, const struct vlans *vlans)
{
	bool set = vlans_are_set(vlans);
	json_object_set_new(row, "vlan_mode", set ? json_string(mode_of(vlans)) : no_value());
	json_object_set_new(row, "tag", vlans->native ? json_integer(vlans->native) : no_value());
	json_object_set_new(row, "trunks", trunks_set(vlans));
}

/* What somebody has set on the row that it replaces. */
static void keep_vlans(json_t *row, const struct openvswitch_port *before)
{
	const struct {
		const char *column;
		json_t *value;
	} kept[] = {{"vlan_mode", before->vlan_mode},
		    {"tag", before->vlan_tag},
		    {"trunks", before->vlan_trunks}};
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (kept[i].value)
			json_object_set(row, kept[i].column, kept[i].value);
}

void openvswitch_insert(json_t *operations, const struct object_member *member, const char *tag,
			const struct openvswitch_port *before)
{
	char interface[32], port[32];
	size_t number = json_array_size(operations);
	snprintf(interface, sizeof(interface), "interface%zu", number);
	snprintf(port, sizeof(port), "port%zu", number);
	json_t *row = json_pack("{s:s, s:[s, s], s:b, s:o}", "name", member->ifname, "interfaces",
				"named-uuid", interface, "protected", member->isolated,
				"external_ids", ids_map(tag, &member->vlans));
	if (vlans_are_set(&member->vlans))
		set_vlans(row, &member->vlans);
	else if (before && !before->has_vlans)
		keep_vlans(row, before);
	json_array_append_new(operations,
			      json_pack("{s:s, s:s, s:s, s:{s:s, s:o}}", "op", "insert", "table",
					"Interface", "uuid-name", interface, "row", "name",
					member->ifname, "external_ids", tag_map(tag)));
	json_array_append_new(operations, json_pack("{s:s, s:s, s:s, s:o}", "op", "insert", "table",
						    "Port", "uuid-name", port, "row", row));
	json_array_append_new(operations, change_ports(member->bridge, "insert",
						       json_pack("[s, s]", "named-uuid", port)));
}

void openvswitch_update(json_t *operations, const struct openvswitch_port *port,
			const struct object_member *member, const char *tag)
{
	json_t *row = json_pack("{s:b}", "protected", member->isolated);
	if (vlans_are_set(&member->vlans) || port->has_vlans)
		set_vlans(row, &member->vlans);
	json_array_append_new(operations,
			      json_pack("{s:s, s:s, s:o, s:[[s, s, [s, [s, s]]], [s, s, o]]}", "op",
					"mutate", "table", "Port", "where", where_uuid(port->uuid),
					"mutations", "external_ids", "delete", "set", "lanyard",
					OPENVSWITCH_VLANS, "external_ids", "insert",
					ids_map(tag, &member->vlans)));
	json_array_append_new(operations,
			      json_pack("{s:s, s:s, s:o, s:o}", "op", "update", "table", "Port",
					"where", where_uuid(port->uuid), "row", row));
}

void openvswitch_remove(json_t *operations, const struct openvswitch_port *port)
{
	json_array_append_new(operations, change_ports(port->bridge, "delete",
						       json_pack("[s, s]", "uuid", port->uuid)));
}

void openvswitch_wait(json_t *operations, const char *name, unsigned milliseconds)
{
	json_array_append_new(operations,
			      json_pack("{s:s, s:i, s:s, s:[[s, s, s]], s:[s], s:s, s:[{s:o}]}",
					"op", "wait", "timeout", (int)milliseconds, "table",
					"Interface", "where", "name", "==", name, "columns",
					"ofport", "until", "!=", "rows", "ofport", no_value()));
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
	return json_pack("[s, n, {s:{s:[s, s, s, s, s, s], s:{s:b, s:b, s:b, s:b}}, "
			 "s:{s:[s], s:{s:b, s:b, s:b, s:b}}}]",
			 OPENVSWITCH_DATABASE, "Port", "columns", "name", "external_ids",
			 "protected", "tag", "trunks", "vlan_mode", "select", "initial", 0,
			 "insert", 0, "delete", 1, "modify", 1, "Bridge", "columns", "name",
			 "select", "initial", 0, "insert", 1, "delete", 0, "modify", 0);
}
