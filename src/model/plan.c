/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. Both lists are sorted by kind and key and walked together once. What is
 * wanted and not there is created, what differs is changed, what is there and not wanted is
 * deleted. Creations and changes come first, in the order of the kinds (a bridge before what stands
 * on it); deletions come last, backwards.
 *
 * Some things follow from how the kernel works:
 *  - A bridge takes its addresses and its forwarding switch along. So they get no deletion of their
 * own, and where a bridge is created they are created too, whatever the dump said of them.
 *  - A bridge that was created again has no ports, and its service listens on the old one: such
 * ports are changed (the executor puts them on their bridge) and such a service too (the executor
 * starts it anew).
 *  - A port's interface that is made again has the name of the dead one that Open vSwitch knows:
 * its member is created again too.
 *  - Some things cannot be changed in place: a bridge that belongs to another network now, a port
 * that was a tap and is to be a veth. They are deleted and created at the very beginning, in
 * prepare. Forwarding that is off and forwarding that is not reported are the same.
 */
#include "model/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

struct walk {
	struct object_list *wanted, *actual;
	struct plan *plan;
	const char **fresh; /* names of the bridges that this plan creates, sorted */
	size_t n_fresh;
	const char **gone; /* names of the bridges that it deletes for good, sorted */
	size_t n_gone;
};

static void add(struct plan *plan, enum plan_verb verb, const struct object *object)
{
	plan->items = memory_grow(plan->items, &plan->room, plan->count + 1, sizeof(*plan->items));
	plan->items[plan->count++] = (struct operation){.verb = verb, .object = *object};
}

static int compare_name(const void *a, const void *b)
{
	return strncmp(*(const char *const *)a, *(const char *const *)b, IFNAMSIZ);
}

static bool holds(const char **names, size_t n_names, const char *name)
{
	return n_names && bsearch(&name, names, n_names, sizeof(*names), compare_name);
}

/* Taps and veths are made differently; within a class the kernel's view may not tell the kinds
 * apart. */
static unsigned port_class(uint8_t kind)
{
	static const uint8_t classes[PORT_KINDS] = {[PORT_TAP] = 0,
						    [PORT_TAP_NAMED] = 0,
						    [PORT_NETNS] = 1,
						    [PORT_VETH] = 1,
						    [PORT_ADOPT] = 2};
	return kind < PORT_KINDS ? classes[kind] : PORT_KINDS;
}

/* Both have the same key. */
static bool is_other(const struct object *wanted, const struct object *actual)
{
	if (wanted->kind == OBJECT_BRIDGE)
		return wanted->network != actual->network;
	return wanted->kind == OBJECT_PORT &&
	       port_class(wanted->port.kind) != port_class(actual->port.kind);
}

static bool is_off(const struct object *object)
{
	return object->kind == OBJECT_FORWARDING && !object->forwarding.ipv4 &&
	       !object->forwarding.ipv6 && !object->forwarding.learns &&
	       !object->forwarding.proxies;
}

/* The bridge that an object stands on; NULL for those that are independent of one. */
static const char *stands_on(const struct object *object)
{
	if (object->kind == OBJECT_ADDRESS)
		return object->address.ifname;
	if (object->kind == OBJECT_ROUTE)
		return object->route.ifname;
	return object->kind == OBJECT_FORWARDING ? object->forwarding.ifname : NULL;
}

/* What a new bridge asks of an object that is there and may be as wanted. */
static const char *needs(const struct object *object)
{
	if (object->kind == OBJECT_SERVICE)
		return object->service.ifname;
	if (object->kind == OBJECT_UPLINK)
		return object->uplink.bridge;
	return object->kind == OBJECT_PORT && object->port.bridge[0] ? object->port.bridge : NULL;
}

static void only_wanted(struct walk *walk, const struct object *wanted)
{
	const char *bridge = stands_on(wanted);
	if (is_off(wanted) && !holds(walk->fresh, walk->n_fresh, bridge))
		return;
	add(walk->plan, PLAN_CREATE, wanted);
}

/* A member whose interface is not there yet, or is another kind of one: what Open vSwitch has of
 * that name is a dead one. */
static bool is_dead(const struct walk *walk, const struct object *member)
{
	if (member->kind != OBJECT_MEMBER)
		return false;
	struct object key = {.kind = OBJECT_PORT};
	memcpy(key.port.ifname, member->member.ifname, IFNAMSIZ);
	const struct object *port = object_list_find(walk->actual, &key);
	const struct object *wanted = object_list_find(walk->wanted, &key);
	return !port || (wanted && is_other(wanted, port));
}

static void both(struct walk *walk, const struct object *wanted, const struct object *actual)
{
	const char *below = stands_on(wanted), *used = needs(wanted);
	if (is_other(wanted, actual) || (below && holds(walk->fresh, walk->n_fresh, below)) ||
	    is_dead(walk, wanted))
		add(walk->plan, PLAN_CREATE, wanted);
	else if (!object_is_same(wanted, actual) ||
		 (used && holds(walk->fresh, walk->n_fresh, used)))
		add(walk->plan, PLAN_CHANGE, wanted);
}

/* One step of the walk over both lists: the smaller one, or both when the keys are equal. */
static int step(const struct walk *walk, size_t i, size_t j)
{
	if (i == walk->wanted->count)
		return 1;
	if (j == walk->actual->count)
		return -1;
	return object_compare_key(&walk->wanted->items[i], &walk->actual->items[j]);
}

/* Deletes what stands in the way of its successor, and finds which bridges come and go. */
static void survey(struct walk *walk)
{
	const struct object *wanted = walk->wanted->items, *actual = walk->actual->items;
	size_t i = 0, j = 0;
	while (i < walk->wanted->count || j < walk->actual->count) {
		int order = step(walk, i, j);
		const struct object *object = order <= 0 ? &wanted[i] : &actual[j];
		bool other = order == 0 && is_other(&wanted[i], &actual[j]);
		if (other)
			add(walk->plan, PLAN_DELETE, &actual[j]);
		if (object->kind == OBJECT_BRIDGE) {
			if (order < 0 || other)
				walk->fresh[walk->n_fresh++] = object->bridge.ifname;
			else if (order > 0)
				walk->gone[walk->n_gone++] = object->bridge.ifname;
		}
		i += order <= 0;
		j += order >= 0;
	}
}

static void prepare(struct walk *walk)
{
	size_t i = 0, j = 0;
	while (i < walk->wanted->count) {
		int order = step(walk, i, j);
		if (order < 0)
			only_wanted(walk, &walk->wanted->items[i]);
		else if (order == 0)
			both(walk, &walk->wanted->items[i], &walk->actual->items[j]);
		i += order <= 0;
		j += order >= 0;
	}
	walk->plan->n_prepare = walk->plan->count;
}

/* An address that goes from a bridge that stays, before or after others: the order of the list
 * backwards. */
static void commit(struct walk *walk)
{
	size_t i = walk->wanted->count, j = walk->actual->count;
	while (j > 0) {
		const struct object *actual = &walk->actual->items[j - 1];
		int order = i ? object_compare_key(&walk->wanted->items[i - 1], actual) : -1;
		if (order > 0) {
			i--;
			continue;
		}
		j--;
		if (order == 0)
			continue;
		const char *bridge = stands_on(actual);
		bool taken_along = bridge && (holds(walk->gone, walk->n_gone, bridge) ||
					      holds(walk->fresh, walk->n_fresh, bridge));
		if (!taken_along && !is_off(actual))
			add(walk->plan, PLAN_DELETE, actual);
	}
}

static size_t count_bridges(const struct object_list *list)
{
	size_t n = 0;
	while (n < list->count && list->items[n].kind == OBJECT_BRIDGE)
		n++;
	return n;
}

void plan_build(struct object_list *wanted, struct object_list *actual, struct plan *ret)
{
	*ret = (struct plan){0};
	object_list_sort(wanted);
	object_list_sort(actual);
	struct walk walk = {.wanted = wanted, .actual = actual, .plan = ret};
	walk.fresh = memory_zero(count_bridges(wanted), sizeof(*walk.fresh));
	walk.gone = memory_zero(count_bridges(actual), sizeof(*walk.gone));
	survey(&walk);
	prepare(&walk);
	commit(&walk);
	free(walk.fresh);
	free(walk.gone);
}

void plan_done(struct plan *plan)
{
	if (!plan)
		return;
	free(plan->items);
	*plan = (struct plan){0};
}

static const char *verb_name(enum plan_verb verb)
{
	static const char *const names[] = {
		[PLAN_CREATE] = "create", [PLAN_CHANGE] = "change", [PLAN_DELETE] = "delete"};
	return names[verb];
}

char *plan_text(const struct plan *plan)
{
	char *text = NULL;
	size_t room = 0, used = 0;
	for (size_t i = 0; i < plan->count; i++) {
		char line[256 + 16], object[256];
		int length = snprintf(line, sizeof(line), "%s %s\n", verb_name(plan->items[i].verb),
				      object_describe(&plan->items[i].object, object));
		text = memory_grow(text, &room, used + (size_t)length + 1, 1);
		memcpy(text + used, line, (size_t)length + 1);
		used += (size_t)length;
	}
	return text ? text : text_copy("");
}

json_t *plan_json(const struct plan *plan, size_t first, size_t end)
{
	json_t *changes = json_array();
	for (size_t i = first; i < end; i++) {
		const struct operation *operation = &plan->items[i];
		const char *verb = verb_name(operation->verb);
		char object[256];
		object_describe(&operation->object, object);
		json_array_append_new(
			changes,
			json_pack("{s:s, s:o, s:s, s:o}", "phase",
				  i < plan->n_prepare ? "prepare" : "commit", "operation",
				  json_sprintf("%s-%s", object_types[operation->object.kind].name,
					       verb),
				  "object", object, "text", json_sprintf("%s %s", verb, object)));
	}
	return changes;
}
