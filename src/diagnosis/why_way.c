/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way of `lanyard why` beyond the segment: guards, rules, route, NAT, and whether it answers.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cli/verb.h"
#include "diagnosis/doctor.h"
#include "diagnosis/why_walk.h"
#include "model/schema.h"

static const struct ip *target(const struct walk *walk)
{
	return &walk->to.addresses[walk->family == 6];
}

static bool is_same_network(const struct walk *walk)
{
	return walk->from.network && walk->from.network == walk->to.network;
}

static bool is_isolated(const struct walk *walk, const struct end *end)
{
	const json_t *link = link_by_name(walk->examination->world, text_of(end->plug, "ifname"));
	return number_of(link, "isolated") > 0;
}

/* What keeps two ports of one segment apart. */
static void walk_guards(struct walk *walk)
{
	if (is_isolated(walk, &walk->from) && is_isolated(walk, &walk->to)) {
		step_broken(walk, "guards", "the ports of %s and %s are both isolated",
			    walk->from.name, walk->to.name);
		step_remedy(walk, "lanyard port set %s isolated=no",
			    text_of(walk->from.plug, "id"));
	} else
		step_ok(walk, "guards", "no guard is between the two ports");
	step_check(walk, "rules", "FW-07", "bridged packets are not given to another firewall");
}

static const char *mode_of(const struct walk *walk)
{
	return text_of(walk->from.network, "mode");
}

/* May the network's machines go there at all? */
static void walk_mode(struct walk *walk)
{
	const char *name = text_of(walk->from.network, "name");
	if (walk->to.kind == END_HOST)
		return;
	if (walk->to.kind == END_WORLD && strcmp(mode_of(walk), "isolated") == 0) {
		step_broken(walk, "rules", "network %s is %s: its machines do not get out", name,
			    mode_of(walk));
		step_remedy(walk, "lanyard net set %s mode=nat", name);
	}
}

static bool is_peer(const json_t *network, const char *name)
{
	const json_t *peers = json_object_get(network, "peers"), *peer;
	size_t index;
	json_array_foreach (peers, index, peer)
		if (strcmp(json_string_value(peer) ? json_string_value(peer) : "", name) == 0)
			return true;
	return false;
}

static bool has_key(const char *name)
{
	const struct schema *schema = verb_schema(COMPLETE_NETWORK_KEY);
	for (size_t i = 0; i < schema->n_keys; i++)
		if (strcmp(schema->keys[i].key, name) == 0)
			return true;
	return false;
}

static void walk_between(struct walk *walk)
{
	const char *one = text_of(walk->from.network, "name");
	const char *other = text_of(walk->to.network, "name");
	if (is_peer(walk->from.network, other) || is_peer(walk->to.network, one)) {
		step_ok(walk, "rules", "networks %s and %s are connected", one, other);
		return;
	}
	step_broken(walk, "rules", "networks %s and %s are separate", one, other);
	if (has_key("peers"))
		step_remedy(walk, "lanyard net set %s peers=%s", one, other);
	else
		step_remedy(walk, "put both machines on one network");
}

static const char *route_error(const json_t *route, char *text, size_t size)
{
	long long code = number_of(route, "error");
	const char *type = text_of(route, "type");
	if (code > 0)
		snprintf(text, size, "%s", strerror((int)code));
	else
		snprintf(text, size, "the route is of the type %s", type);
	bool bad = code > 0 || strcmp(type, "unreachable") == 0 || strcmp(type, "blackhole") == 0 ||
		   strcmp(type, "prohibit") == 0;
	return bad ? text : NULL;
}

static void walk_route(struct walk *walk, const json_t *answer)
{
	const json_t *route = json_object_get(answer, "route");
	char text[IP_TEXT_SIZE], why[128];
	ip_format(target(walk), text);
	if (walk->broken)
		return;
	if (route_error(route, why, sizeof(why))) {
		step_broken(walk, "route", "there is no way to %s: %s", text, why);
		step_check(walk, "route", "IP-06", "");
		step_remedy(walk,
			    walk->examination->system
				    ? "ip route get %s says the same; add the route that is "
				      "missing"
				    : "is the host online? lanyard status; %s",
			    text);
		return;
	}
	const json_t *link = link_by_index(walk->examination->world, number_of(route, "index"));
	step_ok(walk, "route", "%s goes by %s%s%s", text, text_of(link, "name"),
		*text_of(route, "gateway") ? " to " : "", text_of(route, "gateway"));
}

static void walk_nat(struct walk *walk)
{
	AUTO_FREE char *table =
		text_format("inet lanyard_%s", walk->examination->invocation->paths.instance);
	const json_t *firewall = json_object_get(walk->examination->world, "firewall"), *name;
	size_t index;
	bool is_there = false;
	if (strcmp(mode_of(walk), "nat") != 0 || walk->to.kind != END_WORLD || walk->broken)
		return;
	json_array_foreach (json_object_get(firewall, "tables"), index, name)
		is_there |= strcmp(json_string_value(name), table) == 0;
	if (firewall && !is_there) {
		step_broken(walk, "NAT", "our table %s is gone", table);
		step_remedy(walk, "lanyard net check %s", text_of(walk->from.network, "name"));
	} else
		step_ok(walk, "NAT", "addresses of network %s are translated",
			text_of(walk->from.network, "name"));
}

static bool is_answered(const json_t *answer)
{
	const char *what = text_of(answer, "answer");
	return strcmp(what, "accepted") == 0 || strcmp(what, "echo") == 0;
}

static void answer_refused(struct walk *walk)
{
	char text[IP_TEXT_SIZE];
	ip_format(target(walk), text);
	step_broken(walk, "answer", "%s refuses TCP port %d: nothing listens there", text,
		    walk->to.port);
	step_remedy(walk, "start the service on %s, or let it listen on all its addresses",
		    walk->to.name);
}

static void answer_nothing(struct walk *walk)
{
	char text[IP_TEXT_SIZE];
	ip_format(target(walk), text);
	if (walk->to.port)
		step_broken(walk, "answer", "%s does not answer on TCP port %d", text,
			    walk->to.port);
	else
		step_broken(walk, "answer", "%s does not answer an echo", text);
	step_remedy(walk,
		    walk->to.kind == END_MACHINE ? "does the firewall inside %s let it in?"
						 : "does the host itself reach %s?",
		    walk->to.name);
}

/* Nothing came back, and no rule of ours or route is to blame: where does it end? */
static void walk_host_itself(struct walk *walk)
{
	char text[IP_TEXT_SIZE];
	ip_format(target(walk), text);
	json_t *answer = examination_ask(walk->examination, "host", NULL, text, walk->to.port);
	if (number_of(answer, "code") == 0 && walk->to.kind == END_WORLD) {
		step_broken(walk, "rules",
			    "the host itself reaches %s, and its machines do not: something drops "
			    "what is forwarded",
			    text);
		step_remedy(walk, "lanyard doctor --only FW");
	}
	json_decref(answer);
}

static void walk_answer(struct walk *walk, const json_t *answer)
{
	char text[IP_TEXT_SIZE];
	ip_format(target(walk), text);
	const char *what = text_of(answer, "answer");
	if (walk->broken)
		return;
	if (is_answered(answer))
		step_ok(walk, "answer", "%s %s", text,
			walk->to.port ? "accepts a connection" : "answers an echo");
	else if (strcmp(what, "refused") == 0)
		answer_refused(walk);
	else if (strcmp(what, "error") == 0) {
		step_broken(walk, "answer", "%s says that %s cannot be reached (ICMP %lld/%lld)",
			    text_of(answer, "from"), text, number_of(answer, "icmp_type"),
			    number_of(answer, "icmp_code"));
		step_remedy(walk, "look there: a rule or a route of %s", text_of(answer, "from"));
	} else {
		walk_host_itself(walk);
		answer_nothing(walk);
	}
}

/* As a machine of the first end's network. */
static void walk_as_guest(struct walk *walk)
{
	char text[IP_TEXT_SIZE];
	ip_format(target(walk), text);
	const char *network = text_of(walk->from.network, "name");
	json_t *answer = examination_ask(walk->examination, "guest", network, text, walk->to.port);
	bool routed = !is_same_network(walk);
	if (!answer)
		step_broken(walk, "probe", "%s", walk->examination->world_error);
	else if (!*text_of(answer, "next_mac")) {
		step_check(walk, "gateway", "IP-05", "");
		step_broken(walk, walk->family == 6 ? "neighbour discovery" : "ARP",
			    "%s does not answer on network %s", text_of(answer, "next_hop"),
			    network);
		step_remedy(walk, "lanyard net check %s", network);
	} else if (routed)
		step_ok(walk, "gateway", "%s is at %s", text_of(answer, "next_hop"),
			text_of(answer, "next_mac"));
	bool good = is_answered(answer);
	if (is_same_network(walk))
		walk_guards(walk);
	else if (!good && walk->to.kind == END_HOST)
		step_check(walk, "rules", "FW-04", "no other firewall drops it");
	else if (!good) {
		if (walk->to.kind == END_MACHINE)
			walk_between(walk);
		walk_mode(walk);
		step_check(walk, "forwarding", "FW-08", "forwarding is on");
		step_check(walk, "rules", "FW-06", "our rules are as they should be");
		step_check(walk, "rules", "FW-01", "no other firewall drops what is forwarded");
	} else
		step_ok(walk, "rules", "they let it through");
	if (routed && walk->to.kind != END_HOST)
		walk_route(walk, answer);
	walk_nat(walk);
	walk_answer(walk, answer);
	json_decref(answer);
}

/* The host's own sockets. */
static void walk_as_host(struct walk *walk)
{
	char text[IP_TEXT_SIZE];
	ip_format(target(walk), text);
	json_t *answer = examination_ask(walk->examination, "host", NULL, text, walk->to.port);
	long long code = number_of(answer, "code");
	if (!answer)
		step_broken(walk, "probe", "%s", walk->examination->world_error);
	walk_route(walk, answer);
	if (code == 0)
		step_ok(walk, "answer", "%s %s", text,
			walk->to.port ? "accepts a connection" : "answers an echo");
	else if (code == ECONNREFUSED)
		answer_refused(walk);
	else
		answer_nothing(walk);
	json_decref(answer);
}

void walk_way(struct walk *walk)
{
	if (walk->broken)
		return;
	if (walk->from.kind == END_MACHINE)
		walk_as_guest(walk);
	else
		walk_as_host(walk);
}
