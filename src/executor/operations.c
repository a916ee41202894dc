/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "executor/operations.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "executor/operation_uplink.h"
#include "kern/address.h"
#include "kern/sysctl.h"

int operations_check_name(const struct operations *operations, const char *name, struct error *err)
{
	if (strncmp(name, "ly", 2) == 0)
		return 0;
	for (const char *const *glob = operations->allowed; glob && *glob; glob++)
		if (fnmatch(*glob, name, 0) == 0)
			return 0;
	log_warning("refused: interface name '%s'", name);
	return error_set(
		err, EPERM,
		"interface '%s': names of ours begin with 'ly'; others need --allow-name %s "
		"(/etc/default/lanyard-executor, lanyardd(8))",
		name, name);
}

int operations_find(struct operations *operations, const char *name, enum label_role role,
		    struct known_link **ret, struct error *err)
{
	struct link link;
	struct label label;
	*ret = links_name(&operations->links, name, role);
	if (*ret)
		return 0;
	int result = link_get(&operations->route, name, &link, err);
	if (result < 0)
		return result;
	if (!label_parse(link.alias, operations->instance, &label) || label.role != role) {
		log_warning("refused: interface '%s' (alias '%s') is not ours", name, link.alias);
		return error_set(err, EPERM, "interface '%s' is not one of ours", name);
	}
	struct look look = look_of_link(&link, &label);
	*ret = links_add(&operations->links, link.ifindex, name, &label, &look);
	return 0;
}

static int find_bridge(struct operations *operations, const char *name, int *ret_ifindex,
		       struct error *err)
{
	struct known_link *bridge;
	struct link link;
	struct label label;
	int result = link_get(&operations->route, name, &link, err);
	if (result == -ENODEV && operations->user)
		return error_set(err, ENOENT,
				 "bridge '%s' does not exist in your own instance; those of the "
				 "host are for the system instance (--system)",
				 name);
	if (result < 0)
		return result;
	*ret_ifindex = link.ifindex;
	if (label_parse(link.alias, operations->instance, &label))
		return operations_find(operations, name, LABEL_BRIDGE, &bridge, err);
	if (strcmp(link.kind, "bridge") != 0)
		return error_set(err, EINVAL, "interface '%s' is no bridge", name);
	for (const char *const *glob = operations->allowed; glob && *glob; glob++)
		if (fnmatch(*glob, name, 0) == 0)
			return 0;
	if (operations->user)
		return 0;
	return error_set(err, EPERM,
			 "bridge '%s' is not ours; to plug into it, the executor needs "
			 "--allow-name %s (/etc/default/lanyard-executor, lanyardd(8))",
			 name, name);
}

int operations_find_bridge(struct operations *operations, const char *name, int *ret_ifindex,
			   struct error *err)
{
	int result = find_bridge(operations, name, ret_ifindex, err);
	operations->says_all = result < 0;
	return result;
}

/* Addresses */

static int address_create(struct operations *operations, const struct run *run, size_t *ret_done,
			  struct error *err)
{
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		const struct object_address *address = &run->tasks[i].object.address;
		struct known_link *bridge;
		int result =
			operations_find(operations, address->ifname, LABEL_BRIDGE, &bridge, err);
		if (result == 0)
			result = address_add(&operations->route, bridge->ifindex, &address->address,
					     err);
		if (result < 0 && result != -EEXIST)
			return result;
		links_address_add(bridge, &address->address);
	}
	return 0;
}

static int address_remove(struct operations *operations, const struct run *run, size_t *ret_done,
			  struct error *err)
{
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		const struct object_address *address = &run->tasks[i].object.address;
		struct known_link *bridge;
		int result =
			operations_find(operations, address->ifname, LABEL_BRIDGE, &bridge, err);
		if (result == -ENODEV)
			continue;
		/* without it the kernel would remove all others of the same subnet */
		if (result == 0 && address->address.family == AF_INET)
			result = sysctl_set(SYSCTL_PROMOTE_SECONDARIES, address->ifname, 1, err);
		if (result == 0) {
			links_address_remove(bridge, &address->address);
			result = address_delete(&operations->route, bridge->ifindex,
						&address->address, err);
		}
		if (result < 0 && result != -EADDRNOTAVAIL && result != -ENODEV)
			return result;
	}
	return 0;
}

/* Forwarding */

/* Network 0: an interface that leads out of the host, not ours. */
static int forward(struct operations *operations, const struct object *object, bool on,
		   struct error *err)
{
	const struct object_forwarding *forwarding = &object->forwarding;
	struct known_link *bridge;
	if (object->network == 0)
		return on ? operation_uplink_set(operations, forwarding, err)
			  : operation_uplink_restore(operations, forwarding->ifname, err);
	int result = operations_find(operations, forwarding->ifname, LABEL_BRIDGE, &bridge, err);
	if (result == 0)
		result = sysctl_forward(forwarding->ifname, AF_INET, on && forwarding->ipv4, err);
	if (result == 0)
		result = sysctl_forward(forwarding->ifname, AF_INET6, on && forwarding->ipv6, err);
	if (result == 0) {
		bridge->forwards[0] = on && forwarding->ipv4;
		bridge->forwards[1] = on && forwarding->ipv6;
	}
	return result;
}

static int forwarding_set(struct operations *operations, const struct run *run, size_t *ret_done,
			  struct error *err)
{
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		int result = forward(operations, &run->tasks[i].object, true, err);
		if (result < 0)
			return result;
	}
	return 0;
}

static int forwarding_off(struct operations *operations, const struct run *run, size_t *ret_done,
			  struct error *err)
{
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		int result = forward(operations, &run->tasks[i].object, false, err);
		if (result < 0 && result != -ENODEV && result != -ENOENT)
			return result;
	}
	return 0;
}

/* Filters and rates: one transaction for the whole run. */

/* A foreign interface is fenced only where forwarding on it is our doing. */
static int check_fence(const struct operations *operations, const char *ifname, struct error *err)
{
	int ignored;
	return operation_uplink_is_set(operations, ifname, &ignored)
		       ? 0
		       : error_set(err, EPERM, "'%s' does not forward for us", ifname);
}

/* Before it is added, or removed. */
static int check_filter(struct operations *operations, const struct object *object, bool add,
			struct error *err)
{
	const char *ifname = object->filter.ifname;
	struct known_link *port;
	int ifindex;
	if (object->kind == OBJECT_RATE)
		return add ? operations_find(operations, object->rate.ifname, LABEL_PORT, &port,
					     err)
			   : 0;
	if (object->filter.mode == FILTER_FENCE)
		return add ? check_fence(operations, ifname, err) : 0;
	if (object->filter.mode != NETWORK_BRIDGED)
		return operations_check_name(operations, ifname, err);
	return add ? operations_find_bridge(operations, ifname, &ifindex, err) : 0;
}

static int filter_apply(struct operations *operations, const struct run *run,
			enum firewall_verb verb, size_t *ret_done, struct error *err)
{
	AUTO_FREE struct firewall_change *changes = memory_zero(run->count, sizeof(*changes));
	int result = 0;
	for (size_t i = 0; i < run->count && result == 0; i++) {
		const struct object *object = &run->tasks[i].object;
		result = check_filter(operations, object, verb == FIREWALL_ADD, err);
		changes[i] = (struct firewall_change){.verb = verb, .object = object};
	}
	if (result == 0)
		result = firewall_apply(&operations->firewall, changes, run->count, err);
	if (verb == FIREWALL_REMOVE && result == -ENOENT && run->count == 1)
		result = 0;
	if (result == 0)
		*ret_done = run->count;
	return result;
}

static int filter_set(struct operations *operations, const struct run *run, size_t *ret_done,
		      struct error *err)
{
	return filter_apply(operations, run, FIREWALL_ADD, ret_done, err);
}

/* One transaction fails as a whole when one is gone already; then each on its own. */
static int filter_remove(struct operations *operations, const struct run *run, size_t *ret_done,
			 struct error *err)
{
	int result = filter_apply(operations, run, FIREWALL_REMOVE, ret_done, err);
	if (result != -ENOENT)
		return result;
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		struct run one = {run->tasks + i, 1};
		size_t done = 0;
		result = filter_apply(operations, &one, FIREWALL_REMOVE, &done, err);
		if (result < 0)
			return result;
	}
	return 0;
}

/* Names and services */

static void objects_of(const struct run *run, const struct object **ret)
{
	for (size_t i = 0; i < run->count; i++)
		ret[i] = &run->tasks[i].object;
}

static int name_set(struct operations *operations, const struct run *run, size_t *ret_done,
		    struct error *err)
{
	const struct object *objects[OPERATIONS_CHUNK];
	objects_of(run, objects);
	return services_name(&operations->services, objects, run->count, false, ret_done, err);
}

static int name_remove(struct operations *operations, const struct run *run, size_t *ret_done,
		       struct error *err)
{
	const struct object *objects[OPERATIONS_CHUNK];
	objects_of(run, objects);
	return services_name(&operations->services, objects, run->count, true, ret_done, err);
}

static int service_start(struct operations *operations, const struct run *run, size_t *ret_done,
			 struct error *err)
{
	const struct object *objects[OPERATIONS_CHUNK];
	struct known_link *bridge;
	objects_of(run, objects);
	for (size_t i = 0; i < run->count; i++) {
		int result = operations_find(operations, objects[i]->service.ifname, LABEL_BRIDGE,
					     &bridge, err);
		if (result < 0)
			return result;
	}
	return services_start(&operations->services, objects, run->count, ret_done, err);
}

static int service_stop(struct operations *operations, const struct run *run, size_t *ret_done,
			struct error *err)
{
	const struct object *objects[OPERATIONS_CHUNK];
	objects_of(run, objects);
	return services_stop(&operations->services, objects, run->count, ret_done, err);
}

/* The table */

static const struct operation_type operation_address = {
	{[PLAN_CREATE] = address_create,
	 [PLAN_CHANGE] = address_create,
	 [PLAN_DELETE] = address_remove},
};
static const struct operation_type operation_forwarding = {
	{[PLAN_CREATE] = forwarding_set,
	 [PLAN_CHANGE] = forwarding_set,
	 [PLAN_DELETE] = forwarding_off},
};
static const struct operation_type operation_filter = {
	{[PLAN_CREATE] = filter_set, [PLAN_CHANGE] = filter_set, [PLAN_DELETE] = filter_remove},
};
static const struct operation_type operation_name = {
	{[PLAN_CREATE] = name_set, [PLAN_CHANGE] = name_set, [PLAN_DELETE] = name_remove},
};
static const struct operation_type operation_service = {
	{[PLAN_CREATE] = service_start,
	 [PLAN_CHANGE] = service_start,
	 [PLAN_DELETE] = service_stop},
};

static const struct operation_type *const types[OBJECT_KINDS] = {
	[OBJECT_BRIDGE] = &operation_bridge,	   [OBJECT_ADDRESS] = &operation_address,
	[OBJECT_ROUTE] = &operation_route,	   [OBJECT_FORWARDING] = &operation_forwarding,
	[OBJECT_PROXY] = &operation_proxy,	   [OBJECT_FILTER] = &operation_filter,
	[OBJECT_PERMIT] = &operation_permit,	   [OBJECT_NAME] = &operation_name,
	[OBJECT_SERVICE] = &operation_service,	   [OBJECT_PORT] = &operation_port,
	[OBJECT_RATE] = &operation_filter,	   [OBJECT_UPLINK] = &operation_adoption,
	[OBJECT_HOST_LINK] = &operation_host_link, [OBJECT_HOST_ADDRESS] = &operation_host,
	[OBJECT_HOST_ROUTE] = &operation_host,	   [OBJECT_HOST_RULE] = &operation_host,
};

/* The number of the operation that shall fail, counted from 1; 0: none. Works once. */
static size_t fault_number(const struct operations *operations)
{
	AUTO_FREE char *text = NULL;
	if (!operations->fail_at || file_read(operations->fail_at, 32, &text, NULL) < 0)
		return 0;
	unlink(operations->fail_at);
	return strtoul(text, NULL, 10);
}

static size_t run_length(const struct task *tasks, size_t count)
{
	size_t n = 1;
	while (n < count && n < OPERATIONS_CHUNK && tasks[n].verb == tasks[0].verb &&
	       tasks[n].object.kind == tasks[0].object.kind)
		n++;
	return n;
}

static const char *const verbs[] = {
	[PLAN_CREATE] = "create", [PLAN_CHANGE] = "change", [PLAN_DELETE] = "delete"};

int operations_run(struct operations *operations, const struct task *tasks, size_t count,
		   size_t *ret_done, struct error *err)
{
	size_t fault = fault_number(operations);
	size_t end = fault && fault <= count ? fault - 1 : count;
	*ret_done = 0;
	operations->says_all = false;
	int result = operation_uplink_protect(operations, tasks, end, err);
	while (result == 0 && *ret_done < end) {
		struct run run = {tasks + *ret_done, 0};
		run.count = run_length(run.tasks, end - *ret_done);
		size_t done = 0;
		result = types[run.tasks->object.kind]->apply[run.tasks->verb](operations, &run,
									       &done, err);
		*ret_done += result == 0 ? run.count : done;
	}
	services_wait(&operations->services);
	if (result == 0 && end < count)
		result = error_set(err, EIO, "failed on purpose (operation %zu)", fault);
	if (result < 0 && !operations->says_all) {
		char text[256];
		const struct task *failed = &tasks[*ret_done < count ? *ret_done : count - 1];
		error_prefix(err, "%s %s", verbs[failed->verb],
			     object_describe(&failed->object, text));
	}
	return result;
}

void operations_settle(struct operations *operations, const struct task *tasks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (tasks[i].verb == PLAN_CREATE && tasks[i].object.kind == OBJECT_PORT)
			operation_port_settle(operations, &tasks[i].object.port);
}
