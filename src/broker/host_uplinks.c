/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/host_uplinks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "broker/broker.h"
#include "ipc/errand.h"

static struct object_bridge *bridge_of(const struct object_list *list, const char *ifname)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].kind == OBJECT_BRIDGE &&
		    strcmp(list->items[i].bridge.ifname, ifname) == 0)
			return &list->items[i].bridge;
	return NULL;
}

void host_uplinks_expand(const struct state *state, const struct object_uplink *adding,
			 struct object_list *list)
{
	for (size_t i = 0; i < state->n_networks; i++) {
		const struct network *network = state->networks[i];
		if (!network->uplink[0])
			continue;
		struct object_bridge *bridge = bridge_of(list, network->ifname);
		if (bridge && mac_is_set(&network->mac))
			bridge->mac = network->mac;
		struct object_uplink *uplink =
			&object_list_add(list, OBJECT_UPLINK, network->id)->uplink;
		if (adding && strcmp(adding->ifname, network->uplink) == 0)
			*uplink = *adding;
		memcpy(uplink->ifname, network->uplink, strlen(network->uplink));
		memcpy(uplink->bridge, network->ifname, strlen(network->ifname));
		uplink->moved = 1;
		uplink->confirmed = !network->unconfirmed;
	}
}

struct network *host_uplinks_find(const struct state *state, const char *nic)
{
	for (size_t i = 0; i < state->n_networks; i++)
		if (strcmp(state->networks[i]->uplink, nic) == 0)
			return state->networks[i];
	return NULL;
}

static const struct object_uplink *uplink_of(const struct object_list *actual,
					     const struct network *network)
{
	for (size_t i = 0; i < actual->count; i++)
		if (actual->items[i].kind == OBJECT_UPLINK &&
		    strcmp(actual->items[i].uplink.ifname, network->uplink) == 0)
			return &actual->items[i].uplink;
	return NULL;
}

/* Makes an edited copy the model, without any operation: the kernel is so already. */
static void adopt_copy(struct broker *broker, struct state *copy)
{
	struct error err = {0};
	if (state_persist(&broker->state, copy, &err) < 0) {
		log_error("definitions: %s", err.text);
		state_done(copy);
		return;
	}
	state_done(&broker->state);
	broker->state = *copy;
}

static int ask_steward(const struct broker *broker, enum errand_verb verb,
		       const struct network *network, uint32_t seconds, struct errand_answer *ret,
		       struct error *err)
{
	struct errand errand = {.version = ERRAND_VERSION,
				.verb = verb,
				.mac = network->mac,
				.mtu = network->mtu,
				.seconds = (uint16_t)seconds};
	memcpy(errand.nic, network->uplink, IFNAMSIZ);
	memcpy(errand.bridge, network->ifname, IFNAMSIZ);
	*ret = (struct errand_answer){0};
	return errand_call(&broker->paths, &errand, ret, err);
}

const char *host_uplinks_owner(const struct broker *broker, const char *nic)
{
	struct network network = {0};
	struct errand_answer answer;
	snprintf(network.uplink, sizeof(network.uplink), "%s", nic);
	if (ask_steward(broker, ERRAND_WHO, &network, 0, &answer, NULL) < 0 ||
	    answer.manager == MANAGER_NONE)
		return NULL;
	return errand_manager_name(answer.manager);
}

static void ask_and_log(const struct broker *broker, enum errand_verb verb,
			const struct network *network)
{
	struct errand_answer answer;
	struct error err = {0};
	int r = ask_steward(broker, verb, network, 0, &answer, &err);
	if (r == -ENOENT)
		log_info("uplink %s: %s; what else configures it was not told", network->uplink,
			 err.text);
	else if (r < 0)
		log_warning("uplink %s: %s", network->uplink, err.text);
	else if (answer.text[0])
		log_warning("uplink %s: %s", network->uplink, answer.text);
}

void host_uplinks_keep(const struct broker *broker, const struct network *network)
{
	ask_and_log(broker, ERRAND_KEEP, network);
}

int host_uplinks_coming(const struct broker *broker, const struct network *network,
			uint32_t seconds, struct error *err)
{
	struct errand_answer answer;
	struct error why = {0};
	int r = ask_steward(broker, ERRAND_HOLD, network, seconds, &answer, &why);
	return r < 0 && r != -ENOENT ? error_set(err, r, "%s", why.text) : 0;
}

void host_uplinks_not_come(const struct broker *broker, const struct network *network)
{
	ask_and_log(broker, ERRAND_RELEASE, network);
}

int host_uplinks_leaving(const struct broker *broker, const struct network *network,
			 struct error *err)
{
	bool is_held = !network->uplink[0] || network->unconfirmed;
	return is_held ? 0 : host_uplinks_coming(broker, network, 0, err);
}

void host_uplinks_left(const struct broker *broker, const struct network *network, bool done)
{
	bool stays = !done && network->unconfirmed;
	if (network->uplink[0] && !stays)
		ask_and_log(broker, done && !network->unconfirmed ? ERRAND_FORGET : ERRAND_RELEASE,
			    network);
}

static void forget(struct broker *broker, const char *name)
{
	host_uplinks_not_come(broker, state_network(&broker->state, name));
	struct state copy;
	state_copy(&broker->state, &copy);
	log_warning("network %s is gone: its uplink was not confirmed in time", name);
	for (size_t i = copy.n_ports; i-- > 0;)
		if (strcmp(copy.ports[i]->network, name) == 0)
			state_remove_port(&copy, copy.ports[i]->id);
	state_remove_network(&copy, name);
	adopt_copy(broker, &copy);
}

static void keep(struct broker *broker, const char *name)
{
	struct state copy;
	state_copy(&broker->state, &copy);
	log_info("network %s: its uplink is confirmed", name);
	state_network(&copy, name)->unconfirmed = false;
	adopt_copy(broker, &copy);
	const struct network *kept = state_network(&broker->state, name);
	if (kept && !kept->unconfirmed)
		host_uplinks_keep(broker, kept);
}

void host_uplinks_examine(struct broker *broker, const struct object_list *actual)
{
	for (size_t i = broker->state.n_networks; i-- > 0;) {
		const struct network *network = broker->state.networks[i];
		if (!network->unconfirmed)
			continue;
		const struct object_uplink *uplink = uplink_of(actual, network);
		char name[NAME_SIZE];
		memcpy(name, network->name, sizeof(name));
		if (!uplink)
			forget(broker, name);
		else if (uplink->confirmed)
			keep(broker, name);
		if (i > broker->state.n_networks)
			i = broker->state.n_networks;
	}
}
