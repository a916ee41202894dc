/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/permits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "broker/broker.h"
#include "ipc/errand_permits.h"
#include "model/node.h"

#define SETTINGS_LIMIT 65536
#define PAUSE_USEC     2000000u
#define PAUSE_MAX_USEC 60000000u

/* Said when it becomes so, not with every plan. */
static bool said_steward, said_failure, said_hands_off;
static bool is_waiting; /* to look again */
static uint64_t pause_usec;
/* Who was there at the last plan. */
static bool seen[PERMIT_OWNERS];

static bool is_enabled_ufw(void)
{
	AUTO_FREE char *text = NULL;
	return file_read("/etc/ufw/ufw.conf", SETTINGS_LIMIT, &text, NULL) > 0 &&
	       strstr(text, "\nENABLED=yes");
}

/* Neither costs a process where neither is installed. */
static bool may_be_there(void)
{
	return access("/etc/ufw", F_OK) == 0 || access("/etc/firewalld", F_OK) == 0;
}

static void take_answer(const struct broker *broker, const struct errand_permits *answer,
			struct object_list *actual)
{
	for (unsigned owner = 0; owner < PERMIT_OWNERS; owner++)
		if (answer->owners & 1u << owner)
			object_list_add(actual, OBJECT_PERMIT, 0)->permit.owner = (uint8_t)owner;
	for (uint32_t i = 0; i < answer->count; i++) {
		const struct errand_permit *row = &answer->rows[i];
		uint32_t id = row->network;
		for (size_t j = 0; j < broker->state.n_networks && id == 0; j++)
			if (strcmp(broker->state.networks[j]->ifname, row->permit.ifname) == 0)
				id = broker->state.networks[j]->id;
		object_list_add(actual, OBJECT_PERMIT, id)->permit = row->permit;
	}
}

static int on_again(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	is_waiting = false;
	broker_repair_soon(data);
	return 0;
}

/* Nobody tells when another ufw, or whatever it was, has ended. */
static void look_again(struct broker *broker)
{
	if (is_waiting)
		return;
	pause_usec = clock_backoff(pause_usec, PAUSE_USEC, PAUSE_MAX_USEC);
	is_waiting = sd_event_add_time_relative(broker->event, NULL, CLOCK_MONOTONIC, pause_usec,
						PAUSE_USEC / 10, on_again, broker) >= 0;
}

void permits_dump(struct broker *broker, struct object_list *actual)
{
	struct error why = {0};
	if (!broker->paths.system || !may_be_there())
		return;
	AUTO_FREE struct errand_permits *answer = memory_zero(1, sizeof(*answer));
	int r = errand_permits_call(&broker->paths, answer, &why);
	if (r == -ENOENT) {
		if (!said_steward && is_enabled_ufw())
			log_warning("ufw is enabled and no lanyard-steward runs: its rules for our "
				    "networks cannot be looked after ('lanyard doctor' shows what "
				    "is missing)");
		said_steward = true;
		return;
	}
	said_steward = false;
	if (r < 0 && !said_failure)
		log_warning("what other firewalls do to our networks is not known: %s", why.text);
	said_failure = r < 0;
	if (r < 0) {
		look_again(broker);
		return;
	}
	pause_usec = 0;
	take_answer(broker, answer, actual);
}

/* Read each time: it is the administrator's, and small. What cannot be read stays as careful. */
static bool is_hands_off(const struct broker *broker)
{
	AUTO_FREE char *path = text_format("/etc/lanyard/%s.yaml", broker->paths.instance);
	AUTO_FREE char *text = NULL;
	struct node *node = NULL;
	struct error err = {0};
	ssize_t length = file_read(path, SETTINGS_LIMIT, &text, &err);
	if (length == -ENOENT)
		return false;
	if (length < 0 || node_from_yaml(path, text, (size_t)length, &node, &err) < 0) {
		log_warning("%s (other firewalls are left alone)", err.text);
		return true;
	}
	const struct node *value = node_child(node, "firewall");
	bool automatic = !value || (value->text && strcmp(value->text, "auto") == 0);
	if (!automatic && !(value->text && strcmp(value->text, "hands-off") == 0))
		log_warning("%s: firewall is 'auto' or 'hands-off' (other firewalls are left "
			    "alone)",
			    value->place);
	node_free(node);
	return !automatic;
}

static bool is_forwarding(const struct object_list *wanted, const char *ifname)
{
	for (size_t i = 0; i < wanted->count; i++)
		if (wanted->items[i].kind == OBJECT_FORWARDING &&
		    strcmp(wanted->items[i].forwarding.ifname, ifname) == 0)
			return wanted->items[i].forwarding.ipv4 || wanted->items[i].forwarding.ipv6;
	return false;
}

static bool is_bridge_filtered(unsigned owner)
{
	AUTO_FREE char *text = NULL;
	const char *path = owner == PERMIT_DOCKER6 ? "/proc/sys/net/bridge/bridge-nf-call-ip6tables"
						   : "/proc/sys/net/bridge/bridge-nf-call-iptables";
	return file_read(path, 16, &text, NULL) > 0 && text[0] == '1';
}

/* A bridge of the LAN is no interface that the host forwards by: only from port to port, and only
 * where that is shown to iptables. Of firewalld nothing: its zone is the host's own NIC's. */
static uint8_t parts_for(const struct network *network, unsigned owner, bool forwards)
{
	bool docker = owner == PERMIT_DOCKER || owner == PERMIT_DOCKER6;
	if (network->openvswitch) /* which shows frames to no packet filter of the host's */
		return 0;
	bool has_family = owner == PERMIT_DOCKER6  ? ip_is_set(&network->ipv6[0])
			  : owner == PERMIT_DOCKER ? ip_is_set(&network->ipv4[0])
						   : true;
	if (network->mode == NETWORK_BRIDGED)
		return docker && is_bridge_filtered(owner) ? PERMIT_ACROSS : 0;
	if (docker)
		return forwards && has_family ? PERMIT_FORWARD : 0;
	if (owner == PERMIT_FIREWALLD)
		return PERMIT_INPUT | PERMIT_FORWARD;
	return forwards ? PERMIT_INPUT | PERMIT_FORWARD : PERMIT_INPUT;
}

static void want(const struct state *state, unsigned owner, struct object_list *wanted)
{
	for (size_t i = 0; i < state->n_networks; i++) {
		const struct network *network = state->networks[i];
		uint8_t parts = parts_for(network, owner, is_forwarding(wanted, network->ifname));
		if (!parts)
			continue;
		struct object_permit *permit =
			&object_list_add(wanted, OBJECT_PERMIT, network->id)->permit;
		memcpy(permit->ifname, network->ifname, IFNAMSIZ);
		permit->owner = (uint8_t)owner;
		permit->parts = parts;
	}
}

static void advise(unsigned owner, const struct state *state)
{
	if (!said_hands_off && state->n_networks)
		log_warning("%s drops what our networks forward, and is left alone (firewall: "
			    "hands-off); 'lanyard doctor' says what would mend it",
			    permit_owner_name(owner));
}

void permits_expand(const struct broker *broker, const struct state *state,
		    const struct object_list *actual, struct object_list *wanted)
{
	bool owners[PERMIT_OWNERS] = {0}, any = false;
	for (size_t i = 0; i < actual->count; i++) {
		const struct object *object = &actual->items[i];
		if (object->kind != OBJECT_PERMIT || object->permit.ifname[0])
			continue;
		*object_list_add(wanted, OBJECT_PERMIT, 0) = *object; /* a fact */
		owners[object->permit.owner] = any = true;
	}
	memcpy(seen, owners, sizeof(seen));
	bool hands_off = any && is_hands_off(broker);
	for (unsigned owner = 0; owner < PERMIT_OWNERS; owner++) {
		if (!owners[owner])
			continue;
		if (hands_off)
			advise(owner, state);
		else
			want(state, owner, wanted);
	}
	if (state->n_networks)
		said_hands_off = hands_off;
}

static json_t *place_of(const struct broker *broker, unsigned owner)
{
	char zone[PERMIT_ZONE_SIZE];
	permit_zone_name(broker->paths.instance, zone);
	if (owner == PERMIT_FIREWALLD)
		return json_sprintf("zone %s, policies %s-in and %s-out", zone, zone, zone);
	if (owner == PERMIT_UFW)
		return json_sprintf("user rules with the comment lanyard:%s:ID",
				    broker->paths.instance);
	return json_sprintf("chain DOCKER-USER of %s, with the comment lanyard:%s:ID",
			    owner == PERMIT_DOCKER6 ? "ip6tables" : "iptables",
			    broker->paths.instance);
}

static json_t *interfaces_of(const struct object_list *wanted, unsigned owner)
{
	json_t *list = json_array();
	for (size_t i = 0; i < wanted->count; i++)
		if (wanted->items[i].kind == OBJECT_PERMIT &&
		    wanted->items[i].permit.owner == owner)
			json_array_append_new(list, json_string(wanted->items[i].permit.ifname));
	return list;
}

json_t *permits_json(const struct broker *broker)
{
	const struct state *state = &broker->state;
	struct object_list wanted = {0};
	json_t *list = json_array();
	bool any = false;
	for (unsigned owner = 0; owner < PERMIT_OWNERS; owner++)
		any |= seen[owner];
	if (!any)
		return list;
	bool hands_off = is_hands_off(broker);
	object_expand(state->networks, state->n_networks, NULL, 0, &wanted);
	for (unsigned owner = 0; owner < PERMIT_OWNERS; owner++) {
		if (!seen[owner])
			continue;
		if (!hands_off)
			want(state, owner, &wanted);
		json_array_append_new(list, json_pack("{s:s, s:b, s:o, s:o}", "owner",
						      permit_owner_name(owner), "hands_off",
						      hands_off, "place", place_of(broker, owner),
						      "interfaces", interfaces_of(&wanted, owner)));
	}
	object_list_done(&wanted);
	return list;
}

bool permits_is_stewards(const struct operation *operation)
{
	return operation->object.kind == OBJECT_PERMIT &&
	       (operation->object.permit.owner == PERMIT_UFW ||
		operation->object.permit.owner == PERMIT_FIREWALLD);
}

int permits_run(struct broker *broker, const struct operation *operations, size_t count,
		struct error *err)
{
	AUTO_FREE struct errand_permits *errand = memory_zero(1, sizeof(*errand));
	for (size_t i = 0; i < count; i++) {
		if (!permits_is_stewards(&operations[i]) || errand->count == ERRAND_PERMITS_MAX)
			continue;
		struct errand_permit *row = &errand->rows[errand->count++];
		row->network = operations[i].object.network;
		row->permit = operations[i].object.permit;
		row->verb = operations[i].verb == PLAN_DELETE ? PERMIT_REMOVE : PERMIT_SET;
	}
	return errand->count ? errand_permits_call(&broker->paths, errand, err) : 0;
}
