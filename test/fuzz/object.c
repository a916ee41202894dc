/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects as raw bytes, as they come over the executor's socket; what passes the check is described
 * and planned. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/plan.h"

/* Half of the good ones are wanted, half are there. */
static void plan(struct object_list lists[2])
{
	struct plan plan;
	plan_build(&lists[0], &lists[1], &plan);
	if (plan.n_prepare > plan.count || plan.count > 2 * (lists[0].count + lists[1].count))
		abort();
	free(plan_text(&plan));
	json_decref(plan_json(&plan, 0, plan.count));
	plan_done(&plan);
	plan_build(&lists[0], &lists[0], &plan);
	plan_done(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct object_list lists[2] = {0};
	for (size_t at = 0; at + 16 <= size; at += sizeof(struct object)) {
		struct object object = {0};
		struct error err = {0};
		char text[256];
		size_t left = size - at < sizeof(object) ? size - at : sizeof(object);
		memcpy(&object, data + at, left);
		if (object_check(&object, &err) < 0) {
			if (!err.text[0])
				abort();
			continue;
		}
		if (strlen(object_describe(&object, text)) >= sizeof(text))
			abort();
		size_t side = (at / sizeof(object)) % 2;
		*object_list_add(&lists[side], object.kind, object.network) = object;
	}
	plan(lists);
	object_list_done(&lists[0]);
	object_list_done(&lists[1]);
	return 0;
}
