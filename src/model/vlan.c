/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/vlan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "model/schema.h"

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

/* Ranges */

static int decode_range(const char *text, void *item, struct error *err)
{
	struct vlan_range *range = item;
	*range = (struct vlan_range){0};
	if (strcmp(text, "none") == 0)
		return 0;
	unsigned first = 0, last = 0;
	int one = 0, both = 0;
	bool plain = strspn(text, "0123456789-") == strlen(text);
	int n = plain ? sscanf(text, "%4u%n-%4u%n", &first, &one, &last, &both) : 0;
	if (n == 1 && !text[one])
		last = first;
	else if (n != 2 || text[both])
		first = 0;
	if (first < 1 || last > VLAN_LAST || first > last)
		return error_set(err, EINVAL,
				 "'%.40s' is neither a VLAN nor a range of them; write 1 to %d, "
				 "like 20-29, or none",
				 text, VLAN_LAST);
	*range = (struct vlan_range){(uint16_t)first, (uint16_t)last};
	return 0;
}

static json_t *encode_range(const void *item)
{
	const struct vlan_range *range = item;
	if (!range->first)
		return NULL;
	return range->first == range->last ? json_integer(range->first)
					   : json_sprintf("%u-%u", range->first, range->last);
}

const struct schema_list vlan_range_list = {"a VLAN, or a range of them like 20-29",
					    sizeof(struct vlan_range), decode_range, encode_range};

const char *vlan_ranges_format(const struct vlan_range ranges[VLAN_RANGES], char *text)
{
	int used = 0;
	text[0] = '\0';
	for (size_t i = 0; i < VLAN_RANGES && ranges[i].first; i++) {
		used += snprintf(text + used, VLAN_RANGES_TEXT - (size_t)used, "%s%u", i ? "," : "",
				 ranges[i].first);
		if (ranges[i].last != ranges[i].first)
			used += snprintf(text + used, VLAN_RANGES_TEXT - (size_t)used, "-%u",
					 ranges[i].last);
	}
	return text;
}

bool vlan_ranges_have(const struct vlan_range ranges[VLAN_RANGES], unsigned first, unsigned last)
{
	struct vlan_port bits = {0};
	for (size_t i = 0; i < VLAN_RANGES; i++)
		if (ranges[i].first)
			vlan_add(&bits, ranges[i].first, ranges[i].last);
	for (unsigned vlan = first; vlan <= last; vlan++)
		if (!vlan_has(&bits, vlan))
			return false;
	return true;
}

/* What is asked for */

bool vlans_are_set(const struct vlans *vlans)
{
	return vlans->native || vlans->tagged[0].first;
}

bool vlans_equal(const struct vlans *a, const struct vlans *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Of the bits, without one; false: they are too many. */
static bool fill(struct vlan_range ranges[VLAN_RANGES], const struct vlan_port *bits,
		 unsigned without)
{
	size_t count = 0;
	bool open = false;
	memset(ranges, 0, VLAN_RANGES * sizeof(ranges[0]));
	for (unsigned vlan = 1; vlan <= VLAN_LAST; vlan++) {
		bool has = vlan_has(bits, vlan) && vlan != without;
		if (has && !open && count == VLAN_RANGES)
			return false;
		if (has && !open)
			ranges[count++].first = (uint16_t)vlan;
		if (has)
			ranges[count - 1].last = (uint16_t)vlan;
		open = has;
	}
	return true;
}

int vlans_settle(struct vlans *vlans, struct error *err)
{
	struct vlan_port bits = {0};
	if (vlans_are_settled(vlans)) /* as most have none: a caller waits for the port */
		return 0;
	for (size_t i = 0; i < VLAN_RANGES; i++)
		if (vlans->tagged[i].first)
			vlan_add(&bits, vlans->tagged[i].first, vlans->tagged[i].last);
	if (!fill(vlans->tagged, &bits, vlans->native))
		return error_set(err, E2BIG, "trunk: without VLAN %u these are more than %d ranges",
				 vlans->native, VLAN_RANGES);
	return 0;
}

bool vlans_are_settled(const struct vlans *vlans)
{
	unsigned least = 1;
	if (vlans->native >= VLAN_COUNT)
		return false;
	for (size_t i = 0; i < VLAN_RANGES; i++) {
		const struct vlan_range *range = &vlans->tagged[i];
		if (!range->first && !range->last) {
			least = VLAN_COUNT;
			continue;
		}
		if (range->first < least || range->last < range->first || range->last > VLAN_LAST ||
		    (range->first <= vlans->native && vlans->native <= range->last))
			return false;
		least = range->last + 2u;
	}
	return true;
}

static unsigned untagged_of(const struct vlan_port *port)
{
	if (port->mode == VLAN_ACCESS || port->mode == VLAN_NATIVE_UNTAGGED)
		return port->tag;
	return port->mode == VLAN_TRUNK && vlan_has(port, 0) ? 0 : VLAN_NOWHERE;
}

void vlans_of_port(const struct vlan_port *port, unsigned usual, struct vlans *ret)
{
	struct vlan_port bits = *port;
	unsigned untagged = untagged_of(port);
	*ret = (struct vlans){.native = (uint16_t)(untagged == usual ? 0 : untagged)};
	if (port->mode == VLAN_ACCESS || port->mode == VLAN_TUNNEL)
		return;
	if (port->all)
		vlan_add(&bits, 1, VLAN_LAST);
	if (!fill(ret->tagged, &bits, untagged) || port->bare)
		ret->native = VLAN_NOWHERE;
}
