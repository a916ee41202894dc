/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes to prefixes behind machines of a network. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "executor/operations.h"
#include "kern/address.h"

static int route_create(struct operations *operations, const struct run *run, size_t *ret_done,
			struct error *err)
{
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		const struct object_route *route = &run->tasks[i].object.route;
		struct known_link *bridge;
		int result = operations_find(operations, route->ifname, LABEL_BRIDGE, &bridge, err);
		if (result == 0)
			result = route_add(&operations->route, bridge->ifindex, &route->to,
					   &route->via, err);
		if (result == -EEXIST)
			error_set(err, EEXIST, "the host has a route to this prefix already");
		if (result < 0)
			return result;
	}
	return 0;
}

static int route_remove(struct operations *operations, const struct run *run, size_t *ret_done,
			struct error *err)
{
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		const struct object_route *route = &run->tasks[i].object.route;
		struct known_link *bridge;
		int result = operations_find(operations, route->ifname, LABEL_BRIDGE, &bridge, err);
		if (result == -ENODEV)
			continue;
		if (result == 0)
			result = route_delete(&operations->route, bridge->ifindex, &route->to,
					      &route->via, err);
		if (result < 0 && result != -ESRCH && result != -ENODEV)
			return result;
	}
	return 0;
}

/* Another next hop: both cannot be there at once. */
static int route_change(struct operations *operations, const struct run *run, size_t *ret_done,
			struct error *err)
{
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		struct run one = {run->tasks + i, 1};
		struct object_list old = {0};
		size_t done = 0;
		int result = operation_route_dump(operations, &old, err);
		for (size_t j = 0; result == 0 && j < old.count; j++) {
			struct task task = {.verb = PLAN_DELETE, .object = old.items[j]};
			struct run other = {&task, 1};
			if (object_compare_key(&old.items[j], &run->tasks[i].object) == 0)
				result = route_remove(operations, &other, &done, err);
		}
		object_list_done(&old);
		if (result == 0)
			result = route_create(operations, &one, &done, err);
		if (result < 0)
			return result;
	}
	return 0;
}

struct dump {
	struct operations *operations;
	struct object_list *ret;
};

static int take(int ifindex, const struct ip *to, const struct ip *via, void *data)
{
	struct dump *dump = data;
	const struct known_link *bridge = links_index(&dump->operations->links, ifindex);
	if (!bridge || bridge->label.role != LABEL_BRIDGE)
		return 0;
	struct object_route *route =
		&object_list_add(dump->ret, OBJECT_ROUTE, bridge->label.network)->route;
	memcpy(route->ifname, bridge->name, IFNAMSIZ);
	route->to = *to;
	route->via = *via;
	return 0;
}

int operation_route_dump(struct operations *operations, struct object_list *ret, struct error *err)
{
	struct dump dump = {operations, ret};
	return route_dump_own(&operations->route, take, &dump, err);
}

const struct operation_type operation_route = {
	{[PLAN_CREATE] = route_create, [PLAN_CHANGE] = route_change, [PLAN_DELETE] = route_remove},
};
