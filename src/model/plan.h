/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ordered operations that turn what is into what is wanted. A pure function of two lists. */
#pragma once

#include <jansson.h>

#include "model/object.h"

enum plan_verb { PLAN_CREATE, PLAN_CHANGE, PLAN_DELETE };

struct operation {
	enum plan_verb verb;
	struct object object; /* as wanted; for PLAN_DELETE as it is */
};

struct plan {
	struct operation *items;
	size_t count, room;
	size_t n_prepare; /* the first n_prepare items create and change; the rest delete (commit).
			   * Only what cannot be changed in place is deleted in prepare, before its
			   * successor */
};

/* Both lists are sorted by the call. Deleting a bridge takes what stands on it along (addresses,
 * forwarding), so these get no operation of their own. A change is to be done even where the
 * executor sees nothing that differs: a service is started anew, a port is put on its bridge. */
void plan_build(struct object_list *wanted, struct object_list *actual, struct plan *ret);
void plan_done(struct plan *plan);

/* "create bridge ly-lab"; one line each, for people. The caller frees it. */
char *plan_text(const struct plan *plan);
/* The operations from first up to end (not included), as Change of the interface file:
 * [{"phase":"prepare","operation":"bridge-create","object":"bridge ly-lab",
 *   "text":"create bridge ly-lab"}] */
json_t *plan_json(const struct plan *plan, size_t first, size_t end);
