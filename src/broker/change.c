/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "broker/authorise.h"
#include "broker/broker.h"
#include "broker/egress.h"
#include "broker/holding.h"
#include "broker/host_names.h"
#include "broker/host_uplinks.h"
#include "broker/members.h"
#include "broker/missing.h"
#include "broker/overlap.h"
#include "broker/permits.h"
#include "broker/renewal.h"
#include "broker/uplink.h"

json_t *change_json(const struct plan *plan)
{
	return plan_json(plan, 0, plan->count);
}

json_t *change_part_json(const struct plan *plan, bool prepare)
{
	return plan_json(plan, prepare ? 0 : plan->n_prepare,
			 prepare ? plan->n_prepare : plan->count);
}

static void tell(const struct change_watch *watch, const struct plan *plan, bool prepare)
{
	if (watch)
		watch->begun(plan, prepare, watch->data);
}

/* All that there is, others' places where we have something included. */
static int dump(struct broker *broker, struct object_list *ret, struct error *err)
{
	int r = executor_client_dump(broker->executor, ret, err);
	if (r == 0) {
		permits_dump(broker, ret);
		members_dump(broker, ret);
	}
	return r;
}

static void expand(const struct broker *broker, const struct state *state,
		   const struct object_list *actual, struct object_list *ret)
{
	size_t n_ports;
	AUTO_FREE struct port **ports = missing_leave_out(state, &n_ports);
	object_expand(state->networks, state->n_networks, ports, n_ports, ret);
	host_uplinks_expand(state, broker->adding, ret);
	if (broker->paths.system) {
		egress_expand(ret);
		egress_proxy(state, ret);
		egress_fit(state, ret);
		egress_via(state, ret);
	} else
		egress_translate(state, ret);
	permits_expand(broker, state, actual, ret);
}

/* The same, after the ports whose holders are gone have left the model; judge: see holding.h. */
static int examine(struct broker *broker, bool judge, struct object_list *ret, struct error *err)
{
	int r = dump(broker, ret, err);
	if (r == 0)
		holding_examine(broker, ret, judge);
	return r;
}

/* From the kernel as a dump has shown it to a model. */
static void plan_to(struct broker *broker, const struct state *state, struct object_list *actual,
		    struct plan *ret)
{
	struct object_list wanted = {0};
	expand(broker, state, actual, &wanted);
	plan_build(&wanted, actual, ret);
	object_list_done(&wanted);
}

static bool is_stewards(const struct operation *operation)
{
	return permits_is_stewards(operation) || members_is_stewards(operation);
}

/* The steward's part after the executor's, but for ports that go: they leave their Open vSwitch
 * before their interface does. */
static int run(struct broker *broker, const struct operation *items, size_t count,
	       struct error *err)
{
	size_t n = 0;
	for (size_t i = 0; i < count; i++)
		n += !is_stewards(&items[i]);
	if (n == count)
		return executor_client_apply(broker->executor, items, count, -1, NULL, err);
	AUTO_FREE struct operation *executors = memory_zero(n + 1, sizeof(*executors));
	n = 0;
	for (size_t i = 0; i < count; i++)
		if (!is_stewards(&items[i]))
			executors[n++] = items[i];
	int r = members_run(broker, items, count, MEMBERS_GO, err);
	if (r == 0)
		r = executor_client_apply(broker->executor, executors, n, -1, NULL, err);
	if (r == 0)
		r = permits_run(broker, items, count, err);
	return r < 0 ? r : members_run(broker, items, count, MEMBERS_CHANGE, err);
}

static int run_part(struct broker *broker, const struct plan *plan, bool prepare, struct error *err)
{
	return prepare ? run(broker, plan->items, plan->n_prepare, err)
		       : run(broker, plan->items + plan->n_prepare, plan->count - plan->n_prepare,
			     err);
}

static int run_both(struct broker *broker, const struct plan *plan, struct error *err)
{
	int r = run_part(broker, plan, true, err);
	return r < 0 ? r : run_part(broker, plan, false, err);
}

/* To the present model, whose files are written. */
static int restore(struct broker *broker, struct error *err)
{
	struct object_list actual = {0};
	struct plan plan = {0};
	int r = broker_ensure(broker, err);
	if (r == 0)
		r = dump(broker, &actual, err);
	if (r == 0) {
		plan_to(broker, &broker->state, &actual, &plan);
		r = run_both(broker, &plan, err);
	}
	object_list_done(&actual);
	plan_done(&plan);
	return r;
}

static void go_back(struct broker *broker, struct error *err)
{
	struct error second = {0};
	if (restore(broker, &second) == 0)
		return;
	log_error("going back failed, will be tried again: %s", second.text);
	error_prefix(err, "(and what was before could not be restored yet)");
	broker_repair_soon(broker);
}

/* Examines, and forgets in the candidate what the present model has lost by that. */
static int examine_for(struct broker *broker, struct state *candidate, bool judge,
		       struct object_list *ret, struct error *err)
{
	AUTO_FREE bool *is_old = memory_zero(candidate->n_ports + 1, sizeof(bool));
	for (size_t i = 0; i < candidate->n_ports; i++)
		is_old[i] = state_port(&broker->state, candidate->ports[i]->id) != NULL;
	int r = examine(broker, judge, ret, err);
	for (size_t i = candidate->n_ports; r == 0 && i-- > 0;)
		if (is_old[i] && !state_port(&broker->state, candidate->ports[i]->id))
			state_remove_port(candidate, candidate->ports[i]->id);
	return r;
}

/* One attempt to reach the candidate's prepare part. */
static int prepare(struct broker *broker, struct state *candidate, bool dry_run,
		   const struct change_watch *watch, struct plan *plan, struct error *err)
{
	struct object_list actual = {0};
	int r = broker_ensure(broker, err);
	if (r == 0)
		r = examine_for(broker, candidate, !dry_run, &actual, err);
	if (r == 0)
		plan_to(broker, candidate, &actual, plan);
	object_list_done(&actual);
	if (r < 0)
		return r;
	if (!dry_run) {
		tell(watch, plan, true);
		return run_part(broker, plan, true, err);
	}
	broker_repair_soon(broker); /* what the dump has shown of others' deeds is not told again */
	return 0;
}

static int commit(struct broker *broker, const struct plan *plan)
{
	struct error err = {0};
	int r = run_part(broker, plan, false, &err);
	if (r == 0)
		return 0;
	log_warning("finishing a change: %s; trying again", err.text);
	r = restore(broker, &err);
	if (r < 0) {
		log_error("finishing a change: %s", err.text);
		broker_repair_soon(broker);
	}
	return r;
}

/* Machines learn what changed; one that does not is no failure of the change. */
static void renew(struct broker *broker, struct plan *renewal)
{
	struct error err = {0};
	if (renewal->count && run_part(broker, renewal, true, &err) < 0)
		log_warning("making machines renew their leases: %s", err.text);
	plan_done(renewal);
	renewal_consider(broker);
	overlap_reconsider(broker);
	host_names_update(broker->host_names);
}

static void replace_state(struct broker *broker, struct state *candidate)
{
	state_done(&broker->state);
	broker->state = *candidate;
	state_init(candidate, broker->state.paths);
}

int change_run(struct broker *broker, struct state *candidate, bool dry_run, json_t **ret_changes,
	       struct error *err)
{
	return change_run_watched(broker, candidate, dry_run, NULL, ret_changes, err);
}

int change_run_watched(struct broker *broker, struct state *candidate, bool dry_run,
		       const struct change_watch *watch, json_t **ret_changes, struct error *err)
{
	struct plan plan = {0};
	int r = authorise_change(broker, candidate, err);
	if (r < 0)
		return r;
	r = prepare(broker, candidate, dry_run, watch, &plan, err);
	bool touched = plan.count > 0;
	if (r < 0 && executor_client_is_lost(broker->executor)) {
		/* A dead executor is nobody's fault: once more with the next one. */
		plan_done(&plan);
		plan = (struct plan){0};
		*err = (struct error){0};
		r = prepare(broker, candidate, dry_run, NULL, &plan, err);
	}
	touched |= plan.count > 0;
	if (dry_run && r == 0) {
		*ret_changes = change_json(&plan);
		plan_done(&plan);
		return 0;
	}
	if (r == 0 && state_persist(&broker->state, candidate, err) < 0) {
		r = -err->code;
		error_prefix(err, "nothing was changed: the definitions could not be written");
	}
	if (r < 0) {
		if (touched)
			go_back(broker, err);
		plan_done(&plan);
		return r;
	}
	struct plan renewal;
	renewal_plan(&broker->state, candidate, &renewal);
	replace_state(broker, candidate);
	tell(watch, &plan, false);
	commit(broker, &plan);
	renew(broker, &renewal);
	*ret_changes = change_json(&plan);
	plan_done(&plan);
	uplink_consider(broker->uplink);
	broker_consider_end(broker);
	return 0;
}

void change_plan_port(struct broker *broker, const struct port *port, enum plan_verb verb,
		      struct plan *ret)
{
	struct object_list list = {0};
	object_expand_port(port, state_network(&broker->state, port->network), &list);
	*ret = (struct plan){.items = memory_zero(list.count, sizeof(struct operation)),
			     .room = list.count};
	for (size_t i = 0; i < list.count; i++)
		ret->items[ret->count++] = (struct operation){
			.verb = verb,
			.object = list.items[verb == PLAN_DELETE ? list.count - 1 - i : i]};
	ret->n_prepare = verb == PLAN_DELETE ? 0 : ret->count;
	object_list_done(&list);
}

/* How many of a port's operations are not the steward's, which come last. */
static size_t executors_of(const struct plan *plan)
{
	size_t count = plan->count;
	while (count > 0 && members_is_stewards(&plan->items[count - 1]))
		count--;
	return count;
}

/* The port is written down while the executor makes it. */
static int port_begin(struct broker *broker, struct change_port *change, struct error *err)
{
	int r = broker_ensure(broker, err);
	size_t count = executors_of(&change->plan);
	char next[IFNAMSIZ];
	port_ifname(broker->next_port, next);
	if (r == 0)
		r = executor_client_begin(broker->executor, change->plan.items, count,
					  change->netns, change->direct ? next : NULL, err);
	if (r < 0)
		return r;
	change->unwritten = (struct error){0};
	struct port *added = state_add_port(&broker->state, change->port, change->creator);
	state_write_port(&broker->state, added, &change->unwritten);
	return 0;
}

static void port_forget(struct broker *broker, const struct change_port *change)
{
	state_unlink_port(&broker->state, change->port->id);
	state_remove_port(&broker->state, change->port->id);
}

static int port_finish(struct broker *broker, struct change_port *change, struct error *err)
{
	int to = change->unwritten.code ? -1 : change->to;
	int r = 0;
	if (change->direct)
		r = executor_client_reply(broker->executor, to, change->reply, change->reply_length,
					  err);
	if (r == 0)
		r = executor_client_finish(broker->executor, &change->taps, err);
	change->in_doubt =
		r < 0 && change->direct && to >= 0 && executor_client_is_lost(broker->executor);
	bool made = r == 0;
	if (made && change->unwritten.code)
		r = error_set(err, change->unwritten.code, "%s", change->unwritten.text);
	else if (made && !change->direct)
		r = members_run(broker, change->plan.items, change->plan.count, MEMBERS_COME, err);
	if (made && r < 0) {
		descriptor_close_all(change->taps.fds, change->taps.count);
		change->taps.count = 0;
	}
	if (r < 0 && !change->in_doubt)
		port_forget(broker, change);
	return r;
}

/* The executor died between our word and its own. Without anybody to hold it the tap ended with the
 * executor: then nobody was told, and all is as if nothing had been begun. */
static int settle_doubt(struct broker *broker, struct change_port *change, struct error *err)
{
	struct object_list actual = {0};
	int r = broker_ensure(broker, err);
	if (r == 0)
		r = examine(broker, false, &actual, err);
	object_list_done(&actual);
	change->in_doubt = r < 0 || state_port(&broker->state, change->port->id);
	return r;
}

int change_port_begin(struct broker *broker, struct change_port *change, struct error *err)
{
	change->to = -1;
	change->direct =
		change->port->kind == PORT_TAP && executors_of(&change->plan) == change->plan.count;
	int r = port_begin(broker, change, err);
	if (r == 0 || !executor_client_is_lost(broker->executor))
		return r;
	/* A dead executor is nobody's fault: once more with the next one. */
	*err = (struct error){0};
	return port_begin(broker, change, err);
}

int change_port_finish(struct broker *broker, struct change_port *change, struct error *err)
{
	int r = port_finish(broker, change, err);
	if (r < 0 && executor_client_is_lost(broker->executor)) {
		*err = (struct error){0};
		r = change->in_doubt ? settle_doubt(broker, change, err) : 0;
		if (change->in_doubt)
			return r;
		change->direct = false;
		r = port_begin(broker, change, err);
		if (r == 0)
			r = port_finish(broker, change, err);
	}
	if (r < 0 && !executor_client_is_lost(broker->executor))
		go_back(broker, err);
	return r;
}

int change_remove_port(struct broker *broker, const struct port *port, bool dry_run,
		       json_t **ret_changes, struct error *err)
{
	struct plan plan;
	change_plan_port(broker, port, PLAN_DELETE, &plan);
	*ret_changes = change_json(&plan);
	if (dry_run) {
		plan_done(&plan);
		return 0;
	}
	state_unlink_port(&broker->state, port->id);
	state_remove_port(&broker->state, port->id);
	int r = broker_ensure(broker, err);
	if (r == 0)
		r = run(broker, plan.items, plan.count, err);
	if (r < 0) /* gone already, or to be finished by the next plan */
		r = restore(broker, err);
	plan_done(&plan);
	if (r < 0) {
		json_decref(*ret_changes);
		*ret_changes = NULL;
		broker_repair_soon(broker);
		return r;
	}
	broker_consider_end(broker);
	return 0;
}

static const char *network_of(const struct broker *broker, const struct object *object)
{
	for (size_t i = 0; i < broker->state.n_networks; i++)
		if (broker->state.networks[i]->id == object->network)
			return broker->state.networks[i]->name;
	return NULL;
}

static void log_plan(const struct broker *broker, const struct plan *plan)
{
	if (plan->count == 0)
		return;
	char object[256], more[32] = "";
	const struct operation *first = &plan->items[0];
	static const char *const verbs[] = {"put back", "set right", "removed"};
	object_describe(&first->object, object);
	if (plan->count > 1)
		snprintf(more, sizeof(more), " and %zu more", plan->count - 1);
	const struct log_field fields[] = {{"NETWORK", network_of(broker, &first->object)}};
	log_fields(LOG_LEVEL_INFO, fields, 1, "repaired: %s %s%s", verbs[first->verb], object,
		   more);
}

static int repair(struct broker *broker, bool *ret_again, struct error *err)
{
	struct object_list actual = {0};
	struct plan plan = {0};
	int r = examine(broker, true, &actual, err);
	if (r == 0) {
		host_uplinks_examine(broker, &actual);
		plan_to(broker, &broker->state, &actual, &plan);
		r = run_both(broker, &plan, err);
		*ret_again = r < 0 && missing_set_aside(broker, &plan);
		if (r == 0) {
			if (!members_failure()[0])
				log_plan(broker, &plan);
			host_names_update(broker->host_names);
			r = (int)plan.count;
		}
	}
	object_list_done(&actual);
	plan_done(&plan);
	return r;
}

int change_repair(struct broker *broker, struct error *err)
{
	bool again = false;
	struct error why = {0};
	int r = repair(broker, &again, &why);
	if (again) {
		why = (struct error){0};
		r = repair(broker, &again, &why);
	}
	return r < 0 ? error_set(err, r, "%s", why.text) : r + missing_try(broker);
}

int change_look(struct broker *broker, struct object_list *ret_actual, struct plan *ret_plan,
		struct error *err)
{
	int r = broker_ensure(broker, err);
	if (r == 0)
		r = examine(broker, false, ret_actual, err);
	if (r < 0)
		return r;
	plan_to(broker, &broker->state, ret_actual, ret_plan);
	/* The executor told us of it by this dump; it will not tell again. */
	if (ret_plan->count > 0)
		broker_repair_soon(broker);
	return 0;
}
