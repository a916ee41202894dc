/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/renewal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/change.h"
#include "broker/planned.h"

static void expand(const struct state *state, struct object_list *ret)
{
	object_expand(state->networks, state->n_networks, state->ports, state->n_ports, ret);
}

static const struct object_service *service_of(const struct object_list *list, uint32_t network)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].kind == OBJECT_SERVICE && list->items[i].network == network)
			return &list->items[i].service;
	return NULL;
}

/* What a machine learns once and keeps until it asks again. */
static bool teaches_the_same(const struct object_service *a, const struct object_service *b)
{
	return ip_compare(&a->ipv4, &b->ipv4) == 0 && ip_compare(&a->ipv6, &b->ipv6) == 0 &&
	       a->flags == b->flags && a->mtu == b->mtu && strcmp(a->domain, b->domain) == 0;
}

/* Our own end is the other end of its cable: the rest are taps, whose carrier only a hypervisor
 * shows. */
static bool is_blinking(unsigned kind)
{
	return kind == PORT_NETNS || kind == PORT_VETH;
}

static bool is_taught(const struct object_list *before, const struct object_list *after,
		      uint32_t network)
{
	const struct object_service *old = service_of(before, network);
	const struct object_service *new = service_of(after, network);
	return old && new && !teaches_the_same(old, new);
}

/* Most changes leave the definitions as they are. */
static bool has_same_networks(const struct state *before, const struct state *after)
{
	if (before->n_networks != after->n_networks)
		return false;
	for (size_t i = 0; i < after->n_networks; i++) {
		const struct network *network = after->networks[i];
		const struct network *old = state_network(before, network->name);
		if (!old || !network_equal(old, network))
			return false;
	}
	return true;
}

static bool has_kind(const struct state *state, bool blinking)
{
	for (size_t i = 0; i < state->n_ports; i++)
		if (is_blinking(state->ports[i]->kind) == blinking)
			return true;
	return false;
}

/* What both teach, where there is a port of this sort that may have to learn it; both to be done.
 */
static bool compare(const struct state *before, const struct state *after, bool blinking,
		    struct object_list *ret_old, struct object_list *ret_new)
{
	if (!has_kind(after, blinking) || has_same_networks(before, after))
		return false;
	expand(before, ret_old);
	expand(after, ret_new);
	return true;
}

void renewal_plan(const struct state *before, const struct state *after, struct plan *ret)
{
	struct object_list old = {0}, new = {0};
	*ret = (struct plan){0};
	if (!compare(before, after, true, &old, &new))
		return;
	ret->items = calloc(new.count ? new.count : 1, sizeof(*ret->items));
	ret->room = ret->items ? new.count : 0;
	for (size_t i = 0; i < new.count && ret->items; i++) {
		const struct object *object = &new.items[i];
		if (object->kind != OBJECT_PORT || !is_blinking(object->port.kind) ||
		    !is_taught(&old, &new, object->network))
			continue;
		struct operation *operation = &ret->items[ret->count++];
		*operation = (struct operation){.verb = PLAN_CHANGE, .object = *object};
		operation->object.port.blink = 1;
	}
	ret->n_prepare = ret->count;
	object_list_done(&old);
	object_list_done(&new);
}

json_t *renewal_ports(const struct state *before, const struct state *after)
{
	json_t *ids = json_array();
	struct object_list old = {0}, new = {0};
	if (!compare(before, after, false, &old, &new))
		return ids;
	for (size_t i = 0; i < after->n_ports; i++) {
		const struct port *port = after->ports[i];
		const struct network *network = state_network(after, port->network);
		if (!is_blinking(port->kind) && network && is_taught(&old, &new, network->id))
			json_array_append_new(ids, json_string(port->id));
	}
	object_list_done(&old);
	object_list_done(&new);
	return ids;
}

static int64_t now_seconds(void)
{
	return (int64_t)time(NULL);
}

static int on_leaving(sd_event_source *source, uint64_t usec, void *data)
{
	struct broker *broker = data;
	struct state candidate;
	struct error err = {0};
	json_t *changes = NULL;
	bool some = false;
	(void)source;
	(void)usec;
	broker->leaving = sd_event_source_disable_unref(broker->leaving);
	state_copy(&broker->state, &candidate);
	for (size_t i = 0; i < candidate.n_networks; i++)
		if (network_expire(candidate.networks[i], now_seconds())) {
			log_info("network %s: its replaced prefix ends",
				 candidate.networks[i]->name);
			some = true;
		}
	if (some && change_run(broker, &candidate, false, &changes, &err) < 0)
		log_error("ending replaced prefixes: %s", err.text);
	json_decref(changes);
	state_done(&candidate);
	planned_run(broker, now_seconds());
	renewal_consider(broker);
	return 0;
}

void renewal_consider(struct broker *broker)
{
	int64_t next = planned_next(broker);
	for (size_t i = 0; i < broker->state.n_networks; i++) {
		int64_t leaves = network_leaves_next(broker->state.networks[i]);
		if (leaves && (next == 0 || leaves < next))
			next = leaves;
	}
	broker->leaving = sd_event_source_disable_unref(broker->leaving);
	if (next) /* a clock that is set meanwhile moves it along; at least a second from now */
		sd_event_add_time(broker->event, &broker->leaving, CLOCK_REALTIME,
				  (uint64_t)(next > now_seconds() ? next : now_seconds() + 1) *
					  1000000u,
				  1000000, on_leaving, broker);
}
