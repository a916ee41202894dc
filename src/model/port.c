/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports: what one can say about itself. */
#include "model/port.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "model/name.h"

static const char *const kind_names[PORT_KINDS] = {
	[PORT_TAP] = "tap",   [PORT_TAP_NAMED] = "tap-named", [PORT_NETNS] = "netns",
	[PORT_VETH] = "veth", [PORT_ADOPT] = "adopt",
};

const char *port_kind_name(enum port_kind kind)
{
	return kind < PORT_KINDS ? kind_names[kind] : "?";
}

bool port_lasts(const struct port *port)
{
	return port->kind == PORT_TAP_NAMED || port->kind == PORT_VETH;
}

bool port_equal(const struct port *a, const struct port *b)
{
	return !strcmp(a->id, b->id) && !strcmp(a->ifname, b->ifname) &&
	       !strcmp(a->network, b->network) && !strcmp(a->machine, b->machine) &&
	       !strcmp(a->peer, b->peer) && a->kind == b->kind && mac_equal(&a->mac, &b->mac) &&
	       a->queues == b->queues && a->owner == b->owner && a->group == b->group &&
	       a->down == b->down && a->isolated == b->isolated && a->rate_in == b->rate_in &&
	       a->rate_out == b->rate_out && vlans_equal(&a->vlans, &b->vlans) &&
	       a->strikes == b->strikes;
}

struct mac port_hwaddr(const struct port *port)
{
	char text[PORT_ID_SIZE + 8];
	snprintf(text, sizeof(text), "port:%s", port->id);
	uint64_t hash = name_hash(text, 0);
	return (struct mac){{0xfe, (uint8_t)(hash >> 32), (uint8_t)(hash >> 24),
			     (uint8_t)(hash >> 16), (uint8_t)(hash >> 8), (uint8_t)hash}};
}

static bool is_id(const char *id)
{
	size_t length = strnlen(id, PORT_ID_SIZE);
	if (length == 0 || length == PORT_ID_SIZE)
		return false;
	return strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789") == length;
}

/* lyc + number is the silent port of a network's bridge. */
static bool is_silent(const char *ifname)
{
	return !strncmp(ifname, "lyc", 3) && ifname[3] &&
	       strspn(ifname + 3, "0123456789") == strlen(ifname + 3);
}

static int check_interface(const char *key, const char *ifname, struct error *err)
{
	if (!name_is_interface(ifname))
		return error_set(
			err, EINVAL,
			"%s '%s' is no name for an interface; write 1 to %d letters, digits, "
			"'-', '_' or '.'",
			key, ifname, IFNAMSIZ - 1);
	if (is_silent(ifname) || !strncmp(ifname, "ly-", 3))
		return error_set(err, EINVAL,
				 "%s '%s' is one of the names kept for bridges; choose another one",
				 key, ifname);
	return 0;
}

static bool has_peer(enum port_kind kind)
{
	return kind == PORT_NETNS || kind == PORT_VETH;
}

static int check_kind(const struct port *port, struct error *err)
{
	const char *kind = port_kind_name(port->kind);
	if (port->kind >= PORT_KINDS)
		return error_set(err, EINVAL, "kind %d is unknown", (int)port->kind);
	if (has_peer(port->kind) && !port->peer[0])
		return error_set(err, EINVAL,
				 "a port of kind %s needs 'peer', the name of its "
				 "other end",
				 kind);
	if (!has_peer(port->kind) && port->peer[0])
		return error_set(err, EINVAL, "a port of kind %s has no 'peer'; leave it out",
				 kind);
	bool owned = port->owner != (uint32_t)-1 || port->group != (uint32_t)-1;
	if (port->kind != PORT_TAP_NAMED && owned)
		return error_set(err, EINVAL, "only a port of kind %s has an owner or a group",
				 port_kind_name(PORT_TAP_NAMED));
	if (port->owner != (uint32_t)-1 && port->group != (uint32_t)-1)
		return error_set(err, EINVAL,
				 "a named tap is owned by one user or one group, not by "
				 "both");
	if (port->kind == PORT_ADOPT && !port->ifname[0])
		return error_set(err, EINVAL, "a port of kind %s needs 'ifname', the interface",
				 kind);
	return 0;
}

void port_ifname(const char *id, char ret[IFNAMSIZ])
{
	snprintf(ret, IFNAMSIZ, "ly%s", id);
}

int port_settle(struct port *port, struct error *err)
{
	if (!is_id(port->id))
		return error_set(err, EINVAL,
				 "id '%.*s' is not 1 to %d lowercase letters and digits",
				 PORT_ID_SIZE, port->id, PORT_ID_SIZE - 1);
	int r = name_check(port->network, "network", err);
	if (r < 0)
		return r;
	if (port->machine[0] && (r = name_check(port->machine, "machine", err)) < 0)
		return r;
	if ((r = check_kind(port, err)) < 0)
		return r;
	if (port->queues == 0)
		port->queues = 1;
	if (port->queues > PORT_QUEUES_MAX)
		return error_set(err, EINVAL, "%u queues are too many; at most %d", port->queues,
				 PORT_QUEUES_MAX);
	if (!port->ifname[0])
		port_ifname(port->id, port->ifname);
	if ((r = check_interface("ifname", port->ifname, err)) < 0)
		return r;
	if (port->peer[0] && !name_is_interface(port->peer))
		return check_interface("peer", port->peer, err);
	return vlans_settle(&port->vlans, err);
}

/* Rates are our packet filter's, which does not see what an Open vSwitch forwards. */
int port_check_network(const struct port *port, const struct network *network, struct error *err)
{
	if (network_check_vlans(network, &port->vlans, err) < 0)
		return error_prefix(err, "port %s", port->ifname);
	if (!network->openvswitch || (!port->rate_in && !port->rate_out))
		return 0;
	return error_set(err, EINVAL,
			 "port %s: on the Open vSwitch bridge %s there are no rates of ours; leave "
			 "them out, and use ovs-vsctl's ingress_policing_rate and QoS",
			 port->ifname, network->bridge);
}
