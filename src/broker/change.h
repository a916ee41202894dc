/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one path of every change.
 *
 * Theory of operation. A candidate model is compared with a dump of the kernel; the plan's first
 * part (create, change) is run, then the definitions are written, then its second part (delete) is
 * run. When the first part or the writing fails, the kernel is dumped again and planned back to the
 * model before, by the same code. When the second fails, what is missing is planned once more;
 * should that fail too, the broker tries again by itself. A broker that dies before the writing
 * leaves definitions from which its successor plans back, after it ones from which it plans
 * forward. Changes are served one after the other, so each is atomic.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "broker/executor_client.h"
#include "broker/state.h"

struct broker;

/* Is told each part of a plan that has operations, before it is run. */
struct change_watch {
	void (*begun)(const struct plan *plan, bool prepare, void *data);
	void *data;
};

/* Makes the candidate (a state_copy that was edited; taken on success) the model. *ret_changes: as
 * in the interface file, a new reference. dry_run: plans only. */
int change_run(struct broker *broker, struct state *candidate, bool dry_run, json_t **ret_changes,
	       struct error *err);
int change_run_watched(struct broker *broker, struct state *candidate, bool dry_run,
		       const struct change_watch *watch, json_t **ret_changes, struct error *err);

/* One port to be added, without looking at all the others. The caller sets what comes first, and
 * works between begin and finish while the executor does: the port is in the model meanwhile. After
 * a begin that succeeded finish must follow before anything else. The plan is the caller's. */
struct change_port {
	const struct port *port;
	uid_t creator;
	int netns; /* descriptor of a namespace, or -1 */
	struct plan plan;
	/* Set before finish: whom the executor shall tell what, with the taps; -1: nobody. */
	int to;
	const char *reply;
	size_t reply_length;
	/* Filled by finish. */
	struct executor_taps taps; /* the caller's; of a tap none when it was handed over */
	bool in_doubt; /* the executor died over it: whether anybody was told is not known */
	/* its own */
	bool direct;
	struct error unwritten;
};
int change_port_begin(struct broker *broker, struct change_port *change, struct error *err);
int change_port_finish(struct broker *broker, struct change_port *change, struct error *err);
/* The operations that make, or remove, one port of the present model; the caller's. */
void change_plan_port(struct broker *broker, const struct port *port, enum plan_verb verb,
		      struct plan *ret);
int change_remove_port(struct broker *broker, const struct port *port, bool dry_run,
		       json_t **ret_changes, struct error *err);

/* Brings the kernel to the present model, after dropping the ports whose holders are gone or broke
 * the rules; a port that cannot be made keeps nothing away (missing.h). Logs what was done. Returns
 * how many operations, or -errno. */
int change_repair(struct broker *broker, struct error *err);

/* What there is, and what change_repair would do. */
int change_look(struct broker *broker, struct object_list *ret_actual, struct plan *ret_plan,
		struct error *err);

json_t *change_json(const struct plan *plan);
json_t *change_part_json(const struct plan *plan, bool prepare);
