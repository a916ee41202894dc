/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/planned.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/candidate.h"
#include "broker/change.h"
#include "broker/handmade.h"

int planned_put(struct state *candidate, const char *name, const json_t *settings, int64_t after,
		struct error *err)
{
	struct network *network = state_network(candidate, name);
	AUTO_FREE char *text = json_dumps(settings, JSON_COMPACT | JSON_SORT_KEYS);
	if (after < 1 || after > PLANNED_MAX)
		return error_set(err, EINVAL, "a change is planned for at most a year from now");
	if (!text || strlen(text) >= sizeof(network->planned))
		return error_set(err, EINVAL, "that is too much for one planned change");
	snprintf(network->planned, sizeof(network->planned), "%s", text);
	network->planned_at = (uint32_t)(time(NULL) + after);
	return 0;
}

int64_t planned_next(const struct broker *broker)
{
	int64_t next = 0;
	for (size_t i = 0; i < broker->state.n_networks; i++) {
		int64_t at = broker->state.networks[i]->planned_at;
		if (at && (next == 0 || at < next))
			next = at;
	}
	return next;
}

static int change(struct broker *broker, struct state *candidate, struct error *err)
{
	json_t *changes = NULL;
	int r = change_run(broker, candidate, false, &changes, err);
	json_decref(changes);
	return r;
}

static int carry_out(struct broker *broker, const char *name, const json_t *settings,
		     struct error *err)
{
	struct state candidate;
	json_t *was = schema_encode(&network_schema, state_network(&broker->state, name));
	state_copy(&broker->state, &candidate);
	int r = candidate_set(broker, &candidate, name, settings, err);
	if (r == 0)
		r = change(broker, &candidate, err);
	state_done(&candidate);
	if (r == 0)
		handmade_note_settings(&broker->state, state_network(&broker->state, name), was,
				       settings);
	json_decref(was);
	return r;
}

static void forget(struct broker *broker, const char *name)
{
	struct error err = {0};
	struct state candidate;
	state_copy(&broker->state, &candidate);
	network_forget_planned(state_network(&candidate, name));
	if (change(broker, &candidate, &err) < 0)
		log_error("network %s: forgetting its planned change: %s", name, err.text);
	state_done(&candidate);
}

static void run_one(struct broker *broker, const char *name, const char *planned)
{
	struct error err = {0};
	json_t *settings = json_loads(planned, 0, NULL);
	int r = settings ? carry_out(broker, name, settings, &err)
			 : error_set(&err, EBADMSG, "its definition is damaged");
	json_decref(settings);
	if (r == 0) {
		log_info("network %s: changed as planned", name);
		return;
	}
	log_error("network %s: the planned change is not possible: %s", name, err.text);
	forget(broker, name);
}

void planned_run(struct broker *broker, int64_t now)
{
	for (size_t i = 0; i < broker->state.n_networks; i++) {
		const struct network *network = broker->state.networks[i];
		if (!network->planned_at || network->planned_at > now)
			continue;
		char name[NAME_SIZE], planned[PLANNED_SIZE];
		memcpy(name, network->name, sizeof(name));
		memcpy(planned, network->planned, sizeof(planned));
		run_one(broker, name, planned);
		if (state_network(&broker->state, name)->planned_at)
			return; /* not even forgotten: the next change tries again */
		i = (size_t)-1; /* the networks are others now */
	}
}
