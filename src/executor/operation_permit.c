/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our rules in Docker's chain for users. Those in ufw and firewalld are the steward's (permits). */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "executor/operations.h"

/* Nothing but a network's own interface is let through. */
static int check(struct operations *operations, const struct object_permit *permit,
		 struct error *err)
{
	int ifindex;
	if (permit->owner > PERMIT_DOCKER6 || !permit->ifname[0] || operations->user)
		return error_set(err, EPERM, "not an executor's permit");
	if (permit->parts != PERMIT_FORWARD && permit->parts != PERMIT_ACROSS)
		return error_set(err, EINVAL, "permit: parts %u", permit->parts);
	return permit->parts == PERMIT_FORWARD
		       ? operations_check_name(operations, permit->ifname, err)
		       : operations_find_bridge(operations, permit->ifname, &ifindex, err);
}

static int apply(struct operations *operations, const struct run *run, bool remove,
		 size_t *ret_done, struct error *err)
{
	const struct object *objects[OPERATIONS_CHUNK];
	int result = 0;
	for (size_t i = 0; i < run->count && result == 0; i++) {
		objects[i] = &run->tasks[i].object;
		if (!remove)
			result = check(operations, &objects[i]->permit, err);
	}
	if (result == 0)
		result = permits_read(&operations->permits, &operations->firewall.netlink, err);
	if (result == 0)
		result = permits_apply(&operations->permits, objects, run->count, remove, err);
	if (result == 0) /* what we did is no news */
		result = permits_read(&operations->permits, &operations->firewall.netlink, err);
	if (result < 0)
		return result;
	*ret_done = run->count;
	char text[256];
	log_info("%s %s%s, chain DOCKER-USER", remove ? "removed" : "made",
		 object_describe(objects[0], text), run->count > 1 ? " and others" : "");
	return 0;
}

static int permit_set(struct operations *operations, const struct run *run, size_t *ret_done,
		      struct error *err)
{
	return apply(operations, run, false, ret_done, err);
}

static int permit_remove(struct operations *operations, const struct run *run, size_t *ret_done,
			 struct error *err)
{
	return apply(operations, run, true, ret_done, err);
}

int operation_permit_dump(struct operations *operations, struct object_list *ret, struct error *err)
{
	if (operations->user)
		return 0;
	int result = permits_read(&operations->permits, &operations->firewall.netlink, err);
	if (result == 0)
		permits_list(&operations->permits, ret);
	return result;
}

bool operation_permit_changed(struct operations *operations)
{
	struct error err = {0};
	uint64_t before = operations->permits.print;
	if (operations->user)
		return false;
	return permits_read(&operations->permits, &operations->firewall.netlink, &err) < 0 ||
	       operations->permits.print != before;
}

const struct operation_type operation_permit = {
	{[PLAN_CREATE] = permit_set, [PLAN_CHANGE] = permit_set, [PLAN_DELETE] = permit_remove},
};
