/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host objects: the operations on them, and planning from what the kernel shows to a list. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "executor/adoption.h"
#include "executor/operations.h"
#include "kern/host.h"
#include "model/object_host.h"
#include "model/plan.h"

/* With -Dfaults=true: the number of the step before which the executor stops itself (SIGSTOP), so
 * that a test can kill what it wants at that very point. */
static void stop_for_test(struct operations *operations)
{
#ifdef LANYARD_FAULTS
	const char *path = operations->adoptions.stop_at;
	AUTO_FREE char *text = NULL;
	if (!path || file_read(path, 32, &text, NULL) < 0)
		return;
	unsigned long step = strtoul(text, NULL, 10);
	if (step > 1) {
		AUTO_FREE char *next = text_format("%lu\n", step - 1);
		file_write_atomic(path, next, strlen(next), 0644, false, NULL);
		return;
	}
	unlink(path);
	raise(SIGSTOP);
#else
	(void)operations;
#endif
}

static const char *tag_of(const struct operations *operations, const char *ifname)
{
	const struct adoption *adoption = adoptions_find(&operations->adoptions, ifname);
	return adoption ? adoption->tag : NULL;
}

static int link_apply(struct operations *operations, const struct run *run, size_t *ret_done,
		      struct error *err)
{
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		const struct object_host_link *link = &run->tasks[i].object.host_link;
		stop_for_test(operations);
		int result = host_link_set(&operations->route, link,
					   tag_of(operations, link->ifname), err);
		if (result < 0)
			return result;
	}
	return 0;
}

/* A bridge that is about to go. */
static int link_leave(struct operations *operations, const struct run *run, size_t *ret_done,
		      struct error *err)
{
	(void)operations;
	(void)err;
	*ret_done = run->count;
	return 0;
}

static int host_apply(struct operations *operations, const struct run *run, size_t *ret_done,
		      struct error *err)
{
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		stop_for_test(operations);
		int result = host_create(&operations->route, &run->tasks[i].object, err);
		if (result < 0)
			return result;
	}
	return 0;
}

static int host_remove(struct operations *operations, const struct run *run, size_t *ret_done,
		       struct error *err)
{
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		stop_for_test(operations);
		int result = host_delete(&operations->route, &run->tasks[i].object, err);
		if (result < 0)
			return result;
	}
	return 0;
}

const struct operation_type operation_host_link = {
	{[PLAN_CREATE] = link_apply, [PLAN_CHANGE] = link_apply, [PLAN_DELETE] = link_leave},
};
const struct operation_type operation_host = {
	{[PLAN_CREATE] = host_apply, [PLAN_CHANGE] = host_apply, [PLAN_DELETE] = host_remove},
};

static int uplink_create(struct operations *operations, const struct run *run, size_t *ret_done,
			 struct error *err)
{
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		int result = adoptions_create(&operations->adoptions, &run->tasks[i].object, err);
		if (result < 0)
			return result;
	}
	return 0;
}

static int uplink_delete(struct operations *operations, const struct run *run, size_t *ret_done,
			 struct error *err)
{
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		int result = adoptions_delete(&operations->adoptions, &run->tasks[i].object, err);
		if (result < 0)
			return result;
	}
	return 0;
}

const struct operation_type operation_adoption = {
	{[PLAN_CREATE] = uplink_create,
	 [PLAN_CHANGE] = uplink_create,
	 [PLAN_DELETE] = uplink_delete},
};

/* Planning */

int adoption_look(struct adoption *adoption, const char *ifname, struct object_list *ret,
		  struct error *err)
{
	struct error reason = {0};
	int result =
		host_dump(&adoption->all->operations->route, ifname, adoption->tag, ret, &reason);
	if (result == 0 || result == -ENODEV)
		return 0;
	return error_set(err, result, "%s", reason.text);
}

/* The links of interfaces that are there. */
static void drop_missing(struct object_list *wanted, const struct object_list *actual)
{
	size_t kept = 0;
	for (size_t i = 0; i < wanted->count; i++)
		if (object_host_link(actual, wanted->items[i].host.ifname))
			wanted->items[kept++] = wanted->items[i];
	wanted->count = kept;
}

/* As the kernel told them: the first address of a subnet is its primary one, a route by a gateway
 * needs the one to the gateway. Routes without a gateway go first. */
static uint64_t rank(const struct object *object)
{
	size_t size;
	uint64_t by_gateway =
		object->kind == OBJECT_HOST_ROUTE &&
		(object_host_attribute(&object->host, sizeof(struct rtmsg), RTA_GATEWAY, &size) ||
		 object_host_attribute(&object->host, sizeof(struct rtmsg), RTA_VIA, &size) ||
		 object_host_attribute(&object->host, sizeof(struct rtmsg), RTA_MULTIPATH, &size));
	uint32_t order = object->host.order;
	/* IPv6 addresses are told the newest first */
	if (object->kind == OBJECT_HOST_ADDRESS && object->host.message[0] == AF_INET6)
		order = UINT32_MAX - order;
	return by_gateway << 32 | order;
}

static int by_rank(const void *a, const void *b)
{
	const struct object *one = &((const struct task *)a)->object;
	const struct object *other = &((const struct task *)b)->object;
	if (one->kind != other->kind)
		return one->kind < other->kind ? -1 : 1;
	if (one->kind <= OBJECT_HOST_LINK)
		return object_compare_key(one, other);
	return (rank(one) > rank(other)) - (rank(one) < rank(other));
}

static int run_plan(struct operations *operations, const struct plan *plan, struct error *err)
{
	struct task *tasks = memory_zero(plan->count + 1, sizeof(*tasks));
	size_t done = 0;
	for (size_t i = 0; i < plan->count; i++)
		tasks[i] = (struct task){
			.verb = plan->items[i].verb, .netns = -1, .object = plan->items[i].object};
	qsort(tasks, plan->n_prepare, sizeof(*tasks), by_rank);
	int result = operations_run(operations, tasks, plan->count, &done, err);
	free(tasks);
	return result;
}

int adoption_run(struct adoption *adoption, struct object_list *wanted, bool without_bridge,
		 struct error *err)
{
	struct object_list actual = {0};
	struct plan plan = {0};
	int result = adoption_look(adoption, adoption->nic, &actual, err);
	if (result == 0)
		result = adoption_look(adoption, adoption->bridge, &actual, err);
	if (result == 0) {
		drop_missing(wanted, &actual);
		if (without_bridge && object_host_link(&actual, adoption->bridge)) {
			struct object_bridge *bridge =
				&object_list_add(&actual, OBJECT_BRIDGE, adoption->network)->bridge;
			memcpy(bridge->ifname, adoption->bridge, IFNAMSIZ);
		}
		plan_build(wanted, &actual, &plan);
		result = run_plan(adoption->all->operations, &plan, err);
	}
	object_list_done(&actual);
	plan_done(&plan);
	return result;
}
