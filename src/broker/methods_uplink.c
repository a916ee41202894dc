/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's NICs in bridges of ours: adding, confirming, removing, listing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/change.h"
#include "broker/host_uplinks.h"
#include "broker/methods.h"
#include "broker/sight.h"
#include "model/name.h"
#include "model/object_host.h"
#include "model/schema.h"

#define SECONDS_DEFAULT 90
#define SECONDS_MIN	5
#define SECONDS_MAX	3600

static int check_system(const struct broker *broker, struct error *err)
{
	if (broker->paths.system)
		return 0;
	return error_set(err, EPERM,
			 "a NIC of the host can only be bridged by the computer's instance: use "
			 "--system, as root");
}

/* "192.0.2.9 51234 192.0.2.2 22", as sshd puts it into SSH_CONNECTION. */
static int read_session(const char *text, struct object_uplink *uplink, struct error *err)
{
	char peer[64], local[64];
	unsigned peer_port, local_port;
	if (!text || !*text)
		return 0;
	char *zone;
	if (sscanf(text, "%63s %u %63s %u", peer, &peer_port, local, &local_port) != 4 ||
	    peer_port > 65535 || local_port > 65535)
		return error_set(err, EINVAL, "'%s' is not of the form of SSH_CONNECTION", text);
	if ((zone = strchr(peer, '%')))
		*zone = '\0';
	if ((zone = strchr(local, '%')))
		*zone = '\0';
	int r = ip_parse(peer, &uplink->peer, err);
	if (r == 0)
		r = ip_parse(local, &uplink->local, err);
	uplink->peer_port = (uint16_t)peer_port;
	uplink->local_port = (uint16_t)local_port;
	return r;
}

static bool carries_session(const struct object_list *before, const struct object_uplink *uplink)
{
	struct ip ip;
	for (size_t i = 0; i < before->count; i++)
		if (object_host_address(&before->items[i], &ip) &&
		    ip.family == uplink->local.family && ip_equal(&ip, &uplink->local))
			return true;
	return false;
}

static int read_seconds(const json_t *parameters, uint32_t *ret, struct error *err)
{
	const json_t *given = json_object_get(parameters, "confirm_within");
	json_int_t seconds = json_is_integer(given) ? json_integer_value(given) : SECONDS_DEFAULT;
	if (seconds != 0 && (seconds < SECONDS_MIN || seconds > SECONDS_MAX))
		return error_set(err, EINVAL,
				 "%lld seconds to confirm: it is %d to %d, or 0 for no way back",
				 (long long)seconds, SECONDS_MIN, SECONDS_MAX);
	*ret = (uint32_t)seconds;
	return 0;
}

static int check_deadline(const struct object_list *before, const struct object_uplink *uplink,
			  struct error *err)
{
	if (uplink->seconds || !carries_session(before, uplink))
		return 0;
	return error_set(
		err, EINVAL,
		"'%s' carries the session that you call from, so there must be a way back: "
		"leave --confirm-within out, or give it seconds",
		uplink->ifname);
}

/* A network of its own, whose bridge looks like the NIC. */
static struct network *make_network(const char *name, const struct object_host_link *nic,
				    bool unconfirmed)
{
	struct network *network = network_new();
	snprintf(network->name, sizeof(network->name), "%s", name);
	snprintf(network->uplink, sizeof(network->uplink), "%s", nic->ifname);
	network->mode = NETWORK_BRIDGED;
	network->ipv4_choice = network->ipv6_choice = FAMILY_NONE;
	network->dhcp = network->dns = network->ra = false; /* the LAN has its own */
	network->mac = nic->mac;
	network->mtu = nic->mtu;
	network->unconfirmed = unconfirmed;
	return network;
}

static int check_name_free(const struct broker *broker, const char *name, struct error *err)
{
	const struct network *network = state_network(&broker->state, name);
	if (!network)
		return 0;
	if (network->uplink[0])
		return error_set(err, EEXIST,
				 "network '%s' has the uplink %s already; choose another name "
				 "(--to NAME)",
				 name, network->uplink);
	return error_set(
		err, EEXIST,
		"there is a network '%s' already (mode %s); a NIC gets a network of its own: "
		"choose another name (--to NAME)",
		name, network_mode_name(network->mode));
}

/* What the executor would plan of the host's objects. */
static void add_host_changes(const struct object_list *before, const char *nic, const char *bridge,
			     json_t *changes)
{
	struct object_list wanted = {0}, actual = {0};
	struct object_host_link top = {0};
	struct plan plan;
	memcpy(top.ifname, bridge, strlen(bridge));
	for (size_t i = 0; i < before->count; i++)
		if (before->items[i].kind >= OBJECT_HOST_LINK)
			*object_list_add(&actual, before->items[i].kind, 0) = before->items[i];
	object_host_onto(&actual, nic, &top, &wanted);
	object_list_add(&actual, OBJECT_HOST_LINK, 0)->host_link = top;
	plan_build(&wanted, &actual, &plan);
	json_t *more = change_json(&plan);
	json_array_extend(changes, more);
	json_decref(more);
	plan_done(&plan);
	object_list_done(&wanted);
	object_list_done(&actual);
}

struct adding {
	const char *name; /* of the network */
	bool dry_run;
	struct object object;
	struct object_list before;
};

static int ask_executor(struct broker *broker, struct adding *adding, struct error *err)
{
	struct object_uplink *uplink = &adding->object.uplink;
	adding->object.kind = OBJECT_UPLINK;
	network_ifname(adding->name, 0, uplink->bridge);
	uplink->moved = 1;
	int r = broker_ensure(broker, err);
	if (r == 0)
		r = executor_client_survey(broker->executor, &adding->object, &adding->before, err);
	if (r == 0)
		r = check_deadline(&adding->before, uplink, err);
	if (r == 0 && !object_host_link(&adding->before, uplink->ifname))
		r = error_set(err, EPROTO, "the executor said nothing of '%s'", uplink->ifname);
	for (size_t i = 0; i < adding->before.count; i++)
		if (adding->before.items[i].kind == OBJECT_UPLINK)
			memcpy(uplink->report, adding->before.items[i].uplink.report,
			       sizeof(uplink->report));
	return r;
}

static int add(struct broker *broker, struct adding *adding, json_t **ret_network,
	       json_t **ret_changes, struct error *err)
{
	struct object_uplink *uplink = &adding->object.uplink;
	const struct object_host_link *nic = object_host_link(&adding->before, uplink->ifname);
	struct network *network = make_network(adding->name, nic, uplink->seconds > 0);
	int r = network_settle(network, err);
	if (r < 0) {
		network_free(network);
		return r;
	}
	struct state candidate;
	state_copy(&broker->state, &candidate);
	network = state_put_network(&candidate, network);
	*ret_network = schema_encode(&network_schema, network);
	char bridge[IFNAMSIZ];
	memcpy(bridge, network->ifname, sizeof(bridge));
	broker->adding = uplink;
	if (!adding->dry_run)
		r = host_uplinks_coming(broker, network, uplink->seconds, err);
	if (r == 0)
		r = change_run(broker, &candidate, adding->dry_run, ret_changes, err);
	if (r < 0 && !adding->dry_run)
		host_uplinks_not_come(broker, network);
	broker->adding = NULL;
	state_done(&candidate);
	if (r == 0)
		add_host_changes(&adding->before, uplink->ifname, bridge, *ret_changes);
	return r;
}

static int read_parameters(const json_t *parameters, struct adding *adding, struct error *err)
{
	struct object_uplink *uplink = &adding->object.uplink;
	const char *nic = methods_text(parameters, "interface");
	const char *name = methods_text(parameters, "network");
	adding->name = name ? name : "lan";
	adding->dry_run = methods_flag(parameters, "dry_run");
	if (!name_is_interface(nic))
		return error_set(err, EINVAL, "'%.20s' is no name of an interface", nic);
	snprintf(uplink->ifname, sizeof(uplink->ifname), "%s", nic);
	uplink->by_hand = methods_flag(parameters, "by_hand");
	int r = name_check(adding->name, "network", err);
	if (r == 0)
		r = read_seconds(parameters, &uplink->seconds, err);
	if (r == 0)
		r = read_session(methods_text(parameters, "session"), uplink, err);
	return r;
}

int methods_add_uplink(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	struct adding adding = {0};
	json_t *network = NULL, *changes = NULL;
	int r = check_system(broker, err);
	if (r == 0)
		r = read_parameters(parameters, &adding, err);
	const struct network *other =
		r == 0 ? host_uplinks_find(&broker->state, adding.object.uplink.ifname) : NULL;
	if (other)
		r = error_set(err, EEXIST, "'%s' is the uplink of network '%s' already",
			      other->uplink, other->name);
	if (r == 0)
		r = check_name_free(broker, adding.name, err);
	if (r == 0)
		r = ask_executor(broker, &adding, err);
	if (r == 0)
		r = add(broker, &adding, &network, &changes, err);
	object_list_done(&adding.before);
	if (r < 0) {
		json_decref(network);
		json_decref(changes);
		return r;
	}
	const struct object_uplink *uplink = &adding.object.uplink;
	const char *owner = host_uplinks_owner(broker, uplink->ifname);
	if (!uplink->seconds && !adding.dry_run)
		host_uplinks_keep(broker, state_network(&broker->state, adding.name));
	json_t *answer = json_pack("{s:o, s:o, s:i}", "network", network, "changes", changes,
				   "seconds", (int)uplink->seconds);
	if (uplink->report[0])
		json_object_set_new(answer, "report", json_string(uplink->report));
	if (owner)
		json_object_set_new(answer, "owner", json_string(owner));
	varlink_reply(call, answer);
	return 0;
}

static const struct object_uplink *actual_of(const struct object_list *actual, const char *nic)
{
	for (size_t i = 0; i < actual->count; i++)
		if (actual->items[i].kind == OBJECT_UPLINK &&
		    strcmp(actual->items[i].uplink.ifname, nic) == 0)
			return &actual->items[i].uplink;
	return NULL;
}

static json_t *uplink_json(const struct network *network, const struct object_uplink *actual)
{
	bool is_there = if_nametoindex(network->uplink) > 0;
	const char *state = !is_there		   ? "unplugged"
			    : !actual		   ? "missing"
			    : network->unconfirmed ? "unconfirmed"
			    : actual->moved	   ? "up"
						   : "disturbed";
	json_t *json = json_pack("{s:s, s:s, s:s, s:s}", "interface", network->uplink, "network",
				 network->name, "bridge", network->ifname, "state", state);
	char mac[MAC_TEXT_SIZE];
	json_object_set_new(json, "mac", json_string(mac_format(&network->mac, mac)));
	json_object_set_new(json, "mtu", json_integer(network->mtu));
	if (actual && network->unconfirmed)
		json_object_set_new(json, "seconds", json_integer(actual->seconds));
	if (actual && actual->report[0])
		json_object_set_new(json, "report", json_string(actual->report));
	return json;
}

int methods_list_uplinks(struct varlink_call *call, json_t *parameters, void *data,
			 struct error *err)
{
	struct broker *broker = data;
	struct object_list actual = {0};
	json_t *list = json_array();
	(void)parameters;
	int r = broker->paths.system ? broker_ensure(broker, err) : 0;
	if (r == 0 && broker->paths.system)
		r = executor_client_dump(broker->executor, &actual, err);
	if (r == 0)
		host_uplinks_examine(broker, &actual);
	const struct state *sight = sight_of(broker);
	for (size_t i = 0; r == 0 && i < sight->n_networks; i++) {
		const struct network *network = sight->networks[i];
		if (network->uplink[0])
			json_array_append_new(
				list, uplink_json(network, actual_of(&actual, network->uplink)));
	}
	object_list_done(&actual);
	if (r < 0) {
		json_decref(list);
		return r;
	}
	/* what the dump has shown of others' deeds is not told again */
	broker_repair_soon(broker);
	varlink_reply(call, json_pack("{s:o}", "uplinks", list));
	return 0;
}

/* All that wait for it, or the one that is named. */
int methods_confirm_uplink(struct varlink_call *call, json_t *parameters, void *data,
			   struct error *err)
{
	struct broker *broker = data;
	const char *nic = methods_text(parameters, "interface");
	json_t *confirmed = json_array();
	int r = check_system(broker, err);
	if (r == 0)
		r = broker_ensure(broker, err);
	for (size_t i = 0; r == 0 && i < broker->state.n_networks; i++) {
		const struct network *network = broker->state.networks[i];
		if (!network->unconfirmed || (nic && strcmp(nic, network->uplink) != 0))
			continue;
		struct object object = {.kind = OBJECT_UPLINK};
		memcpy(object.uplink.ifname, network->uplink, strlen(network->uplink));
		memcpy(object.uplink.bridge, network->ifname, strlen(network->ifname));
		r = executor_client_confirm(broker->executor, &object, err);
		if (r == 0)
			json_array_append_new(confirmed, json_string(network->uplink));
	}
	if (r == 0 && json_array_size(confirmed) == 0)
		r = error_set(err, ENOENT, "nothing waits for confirmation%s%s",
			      nic ? " on "
				  : " (it may have gone back already: lanyard uplink list)",
			      nic ? nic : "");
	if (r == 0)
		r = change_repair(broker, err); /* which takes it over into the definitions */
	if (r < 0) {
		json_decref(confirmed);
		return r;
	}
	varlink_reply(call, json_pack("{s:o}", "confirmed", confirmed));
	return 0;
}

int methods_remove_uplink(struct varlink_call *call, json_t *parameters, void *data,
			  struct error *err)
{
	const struct broker *broker = data;
	const char *nic = methods_text(parameters, "interface");
	const struct network *network = host_uplinks_find(&broker->state, nic);
	if (!network)
		return error_set(err, ENOENT,
				 "'%.20s' is no uplink; 'lanyard uplink list' lists them", nic);
	json_t *forward = json_pack("{s:s, s:b, s:b}", "name", network->name, "force",
				    methods_flag(parameters, "force"), "dry_run",
				    methods_flag(parameters, "dry_run"));
	int r = methods_remove_network(call, forward, data, err);
	json_decref(forward);
	return r;
}
