/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules. Read it as: a forwarded packet is looked up by where it comes from, then by where it
 * goes; a nat network's packets may go anywhere but into other networks of ours, and only answers
 * come back.
 *
 * There is no input chain: what networks send to the host is not ours to drop, and an accept here
 * would not undo another table's drop.
 */
#include "kern/firewall_text.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"

const struct firewall_mode firewall_modes[FILTER_MODES] = {
	[NETWORK_NAT] = {"from_nat", "to_nat", false, true},
	[NETWORK_ROUTED] = {"from_routed", "to_routed", false, true},
	[NETWORK_BRIDGED] = {"from_bridged", "to_bridged", true, false},
	[NETWORK_ISOLATED] = {"from_isolated", "to_isolated", false, true},
	[NETWORK_OPEN] = {"from_open", "to_open", true, false},
	[FILTER_FENCE] = {"from_fence", "to_fence", true, false},
};

static const char *const sets[] = {
	"set ours { type ifname; }",
	"set same { type ifname . ifname; }", /* a network and itself (its own subnets), peers */
	"set nat4 { type ipv4_addr; flags interval; }",
	"set nat6 { type ipv6_addr; flags interval; }",
	"map from { type ifname : verdict; }",
	"map to { type ifname : verdict; }",
};

#define CHAIN_RULES 5

static const struct chain {
	const char *name;
	const char *hook; /* NULL: reached from the others only */
	const char *rules[CHAIN_RULES];
} chains[] = {
	/* both directions, so that connections survive the uplink's smaller MTU */
	{"pass", NULL, {"tcp flags syn tcp option maxseg size set rt mtu", "accept"}},
	{"between", NULL, {"iifname . oifname @same accept", "drop"}},
	{"from_nat", NULL, {"oifname @ours goto between", "goto pass"}},
	{"to_nat", NULL, {"ct state established,related goto pass", "drop"}},
	{"from_routed", NULL, {"oifname @ours goto between", "goto pass"}},
	{"to_routed", NULL, {"goto pass"}},
	{"from_isolated", NULL, {"goto between"}},
	{"to_isolated", NULL, {"goto between"}},
	{"from_bridged", NULL, {NULL}},
	{"to_bridged", NULL, {NULL}},
	{"from_open", NULL, {NULL}},
	{"to_open", NULL, {NULL}},
	/* all interfaces of our networks begin so, those of mode open too */
	{"from_fence", NULL, {"oifname \"ly*\" return", "drop"}},
	{"to_fence", NULL, {"iifname \"ly*\" return", "drop"}},
	{"forward",
	 "type filter hook forward priority filter; policy accept;",
	 {"iifname vmap @from", "oifname vmap @to"}},
	/* by source address: the incoming interface is not known here before Linux 5.5 */
	{"postrouting",
	 "type nat hook postrouting priority srcnat; policy accept;",
	 {"oifname @ours return", "oifname \"lo\" return", "ip saddr @nat4 masquerade",
	  "ip6 saddr @nat6 masquerade"}},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

size_t firewall_text_rules(void)
{
	size_t count = 0;
	for (size_t i = 0; i < COUNT(chains); i++)
		for (size_t j = 0; j < CHAIN_RULES && chains[i].rules[j]; j++)
			count++;
	return count;
}

static void print_chain(FILE *out, const struct chain *chain)
{
	fprintf(out, "\tchain %s {\n", chain->name);
	if (chain->hook)
		fprintf(out, "\t\t%s\n", chain->hook);
	for (size_t i = 0; i < CHAIN_RULES && chain->rules[i]; i++)
		fprintf(out, "\t\t%s\n", chain->rules[i]);
	fprintf(out, "\t}\n");
}

void firewall_text_head(FILE *out, const char *family, const char *table, bool replace)
{
	if (replace)
		fprintf(out, "delete table %s %s\n", family, table);
	fprintf(out, "table %s %s {\n", family, table);
}

char *firewall_text_base(const char *table, bool replace)
{
	struct text text;
	text_begin(&text);
	firewall_text_head(text.out, "inet", table, replace);
	for (size_t i = 0; i < COUNT(sets); i++)
		fprintf(text.out, "\t%s\n", sets[i]);
	for (size_t i = 0; i < COUNT(chains); i++)
		print_chain(text.out, &chains[i]);
	fprintf(text.out, "}\n");
	return text_end(&text);
}

static void print_nat(FILE *out, const char *table, const struct ip *prefix, const char *ifname)
{
	char text[IP_TEXT_SIZE];
	if (ip_is_set(prefix))
		fprintf(out, "add element inet %s %s { %s comment \"%s/%u\" }\n", table,
			prefix->family == AF_INET ? "nat4" : "nat6", ip_format_prefix(prefix, text),
			ifname, prefix->length);
}

/* Both directions; the comment says whose it is. */
static void print_peer(FILE *out, const char *table, const char *ifname, const char *peer)
{
	if (peer[0])
		fprintf(out,
			"add element inet %s same { \"%s\" . \"%s\" comment \"%s\", \"%s\" . "
			"\"%s\" "
			"comment \"%s\" }\n",
			table, ifname, peer, ifname, peer, ifname, ifname);
}

char *firewall_text_elements(const char *table, const struct object *object)
{
	const struct object_filter *filter = &object->filter;
	const struct firewall_mode *mode = &firewall_modes[filter->mode];
	const char *verdict = mode->jumps ? "jump" : "goto", *ifname = filter->ifname;
	struct text text;
	text_begin(&text);
	if (mode->ours) {
		fprintf(text.out, "add element inet %s ours { \"%s\" }\n", table, ifname);
		fprintf(text.out, "add element inet %s same { \"%s\" . \"%s\" }\n", table, ifname,
			ifname);
	}
	for (size_t i = 0; i < NETWORK_PEERS; i++)
		print_peer(text.out, table, ifname, filter->peers[i]);
	for (size_t i = 0; i < FILTER_PREFIXES; i++)
		print_nat(text.out, table, &filter->nat[i], ifname);
	fprintf(text.out, "add element inet %s from { \"%s\" comment \"network %u\" : %s %s }\n",
		table, ifname, object->network, verdict, mode->from);
	fprintf(text.out, "add element inet %s to { \"%s\" : %s %s }\n", table, ifname, verdict,
		mode->to);
	return text_end(&text);
}
