/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Promises of addresses and names, made and taken back one by one. */
#include <string.h>

#include "base/error.h"
#include "broker/broker.h"
#include "broker/candidate.h"
#include "broker/handmade.h"
#include "broker/methods.h"
#include "model/schema.h"

static int decode_reservation(const json_t *json, struct reservation *ret, struct error *err)
{
	struct node *node = NULL;
	*ret = (struct reservation){0};
	int r = node_from_json("parameters.reservation", json, &node, err);
	if (r == 0)
		r = schema_decode(&reservation_schema, node, ret, false, err);
	node_free(node);
	return r;
}

/* What is not said anew of a reservation stays. */
static void keep_unsaid(struct reservation *reservation, const struct reservation *old)
{
	reservation->automatic = old->automatic;
	if (!mac_is_set(&reservation->mac))
		reservation->mac = old->mac;
	if (!ip_is_set(&reservation->ipv4))
		reservation->ipv4 = old->ipv4;
	if (!ip_is_set(&reservation->ipv6) && mac_equal(&reservation->mac, &old->mac))
		reservation->ipv6 = old->ipv6;
}

int methods_reserve(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	struct reservation reservation;
	const struct network *before =
		methods_network(&broker->state, methods_text(parameters, "network"), err);
	if (!before)
		return -err->code;
	int r = decode_reservation(json_object_get(parameters, "reservation"), &reservation, err);
	if (r < 0)
		return r;
	struct network *network = network_copy(before);
	const struct reservation *old = network_reservation(network, reservation.name);
	if (old) {
		keep_unsaid(&reservation, old);
		struct error ignored = {0};
		network_unreserve(network, reservation.name, &ignored);
	}
	r = network_reserve(network, &reservation, err);
	if (r < 0) {
		network_free(network);
		return r;
	}
	struct state candidate;
	state_copy(&broker->state, &candidate);
	r = candidate_put(broker, &candidate, network, err);
	if (r < 0) {
		state_done(&candidate);
		return r;
	}
	char name[NAME_SIZE];
	memcpy(name, before->name, sizeof(name));
	json_t *json = schema_encode(
		&reservation_schema,
		network_reservation(state_network(&candidate, name), reservation.name));
	json_incref(json);
	r = methods_finish(call, broker, &candidate, parameters, "reservation", json, err);
	if (r == 0 && !methods_flag(parameters, "dry_run"))
		handmade_note_reservation(&broker->state, state_network(&broker->state, name),
					  reservation.name, json);
	json_decref(json);
	return r;
}

int methods_unreserve(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	const struct network *before =
		methods_network(&broker->state, methods_text(parameters, "network"), err);
	if (!before)
		return -err->code;
	struct network *network = network_copy(before);
	int r = network_unreserve(network, methods_text(parameters, "name"), err);
	if (r < 0) {
		network_free(network);
		return r;
	}
	struct state candidate;
	state_copy(&broker->state, &candidate);
	state_put_network(&candidate, network);
	char name[NAME_SIZE];
	memcpy(name, before->name, sizeof(name));
	r = methods_finish(call, broker, &candidate, parameters, NULL, NULL, err);
	if (r == 0 && !methods_flag(parameters, "dry_run"))
		handmade_note_reservation(&broker->state, state_network(&broker->state, name),
					  methods_text(parameters, "name"), NULL);
	return r;
}
