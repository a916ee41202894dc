/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

struct live_port {
	struct port_entry entry; /* first: live_of goes back from its port */
	uid_t creator;
	enum port_presence presence;
};

static struct live_port *live_of(const struct port *port)
{
	return (struct live_port *)port;
}

void state_init(struct state *state, const struct paths *paths)
{
	*state = (struct state){.paths = paths};
}

void state_done(struct state *state)
{
	for (size_t i = 0; i < state->n_networks; i++)
		network_free(state->networks[i]);
	for (size_t i = 0; i < state->n_ports; i++)
		free(state->ports[i]);
	free(state->networks);
	free(state->ports);
	port_index_done(&state->index);
	free(state->left_ids);
	state_init(state, state->paths);
}

void state_copy(const struct state *from, struct state *ret)
{
	state_init(ret, from->paths);
	ret->networks = memory_zero(from->n_networks, sizeof(struct network *));
	ret->n_networks = ret->networks_room = from->n_networks;
	for (size_t i = 0; i < from->n_networks; i++)
		ret->networks[i] = network_copy(from->networks[i]);
	for (size_t i = 0; i < from->n_ports; i++) {
		const struct live_port *live = live_of(from->ports[i]);
		struct port *port = state_add_port(ret, from->ports[i], live->creator);
		state_port_set_presence(port, live->presence);
	}
}

struct network *state_network(const struct state *state, const char *name)
{
	for (size_t i = 0; i < state->n_networks; i++)
		if (strcmp(state->networks[i]->name, name) == 0)
			return state->networks[i];
	return NULL;
}

struct port *state_port(const struct state *state, const char *id)
{
	struct port *port = port_index_name(&state->index, PORT_BY_ID, id);
	return port ? port : state_port_ifname(state, id);
}

struct port *state_port_ifname(const struct state *state, const char *ifname)
{
	return port_index_name(&state->index, PORT_BY_IFNAME, ifname);
}

struct port *state_port_mac(const struct state *state, const struct mac *mac, const char *network,
			    const char *but)
{
	return port_index_mac(&state->index, mac, network, but);
}

static uint32_t free_id(const struct state *state)
{
	for (uint32_t id = 1;; id++) {
		bool taken = false;
		for (size_t i = 0; i < state->n_networks && !taken; i++)
			taken = state->networks[i]->id == id;
		for (size_t i = 0; i < state->n_left_ids && !taken; i++)
			taken = state->left_ids[i] == id;
		if (!taken)
			return id;
	}
}

struct network *state_put_network(struct state *state, struct network *network)
{
	if (network->id == 0)
		network->id = free_id(state);
	if (!network->ifname[0])
		network_ifname(network->name, network->id, network->ifname);
	for (size_t i = 0; i < state->n_networks; i++)
		if (strcmp(state->networks[i]->name, network->name) == 0) {
			network_free(state->networks[i]);
			return state->networks[i] = network;
		}
	state->networks = memory_grow(state->networks, &state->networks_room, state->n_networks + 1,
				      sizeof(struct network *));
	return state->networks[state->n_networks++] = network;
}

void state_remove_network(struct state *state, const char *name)
{
	for (size_t i = 0; i < state->n_networks; i++)
		if (strcmp(state->networks[i]->name, name) == 0) {
			state->left_ids = memory_grow(state->left_ids, &state->left_ids_room,
						      state->n_left_ids + 1, sizeof(uint32_t));
			state->left_ids[state->n_left_ids++] = state->networks[i]->id;
			network_free(state->networks[i]);
			state->networks[i] = state->networks[--state->n_networks];
			return;
		}
}

struct port *state_add_port(struct state *state, const struct port *port, uid_t creator)
{
	struct live_port *live = memory_zero(1, sizeof(*live));
	live->entry.port = *port;
	live->creator = creator;
	state->ports = memory_grow(state->ports, &state->ports_room, state->n_ports + 1,
				   sizeof(struct port *));
	port_index_add(&state->index, &live->entry);
	return state->ports[state->n_ports++] = &live->entry.port;
}

struct port *state_put_port(struct state *state, const struct port *port)
{
	struct live_port *live = live_of(state_port(state, port->id));
	port_index_remove(&state->index, &live->entry);
	live->entry.port = *port;
	port_index_add(&state->index, &live->entry);
	return &live->entry.port;
}

void state_remove_port(struct state *state, const char *id)
{
	for (size_t i = 0; i < state->n_ports; i++)
		if (strcmp(state->ports[i]->id, id) == 0) {
			port_index_remove(&state->index, &live_of(state->ports[i])->entry);
			free(state->ports[i]);
			state->ports[i] = state->ports[--state->n_ports];
			return;
		}
}

uid_t state_port_creator(const struct port *port)
{
	return live_of(port)->creator;
}

enum port_presence state_port_presence(const struct port *port)
{
	return live_of(port)->presence;
}

void state_port_set_presence(struct port *port, enum port_presence presence)
{
	live_of(port)->presence = presence;
}

size_t state_networks_of(const struct state *state, uid_t owner)
{
	size_t count = 0;
	for (size_t i = 0; i < state->n_networks; i++)
		count += state->networks[i]->owner == owner;
	return count;
}

static bool is_first_of_machine(const struct state *state, size_t index)
{
	const struct port *port = state->ports[index];
	for (size_t i = 0; i < index && port->machine[0]; i++)
		if (state_port_creator(state->ports[i]) == state_port_creator(port) &&
		    strcmp(state->ports[i]->machine, port->machine) == 0)
			return false;
	return true;
}

size_t state_machines_of(const struct state *state, uid_t creator, const char *but)
{
	size_t count = 0;
	for (size_t i = 0; i < state->n_ports; i++) {
		const struct port *port = state->ports[i];
		bool is_other = !port->machine[0] || !but || strcmp(port->machine, but) != 0;
		count += state_port_creator(port) == creator && is_other &&
			 is_first_of_machine(state, i);
	}
	return count;
}

size_t state_ports_of(const struct state *state, uid_t creator)
{
	size_t count = 0;
	for (size_t i = 0; i < state->n_ports; i++)
		count += state_port_creator(state->ports[i]) == creator;
	return count;
}
