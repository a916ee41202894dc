/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/candidate.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "broker/authorise.h"
#include "broker/broker.h"
#include "broker/members.h"
#include "broker/methods.h"
#include "broker/sight.h"
#include "broker/taken.h"
#include "kern/link.h"
#include "kern/netlink.h"
#include "model/name.h"
#include "model/schema.h"

#define OTHER_SIZE (NAME_SIZE + sizeof("network ''"))

int candidate_decode(const json_t *json, const char *path, struct network **ret, struct error *err)
{
	const char *name = json_string_value(json_object_get(json, "name"));
	if (!json_is_object(json) || !name)
		return error_set(err, EINVAL, "%s.name: a network needs a name", path);
	int r = name_check(name, "network", err);
	if (r < 0)
		return r;
	static const char *const ours[] = {"id",	  "ifname",  "lab",	   "state",
					   "owner",	  "leaving", "overlap",	   "uplink",
					   "mac",	  "planned", "planned_at", "openvswitch",
					   "bridge_ports"};
	json_t *rest = json_copy((json_t *)json);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		json_object_del(rest, ours[i]);
	struct node *node = NULL;
	r = node_from_json(path, rest, &node, err);
	json_decref(rest);
	if (r < 0)
		return r;
	struct network *network = network_new();
	r = schema_decode(&network_schema, node, network, true, err);
	node_free(node);
	if (r < 0)
		network_free(network);
	else
		*ret = network;
	return r;
}

/* What the caller does not see has no name for them. */
static const char *name_other(const struct broker *broker, const struct network *other,
			      char text[OTHER_SIZE])
{
	if (!sight_has_network(broker, other))
		return "another user's network";
	snprintf(text, OTHER_SIZE, "network '%s'", other->name);
	return text;
}

static int check_overlap(const struct broker *broker, const struct network *a,
			 const struct network *b, struct error *err)
{
	char first[IP_TEXT_SIZE], second[IP_TEXT_SIZE], other_name[OTHER_SIZE];
	struct ip own, other;
	if (!network_overlaps(a, b, &own, &other))
		return 0;
	return error_set(err, EINVAL,
			 "network '%s': %s overlaps with %s of %s; choose another prefix, or auto",
			 a->name, ip_format_prefix(&own, first), ip_format_prefix(&other, second),
			 name_other(broker, b, other_name));
}

/* Both sides need rules for it. */
static int check_peer(const struct state *candidate, const struct network *network,
		      const char *name, struct error *err)
{
	const struct network *peer = methods_network(candidate, name, err);
	if (!peer)
		return error_prefix(err, "network '%s': peers", network->name);
	if (peer->mode == NETWORK_OPEN || peer->mode == NETWORK_BRIDGED)
		return error_set(err, EINVAL,
				 "network '%s': '%s' cannot be its peer: no rule of ours separates "
				 "a network of mode '%s'",
				 network->name, name, network_mode_name(peer->mode));
	return 0;
}

int candidate_check_peers(const struct state *candidate, struct error *err)
{
	for (size_t i = 0; i < candidate->n_networks; i++) {
		const struct network *network = candidate->networks[i];
		for (size_t j = 0; j < NETWORK_PEERS && network->peers[j][0]; j++) {
			int r = check_peer(candidate, network, network->peers[j], err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

void candidate_remove(struct state *candidate, const char *name)
{
	for (size_t i = 0; i < candidate->n_networks; i++) {
		struct network *network = candidate->networks[i];
		size_t kept = 0;
		char peers[NETWORK_PEERS][NAME_SIZE] = {0};
		for (size_t j = 0; j < NETWORK_PEERS && network->peers[j][0]; j++)
			if (strcmp(network->peers[j], name) != 0)
				memcpy(peers[kept++], network->peers[j], NAME_SIZE);
		memcpy(network->peers, peers, sizeof(peers));
	}
	state_remove_network(candidate, name);
}

/* Two networks on one bridge of the host would be one segment with two names. */
static int check_bridge(const struct broker *broker, const struct network *a,
			const struct network *b, struct error *err)
{
	char other_name[OTHER_SIZE];
	if (a->mode != NETWORK_BRIDGED || b->mode != NETWORK_BRIDGED ||
	    strcmp(a->bridge, b->bridge) != 0)
		return 0;
	return error_set(err, EEXIST, "network '%s': bridge '%s' is %s already", a->name, a->bridge,
			 name_other(broker, b, other_name));
}

static int find_link(const char *name, struct link *ret, struct error *err)
{
	struct netlink netlink;
	int r = netlink_open(&netlink, NETLINK_ROUTE, err);
	if (r < 0)
		return r;
	r = link_get(&netlink, name, ret, err);
	netlink_close(&netlink);
	return r;
}

int candidate_check_vlans(const struct broker *broker, const struct network *network,
			  const struct port *port, struct error *err)
{
	struct link link = {0};
	if (!broker->paths.system || !network->bridge[0] || network->openvswitch ||
	    !vlans_are_set(&port->vlans))
		return 0;
	int r = find_link(network->bridge, &link, err);
	if (r == 0)
		r = link_check_vlans(&link, &port->vlans, err);
	return r < 0 ? error_prefix(err, "port %s", port->ifname) : 0;
}

/* The kernel calls the interface of an Open vSwitch bridge so, or, with the userspace datapath, a
 * tap: whose it is says the database. */
static int find_switch(const struct broker *broker, const struct link *link,
		       struct network *network, struct error *err)
{
	struct error why = {0};
	int r = members_is_switch(broker, network->bridge, &why);
	network->openvswitch = r > 0;
	if (r < 0 && (strcmp(link->kind, "openvswitch") == 0 || strcmp(link->kind, "tun") == 0))
		return error_set(err, why.code, "network '%s': bridge '%s': %s", network->name,
				 network->bridge, why.text);
	return 0;
}

static int check_host_bridge(const struct broker *broker, struct network *network,
			     const struct network *before, struct error *err)
{
	struct link link = {0};
	bool is_old = before && network->bridge[0] && strcmp(before->bridge, network->bridge) == 0;
	network->openvswitch = is_old && before->openvswitch;
	if (!network->bridge[0] || is_old)
		return 0;
	int r = find_link(network->bridge, &link, err);
	if (r == 0 && !authorise_may_bridge(broker)) /* which is refused, with its reason */
		return 0;
	if (r == 0 && strcmp(link.kind, "bridge") != 0)
		r = find_switch(broker, &link, network, err);
	if (r == 0 && network->openvswitch)
		return 0;
	if (r == -ENODEV)
		return error_set(err, ENOENT, "network '%s': the host has no bridge '%s'",
				 network->name, network->bridge);
	if (r == 0 && strcmp(link.kind, "bridge") != 0)
		return error_set(err, EINVAL,
				 "network '%s': interface '%s' is no bridge; 'lanyard uplink add "
				 "%s' makes a network with that NIC in its bridge",
				 network->name, network->bridge, network->bridge);
	return r;
}

int candidate_put(struct broker *broker, struct state *candidate, struct network *network,
		  struct error *err)
{
	const struct network *before = state_network(&broker->state, network->name);
	network->owner = before ? before->owner : authorise_uid(broker);
	int r = taken_allocate(candidate, broker->paths.instance, network, err);
	if (r == 0)
		r = network_settle(network, err);
	if (r == 0 && before)
		network_retire(network, before, (int64_t)time(NULL));
	for (size_t i = 0; r == 0 && i < candidate->n_networks; i++) {
		if (strcmp(candidate->networks[i]->name, network->name) == 0)
			continue;
		r = check_overlap(broker, network, candidate->networks[i], err);
		if (r == 0)
			r = check_bridge(broker, network, candidate->networks[i], err);
	}
	if (r == 0 && broker->paths.system)
		r = check_host_bridge(broker, network, before, err);
	else if (r == 0 && network->via[0][0])
		r = error_set(err, EINVAL,
			      "network '%s': 'via' is for the system instance, whose ways out are "
			      "the host's",
			      network->name);
	if (r == 0 && broker->paths.system)
		r = taken_check(candidate, network, before, err);
	for (size_t i = 0; r == 0 && i < candidate->n_ports; i++)
		if (strcmp(candidate->ports[i]->network, network->name) == 0)
			r = port_check_network(candidate->ports[i], network, err);
	if (r < 0) {
		network_free(network);
		return r;
	}
	state_put_network(candidate, network);
	return 0;
}

static int decode_settings(const json_t *settings, struct network *network, struct error *err)
{
	struct node *node = NULL;
	int r = node_from_json("parameters.settings", settings, &node, err);
	if (r == 0)
		r = schema_decode(&network_schema, node, network, false, err);
	node_free(node);
	return r;
}

int candidate_set(struct broker *broker, struct state *candidate, const char *name,
		  const json_t *settings, struct error *err)
{
	const struct network *before = state_network(&broker->state, name);
	struct network *network = network_copy(before);
	int r = decode_settings(settings, network, err);
	if (r < 0) {
		network_free(network);
		return r;
	}
	network_renumber(network, before);
	network_forget_planned(network);
	r = candidate_put(broker, candidate, network, err);
	return r < 0 ? r : candidate_check_peers(candidate, err);
}

void candidate_drop_ports(struct state *candidate)
{
	for (size_t i = candidate->n_ports; i-- > 0;)
		if (!state_network(candidate, candidate->ports[i]->network))
			state_remove_port(candidate, candidate->ports[i]->id);
}
