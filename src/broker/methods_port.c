/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports: where NICs are plugged in. The path of AddPort is the fast one: no dump, nothing synced.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "broker/broker.h"
#include "broker/candidate.h"
#include "broker/change.h"
#include "broker/methods.h"
#include "broker/sight.h"
#include "model/schema.h"

#define ID_LENGTH                                                                                  \
	6 /* 31 bits: a thousand ports collide once in four thousand tries, and then are tried     \
	     again */

static json_t *port_json(const struct port *port)
{
	json_t *json = schema_encode(&port_schema, port);
	json_object_set_new(json, "ifname", json_string(port->ifname));
	bool there = state_port_presence(port) == PORT_THERE;
	json_object_set_new(json, "state",
			    json_string(!there	     ? "missing"
					: port->down ? "down"
						     : "up"));
	json_object_set_new(json, "creator", json_integer(state_port_creator(port)));
	return json;
}

static bool is_on(const struct port *port, const char *network)
{
	return !network || strcmp(port->network, network) == 0;
}

json_t *methods_ports_json(struct broker *broker, const char *network)
{
	const struct state *sight = sight_of(broker);
	json_t *list = json_array();
	for (size_t i = 0; i < sight->n_ports; i++)
		if (is_on(sight->ports[i], network))
			json_array_append_new(list, port_json(sight->ports[i]));
	return list;
}

int methods_list_ports(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	const char *network = methods_text(parameters, "network");
	const char *name = methods_text(parameters, "port");
	if (network && !methods_network(&broker->state, network, err))
		return -err->code;
	const struct port *port = name ? sight_port(broker, name, err) : NULL;
	if (name && !port)
		return -err->code;
	json_t *list = !name		      ? methods_ports_json(broker, network)
		       : is_on(port, network) ? json_pack("[o]", port_json(port))
					      : json_array();
	varlink_reply(call, json_pack("{s:o}", "ports", list));
	return 0;
}

static int draw_id(char id[PORT_ID_SIZE], struct error *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	unsigned char bytes[ID_LENGTH];
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return error_errno(err, errno, "getrandom");
	for (int i = 0; i < ID_LENGTH; i++)
		id[i] = letters[bytes[i] % (sizeof(letters) - 1)];
	id[ID_LENGTH] = '\0';
	/* "c" and digits would be the name of a network's silent port */
	if (id[0] == 'c')
		id[0] = 'd';
	return 0;
}

/* Drawn one port ahead: under that name its tap may be there already. */
static int choose_id(struct broker *broker, const struct state *model, struct port *port,
		     struct error *err)
{
	do {
		memcpy(port->id, broker->next_port, sizeof(broker->next_port));
		int r = draw_id(broker->next_port, err);
		if (r < 0)
			return r;
	} while (!port->id[0] || state_port(model, port->id));
	return 0;
}

static bool is_reserved(const struct network *network, const struct mac *mac)
{
	for (size_t i = 0; i < network->n_reservations; i++)
		if (mac_equal(&network->reservations[i].mac, mac))
			return true;
	return false;
}

/* Two NICs of one MAC on a segment steal each other's frames. */
static int check_mac(struct broker *broker, const struct state *model, const struct port *port,
		     struct error *err)
{
	const struct port *other = state_port_mac(model, &port->mac, port->network, port->id);
	/* Its machine may have ended this moment: look at the kernel before refusing. */
	if (other && change_repair(broker, NULL) >= 0)
		other = state_port_mac(model, &port->mac, port->network, port->id);
	if (!other)
		return 0;
	char mac[MAC_TEXT_SIZE];
	return error_set(err, EEXIST,
			 "MAC %s is on network '%s' already, at port %s%s%s; choose another one, "
			 "or leave it out",
			 mac_format(&port->mac, mac), port->network, other->id,
			 other->machine[0] ? " of " : "", other->machine);
}

static int settle_mac(struct broker *broker, const struct state *model,
		      const struct network *network, struct port *port, struct error *err)
{
	if (mac_is_set(&port->mac))
		return check_mac(broker, model, port, err);
	AUTO_FREE char *seed = text_format("%s/%s/%s", broker->paths.instance, port->network,
					   port->machine[0] ? port->machine : port->id);
	unsigned probe = 0;
	do {
		port->mac = mac_hash(seed, probe++);
	} while (state_port_mac(model, &port->mac, port->network, port->id) ||
		 is_reserved(network, &port->mac));
	return 0;
}

static int check_ifname(const struct state *state, const struct port *port, struct error *err)
{
	const struct port *other = state_port_ifname(state, port->ifname);
	return !other ? 0
		      : error_set(err, EEXIST, "interface %s is port %s already", port->ifname,
				  other->id);
}

/* A machine that has just ended may still count: look before refusing. */
static int check_count(struct broker *broker, const struct state *model, const struct port *port,
		       struct error *err)
{
	struct error first = {0};
	if (authorise_port_count(broker, model, port, &first) == 0)
		return 0;
	(void)change_repair(broker, NULL);
	return authorise_port_count(broker, model, port, err);
}

static int decode_port(json_t *json, struct port *ret, struct error *err)
{
	static const char *const ours[] = {"netns", "id", "state", "creator", "strikes"};
	struct node *node = NULL;
	json_t *rest = json_copy(json);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		json_object_del(rest, ours[i]);
	*ret = (struct port){.queues = 1, .owner = (uint32_t)-1, .group = (uint32_t)-1};
	int r = node_from_json("parameters.port", rest, &node, err);
	if (r == 0)
		r = schema_decode(&port_schema, node, ret, false, err);
	node_free(node);
	json_decref(rest);
	return r;
}

static int settle_port(struct broker *broker, const struct state *model, uid_t uid,
		       struct port *port, struct error *err)
{
	const struct network *network = methods_network(model, port->network, err);
	if (!network)
		return -err->code;
	/* A tap without owner opens to everybody. */
	if (port->kind == PORT_TAP_NAMED && port->owner == (uint32_t)-1 &&
	    port->group == (uint32_t)-1)
		port->owner = uid;
	int r = choose_id(broker, model, port, err);
	if (r == 0)
		r = settle_mac(broker, model, network, port, err);
	if (r == 0)
		r = port_settle(port, err);
	if (r == 0)
		r = check_ifname(model, port, err);
	if (r == 0)
		r = port_check_network(port, network, err);
	return r < 0 ? r : candidate_check_vlans(broker, network, port, err);
}

/* One that is to be added to the model, or to a candidate for it. */
static int build_port(struct broker *broker, const struct state *model, uid_t uid, json_t *json,
		      struct port *ret, struct error *err)
{
	int r = decode_port(json, ret, err);
	if (r == 0)
		r = authorise_port(broker, ret, err);
	if (r == 0)
		r = check_count(broker, model, ret, err);
	if (r < 0)
		return r;
	const struct port asked = *ret;
	r = settle_port(broker, model, uid, ret, err);
	if (r != -EEXIST)
		return r;
	/* A machine that is started again comes before we hear that its old tap is gone: look. */
	struct error ignored = {0};
	if (broker_ensure(broker, &ignored) < 0 || change_repair(broker, &ignored) < 0)
		return r;
	*err = (struct error){0};
	*ret = asked;
	return settle_port(broker, model, uid, ret, err);
}

static int take_netns(struct varlink_call *call, const json_t *json, const struct port *port,
		      int *ret, struct error *err)
{
	const json_t *index = json_object_get(json, "netns");
	if (port->kind != PORT_NETNS)
		return !index ? 0
			      : error_set(
					err, EINVAL,
					"parameters.port.netns: only a port of kind netns has one");
	if (!json_is_integer(index))
		return error_set(
			err, EINVAL,
			"parameters.port.netns: a port of kind netns needs the namespace's "
			"descriptor: its index among those of the message");
	*ret = varlink_call_take_fd(call, json_integer_value(index), err);
	return *ret < 0 ? *ret : 0;
}

/* What a client is told of its new port, the plan of which is known; the descriptors come with it.
 */
static json_t *added_json(struct broker *broker, const struct change_port *change)
{
	const struct port *port = change->port, *added = state_port(&broker->state, port->id);
	json_t *descriptors = json_array();
	for (uint32_t i = 0; added && port->kind == PORT_TAP && i < port->queues; i++)
		json_array_append_new(descriptors, json_integer(i));
	return json_pack("{s:o, s:o, s:o}", "port",
			 added ? port_json(added) : schema_encode(&port_schema, port),
			 "descriptors", descriptors, "changes", change_json(&change->plan));
}

/* The answer is written while the executor works, and it is the executor who gives it together with
 * a tap. */
static int make_port(struct varlink_call *call, struct broker *broker, struct change_port *change,
		     struct error *err)
{
	struct error unanswerable = {0};
	int r = change_port_begin(broker, change, err);
	if (r < 0)
		return r;
	int prepared = varlink_reply_prepare(call, added_json(broker, change), &unanswerable);
	if (prepared == 0)
		change->to = varlink_reply_lend(call, &change->reply, &change->reply_length);
	r = change_port_finish(broker, change, err);
	if (r == 0 && prepared < 0) { /* with the descriptors the tap goes */
		descriptor_close_all(change->taps.fds, change->taps.count);
		r = error_set(err, unanswerable.code, "%s", unanswerable.text);
	}
	return r;
}

/* A client that is gone closes the descriptors with the reply, and with them goes the tap. */
static void give_port(struct varlink_call *call, const struct change_port *change)
{
	if (change->in_doubt)
		varlink_call_drop(call);
	else if (change->direct && change->taps.count == 0)
		varlink_reply_sent(call);
	else
		varlink_reply_prepared(call, change->taps.fds, change->taps.count);
}

int methods_add_port(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	json_t *json = json_object_get(parameters, "port");
	struct port port;
	AUTO_CLOSE int netns = -1;
	uid_t uid = varlink_call_peer(call)->uid;
	int r = build_port(broker, &broker->state, uid, json, &port, err);
	if (r == 0)
		r = take_netns(call, json, &port, &netns, err);
	if (r < 0)
		return r;
	struct change_port change = {.port = &port, .creator = uid, .netns = netns};
	change_plan_port(broker, &port, PLAN_CREATE, &change.plan);
	if (methods_flag(parameters, "dry_run"))
		r = varlink_reply_prepare(call, added_json(broker, &change), err);
	else
		r = make_port(call, broker, &change, err);
	plan_done(&change.plan);
	if (r == 0)
		audit_port(broker, &port);
	if (r == 0 || change.in_doubt)
		give_port(call, &change);
	return change.in_doubt ? 0 : r;
}

/* A call for many has no descriptors. */
static int check_many(const struct port *port, struct error *err)
{
	if (port->kind == PORT_TAP_NAMED || port->kind == PORT_VETH || port->kind == PORT_ADOPT)
		return 0;
	return error_set(err, EINVAL,
			 "a port of kind %s comes or goes with a descriptor; AddPort adds one",
			 port_kind_name(port->kind));
}

static int put_ports(struct broker *broker, struct state *candidate, uid_t uid, const json_t *list,
		     json_t *added, struct error *err)
{
	size_t index;
	json_t *json;
	json_array_foreach (list, index, json) {
		struct port port;
		int r = build_port(broker, candidate, uid, json, &port, err);
		if (r == 0)
			r = check_many(&port, err);
		if (r < 0)
			return error_prefix(err, "parameters.ports[%zu]", index);
		json_array_append_new(added, port_json(state_add_port(candidate, &port, uid)));
	}
	return 0;
}

/* The candidate with the ports in it. */
static int build_ports(struct broker *broker, struct state *candidate, uid_t uid,
		       const json_t *list, json_t *added, struct error *err)
{
	state_copy(&broker->state, candidate);
	size_t n_before = candidate->n_ports;
	int r = put_ports(broker, candidate, uid, list, added, err);
	for (size_t i = n_before; r == 0 && i < candidate->n_ports; i++)
		audit_port(broker, candidate->ports[i]);
	if (r < 0)
		state_done(candidate);
	return r;
}

int methods_add_ports(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	const json_t *list = json_object_get(parameters, "ports");
	uid_t uid = varlink_call_peer(call)->uid;
	struct state candidate;
	json_t *added = json_array();
	int r = build_ports(broker, &candidate, uid, list, added, err);
	if (r == -EEXIST) { /* what was in the way may have ended: the model is looked through */
		*err = (struct error){0};
		json_array_clear(added);
		r = build_ports(broker, &candidate, uid, list, added, err);
	}
	if (r == 0)
		return methods_finish(call, broker, &candidate, parameters, "ports", added, err);
	json_decref(added);
	return r;
}

/* One that the caller may change. */
static const struct port *find(struct broker *broker, const char *id, struct error *err)
{
	const struct port *port = sight_port(broker, id, err);
	if (!port || authorise_own_port(broker, port, err) < 0)
		return NULL;
	audit_port(broker, port);
	return port;
}

static int decode_settings(const json_t *settings, struct port *port, struct error *err)
{
	static const char *const fixed[] = {"kind",  "ifname", "peer", "queues",
					    "owner", "group",  "mac"};
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (json_object_get(settings, fixed[i]))
			return error_set(err, EINVAL,
					 "parameters.settings.%s: fixed for the life of a port; "
					 "remove it and add "
					 "another",
					 fixed[i]);
	struct node *node = NULL;
	/* what is required of a new port is there already */
	json_t *all = json_copy((json_t *)settings);
	if (!json_object_get(all, "network"))
		json_object_set_new(all, "network", json_string(port->network));
	int r = node_from_json("parameters.settings", all, &node, err);
	json_decref(all);
	if (r == 0)
		r = schema_decode(&port_schema, node, port, false, err);
	node_free(node);
	return r;
}

int methods_set_port(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	const struct port *before = find(broker, methods_text(parameters, "id"), err);
	if (!before)
		return -err->code;
	struct port port = *before;
	int r = decode_settings(json_object_get(parameters, "settings"), &port, err);
	if (r < 0)
		return r;
	authorise_fill_rate(broker, before, &port);
	const struct network *network = methods_network(&broker->state, port.network, err);
	if (!network)
		return -err->code;
	r = settle_mac(broker, &broker->state, network, &port, err);
	if (r == 0)
		r = port_settle(&port, err);
	if (r == 0)
		r = port_check_network(&port, network, err);
	if (r == 0)
		r = candidate_check_vlans(broker, network, &port, err);
	if (r < 0)
		return r;
	struct state candidate;
	state_copy(&broker->state, &candidate);
	json_t *json = port_json(state_put_port(&candidate, &port)), *changes = NULL;
	r = change_run(broker, &candidate, methods_flag(parameters, "dry_run"), &changes, err);
	state_done(&candidate);
	if (r < 0) {
		json_decref(json);
		return r;
	}
	varlink_reply(call, json_pack("{s:o, s:o}", "port", json, "changes", changes));
	return 0;
}

int methods_remove_port(struct varlink_call *call, json_t *parameters, void *data,
			struct error *err)
{
	struct broker *broker = data;
	const struct port *port = find(broker, methods_text(parameters, "id"), err);
	if (!port)
		return -err->code;
	struct port copy = *port;
	json_t *changes = NULL;
	int r = change_remove_port(broker, &copy, methods_flag(parameters, "dry_run"), &changes,
				   err);
	if (r < 0)
		return r;
	varlink_reply(call, json_pack("{s:o}", "changes", changes));
	return 0;
}

int methods_remove_ports(struct varlink_call *call, json_t *parameters, void *data,
			 struct error *err)
{
	struct broker *broker = data;
	struct state candidate;
	state_copy(&broker->state, &candidate);
	int r = 0;
	size_t index;
	json_t *id;
	json_array_foreach (json_object_get(parameters, "ids"), index, id) {
		const struct port *port = find(broker, json_string_value(id), err);
		r = port ? 0 : -err->code;
		if (r < 0)
			break;
		state_remove_port(&candidate, port->id);
	}
	if (r == 0)
		return methods_finish(call, broker, &candidate, parameters, NULL, NULL, err);
	state_done(&candidate);
	return r;
}
