/* SPDX-License-Identifier: GPL-2.0-or-later */
/* On a bridge that knows VLANs: whether what two machines send untagged meets. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/output.h"
#include "diagnosis/doctor.h"
#include "diagnosis/why_walk.h"
#include "model/network.h"

#define VLAN_TEXT_SIZE 32

static bool is_same_network(const struct walk *walk)
{
	const json_t *network = walk->from.network;
	bool knows = *text_of(network, "bridge") || flag_of(network, "vlan_filtering");
	return network && walk->to.network && knows &&
	       strcmp(text_of(network, "name"), text_of(walk->to.network, "name")) == 0;
}

/* A port without a tag passes on untagged what came so. */
static long long vlan_of(const json_t *port, char text[VLAN_TEXT_SIZE])
{
	long long vlan = json_integer_value(json_object_get(port, "tag"));
	snprintf(text, VLAN_TEXT_SIZE, vlan ? "VLAN %lld" : "no VLAN", vlan);
	return vlan;
}

static void compare(struct walk *walk, const json_t *from, const json_t *to)
{
	const char *bridge = text_of(walk->from.network, "ifname");
	char one_text[VLAN_TEXT_SIZE], other_text[VLAN_TEXT_SIZE];
	long long one = vlan_of(from, one_text), other = vlan_of(to, other_text);
	if (one == other && one > 0)
		step_ok(walk, "VLAN", "both are in VLAN %lld of %s", one, bridge);
	if (one == other)
		return;
	step_broken(walk, "VLAN", "%s is in %s of %s, %s in %s", walk->from.name, one_text, bridge,
		    walk->to.name, other_text);
	/* to the one that has asked for a VLAN: what the bridge gives to all is not asked for */
	bool moves = json_object_get(walk->to.plug, "vlan") || one <= NETWORK_VLAN;
	step_remedy(walk, "lanyard port set %s vlan=%lld, or the other way round",
		    text_of(moves ? from : to, "name"), moves ? other : one);
}

/* From one of our networks to anywhere else it goes by the gateway, which is in the network's own
 * VLAN. */
static void walk_gateway(struct walk *walk, const struct end *end)
{
	struct error ignored = {0};
	char text[VLAN_TEXT_SIZE];
	if (walk->broken || !end->network || !flag_of(end->network, "vlan_filtering"))
		return;
	json_t *ports = examination_bridge_ports(walk->examination, text_of(end->network, "name"),
						 &ignored);
	const json_t *port = item_of(ports, "name", text_of(end->plug, "ifname"));
	if (port && vlan_of(port, text) != NETWORK_VLAN) {
		step_broken(walk, "VLAN", "%s is in %s of %s, the gateway in VLAN %d", end->name,
			    text, text_of(end->network, "ifname"), NETWORK_VLAN);
		step_remedy(walk, "lanyard port set %s vlan=none, or a router between them",
			    text_of(port, "name"));
	}
	json_decref(ports);
}

void walk_vlan(struct walk *walk)
{
	struct error ignored = {0};
	if (walk->broken)
		return;
	if (!is_same_network(walk)) {
		walk_gateway(walk, &walk->from);
		walk_gateway(walk, &walk->to);
		return;
	}
	json_t *ports = examination_bridge_ports(walk->examination,
						 text_of(walk->from.network, "name"), &ignored);
	const json_t *from = item_of(ports, "name", text_of(walk->from.plug, "ifname"));
	const json_t *to = item_of(ports, "name", text_of(walk->to.plug, "ifname"));
	if (from && to)
		compare(walk, from, to);
	json_decref(ports);
}
