/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/missing.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/change.h"

#define SECOND	      1000000ull
#define RETRY_FIRST   (1 * SECOND)
#define RETRY_LONGEST (256 * SECOND) /* nothing tells of a foreign interface that is gone */

struct port **missing_leave_out(const struct state *state, size_t *ret_count)
{
	struct port **ports = memory_zero(state->n_ports, sizeof(struct port *));
	*ret_count = 0;
	for (size_t i = 0; i < state->n_ports; i++)
		if (state_port_presence(state->ports[i]) == PORT_THERE)
			ports[(*ret_count)++] = state->ports[i];
	return ports;
}

static bool makes_port(const struct operation *operation)
{
	return operation->verb == PLAN_CREATE && operation->object.kind == OBJECT_PORT;
}

bool missing_set_aside(struct broker *broker, const struct plan *plan)
{
	const struct operation *failed = executor_client_failed(broker->executor);
	bool reached = false;
	if (!failed || !makes_port(failed))
		return false;
	for (size_t i = 0; i < plan->count; i++) {
		const char *ifname = plan->items[i].object.port.ifname;
		if (!makes_port(&plan->items[i]))
			continue;
		reached |= strncmp(ifname, failed->object.port.ifname, IFNAMSIZ) == 0;
		struct port *port = reached ? state_port(&broker->state, ifname) : NULL;
		if (port)
			state_port_set_presence(port, PORT_SET_ASIDE);
	}
	return reached;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *data)
{
	struct broker *broker = data;
	(void)source;
	(void)usec;
	broker->retry = sd_event_source_disable_unref(broker->retry);
	broker_repair_soon(broker);
	return 0;
}

static void consider_retry(struct broker *broker, bool is_any)
{
	if (!is_any) {
		broker->retry = sd_event_source_disable_unref(broker->retry);
		broker->retry_wait = 0;
	}
	if (!is_any || broker->retry)
		return;
	broker->retry_wait = clock_backoff(broker->retry_wait, RETRY_FIRST, RETRY_LONGEST);
	sd_event_add_time_relative(broker->event, &broker->retry, CLOCK_MONOTONIC,
				   broker->retry_wait, 0, on_retry, broker);
}

static int make(struct broker *broker, const struct port *port, struct error *err)
{
	struct plan plan;
	change_plan_port(broker, port, PLAN_CREATE, &plan);
	int r = executor_client_apply(broker->executor, plan.items, plan.count, -1, NULL, err);
	plan_done(&plan);
	return r;
}

static void tell(const struct port *port, const char *why)
{
	const struct log_field fields[] = {{"NETWORK", port->network}, {"PORT", port->id}};
	size_t count = sizeof(fields) / sizeof(fields[0]);
	if (why)
		log_fields(LOG_LEVEL_ERROR, fields, count,
			   "port %s on network %s is missing: %s; it is tried again until 'lanyard "
			   "port remove %s'",
			   port->id, port->network, why, port->id);
	else
		log_fields(LOG_LEVEL_INFO, fields, count, "port %s on network %s is there again",
			   port->id, port->network);
}

int missing_try(struct broker *broker)
{
	bool is_any = false;
	int made = 0;
	for (size_t i = 0; i < broker->state.n_ports; i++) {
		struct port *port = broker->state.ports[i];
		enum port_presence before = state_port_presence(port);
		struct error err = {0};
		if (before == PORT_THERE)
			continue;
		bool works = make(broker, port, &err) == 0;
		if (executor_client_is_lost(broker->executor))
			break; /* the next one tries all */
		if (works && before == PORT_MISSING)
			tell(port, NULL);
		else if (!works && before != PORT_MISSING)
			tell(port, err.text);
		state_port_set_presence(port, works ? PORT_THERE : PORT_MISSING);
		made += works;
		is_any |= !works;
	}
	consider_retry(broker, is_any);
	return made;
}
