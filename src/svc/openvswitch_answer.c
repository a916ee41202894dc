/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Open vSwitch's database answers. Whatever comes, it is looked at before it is used. */
#include "svc/openvswitch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

#define DEPTH_MAX 64

/* Braces are counted, outside of strings: a message need not come in one piece. */
long openvswitch_message(const char *text, size_t size)
{
	size_t start = 0, depth = 0;
	bool quoted = false;
	while (start < size && strchr(" \t\r\n", text[start]) && text[start])
		start++;
	if (start < size && text[start] != '{')
		return -1;
	for (size_t i = start; i < size; i++) {
		char c = text[i];
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '[') && ++depth > DEPTH_MAX)
			return -1;
		else if (!quoted && (c == '}' || c == ']') && --depth == 0)
			return (long)i + 1;
	}
	return 0;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

int openvswitch_results(const json_t *answer, size_t n_operations, const json_t **ret,
			struct error *err)
{
	const json_t *results = json_object_get(answer, "result"), *result;
	const json_t *failure = json_object_get(answer, "error");
	size_t index;
	if (failure && !json_is_null(failure))
		return error_set(err, EPROTO, "Open vSwitch: %.160s",
				 json_is_string(failure)	? json_string_value(failure)
				 : *text_of(failure, "details") ? text_of(failure, "details")
								: text_of(failure, "error"));
	/* One more than asked for, where the whole was given up at its end; null after a failure.
	 */
	json_array_foreach (results, index, result) {
		const char *text = text_of(result, "error"), *details = text_of(result, "details");
		if (*text)
			return error_set(err, strcmp(text, "timed out") == 0 ? ETIMEDOUT : EIO,
					 "Open vSwitch: %.80s%s%.160s", text, *details ? ": " : "",
					 details);
	}
	if (json_array_size(results) != n_operations)
		return error_set(err, EPROTO, "Open vSwitch answered without sense");
	*ret = results;
	return 0;
}

/* Values. A set of one is written like its member. */

static size_t set_size(const json_t *value)
{
	const char *what = json_string_value(json_array_get(value, 0));
	if (!value)
		return 0;
	return what && strcmp(what, "set") == 0 ? json_array_size(json_array_get(value, 1)) : 1;
}

static const json_t *set_item(const json_t *value, size_t index)
{
	const char *what = json_string_value(json_array_get(value, 0));
	return what && strcmp(what, "set") == 0 ? json_array_get(json_array_get(value, 1), index)
						: value;
}

static const char *uuid_of(const json_t *value)
{
	const char *what = json_string_value(json_array_get(value, 0));
	const char *uuid = json_string_value(json_array_get(value, 1));
	return what && uuid && strcmp(what, "uuid") == 0 && strlen(uuid) < OPENVSWITCH_UUID ? uuid
											    : "";
}

static const char *map_value(const json_t *value, const char *key)
{
	const json_t *pair;
	size_t index;
	json_array_foreach (json_array_get(value, 1), index, pair) {
		const char *name = json_string_value(json_array_get(pair, 0));
		const char *text = json_string_value(json_array_get(pair, 1));
		if (name && text && strcmp(name, key) == 0)
			return text;
	}
	return "";
}

static unsigned vlan_of(const json_t *value)
{
	json_int_t number = json_integer_value(value);
	return number > 0 && number < VLAN_COUNT ? (unsigned)number : 0;
}

static const json_t *rows_of(const json_t *results, size_t index)
{
	return json_object_get(json_array_get(results, index), "rows");
}

/* Rows */

static const char *const modes[VLAN_MODES] = {
	[VLAN_ACCESS] = "access",
	[VLAN_TRUNK] = "trunk",
	[VLAN_NATIVE_TAGGED] = "native-tagged",
	[VLAN_NATIVE_UNTAGGED] = "native-untagged",
	[VLAN_TUNNEL] = "dot1q-tunnel",
};

/* Without a mode it follows from the tag (ovs-vswitchd.conf.db(5), VLAN Configuration). */
static void read_vlans(const json_t *row, struct openvswitch_port *port)
{
	struct vlan_port *vlan = &port->vlan;
	const json_t *mode = set_item(json_object_get(row, "vlan_mode"), 0);
	const json_t *trunks = json_object_get(row, "trunks");
	const char *word = json_is_string(mode) ? json_string_value(mode) : "";
	snprintf(vlan->name, sizeof(vlan->name), "%s", text_of(row, "name"));
	vlan->tag = (uint16_t)vlan_of(set_item(json_object_get(row, "tag"), 0));
	vlan->mode = vlan->tag ? VLAN_ACCESS : VLAN_TRUNK;
	for (unsigned i = 0; i < VLAN_MODES; i++)
		if (strcmp(modes[i], word) == 0)
			vlan->mode = (uint8_t)i;
	size_t count = set_size(trunks);
	for (size_t i = 0; i < count; i++) {
		const json_t *item = set_item(trunks, i);
		unsigned number = vlan_of(item);
		if (number || (json_is_integer(item) && json_integer_value(item) == 0))
			vlan_add(vlan, number, number);
	}
	vlan->all = count == 0 && vlan->mode != VLAN_ACCESS && vlan->mode != VLAN_TUNNEL;
	port->vlan_mode = json_object_get(row, "vlan_mode");
	port->vlan_tag = json_object_get(row, "tag");
	port->vlan_trunks = json_object_get(row, "trunks");
}

static const json_t *find_interface(const json_t *rows, const char *name)
{
	const json_t *row;
	size_t index;
	json_array_foreach (rows, index, row)
		if (strcmp(text_of(row, "name"), name) == 0)
			return row;
	return NULL;
}

static void read_interface(const json_t *row, struct openvswitch_port *port)
{
	const json_t *number = set_item(json_object_get(row, "ofport"), 0);
	const json_t *error = set_item(json_object_get(row, "error"), 0);
	port->number = json_is_integer(number) ? json_integer_value(number) : 0;
	if (json_is_string(error))
		snprintf(port->error, sizeof(port->error), "%s", json_string_value(error));
}

static const char *bridge_of(const json_t *bridges, const char *uuid)
{
	const json_t *row;
	size_t index;
	json_array_foreach (bridges, index, row) {
		const json_t *ports = json_object_get(row, "ports");
		size_t count = set_size(ports);
		for (size_t i = 0; i < count; i++)
			if (strcmp(uuid_of(set_item(ports, i)), uuid) == 0)
				return text_of(row, "name");
	}
	return "";
}

/* A name that is too long for us is cut, and no interface's then. */
static void read_port(const json_t *results, const json_t *row, struct openvswitch *ret)
{
	const char *uuid = uuid_of(json_object_get(row, "_uuid"));
	const char *bridge = *uuid ? bridge_of(rows_of(results, 0), uuid) : "";
	if (!*bridge || !*text_of(row, "name"))
		return;
	struct openvswitch_port *port = &ret->ports[ret->n_ports++];
	snprintf(port->uuid, sizeof(port->uuid), "%s", uuid);
	snprintf(port->bridge, sizeof(port->bridge), "%s", bridge);
	snprintf(port->tag, sizeof(port->tag), "%s",
		 map_value(json_object_get(row, "external_ids"), "lanyard"));
	port->isolated = json_is_true(json_object_get(row, "protected"));
	read_vlans(row, port);
	port->has_vlans = *map_value(json_object_get(row, "external_ids"), OPENVSWITCH_VLANS);
	if (port->has_vlans)
		vlans_of_port(&port->vlan, 0, &port->vlans);
	read_interface(find_interface(rows_of(results, 2), port->vlan.name), port);
}

int openvswitch_read(const json_t *results, struct openvswitch *ret, struct error *err)
{
	const json_t *bridges = rows_of(results, 0), *ports = rows_of(results, 1), *row;
	size_t index;
	*ret = (struct openvswitch){0};
	if (!json_is_array(bridges) || !json_is_array(ports) ||
	    !json_is_array(rows_of(results, 2)) || json_array_size(rows_of(results, 3)) != 1)
		return error_set(err, EPROTO, "Open vSwitch's database is not as expected");
	ret->bridges = memory_zero(json_array_size(bridges) + 1, sizeof(*ret->bridges));
	ret->ports = memory_zero(json_array_size(ports) + 1, sizeof(*ret->ports));
	json_array_foreach (bridges, index, row)
		snprintf(ret->bridges[ret->n_bridges++], VLAN_NAME_SIZE, "%s",
			 text_of(row, "name"));
	json_array_foreach (ports, index, row)
		read_port(results, row, ret);
	row = json_array_get(rows_of(results, 3), 0);
	ret->asked = json_integer_value(json_object_get(row, "next_cfg"));
	ret->done = json_integer_value(json_object_get(row, "cur_cfg"));
	return 0;
}

void openvswitch_done(struct openvswitch *switches)
{
	free(switches->bridges);
	free(switches->ports);
	*switches = (struct openvswitch){0};
}

bool openvswitch_has_bridge(const struct openvswitch *switches, const char *name)
{
	for (size_t i = 0; i < switches->n_bridges; i++)
		if (strcmp(switches->bridges[i], name) == 0)
			return true;
	return false;
}

const struct openvswitch_port *openvswitch_port(const struct openvswitch *switches,
						const char *name)
{
	for (size_t i = 0; i < switches->n_ports; i++)
		if (strcmp(switches->ports[i].vlan.name, name) == 0)
			return &switches->ports[i];
	return NULL;
}

bool openvswitch_parse_tag(const char *tag, const char *instance, uint32_t *ret_network)
{
	size_t length = strlen(instance);
	char *end;
	if (strncmp(tag, instance, length) != 0 || tag[length] != ':' || tag[length + 1] < '0' ||
	    tag[length + 1] > '9')
		return false;
	*ret_network = (uint32_t)strtoul(tag + length + 1, &end, 10);
	return *end == '\0';
}

bool openvswitch_concerns(const json_t *message, const char *instance)
{
	static const char *const sides[] = {"old", "new"};
	json_t *tables = json_array_get(json_object_get(message, "params"), 1), *row;
	const char *uuid;
	uint32_t network;
	if (json_object_size(json_object_get(tables, "Bridge")) > 0)
		return true;
	json_object_foreach (json_object_get(tables, "Port"), uuid, row)
		for (size_t i = 0; i < 2; i++) {
			const json_t *ids =
				json_object_get(json_object_get(row, sides[i]), "external_ids");
			if (openvswitch_parse_tag(map_value(ids, "lanyard"), instance, &network))
				return true;
		}
	return false;
}
