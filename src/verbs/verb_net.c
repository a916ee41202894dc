/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lanyard net: networks, their reservations and leases. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "cli/table.h"
#include "ipc/varlink_client.h"
#include "machine/machine_renew.h"
#include "model/network.h"
#include "model/schema.h"
#include "verbs/collection.h"
#include "verbs/verbs.h"

AUTO_DEFINE(network)

/* Keys and values of the words after the first. */
static json_t *read_settings(const struct invocation *invocation, struct error *err)
{
	AUTO(network) struct network *network = network_new();
	json_t *settings = settings_read(&network_schema, network, invocation->arguments + 1,
					 invocation->n_arguments - 1, err);
	if (!settings)
		error_prefix(err, "network '%.64s'", invocation->arguments[0]);
	return settings;
}

static void print_change(const struct invocation *invocation, const struct varlink_answer *answer,
			 const char *what)
{
	const json_t *network = json_object_get(answer->parameters, "network");
	if (invocation->dry_run)
		return;
	AUTO_FREE char *mode = output_member(network, "mode");
	AUTO_FREE char *ipv4 = output_member(network, "ipv4");
	AUTO_FREE char *ipv6 = output_member(network, "ipv6");
	output_line("network %s %s: %s, IPv4 %s, IPv6 %s", invocation->arguments[0], what, mode,
		    ipv4, ipv6);
}

static int add_run(struct invocation *invocation, struct error *err)
{
	json_t *settings = read_settings(invocation, err);
	if (!settings)
		return -EINVAL;
	json_object_set_new(settings, "name", json_string(invocation->arguments[0]));
	struct varlink_answer answer = {0};
	int result = client_change(invocation, "AddNetwork",
				   json_pack("{s:o}", "network", settings), &answer, err);
	if (result == 0)
		print_change(invocation, &answer, "added");
	varlink_answer_done(&answer);
	return result;
}

static bool has_changes(const struct varlink_answer *answer)
{
	return json_array_size(json_object_get(answer->parameters, "changes")) > 0;
}

static const struct schema_key after_keys[] = {
	{.key = "--after",
	 .type = SCHEMA_SECONDS,
	 .size = sizeof(uint32_t),
	 .min = 1,
	 .max = 365u * 86400},
};
static const struct schema after_schema = {.entity = "change", .keys = after_keys, .n_keys = 1};

/* --after as seconds; 0: at once. */
static int read_after(const struct invocation *invocation, uint32_t *ret, struct error *err)
{
	const char *text = verb_value(invocation, "after");
	*ret = 0;
	return text ? schema_set(&after_schema, ret, "--after", text, err) : 0;
}

/* The leases that are out are as long as they were. */
static void print_planned(const struct invocation *invocation, const json_t *network,
			  uint32_t after)
{
	const json_t *dhcp = json_object_get(network, "dhcp");
	AUTO_FREE char *lease = output_member(dhcp, "lease");
	output_line("network %s changes in %u s; its leases are short until then",
		    invocation->arguments[0], after);
	if (*lease)
		output_note("machines that have an address for %s ask again when half of it is "
			    "over: give them that long",
			    lease);
}

static int set_run(struct invocation *invocation, struct error *err)
{
	uint32_t after;
	if (read_after(invocation, &after, err) < 0)
		return -EINVAL;
	json_t *settings = read_settings(invocation, err);
	if (!settings)
		return -EINVAL;
	struct varlink_answer answer = {0};
	json_t *parameters =
		json_pack("{s:s,s:o}", "name", invocation->arguments[0], "settings", settings);
	if (after)
		json_object_set_new(parameters, "after", json_integer(after));
	int result = client_change(invocation, "SetNetwork", parameters, &answer, err);
	if (result == 0 && after && !invocation->dry_run)
		print_planned(invocation, json_object_get(answer.parameters, "network"), after);
	else if (result == 0)
		print_change(invocation, &answer,
			     has_changes(&answer) ? "changed" : "was like this already");
	if (result == 0 && !invocation->dry_run)
		machine_renew_ports(invocation, json_object_get(answer.parameters, "renewals"));
	varlink_answer_done(&answer);
	return result;
}

#define MOMENT_SIZE 32

/* As people write it, in local time. */
static const char *moment(time_t when, char text[static MOMENT_SIZE])
{
	struct tm local;
	if (!localtime_r(&when, &local) ||
	    !strftime(text, MOMENT_SIZE, "%Y-%m-%d %H:%M:%S", &local))
		snprintf(text, MOMENT_SIZE, "%lld", (long long)when);
	return text;
}

/* The moments in it: "10.20.0.1/24 until 1795329853". */
static void tell_moments(json_t *network)
{
	char text[MOMENT_SIZE];
	json_t *leaving = json_object_get(network, "leaving"), *one;
	const json_t *planned = json_object_get(network, "planned_at");
	size_t index;
	json_array_foreach (leaving, index, one) {
		char prefix[64];
		long long when;
		if (sscanf(json_string_value(one), "%63s until %lld", prefix, &when) == 2)
			json_array_set_new(
				leaving, index,
				json_sprintf("%s until %s", prefix, moment((time_t)when, text)));
	}
	if (json_is_integer(planned))
		json_object_set_new(network, "planned_at",
				    json_string(moment((time_t)json_integer_value(planned), text)));
}

/* What VLANs the ports of the bridge carry. */
static void add_bridge_ports(struct invocation *invocation, json_t *network)
{
	struct varlink_answer answer = {0};
	struct error why = {0};
	if (!*text_of(network, "bridge") &&
	    !json_is_true(json_object_get(network, "vlan_filtering")))
		return;
	if (client_call(invocation, "ListBridgePorts",
			json_pack("{s:s}", "network", text_of(network, "name")), &answer, &why) < 0)
		output_note("the ports of %s are not known: %s", text_of(network, "ifname"),
			    why.text);
	else if (json_array_size(json_object_get(answer.parameters, "ports")) > 0)
		json_object_set(network, "bridge_ports",
				json_object_get(answer.parameters, "ports"));
	varlink_answer_done(&answer);
}

static const struct collection networks = {.what = "network",
					   .group = "net",
					   .lists = "ListNetworks",
					   .member = "networks",
					   .removes = "RemoveNetwork",
					   .tell = tell_moments,
					   .more = add_bridge_ports,
					   .key = "name"};

static int remove_run(struct invocation *invocation, struct error *err)
{
	json_t *options = json_pack("{s:b}", "force", verb_given(invocation, "force"));
	int result = collection_remove(invocation, &networks, options, err);
	json_decref(options);
	return result;
}

static void print_networks(const json_t *list)
{
	static const char *const columns[] = {"name",	"mode", "ipv4",	 "ipv6",
					      "domain", "lab",	"ifname"};
	static const char *const titles[] = {"NAME",   "MODE", "IPV4",	    "IPV6",
					     "DOMAIN", "LAB",  "INTERFACE", "OWNER"};
	const size_t n_columns = sizeof(columns) / sizeof(columns[0]);
	static const char *const spare[] = {"INTERFACE", "LAB", "DOMAIN", "IPV6", NULL};
	bool owners = collection_has_others(list, "owner");
	struct table table;
	table_init(&table, titles, n_columns + owners);
	table.spare = spare;
	size_t index;
	json_t *network;
	json_array_foreach (list, index, network) {
		table_add_members(&table, network, columns, n_columns);
		if (owners)
			collection_add_owner(&table, network, "owner");
	}
	table_print(&table,
		    "there is no network; 'lanyard net add NAME' or 'lanyard up' makes one");
}

static int list_run(struct invocation *invocation, struct error *err)
{
	struct varlink_answer answer = {0};
	int result = client_call(invocation, "ListNetworks", NULL, &answer, err);
	if (result == 0) {
		json_t *list = json_object_get(answer.parameters, "networks");
		if (output_is_json())
			output_json(json_incref(list));
		else
			print_networks(list);
	}
	varlink_answer_done(&answer);
	return result;
}

static int show_run(struct invocation *invocation, struct error *err)
{
	return collection_show(invocation, &networks, err);
}

static void print_leases(const json_t *leases)
{
	static const char *const titles[] = {"NETWORK", "NAME",	   "ADDRESS",
					     "MAC",	"EXPIRES", "KIND"};
	static const char *const spare[] = {"KIND", "EXPIRES", "MAC", NULL};
	struct table table;
	table_init(&table, titles, sizeof(titles) / sizeof(titles[0]));
	table.spare = spare;
	size_t index;
	json_t *lease;
	json_array_foreach (leases, index, lease) {
		static const char *const columns[] = {"network", "name", "address", "mac"};
		table_add_members(&table, lease, columns, sizeof(columns) / sizeof(columns[0]));
		const json_t *expires = json_object_get(lease, "expires");
		char text[MOMENT_SIZE];
		table_add(&table, json_is_integer(expires)
					  ? moment((time_t)json_integer_value(expires), text)
					  : "never");
		table_add(&table, json_is_true(json_object_get(lease, "reserved")) ? "reserved"
										   : "dynamic");
	}
	table_print(&table, "no address is handed out yet");
}

/* {"network": NAME} or nothing. */
static json_t *network_or_all(const struct invocation *invocation)
{
	return invocation->n_arguments ? json_pack("{s:s}", "network", invocation->arguments[0])
				       : NULL;
}

static int leases_run(struct invocation *invocation, struct error *err)
{
	struct varlink_answer answer = {0};
	int result =
		client_call(invocation, "ListLeases", network_or_all(invocation), &answer, err);
	if (result == 0) {
		static const char *const keys[] = {"network", "address", "mac", NULL};
		json_t *leases = output_sorted(json_object_get(answer.parameters, "leases"), keys);
		if (output_is_json())
			output_json(json_incref(leases));
		else
			print_leases(leases);
		json_decref(leases);
	}
	varlink_answer_done(&answer);
	return result;
}

/* A word that is a MAC or an address, as it comes. */
static int read_promise(json_t *reservation, const char *word, struct error *err)
{
	struct mac mac;
	struct ip address;
	const char *key = "mac";
	struct error why = {0};
	if (mac_parse(word, &mac, &why) < 0) {
		if (strlen(word) == MAC_TEXT_SIZE - 1 &&
		    strspn(word, "0123456789abcdefABCDEF:-") == MAC_TEXT_SIZE - 1)
			return error_set(err, EINVAL, "%s", why.text);
		if (ip_parse(word, &address, NULL) < 0)
			return error_set(err, EINVAL,
					 "'%s' is neither a MAC (ba:ad:ca:00:00:01) nor an address "
					 "(10.20.0.10)",
					 word);
		key = address.family == AF_INET6 ? "ipv6" : "address";
	}
	if (json_object_get(reservation, key))
		return error_set(err, EINVAL, "'%s': there is one already", word);
	json_object_set_new(reservation, key, json_string(word));
	return 0;
}

static int reserve_run(struct invocation *invocation, struct error *err)
{
	json_t *reservation = json_pack("{s:s}", "name", invocation->arguments[1]);
	for (size_t i = 2; i < invocation->n_arguments; i++) {
		int result = read_promise(reservation, invocation->arguments[i], err);
		if (result < 0) {
			json_decref(reservation);
			return result;
		}
	}
	struct varlink_answer answer = {0};
	int result = client_change(invocation, "Reserve",
				   json_pack("{s:s,s:o}", "network", invocation->arguments[0],
					     "reservation", reservation),
				   &answer, err);
	if (result == 0 && !invocation->dry_run) {
		const json_t *made = json_object_get(answer.parameters, "reservation");
		AUTO_FREE char *mac = output_member(made, "mac");
		AUTO_FREE char *ipv4 = output_member(made, "address");
		AUTO_FREE char *ipv6 = output_member(made, "ipv6");
		output_line("%s is reserved on network %s%s%s%s%s%s%s", invocation->arguments[1],
			    invocation->arguments[0], *mac ? ", MAC " : "", mac, *ipv4 ? ", " : "",
			    ipv4, *ipv6 ? ", " : "", ipv6);
	}
	varlink_answer_done(&answer);
	return result;
}

static int unreserve_run(struct invocation *invocation, struct error *err)
{
	struct varlink_answer answer = {0};
	int result = client_change(invocation, "Unreserve",
				   json_pack("{s:s,s:s}", "network", invocation->arguments[0],
					     "name", invocation->arguments[1]),
				   &answer, err);
	if (result == 0 && !invocation->dry_run)
		output_line("reservation %s on %s ended", invocation->arguments[1],
			    invocation->arguments[0]);
	varlink_answer_done(&answer);
	return result;
}

static int check_run(struct invocation *invocation, struct error *err)
{
	struct varlink_answer answer = {0};
	int result = client_call(invocation, "Check", network_or_all(invocation), &answer, err);
	static const char *const keys[] = {"network", NULL};
	json_t *checks = output_sorted(json_object_get(answer.parameters, "checks"), keys), *check;
	size_t index;
	bool is_bad = false;
	json_array_foreach (checks, index, check) {
		bool ok = json_is_true(json_object_get(check, "ok"));
		AUTO_FREE char *network = output_member(check, "network");
		AUTO_FREE char *what = output_member(check, "what");
		AUTO_FREE char *text = output_member(check, "text");
		output_line("%s%-4s%s %s: %s: %s", output_style(ok ? STYLE_GOOD : STYLE_BAD),
			    ok ? "ok" : "BAD", output_style(STYLE_PLAIN), network, what, text);
		is_bad |= !ok;
	}
	if (result == 0 && output_is_json())
		output_json(json_incref(checks));
	else if (result == 0 && json_array_size(checks) == 0)
		output_note("there is no network to check");
	json_decref(checks);
	varlink_answer_done(&answer);
	return result < 0 ? result : is_bad;
}

static const struct verb_option remove_options[] = {
	{"force", 'f', NULL, "even when machines are plugged into it", COMPLETE_NOTHING},
	{0},
};

static const struct verb_option set_options[] = {
	{"after", 'a', "TIME", "not now but in 30m, 12h or 2d; leases are short until then",
	 COMPLETE_NOTHING},
	{0},
};

const struct verb net_verbs[] = {
	{.group = "net",
	 .name = "add",
	 .arguments = "NAME [KEY=VALUE]...",
	 .help = "add a network",
	 .examples = "lanyard net add lab\n"
		     "lanyard net add school mode=isolated ipv4=10.20.0.1/24 ipv6=none\n"
		     "lanyard net add lab 'dhcp={range: 10.20.0.50-10.20.0.99, lease: 10m}' "
		     "ipv4=10.20.0.1/24\n",
	 .min = 1,
	 .max = -1,
	 .completes = {COMPLETE_NOTHING, COMPLETE_NETWORK_KEY, COMPLETE_NETWORK_KEY},
	 .run = add_run},
	{.group = "net",
	 .name = "list",
	 .arguments = "",
	 .help = "list the networks",
	 .run = list_run},
	{.group = "net",
	 .name = "show",
	 .arguments = "NAME",
	 .help = "show everything about a network",
	 .min = 1,
	 .max = 1,
	 .completes = {COMPLETE_NETWORK},
	 .run = show_run},
	{.group = "net",
	 .name = "set",
	 .arguments = "NAME KEY=VALUE...",
	 .help = "change a network, live",
	 .details = "KEY= without a value sets a key back to its default. Running machines stay "
		    "plugged.\n"
		    "In a lab's network the change goes on through later 'lanyard up', until the "
		    "lab's file says\n"
		    "something new about that key, or 'lanyard up --reset'.",
	 .examples = "lanyard net set lab mode=isolated\n"
		     "lanyard net set lab ipv4=10.20.0.1/24 'dhcp={lease: 10m}'\n"
		     "lanyard net set --after 35m lab ipv4=10.30.0.1/24\n",
	 .options = set_options,
	 .min = 2,
	 .max = -1,
	 .completes = {COMPLETE_NETWORK, COMPLETE_NETWORK_KEY, COMPLETE_NETWORK_KEY},
	 .run = set_run},
	{.group = "net",
	 .name = "remove",
	 .arguments = "NAME...",
	 .help = "remove networks",
	 .options = remove_options,
	 .min = 1,
	 .max = -1,
	 .completes = {COMPLETE_NETWORK, COMPLETE_NETWORK, COMPLETE_NETWORK},
	 .run = remove_run},
	{.group = "net",
	 .name = "leases",
	 .arguments = "[NAME]",
	 .help = "list the addresses handed out",
	 .examples = "lanyard net leases\n"
		     "lanyard net leases lab --json\n",
	 .max = 1,
	 .completes = {COMPLETE_NETWORK},
	 .run = leases_run},
	{.group = "net",
	 .name = "reserve",
	 .arguments = "NETWORK NAME [MAC] [ADDRESS]",
	 .help = "promise a name and an address to a machine",
	 .details = "In effect at once. Without an address a free one is chosen. What is not said "
		    "anew of a\n"
		    "reservation that is there already stays.",
	 .examples = "lanyard net reserve lab printer 10.20.0.9\n"
		     "lanyard net reserve lab web ba:ad:ca:00:00:01 10.20.0.10\n",
	 .min = 2,
	 .max = 5,
	 .completes = {COMPLETE_NETWORK, COMPLETE_RESERVATION, COMPLETE_NOTHING},
	 .run = reserve_run},
	{.group = "net",
	 .name = "unreserve",
	 .arguments = "NETWORK NAME",
	 .help = "end a reservation",
	 .min = 2,
	 .max = 2,
	 .completes = {COMPLETE_NETWORK, COMPLETE_RESERVATION},
	 .run = unreserve_run},
	{.group = "net",
	 .name = "check",
	 .arguments = "[NAME]",
	 .help = "verify interface, addresses, services and rules",
	 .details = "Exits with 1 when something is not as it should be.",
	 .max = 1,
	 .completes = {COMPLETE_NETWORK},
	 .run = check_run},
	{0},
};
