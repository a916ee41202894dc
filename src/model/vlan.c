/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/vlan.h"

#include <string.h>

static const char *const names[VLAN_MODES] = {
	[VLAN_ACCESS] = "access",
	[VLAN_TRUNK] = "trunk",
	[VLAN_NATIVE_TAGGED] = "native_tagged",
	[VLAN_NATIVE_UNTAGGED] = "native_untagged",
	[VLAN_TUNNEL] = "dot1q_tunnel",
};

const char *vlan_mode_name(unsigned mode)
{
	return mode < VLAN_MODES ? names[mode] : "?";
}

void vlan_add(struct vlan_port *port, unsigned first, unsigned last)
{
	for (unsigned vlan = first; vlan <= last && vlan < VLAN_COUNT; vlan++)
		port->trunks[vlan / 8] |= (uint8_t)(1u << vlan % 8);
}

bool vlan_has(const struct vlan_port *port, unsigned vlan)
{
	return vlan < VLAN_COUNT && port->trunks[vlan / 8] & 1u << vlan % 8;
}

void vlan_settle(struct vlan_port *port, unsigned untagged, bool leaves_untagged)
{
	bool tagged = false;
	port->tag = (uint16_t)untagged;
	if (untagged)
		port->trunks[untagged / 8] &= (uint8_t) ~(1u << untagged % 8);
	for (size_t i = 0; i < sizeof(port->trunks); i++)
		tagged |= port->trunks[i] != 0;
	if (!untagged)
		port->mode = VLAN_TRUNK;
	else if (!leaves_untagged)
		port->mode = VLAN_NATIVE_TAGGED;
	else
		port->mode = tagged ? VLAN_NATIVE_UNTAGGED : VLAN_ACCESS;
}

json_t *vlan_port_json(const struct vlan_port *port)
{
	bool single = port->mode == VLAN_ACCESS || port->mode == VLAN_TUNNEL;
	json_t *json =
		json_pack("{s:s, s:s}", "name", port->name, "mode", vlan_mode_name(port->mode));
	if (port->tag)
		json_object_set_new(json, "tag", json_integer(port->tag));
	if (single || port->all)
		return json;
	json_t *list = json_array();
	for (unsigned vlan = 0; vlan < VLAN_COUNT; vlan++)
		if (vlan_has(port, vlan))
			json_array_append_new(list, json_integer(vlan));
	json_object_set_new(json, "trunks", list);
	return json;
}
