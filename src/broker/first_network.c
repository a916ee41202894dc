/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network that an installation starts with. It is made by the broker's first start and not by
 * the package: an image of a system that is made elsewhere gets a prefix that is free where it
 * runs. A mark in the state folder says that it was made.
 */
#include "broker/first_network.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/candidate.h"
#include "broker/change.h"

static int make(struct broker *broker, const char *name, struct error *err)
{
	struct network *network = NULL;
	json_t *json = json_pack("{s:s}", "name", name), *changes = NULL;
	int r = candidate_decode(json, "first network", &network, err);
	json_decref(json);
	if (r < 0)
		return r;
	struct state candidate;
	state_copy(&broker->state, &candidate);
	r = candidate_put(broker, &candidate, network, err);
	if (r == 0)
		r = change_run(broker, &candidate, false, &changes, err);
	state_done(&candidate);
	json_decref(changes);
	return r;
}

int first_network_make(struct broker *broker, const char *name, struct error *err)
{
	AUTO_FREE char *mark = text_format("%s/first-network", broker->paths.state);
	if (access(mark, F_OK) == 0)
		return 0;
	int r = broker->state.n_networks ? 0 : make(broker, name, err);
	if (r < 0)
		return error_prefix(err, "making the network '%s'", name);
	if (broker->state.n_networks)
		log_info("network '%s' is the first one", name);
	return file_write_atomic(mark, name, strlen(name), 0600, true, err);
}
