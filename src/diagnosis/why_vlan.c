/* SPDX-License-Identifier: GPL-2.0-or-later */
/* On a bridge of somebody's that knows VLANs: whether what two machines send untagged meets. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/output.h"
#include "diagnosis/doctor.h"
#include "diagnosis/why_walk.h"

#define VLAN_TEXT_SIZE 32

static bool is_same_network(const struct walk *walk)
{
	const json_t *network = walk->from.network;
	return network && walk->to.network && *text_of(network, "bridge") &&
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
	const char *bridge = text_of(walk->from.network, "bridge");
	char one_text[VLAN_TEXT_SIZE], other_text[VLAN_TEXT_SIZE];
	long long one = vlan_of(from, one_text), other = vlan_of(to, other_text);
	if (one == other && one > 0)
		step_ok(walk, "VLAN", "both are in VLAN %lld of %s", one, bridge);
	if (one == other)
		return;
	step_broken(walk, "VLAN", "%s is in %s of %s, %s in %s", walk->from.name, one_text, bridge,
		    walk->to.name, other_text);
	const char *moved = text_of(one ? to : from, "name");
	if (flag_of(walk->from.network, "openvswitch"))
		step_remedy(walk, "ovs-vsctl set port %s tag=%lld, or the other way round", moved,
			    one ? one : other);
	else
		step_remedy(walk,
			    "bridge vlan add dev %s vid %lld pvid untagged, or the other way round",
			    moved, one ? one : other);
}

void walk_vlan(struct walk *walk)
{
	struct error ignored = {0};
	if (walk->broken || !is_same_network(walk))
		return;
	json_t *ports = examination_bridge_ports(walk->examination,
						 text_of(walk->from.network, "name"), &ignored);
	const json_t *from = item_of(ports, "name", text_of(walk->from.plug, "ifname"));
	const json_t *to = item_of(ports, "name", text_of(walk->to.plug, "ifname"));
	if (from && to)
		compare(walk, from, to);
	json_decref(ports);
}
