/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/authorise.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "broker/broker.h"
#include "broker/callers.h"
#include "broker/leases.h"
#include "broker/methods.h"
#include "broker/publications.h"
#include "broker/sight.h"
#include "ipc/varlink_server.h"

void authorise_begin(struct broker *broker, const struct varlink_peer *peer)
{
	if (!broker->callers || peer->uid == 0)
		return;
	broker->caller = callers_find(broker->callers, peer->uid);
}

void authorise_end(struct broker *broker)
{
	broker->caller = NULL;
}

static const struct policy *policy_of(const struct broker *broker)
{
	return policy_file_policy(callers_file(broker->callers));
}

static const struct policy_rights *rights_of(const struct broker *broker)
{
	return &broker->caller->grant.rights;
}

/* "root", "alice", "uid 1234"; static memory. */
static const char *name_of(uid_t uid)
{
	static char text[POLICY_NAME_SIZE];
	const struct passwd *account = getpwuid(uid);
	if (account)
		snprintf(text, sizeof(text), "%s", account->pw_name);
	else
		snprintf(text, sizeof(text), "uid %u", (unsigned)uid);
	return text;
}

static int refuse_use(const struct broker *broker, struct error *err)
{
	const struct caller *caller = broker->caller;
	const char *problem = policy_file_problem(callers_file(broker->callers));
	if (policy_file_is_closed(callers_file(broker->callers)))
		return error_set(err, EACCES,
				 "nobody but root may use the system instance until its policy is "
				 "mended: %s",
				 problem);
	if (caller->grant.lines[POLICY_USE])
		return policy_refuse(
			policy_of(broker), &caller->grant, POLICY_USE, err,
			"%s may not use the system instance; 'lanyard --user' gives you "
			"a network world of your own",
			caller->name);
	return error_set(
		err, EACCES,
		"%s is not in group '" POLICY_GROUP
		"' and may not use the system instance; ask root for 'adduser %s " POLICY_GROUP
		"' or a rule with 'use: true' in %s, or use 'lanyard --user'",
		caller->name, caller->name, policy_file_path(callers_file(broker->callers)));
}

int authorise(struct broker *broker, uid_t uid, enum right right, struct error *err)
{
	bool system = broker->paths.system;
	if (uid == 0 || (system && right == RIGHT_ASK))
		return 0;
	if (!system)
		return uid == geteuid() ? 0
					: error_set(err, EACCES,
						    "this instance is of uid %u, for nobody else",
						    (unsigned)geteuid());
	if (!broker->caller)
		return error_set(err, EACCES, "uid %u is not known", (unsigned)uid);
	if (right == RIGHT_ROOT)
		return error_set(
			err, EACCES,
			"only root changes what the host itself has; 'lanyard --user' gives you a "
			"network world of your own");
	if (policy_file_is_closed(callers_file(broker->callers)) || !rights_of(broker)->use)
		return refuse_use(broker, err);
	return 0;
}

uid_t authorise_uid(const struct broker *broker)
{
	return broker->caller ? broker->caller->uid : 0;
}

bool authorise_owns(const struct broker *broker, uid_t owner)
{
	return !broker->caller || broker->caller->uid == owner;
}

bool authorise_may_bridge(const struct broker *broker)
{
	return !broker->caller || rights_of(broker)->may_bridge;
}

bool authorise_sees(const struct broker *broker, uid_t owner)
{
	return authorise_owns(broker, owner) || rights_of(broker)->may_see_others;
}

static int refuse_network(const struct network *network, struct error *err)
{
	const char *owner = name_of(network->owner);
	return error_set(err, EACCES,
			 "network '%s' is %s's; only %s%s it ('lanyard net add' makes one of your "
			 "own)",
			 network->name, owner, owner,
			 network->owner == 0 ? " changes" : " and root change");
}

int authorise_network(struct broker *broker, const char *name, enum access access,
		      struct error *err)
{
	if (!name || access == ACCESS_NONE || !broker->caller)
		return 0;
	const struct network *network = methods_network(sight_of(broker), name, err);
	if (!network)
		return -err->code;
	if (access == ACCESS_OWN && !authorise_owns(broker, network->owner))
		return refuse_network(network, err);
	return 0;
}

int authorise_own_port(struct broker *broker, const struct port *port, struct error *err)
{
	const struct network *network = state_network(&broker->state, port->network);
	uid_t creator = state_port_creator(port);
	if (authorise_owns(broker, creator) || (network && authorise_owns(broker, network->owner)))
		return 0;
	return error_set(err, EACCES, "port %s was added by %s; only they and root change it",
			 port->id, name_of(creator));
}

/* Changes. */

/* Only other networks' ends have changed it: nobody's deed. */
static bool is_same(const struct network *before, const struct network *after,
		    const struct state *candidate)
{
	if (network_equal(before, after))
		return true;
	struct network *expected = network_copy(before);
	size_t kept = 0;
	memset(expected->peers, 0, sizeof(expected->peers));
	for (size_t i = 0; i < NETWORK_PEERS && before->peers[i][0]; i++)
		if (state_network(candidate, before->peers[i]))
			memcpy(expected->peers[kept++], before->peers[i], NAME_SIZE);
	bool same = network_equal(expected, after);
	network_free(expected);
	return same;
}

static bool is_below(const char *domain, const char *above)
{
	size_t own = strlen(domain), length = strlen(above);
	return length > 0 && own >= length && strcasecmp(domain + own - length, above) == 0 &&
	       (own == length || domain[own - length - 1] == '.');
}

/* What is allowed by itself may still take from others: their machines, their names. */
static int check_neighbours(const struct broker *broker, const struct state *candidate,
			    const struct network *network, struct error *err)
{
	for (size_t i = 0; i < candidate->n_networks; i++) {
		const struct network *other = candidate->networks[i];
		if (authorise_owns(broker, other->owner))
			continue;
		if (network_has_peer(network, other->name))
			return error_set(err, EACCES,
					 "network '%s' is %s's and cannot be a peer of yours; only "
					 "root joins networks of several users",
					 other->name, name_of(other->owner));
		if (network->mode != NETWORK_BRIDGED && other->mode != NETWORK_BRIDGED &&
		    (is_below(network->domain, other->domain) ||
		     is_below(other->domain, network->domain)))
			return error_set(err, EACCES,
					 "the domain %.100s is that of somebody else's network; "
					 "choose another one (domain=NAME.internal)",
					 network->domain);
	}
	return 0;
}

static int check_network(const struct broker *broker, const struct state *candidate,
			 const struct network *network, struct error *err)
{
	const struct network *before = state_network(&broker->state, network->name);
	if (before && is_same(before, network, candidate))
		return 0;
	if (before && !authorise_owns(broker, before->owner))
		return refuse_network(before, err);
	int r = policy_check_network(policy_of(broker), &broker->caller->grant, network, before,
				     err);
	bool names_same = before && strcmp(before->domain, network->domain) == 0 &&
			  memcmp(before->peers, network->peers, sizeof(network->peers)) == 0;
	return r == 0 && !names_same ? check_neighbours(broker, candidate, network, err) : r;
}

static int check_networks(const struct broker *broker, const struct state *candidate,
			  struct error *err)
{
	size_t before = state_networks_of(&broker->state, broker->caller->uid);
	size_t after = state_networks_of(candidate, broker->caller->uid);
	int r = 0;
	if (after > before)
		r = policy_check_count(policy_of(broker), &broker->caller->grant, POLICY_NETWORKS,
				       after - 1, err);
	for (size_t i = 0; r == 0 && i < candidate->n_networks; i++)
		r = check_network(broker, candidate, candidate->networks[i], err);
	for (size_t i = 0; r == 0 && i < broker->state.n_networks; i++)
		if (!state_network(candidate, broker->state.networks[i]->name) &&
		    !authorise_owns(broker, broker->state.networks[i]->owner))
			r = refuse_network(broker->state.networks[i], err);
	return r;
}

static int check_plug(const struct broker *broker, const char *name, struct error *err)
{
	const struct network *network = state_network(&broker->state, name);
	bool bridged = false;
	if (!network || sight_may_plug(broker, network, &bridged))
		return 0;
	if (bridged)
		return policy_refuse(
			policy_of(broker), &broker->caller->grant, POLICY_MAY_BRIDGE, err,
			"network '%s' leads into the LAN, where %s may not plug; ask root for "
			"a rule with 'may-bridge: true' or 'plug: %s'",
			name, broker->caller->name, name);
	if (network->owner != 0)
		return error_set(err, EACCES,
				 "network '%s' is %s's, and nobody else plugs into it; 'lanyard "
				 "net add' makes one of your own",
				 name, name_of(network->owner));
	return policy_refuse(policy_of(broker), &broker->caller->grant, POLICY_PLUG, err,
			     "%s may not plug into network '%s'; ask root for a rule with 'plug: "
			     "%s'",
			     broker->caller->name, name, name);
}

/* before: NULL for a new port. What stays as it was is not asked again: the policy may have changed
 * since. */
static int check_rates(const struct broker *broker, const struct port *before,
		       const struct port *after, struct error *err)
{
	const struct policy_grant *grant = &broker->caller->grant;
	int r = 0;
	if (!before || before->rate_in != after->rate_in)
		r = policy_check_rate(policy_of(broker), grant, "rate_in", after->rate_in, err);
	if (r == 0 && (!before || before->rate_out != after->rate_out))
		r = policy_check_rate(policy_of(broker), grant, "rate_out", after->rate_out, err);
	return r;
}

/* On a network of one's own VLANs harm nobody else, unless its frames leave it. */
static bool is_foreign(const struct broker *broker, const struct state *model, const char *name)
{
	const struct network *network = state_network(model, name);
	return !network || network->mode == NETWORK_BRIDGED ||
	       !authorise_owns(broker, network->owner);
}

static int check_vlans(const struct broker *broker, const struct state *candidate,
		       const struct port *before, const struct port *after, struct error *err)
{
	bool same = before && vlans_equal(&before->vlans, &after->vlans) &&
		    strcmp(before->network, after->network) == 0;
	if (!is_foreign(broker, candidate, after->network) ||
	    (same && is_foreign(broker, &broker->state, before->network)))
		return 0;
	return policy_check_vlans(policy_of(broker), &broker->caller->grant, &after->vlans, err);
}

void authorise_fill_rate(const struct broker *broker, const struct port *before, struct port *port)
{
	if (!broker->caller)
		return;
	if (!port->rate_in && (!before || before->rate_in))
		port->rate_in = rights_of(broker)->rate;
	if (!port->rate_out && (!before || before->rate_out))
		port->rate_out = rights_of(broker)->rate;
}

/* Whether one more of theirs may be plugged in by this port. */
static int check_machines(struct broker *broker, const struct state *model, const struct port *port,
			  struct error *err)
{
	if (rights_of(broker)->machines >= rights_of(broker)->ports)
		return 0; /* the number of ports says it all */
	return policy_check_count(policy_of(broker), &broker->caller->grant, POLICY_MACHINES,
				  state_machines_of(model, broker->caller->uid, port->machine),
				  err);
}

static int check_ports(struct broker *broker, const struct state *candidate, struct error *err)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < candidate->n_ports; i++) {
		const struct port *after = candidate->ports[i];
		const struct port *before = state_port(&broker->state, after->id);
		if (!before || strcmp(before->network, after->network) != 0)
			r = check_plug(broker, after->network, err);
		if (r == 0)
			r = check_rates(broker, before, after, err);
		if (r == 0)
			r = check_vlans(broker, candidate, before, after, err);
		if (r == 0 && before && strcmp(before->machine, after->machine) != 0)
			r = check_machines(broker, candidate, after, err);
	}
	return r;
}

int authorise_change(struct broker *broker, const struct state *candidate, struct error *err)
{
	if (!broker->caller)
		return 0;
	int r = check_networks(broker, candidate, err);
	return r < 0 ? r : check_ports(broker, candidate, err);
}

int authorise_planned(struct broker *broker, const struct network *before,
		      const struct state *candidate, struct error *err)
{
	const struct network *after = state_network(candidate, before->name);
	int r = authorise_change(broker, candidate, err);
	if (r < 0 || !broker->caller || after->mode != NETWORK_BRIDGED ||
	    before->mode == NETWORK_BRIDGED)
		return r;
	return error_set(err, EACCES,
			 "network '%s': what its ports may in the LAN is asked when it goes there; "
			 "change its mode at once, or ask root to plan it",
			 after->name);
}

int authorise_lab(struct broker *broker, size_t n_networks, struct error *err)
{
	if (!broker->caller || n_networks <= rights_of(broker)->networks)
		return 0;
	return policy_refuse(policy_of(broker), &broker->caller->grant, POLICY_NETWORKS, err,
			     "the lab has %zu networks, and you may have %u of your own",
			     n_networks, rights_of(broker)->networks);
}

/* Ports. */

static int check_kind(const struct broker *broker, struct port *port, struct error *err)
{
	uid_t uid = broker->caller->uid;
	if (port->kind == PORT_VETH || port->kind == PORT_ADOPT)
		return error_set(err, EACCES,
				 "ports of kind %s are for root; use tap, tap-named or netns",
				 port_kind_name(port->kind));
	if (port->ifname[0] && !policy_has_interface(rights_of(broker), port->ifname))
		return policy_refuse(
			policy_of(broker), &broker->caller->grant, POLICY_INTERFACES, err,
			"%s may not choose the name '%.15s' of an interface; ask root for a rule "
			"with 'interfaces: %.15s'",
			broker->caller->name, port->ifname, port->ifname);
	if (port->kind != PORT_TAP_NAMED)
		return 0;
	if ((port->owner != (uint32_t)-1 && port->owner != uid) || port->group != (uint32_t)-1)
		return error_set(err, EACCES, "a named tap of yours is owned by you (uid %u)",
				 (unsigned)uid);
	port->owner = uid;
	return 0;
}

int authorise_port(struct broker *broker, struct port *port, struct error *err)
{
	char mac[MAC_TEXT_SIZE];
	if (!broker->caller)
		return 0;
	/* Of root's they are told which rule keeps them out; others' do not exist for them. */
	const struct network *network = state_network(&broker->state, port->network);
	authorise_fill_rate(broker, NULL, port);
	int r = network && network->owner == 0
			? 0
			: authorise_network(broker, port->network, ACCESS_SEE, err);
	if (r == 0)
		r = check_plug(broker, port->network, err);
	if (r == 0)
		r = check_kind(broker, port, err);
	if (r == 0 && mac_is_set(&port->mac) && !policy_has_mac(rights_of(broker), &port->mac))
		r = policy_refuse(policy_of(broker), &broker->caller->grant, POLICY_MACS, err,
				  "the MAC %s is not one of those that you may choose; leave it "
				  "out",
				  mac_format(&port->mac, mac));
	if (r == 0)
		r = check_rates(broker, NULL, port, err);
	return r < 0 ? r : check_vlans(broker, &broker->state, NULL, port, err);
}

int authorise_port_count(struct broker *broker, const struct state *model, const struct port *port,
			 struct error *err)
{
	if (!broker->caller)
		return 0;
	int r = policy_check_count(policy_of(broker), &broker->caller->grant, POLICY_PORTS,
				   state_ports_of(model, broker->caller->uid), err);
	return r < 0 ? r : check_machines(broker, model, port, err);
}

/* They made it, or it is a named tap that was made for them. */
static bool is_port_of(const struct port *port, uid_t uid)
{
	return state_port_creator(port) == uid ||
	       (port->kind == PORT_TAP_NAMED && port->owner == uid);
}

int authorise_capture(struct broker *broker, const struct network *network, const struct port *port,
		      struct error *err)
{
	if (!broker->caller)
		return 0;
	if (!rights_of(broker)->may_capture)
		return policy_refuse(
			policy_of(broker), &broker->caller->grant, POLICY_MAY_CAPTURE, err,
			"%s may not capture frames; ask root for a rule with 'may-capture: true'",
			broker->caller->name);
	if (port && is_port_of(port, broker->caller->uid))
		return 0;
	uid_t owner = port ? state_port_creator(port) : network->owner;
	const char *nobody = owner == 0 ? "nobody else" : "nobody else but root";
	if (port)
		return error_set(err, EACCES, "port %s was added by %s; %s captures its frames",
				 port->id, name_of(owner), nobody);
	if (!authorise_owns(broker, owner))
		return error_set(err, EACCES,
				 "network '%s' is %s's; %s captures all of its frames ('lanyard "
				 "capture MACHINE' captures those of a machine of yours)",
				 network->name, name_of(owner), nobody);
	if (network->mode == NETWORK_BRIDGED)
		return error_set(err, EACCES,
				 "network '%s' leads into the LAN, and its bridge carries the "
				 "host's frames too, which only root captures; 'lanyard capture "
				 "MACHINE' captures those of a machine of yours",
				 network->name);
	return 0;
}

/* Published ports. */

static bool has_address(const json_t *lease, const char *address)
{
	const char *text = json_string_value(json_object_get(lease, "address"));
	return text && strcmp(text, address) == 0;
}

/* Whether they have a port with the MAC to which this address of the network was given. */
static bool has_machine(const struct broker *broker, uid_t uid, const char *network,
			const struct ip *address)
{
	char text[IP_TEXT_SIZE], mac[MAC_TEXT_SIZE];
	json_t *leases = leases_json(&broker->state, network), *lease;
	bool found = false;
	size_t index;
	ip_format(address, text);
	json_array_foreach (leases, index, lease) {
		const char *given = json_string_value(json_object_get(lease, "mac"));
		for (size_t i = 0; has_address(lease, text) && i < broker->state.n_ports; i++) {
			const struct port *port = broker->state.ports[i];
			found |= given && strcmp(port->network, network) == 0 &&
				 is_port_of(port, uid) &&
				 strcmp(mac_format(&port->mac, mac), given) == 0;
		}
	}
	json_decref(leases);
	return found;
}

bool authorise_is_machine_of(const struct broker *broker, uid_t uid, const char *network,
			     const struct ip *address)
{
	const struct network *where = state_network(&broker->state, network);
	return uid == 0 || (where && where->owner == uid) ||
	       has_machine(broker, uid, network, address);
}

static int check_target(struct broker *broker, const struct publication *publication,
			struct error *err)
{
	char where[NAME_SIZE];
	struct ip address;
	int r = leases_resolve(sight_of(broker), publication->name,
			       publication->network[0] ? publication->network : NULL, &address,
			       where, err);
	if (r < 0)
		return r;
	if (authorise_is_machine_of(broker, broker->caller->uid, where, &address))
		return 0;
	return error_set(err, EACCES,
			 "'%.80s' on network '%s' is no machine of yours, as far as leases say; "
			 "you publish ports of your own machines",
			 publication->name, where);
}

int authorise_publish(struct broker *broker, const struct publication *publication,
		      struct error *err)
{
	char host[IP_TEXT_SIZE];
	if (!broker->caller)
		return 0;
	const struct policy_grant *grant = &broker->caller->grant;
	int r = policy_check_count(policy_of(broker), grant, POLICY_PUBLISHED,
				   publications_count_of(broker->publications, broker->caller->uid),
				   err);
	if (r == 0 && !policy_has_publish_address(&grant->rights, &publication->host))
		r = policy_refuse(policy_of(broker), grant, POLICY_PUBLISH_ON, err,
				  "you may not publish on %s; leave the address out for 127.0.0.1",
				  ip_format(&publication->host, host));
	if (r == 0 && !policy_has_publish_port(&grant->rights, publication->host_port))
		r = policy_refuse(policy_of(broker), grant, POLICY_PUBLISH_PORTS, err,
				  "you may not publish port %u of the host; choose another one",
				  publication->host_port);
	return r < 0 ? r : check_target(broker, publication, err);
}
