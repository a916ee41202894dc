/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "diagnosis/why_walk.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/verb.h"
#include "diagnosis/doctor.h"
#include "model/mac.h"
#include "model/name.h"

#define STATE_FORWARDING 3

/* Ends */

static size_t slot(int family)
{
	return family == AF_INET6 || family == 6 ? 1 : 0;
}

static void take_address(struct end *end, const char *text)
{
	struct ip ip;
	if (ip_parse(text, &ip, NULL) < 0)
		return;
	if (!ip_is_set(&end->addresses[slot(ip.family)]))
		end->addresses[slot(ip.family)] = ip;
}

/* What is known of a machine's addresses: leases, reservations, and who was heard with its MAC. */
static void find_addresses(const struct examination *examination, struct end *end)
{
	const char *mac = text_of(end->plug, "mac"), *network = text_of(end->network, "name");
	const json_t *item;
	size_t index;
	json_array_foreach (json_object_get(examination->status, "leases"), index, item)
		if (strcmp(text_of(item, "network"), network) == 0 &&
		    (strcasecmp(text_of(item, "mac"), mac) == 0 ||
		     (!*mac && strcmp(text_of(item, "name"), end->name) == 0)))
			take_address(end, text_of(item, "address"));
	json_array_foreach (json_object_get(end->network, "reservations"), index, item)
		if (strcasecmp(text_of(item, "mac"), mac) == 0 ||
		    strcmp(text_of(item, "name"), end->name) == 0) {
			take_address(end, text_of(item, "address"));
			take_address(end, text_of(item, "ipv6"));
		}
	json_array_foreach (json_object_get(examination->world, "neighbours"), index, item)
		if (strcasecmp(text_of(item, "mac"), mac) == 0 &&
		    strncmp(text_of(item, "address"), "fe80:", 5) != 0)
			take_address(end, text_of(item, "address"));
}

static bool first_subnet(const json_t *network, const char *key, struct ip *ret)
{
	const json_t *value = json_object_get(network, key);
	const char *text =
		json_string_value(json_is_array(value) ? json_array_get(value, 0) : value);
	return text && ip_parse_prefix(text, ret, NULL) == 0;
}

/* The port whose MAC a list has beside the address. */
static const json_t *plug_of(const struct examination *examination, const json_t *list,
			     const struct ip *own)
{
	const json_t *item;
	size_t index;
	struct ip address;
	json_array_foreach (list, index, item)
		if (ip_parse(text_of(item, "address"), &address, NULL) == 0 &&
		    ip_equal(&address, own))
			return item_of(ports_of(examination), "mac", text_of(item, "mac"));
	return NULL;
}

/* Nobody has asked for it yet: the port whose MAC makes this address. */
static const json_t *plug_by_eui64(const struct examination *examination, const struct ip *subnet,
				   const struct ip *own)
{
	const json_t *port;
	size_t index;
	struct mac mac;
	json_array_foreach (ports_of(examination), index, port) {
		if (subnet->length != 64 || mac_parse(text_of(port, "mac"), &mac, NULL) < 0)
			continue;
		struct ip address = mac_eui64(&mac, subnet);
		if (ip_equal(&address, own))
			return port;
	}
	return NULL;
}

/* Whose address is it? The machine's port and network follow from lease and MAC. */
static void find_by_address(const struct examination *examination, struct end *end)
{
	static const char *const keys[] = {"ipv4", "ipv6"};
	const struct ip *own = &end->addresses[ip_is_set(&end->addresses[1])];
	const json_t *network;
	size_t index;
	struct ip subnet;
	json_array_foreach (networks_of(examination), index, network) {
		if (!first_subnet(network, keys[slot(own->family)], &subnet) ||
		    !ip_contains(&subnet, own))
			continue;
		if (ip_equal(&subnet, own)) {
			end->kind = END_HOST;
			return;
		}
		end->kind = END_MACHINE;
		end->network = network;
		end->plug =
			plug_of(examination, json_object_get(examination->status, "leases"), own);
		if (!end->plug)
			end->plug = plug_of(examination,
					    json_object_get(examination->world, "neighbours"), own);
		if (!end->plug)
			end->plug = plug_by_eui64(examination, &subnet, own);
	}
}

static int unknown_end(const struct examination *examination, const char *name, int code,
		       struct error *err)
{
	const json_t *ports = ports_of(examination), *port;
	AUTO_FREE const char **machines =
		memory_zero(json_array_size(ports) + 1, sizeof(*machines));
	size_t index;
	json_array_foreach (ports, index, port)
		machines[index] = text_of(port, "machine");
	const char *nearest = name_nearest(name, machines, json_array_size(ports));
	return error_set(err, ENOENT,
			 "'%s' is no machine that is plugged in%s%s%s, and the host knows no such "
			 "name (%s; 'lanyard doctor DNS-02' looks at its name servers)",
			 name, nearest ? " (did you mean '" : "", nearest ? nearest : "",
			 nearest ? "'?)" : "", gai_strerror(code));
}

static int find_in_world(const struct examination *examination, struct end *end, struct error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	int code = getaddrinfo(end->name, NULL, &hints, &list);
	for (const struct addrinfo *one = code ? NULL : list; one; one = one->ai_next) {
		struct ip ip = {.family = (uint16_t)one->ai_family};
		ip.length = one->ai_family == AF_INET ? 32 : 128;
		const void *bytes =
			one->ai_family == AF_INET
				? (const void *)&((struct sockaddr_in *)one->ai_addr)->sin_addr
				: (const void *)&((struct sockaddr_in6 *)one->ai_addr)->sin6_addr;
		memcpy(ip.bytes, bytes, ip.length / 8);
		if (!ip_is_set(&end->addresses[slot(ip.family)]))
			end->addresses[slot(ip.family)] = ip;
	}
	if (list)
		freeaddrinfo(list);
	return code ? unknown_end(examination, end->name, code, err) : 0;
}

int why_resolve(const struct examination *examination, const char *word, struct end *ret,
		struct error *err)
{
	struct ip ip;
	ret->name = word;
	if (strcmp(word, "host") == 0) {
		ret->kind = END_HOST;
		return 0;
	}
	if (ip_parse(word, &ip, NULL) == 0) {
		ret->kind = END_WORLD;
		ret->addresses[slot(ip.family)] = ip;
		find_by_address(examination, ret);
		return 0;
	}
	const json_t *lease = item_of(json_object_get(examination->status, "leases"), "name", word);
	ret->plug = item_of(ports_of(examination), "machine", word);
	if (!ret->plug)
		ret->plug = item_of(ports_of(examination), "id", word);
	if (!ret->plug && lease)
		ret->plug = item_of(ports_of(examination), "mac", text_of(lease, "mac"));
	if (ret->plug || lease) {
		ret->kind = END_MACHINE;
		ret->network = item_of(networks_of(examination), "name",
				       text_of(ret->plug ? ret->plug : lease, "network"));
		find_addresses(examination, ret);
		return 0;
	}
	ret->kind = END_WORLD;
	return find_in_world(examination, ret, err);
}

/* Steps */

static void add_step(struct walk *walk, const char *step, bool ok, const char *text)
{
	json_t *json = json_pack("{s:s, s:b, s:s, s:s}", "step", step, "ok", ok, "text", text,
				 "remedy", "");
	if (walk->family)
		json_object_set_new(json, "family", json_integer(walk->family));
	json_array_append_new(walk->steps, json);
}

void step_say(struct walk *walk, bool ok, const char *step, const char *format, ...)
{
	char text[512];
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	if (!walk->broken)
		add_step(walk, step, ok, text);
	walk->broken |= !ok;
}

void step_remedy(struct walk *walk, const char *format, ...)
{
	char text[512];
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	json_object_set_new(json_array_get(walk->steps, json_array_size(walk->steps) - 1), "remedy",
			    json_string(text));
}

static const struct check *check_named(const char *id)
{
	for (const struct check *const *area = doctor_areas; *area; area++)
		for (const struct check *check = *area; check->id; check++)
			if (strcmp(check->id, id) == 0)
				return check;
	return NULL;
}

void step_check(struct walk *walk, const char *step, const char *id, const char *fine)
{
	if (walk->broken)
		return;
	struct examination *examination = walk->examination;
	json_t *before = examination->findings;
	examination->findings = json_array();
	examination->family = walk->family;
	examination->focus = walk->from.network ? json_pack("[O]", walk->from.network) : NULL;
	examination_run(examination, check_named(id));
	const json_t *finding;
	size_t index;
	json_array_foreach (examination->findings, index, finding) {
		const char *verdict = text_of(finding, "verdict");
		if (strcmp(verdict, "error") != 0 && strcmp(verdict, "warning") != 0)
			continue;
		step_broken(walk, step, "%s (%s)", text_of(finding, "evidence"), id);
		step_remedy(walk, "%s", text_of(finding, "remedy"));
		break;
	}
	json_decref(examination->focus);
	examination->focus = NULL;
	examination->family = 0;
	json_decref(examination->findings);
	examination->findings = before;
	step_ok(walk, step, "%s", fine);
}

/* The remedy of a setting in the instance's world, as examination writes it. */
static void world_remedy(struct walk *walk, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void world_remedy(struct walk *walk, const char *format, ...)
{
	char text[256];
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	if (walk->examination->system)
		step_remedy(walk, "%s", text);
	else
		step_remedy(walk, "lanyard --user --instance %s exec --admin -- %s",
			    walk->examination->invocation->paths.instance, text);
}

/* The plug */

static bool is_switched(const struct end *end)
{
	return flag_of(end->network, "openvswitch");
}

static void walk_bridge(struct walk *walk, const struct end *end)
{
	const char *name = text_of(end->network, "ifname");
	const json_t *bridge = link_by_name(walk->examination->world, name);
	if (!bridge)
		step_broken(walk, "bridge", "the bridge %s of network %s is gone", name,
			    text_of(end->network, "name"));
	else if (!flag_of(bridge, "up")) {
		step_broken(walk, "bridge", "%s is down", name);
		world_remedy(walk, "ip link set %s up", name);
	} else if (!flag_of(bridge, "carrier")) {
		step_broken(walk, "bridge", "%s has no carrier", name);
		step_remedy(walk, "lanyard net check %s", text_of(end->network, "name"));
	} else
		step_ok(walk, "bridge", "%s is up", name);
}

/* An Open vSwitch's database knows; nothing of it is in the kernel's links. */
static void walk_switch(struct walk *walk, const struct end *end, const json_t *link)
{
	const char *bridge = text_of(end->network, "ifname"), *name = text_of(link, "name");
	struct error why = {0};
	json_t *ports =
		examination_bridge_ports(walk->examination, text_of(end->network, "name"), &why);
	const json_t *port = item_of(ports, "name", name);
	if (!ports) {
		step_broken(walk, "membership", "%s", why.text);
		step_remedy(walk, "start Open vSwitch, then: lanyard net check %s",
			    text_of(end->network, "name"));
	} else if (!port) {
		step_broken(walk, "membership", "%s is not in the Open vSwitch bridge %s", name,
			    bridge);
		step_remedy(walk, "lanyard net check %s", text_of(end->network, "name"));
	} else if (number_of(port, "tag") > 0)
		step_ok(walk, "membership", "%s is in the Open vSwitch bridge %s (%s, VLAN %lld)",
			name, bridge, text_of(port, "mode"), number_of(port, "tag"));
	else
		step_ok(walk, "membership", "%s is in the Open vSwitch bridge %s (%s)", name,
			bridge, text_of(port, "mode"));
	json_decref(ports);
}

static void walk_membership(struct walk *walk, const struct end *end, const json_t *link)
{
	const char *bridge = text_of(end->network, "ifname"), *name = text_of(link, "name");
	const json_t *master = link_by_index(walk->examination->world, number_of(link, "master"));
	if (strcmp(text_of(master, "name"), bridge) != 0) {
		step_broken(walk, "membership", "%s is %s%s, not on %s", name,
			    master ? "on " : "on no bridge", text_of(master, "name"), bridge);
		world_remedy(walk, "ip link set %s master %s", name, bridge);
	} else if (number_of(link, "state") != STATE_FORWARDING) {
		step_broken(walk, "bridge port state", "%s does not forward (state %lld)", name,
			    number_of(link, "state"));
		world_remedy(walk, "bridge link set dev %s state 3", name);
	} else
		step_ok(walk, "membership", "%s is on %s and forwards", name, bridge);
}

/* Where the bridge has heard the machine's MAC. */
static void walk_mac(struct walk *walk, const struct end *end, const json_t *link)
{
	const char *mac = text_of(end->plug, "mac");
	const json_t *entry;
	size_t index;
	bool heard = false;
	json_array_foreach (json_object_get(walk->examination->world, "macs"), index, entry) {
		if (strcasecmp(text_of(entry, "mac"), mac) != 0 || flag_of(entry, "local"))
			continue;
		const json_t *where =
			link_by_index(walk->examination->world, number_of(entry, "index"));
		if (number_of(where, "index") != number_of(link, "index") &&
		    number_of(where, "master") == number_of(link, "master")) {
			step_broken(walk, "MAC table", "%s was heard at %s, too: two have one MAC",
				    mac, owner_of_link(walk->examination, text_of(where, "name")));
			step_remedy(walk, "give one of them another MAC");
			return;
		}
		heard = true;
	}
	step_ok(walk, "MAC table", heard ? "%s was heard at %s" : "%s was not heard at %s lately",
		mac, text_of(link, "name"));
}

/* The interface of such a port ends with who holds its other end; the port follows in a moment. */
static bool is_held(const json_t *plug)
{
	const char *kind = text_of(plug, "kind");
	return strcmp(kind, "tap") == 0 || strcmp(kind, "netns") == 0;
}

void walk_plug(struct walk *walk, struct end *end)
{
	const char *name = text_of(end->plug, "ifname");
	const json_t *link = link_by_name(walk->examination->world, name);
	struct ip ip;
	if (!end->plug || (!link && is_held(end->plug))) {
		step_broken(walk, "port", "%s is not plugged in", end->name);
		if (ip_parse(end->name, &ip, NULL) == 0)
			step_remedy(walk, "'lanyard net leases %s' shows who has which address",
				    text_of(end->network, "name"));
		else
			step_remedy(walk, "start the machine: lanyard vm start %s, or lanyard up",
				    end->name);
	} else if (!link) {
		step_broken(walk, "port", "port %s (%s) is gone", text_of(end->plug, "id"), name);
		step_remedy(walk, "lanyard port remove %s, then start the machine again",
			    text_of(end->plug, "id"));
	} else if (!flag_of(link, "up")) {
		step_broken(walk, "port", "port %s (%s) of %s is down", text_of(end->plug, "id"),
			    name, end->name);
		if (flag_of(end->plug, "down"))
			step_remedy(walk, "lanyard port set %s down=no", text_of(end->plug, "id"));
		else
			world_remedy(walk, "ip link set %s up", name);
	} else
		step_ok(walk, "port", "%s is plugged in by %s", end->name, name);
	if (walk->broken)
		return;
	if (!flag_of(link, "carrier")) {
		step_broken(walk, "carrier", "%s has no carrier: %s", name,
			    strcmp(text_of(end->plug, "kind"), "netns") == 0
				    ? "the other end is down"
				    : "nobody holds the other end");
		step_remedy(walk,
			    strcmp(text_of(end->plug, "kind"), "netns") == 0
				    ? "bring the interface inside %s up"
				    : "start the machine %s",
			    end->name);
		return;
	}
	step_ok(walk, "carrier", "%s has carrier", name);
	if (is_switched(end)) {
		walk_switch(walk, end, link);
		return;
	}
	walk_membership(walk, end, link);
	walk_bridge(walk, end);
	if (!walk->broken)
		walk_mac(walk, end, link);
}

/* The segment */

static void guess_ipv6(struct end *end)
{
	struct ip prefix;
	struct mac mac;
	if (!ip_is_set(&end->addresses[1]) && first_subnet(end->network, "ipv6", &prefix) &&
	    prefix.length == 64 && mac_parse(text_of(end->plug, "mac"), &mac, NULL) == 0) {
		end->addresses[1] = mac_eui64(&mac, &prefix);
		end->addresses[1] = ip_host(&end->addresses[1]);
		end->guessed = true;
	}
}

void walk_segment(struct walk *walk, struct end *end)
{
	struct ip *address = &end->addresses[slot(walk->family)];
	char text[IP_TEXT_SIZE];
	const char *network = text_of(end->network, "name");
	if (walk->broken)
		return;
	if (is_switched(end)) {
		step_ok(walk, "segment",
			"no guest of ours is plugged into an Open vSwitch; not tried");
		walk->skipped = true;
		return;
	}
	if (walk->family == 6)
		guess_ipv6(end);
	if (!ip_is_set(address)) {
		step_broken(walk, "address", "%s has no address by DHCP", end->name);
		step_check(walk, "address", "FW-04", "");
		step_remedy(walk, "look at its DHCP client, and at: lanyard doctor --only FW-04");
		return;
	}
	ip_format(address, text);
	json_t *answer = examination_ask(walk->examination, "neighbour", network, text, 0);
	const char *mac = text_of(answer, "mac"), *wanted = text_of(end->plug, "mac");
	const char *what = walk->family == 6 ? "neighbour discovery" : "ARP";
	if (!answer)
		step_broken(walk, what, "%s", walk->examination->world_error);
	else if (!*mac && end->guessed && ip_is_set(&walk->to.addresses[0])) {
		step_ok(walk, what, "%s has no IPv6 address that follows from its MAC; not tried",
			end->name);
		walk->skipped = true;
	} else if (!*mac) {
		step_check(walk, "rules", "FW-07",
			   "bridged packets are not given to another firewall");
		if (walk->broken) {
			json_decref(answer);
			return;
		}
		step_broken(walk, what, "nobody answers for %s on network %s", text, network);
		step_remedy(walk, "is %s running, and is that its address? lanyard net leases %s",
			    end->name, network);
	} else if (*wanted && strcasecmp(mac, wanted) != 0) {
		step_broken(walk, what, "%s answers for %s, which is promised to %s (%s)", mac,
			    text, end->name, wanted);
		step_remedy(walk, "give the other machine another address");
	} else
		step_ok(walk, what, "%s is at %s", text, mac);
	json_decref(answer);
}
