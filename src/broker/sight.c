/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/sight.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "broker/authorise.h"
#include "broker/broker.h"
#include "broker/callers.h"

static const struct policy_rights *rights_of(const struct broker *broker)
{
	return &broker->caller->grant.rights;
}

bool sight_may_plug(const struct broker *broker, const struct network *network, bool *ret_bridged)
{
	bool by_name = false;
	*ret_bridged = false;
	if (authorise_owns(broker, network->owner))
		return true;
	if (network->owner != 0 || !policy_has_network(rights_of(broker), network->name, &by_name))
		return false;
	*ret_bridged =
		network->mode == NETWORK_BRIDGED && !by_name && !rights_of(broker)->may_bridge;
	return !*ret_bridged;
}

bool sight_has_network(const struct broker *broker, const struct network *network)
{
	bool bridged;
	return !broker->caller || rights_of(broker)->may_see_others ||
	       sight_may_plug(broker, network, &bridged);
}

/* Whoever may open a named tap has to find it. */
static bool may_open(const struct broker *broker, const struct port *port)
{
	return port->kind == PORT_TAP_NAMED && (port->owner == broker->caller->uid ||
						caller_has_group(broker->caller, port->group));
}

bool sight_has_port(const struct broker *broker, const struct port *port)
{
	if (!broker->caller)
		return true;
	const struct network *network = state_network(&broker->state, port->network);
	return authorise_sees(broker, state_port_creator(port)) || may_open(broker, port) ||
	       (network && authorise_owns(broker, network->owner));
}

const struct state *sight_of(struct broker *broker)
{
	const struct state *all = &broker->state;
	struct state *sight = &broker->sight;
	if (!broker->caller || rights_of(broker)->may_see_others)
		return all;
	sight->paths = all->paths;
	sight->networks = memory_grow(sight->networks, &sight->networks_room, all->n_networks + 1,
				      sizeof(struct network *));
	sight->ports = memory_grow(sight->ports, &sight->ports_room, all->n_ports + 1,
				   sizeof(struct port *));
	sight->n_networks = sight->n_ports = 0;
	for (size_t i = 0; i < all->n_networks; i++)
		if (sight_has_network(broker, all->networks[i]))
			sight->networks[sight->n_networks++] = all->networks[i];
	for (size_t i = 0; i < all->n_ports; i++)
		if (sight_has_port(broker, all->ports[i]))
			sight->ports[sight->n_ports++] = all->ports[i];
	return sight;
}

/* The ports of a machine; ret has room for all. */
static size_t ports_of(struct broker *broker, const char *machine, const char *network,
		       const struct port **ret)
{
	const struct state *sight = sight_of(broker);
	size_t count = 0;
	bool own = false;
	for (size_t i = 0; i < sight->n_ports; i++) {
		const struct port *port = sight->ports[i];
		if (strcmp(port->machine, machine) != 0 ||
		    (network && strcmp(port->network, network) != 0))
			continue;
		bool is_own = authorise_owns(broker, state_port_creator(port));
		if (is_own && !own)
			count = 0;
		if (is_own || !own)
			ret[count++] = port;
		own |= is_own;
	}
	return count;
}

static int several(const char *machine, const struct port *const *ports, size_t count,
		   struct error *err)
{
	struct text text;
	text_begin(&text);
	for (size_t i = 0; i < count; i++)
		fprintf(text.out, "%s%s on network '%s'",
			i == 0		 ? ""
			: i + 1 == count ? " and "
					 : ", ",
			ports[i]->id, ports[i]->network);
	AUTO_FREE char *list = text_end(&text);
	return error_set(err, EINVAL, "machine '%.64s' has %zu ports: %s; name one of them",
			 machine, count, list);
}

const struct port *sight_port_of(struct broker *broker, const char *machine, const char *network,
				 struct error *err)
{
	AUTO_FREE const struct port **ports =
		memory_zero(sight_of(broker)->n_ports + 1, sizeof(struct port *));
	size_t count = *machine ? ports_of(broker, machine, network, ports) : 0;
	if (count > 1)
		several(machine, ports, count, err);
	else if (count == 0)
		error_set(err, ENOENT,
			  "there is no port '%.64s', nor a machine with one; 'lanyard port list' "
			  "lists them",
			  machine);
	return count == 1 ? ports[0] : NULL;
}

const struct port *sight_port_named(const struct broker *broker, const char *name)
{
	for (enum port_key key = PORT_BY_ID; key <= PORT_BY_IFNAME; key++) {
		const struct port *port = port_index_name(&broker->state.index, key, name);
		if (port && sight_has_port(broker, port))
			return port;
	}
	return NULL;
}

const struct port *sight_port(struct broker *broker, const char *name, struct error *err)
{
	const struct port *port = sight_port_named(broker, name);
	return port ? port : sight_port_of(broker, name, NULL, err);
}
