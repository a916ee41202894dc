/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading is by bare netlink, a few small requests, because it is a part of every dump;
 * libnftables, which would read everybody's whole ruleset, only writes. iptables keeps a rule's
 * comment either as user data (what nft writes) or as an expression `match comment` (what
 * iptables-restore makes of it): both are understood.
 */
#include "kern/permit.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "kern/firewall.h"

#define TYPE(message) ((uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | (message)))
#define COMMENT_SIZE  256 /* of xt_comment, too */
#define CHAIN	      "DOCKER-USER"

static const uint8_t families[2] = {NFPROTO_IPV4, NFPROTO_IPV6};
static const char *const family_names[2] = {"ip", "ip6"};

void permits_open(struct permits *permits, const char *instance)
{
	*permits = (struct permits){0};
	char zone[PERMIT_ZONE_SIZE];
	permit_zone_name(instance, zone);
	snprintf(permits->tag, sizeof(permits->tag), "lanyard:%s:", instance);
	snprintf(permits->zone, sizeof(permits->zone), "filter_IN_%s", zone);
}

void permits_close(struct permits *permits)
{
	free(permits->rules);
	permits->rules = NULL;
	permits->n_rules = permits->room = 0;
}

/* A fingerprint of what was read, in its order (FNV-1a). */
static void mix(uint64_t *print, const void *bytes, size_t size)
{
	const uint8_t *byte = bytes;
	for (size_t i = 0; i < size; i++)
		*print = (*print ^ byte[i]) * 0x100000001b3ull;
}

/* Chains */

struct chain {
	bool is_there, drops;
};

static int on_chain(const struct nlmsghdr *message, void *data)
{
	struct chain *chain = data;
	const struct nlattr *attribute;
	if (message->nlmsg_type != TYPE(NFT_MSG_NEWCHAIN))
		return 0;
	chain->is_there = true;
	mnl_attr_for_each (attribute, message, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attribute) == NFTA_CHAIN_POLICY)
			chain->drops = ntohl(mnl_attr_get_u32(attribute)) == NF_DROP;
	return 0;
}

static int chain_read(struct netlink *netlink, uint8_t family, const char *table, const char *name,
		      struct chain *ret, struct error *err)
{
	struct nfgenmsg header = {.nfgen_family = family};
	struct error reason = {0};
	*ret = (struct chain){0};
	struct nlmsghdr *message =
		netlink_add(netlink, TYPE(NFT_MSG_GETCHAIN), 0, &header, sizeof(header));
	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, name);
	int code = netlink_run(netlink, on_chain, ret, NULL, &reason);
	return code < 0 && code != -ENOENT ? error_set(err, code, "nftables: %s", reason.text) : 0;
}

/* Rules */

struct found {
	struct permits *permits;
	uint8_t family;
	bool handles_only; /* somebody else's: for the fingerprint */
	bool returned;
	size_t first; /* our rules that were known before */
};

/* What one rule says, as far as it matters here. */
struct rule {
	uint64_t handle;
	char comment[COMMENT_SIZE];
	char in[IFNAMSIZ], out[IFNAMSIZ];
	char *next; /* where the next comparison goes: in, out or NULL */
	int32_t verdict;
	bool has_verdict, conditional;
};

static void take_comment(const void *data, size_t size, struct rule *rule)
{
	size_t length = strnlen(data, size < COMMENT_SIZE - 1 ? size : COMMENT_SIZE - 1);
	memcpy(rule->comment, data, length);
	rule->comment[length] = '\0';
}

/* User data: type, length, value; type 0 is the comment. */
static void take_userdata(const struct nlattr *attribute, struct rule *rule)
{
	const uint8_t *data = mnl_attr_get_payload(attribute);
	size_t size = mnl_attr_get_payload_len(attribute);
	for (size_t i = 0; i + 2 <= size && i + 2 + data[i + 1] <= size; i += 2u + data[i + 1])
		if (data[i] == 0)
			take_comment(data + i + 2, data[i + 1], rule);
}

static void take_meta(const struct nlattr *data, struct rule *rule)
{
	const struct nlattr *part;
	rule->next = NULL;
	mnl_attr_for_each_nested (part, data) {
		if (mnl_attr_get_type(part) != NFTA_META_KEY)
			continue;
		uint32_t key = ntohl(mnl_attr_get_u32(part));
		rule->next = key == NFT_META_IIFNAME   ? rule->in
			     : key == NFT_META_OIFNAME ? rule->out
						       : NULL;
	}
	rule->conditional |= !rule->next;
}

static void take_value(const struct nlattr *data, struct rule *rule)
{
	const struct nlattr *value;
	mnl_attr_for_each_nested (value, data) {
		size_t size = mnl_attr_get_payload_len(value);
		if (mnl_attr_get_type(value) != NFTA_DATA_VALUE || !rule->next || size > IFNAMSIZ)
			continue;
		memcpy(rule->next, mnl_attr_get_payload(value), size);
		rule->next[IFNAMSIZ - 1] = '\0';
	}
}

static void take_compare(const struct nlattr *data, struct rule *rule)
{
	const struct nlattr *part;
	mnl_attr_for_each_nested (part, data) {
		if (mnl_attr_get_type(part) == NFTA_CMP_OP)
			rule->conditional |= ntohl(mnl_attr_get_u32(part)) != NFT_CMP_EQ;
		if (mnl_attr_get_type(part) == NFTA_CMP_DATA)
			take_value(part, rule);
	}
}

static void take_match(const struct nlattr *data, struct rule *rule)
{
	const struct nlattr *part, *info = NULL;
	bool is_comment = false;
	mnl_attr_for_each_nested (part, data) {
		if (mnl_attr_get_type(part) == NFTA_MATCH_NAME)
			is_comment = strcmp(mnl_attr_get_str(part), "comment") == 0;
		if (mnl_attr_get_type(part) == NFTA_MATCH_INFO)
			info = part;
	}
	if (is_comment && info)
		take_comment(mnl_attr_get_payload(info), mnl_attr_get_payload_len(info), rule);
	rule->conditional |= !is_comment;
}

static void take_verdict(const struct nlattr *data, struct rule *rule)
{
	const struct nlattr *part, *body, *code;
	mnl_attr_for_each_nested (part, data) {
		if (mnl_attr_get_type(part) != NFTA_IMMEDIATE_DATA)
			continue;
		mnl_attr_for_each_nested (body, part) {
			if (mnl_attr_get_type(body) != NFTA_DATA_VERDICT)
				continue;
			mnl_attr_for_each_nested (code, body)
				if (mnl_attr_get_type(code) == NFTA_VERDICT_CODE) {
					rule->verdict = (int32_t)ntohl(mnl_attr_get_u32(code));
					rule->has_verdict = true;
				}
		}
	}
}

static const struct {
	const char *name;
	void (*take)(const struct nlattr *data, struct rule *rule);
} expressions[] = {{"meta", take_meta},
		   {"cmp", take_compare},
		   {"match", take_match},
		   {"immediate", take_verdict},
		   {"counter", NULL}};

static void take_expression(const struct nlattr *expression, struct rule *rule)
{
	const struct nlattr *part, *data = NULL;
	const char *name = "";
	mnl_attr_for_each_nested (part, expression) {
		if (mnl_attr_get_type(part) == NFTA_EXPR_NAME)
			name = mnl_attr_get_str(part);
		if (mnl_attr_get_type(part) == NFTA_EXPR_DATA)
			data = part;
	}
	for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++) {
		if (strcmp(name, expressions[i].name) != 0)
			continue;
		if (expressions[i].take && data)
			expressions[i].take(data, rule);
		return;
	}
	rule->conditional = true;
}

static void note(struct found *found, const struct rule *rule)
{
	struct permits *permits = found->permits;
	size_t family = found->family == NFPROTO_IPV6;
	bool named = rule->in[0] || rule->out[0];
	if (!named && !rule->conditional && rule->has_verdict && rule->verdict == NFT_RETURN) {
		permits->returns[family] = rule->handle;
		found->returned = true;
	}
	if (strncmp(rule->comment, permits->tag, strlen(permits->tag)) != 0)
		return;
	permits->rules = memory_grow(permits->rules, &permits->room, permits->n_rules + 1,
				     sizeof(*permits->rules));
	struct permit_rule *ours = &permits->rules[permits->n_rules++];
	*ours = (struct permit_rule){
		.family = found->family, .late = found->returned, .handle = rule->handle};
	ours->odd = rule->conditional || !rule->has_verdict || rule->verdict != NF_ACCEPT || !named;
	ours->network = (uint32_t)strtoul(rule->comment + strlen(permits->tag), NULL, 10);
	memcpy(ours->in, rule->in, IFNAMSIZ);
	memcpy(ours->out, rule->out, IFNAMSIZ);
	mix(&permits->print, ours, sizeof(*ours));
}

static int on_rule(const struct nlmsghdr *message, void *data)
{
	struct found *found = data;
	const struct nlattr *attribute, *expression;
	struct rule rule = {0};
	if (message->nlmsg_type != TYPE(NFT_MSG_NEWRULE))
		return 0;
	mnl_attr_for_each (attribute, message, sizeof(struct nfgenmsg)) {
		uint16_t type = mnl_attr_get_type(attribute);
		if (type == NFTA_RULE_HANDLE)
			rule.handle = be64toh(mnl_attr_get_u64(attribute));
		else if (type == NFTA_RULE_USERDATA)
			take_userdata(attribute, &rule);
		else if (type == NFTA_RULE_EXPRESSIONS && !found->handles_only)
			mnl_attr_for_each_nested (expression, attribute)
				take_expression(expression, &rule);
	}
	if (found->handles_only)
		mix(&found->permits->print, &rule.handle, sizeof(rule.handle));
	else
		note(found, &rule);
	return 0;
}

/* Before each attempt. */
static void found_clear(void *data)
{
	struct found *found = data;
	found->permits->n_rules = found->first;
	found->returned = false;
}

static int rules_read(struct found *found, struct netlink *netlink, const char *table,
		      const char *chain, struct error *err)
{
	char buffer[256] __attribute__((aligned(8)));
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->nfgen_family = found->family;
	mnl_attr_put_strz(request, NFTA_RULE_TABLE, table);
	mnl_attr_put_strz(request, NFTA_RULE_CHAIN, chain);
	found->first = found->permits->n_rules;
	int code =
		netlink_dump(netlink, TYPE(NFT_MSG_GETRULE), header,
			     mnl_nlmsg_get_payload_len(request), found_clear, on_rule, found, err);

	return code == -ENOENT ? 0 : code;
}

static int read_docker(struct permits *permits, struct netlink *netlink, size_t family,
		       struct error *err)
{
	struct chain users, forward;
	struct found found = {.permits = permits, .family = families[family]};
	int code = chain_read(netlink, families[family], "filter", CHAIN, &users, err);
	if (code == 0 && users.is_there)
		code = chain_read(netlink, families[family], "filter", "FORWARD", &forward, err);
	if (code < 0 || !users.is_there)
		return code;
	permits->drops[family] = forward.drops;
	mix(&permits->print, &forward, sizeof(forward));
	return rules_read(&found, netlink, "filter", CHAIN, err);
}

/* Enough to see that they came, went or were edited. */
static int read_others(struct permits *permits, struct netlink *netlink, struct error *err)
{
	const struct {
		uint8_t family;
		const char *table, *chain;
	} marks[] = {{NFPROTO_IPV4, "filter", "ufw-user-input"},
		     {NFPROTO_IPV4, "filter", "ufw-user-forward"},
		     {NFPROTO_INET, "firewalld", "filter_INPUT"},
		     {NFPROTO_INET, "firewalld", permits->zone}};
	int code = 0;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]) && code == 0; i++) {
		struct found found = {
			.permits = permits, .family = marks[i].family, .handles_only = true};
		struct chain chain;
		code = chain_read(netlink, marks[i].family, marks[i].table, marks[i].chain, &chain,
				  err);
		mix(&permits->print, &chain.is_there, sizeof(chain.is_there));
		if (code == 0 && chain.is_there && marks[i].family == NFPROTO_IPV4)
			code = rules_read(&found, netlink, marks[i].table, marks[i].chain, err);
	}
	return code;
}

int permits_read(struct permits *permits, struct netlink *netlink, struct error *err)
{
	int code = 0;
	permits->n_rules = 0;
	permits->print = 0xcbf29ce484222325ull;
	for (size_t i = 0; i < 2 && code == 0; i++) {
		permits->returns[i] = 0;
		permits->drops[i] = false;
		code = read_docker(permits, netlink, i, err);
	}
	return code == 0 ? read_others(permits, netlink, err) : code;
}

/* The list */

static const char *subject(const struct permit_rule *rule)
{
	return rule->in[0] ? rule->in : rule->out;
}

static unsigned owner_of(uint8_t family)
{
	return family == NFPROTO_IPV4 ? PERMIT_DOCKER : PERMIT_DOCKER6;
}

static bool is_about(const struct permit_rule *rule, const struct object_permit *permit)
{
	return owner_of(rule->family) == permit->owner &&
	       strncmp(subject(rule), permit->ifname, IFNAMSIZ) == 0;
}

static uint8_t parts_of(const struct permits *permits, const struct object_permit *permit)
{
	unsigned in = 0, out = 0, across = 0, bad = 0;
	for (size_t i = 0; i < permits->n_rules; i++) {
		const struct permit_rule *rule = &permits->rules[i];
		if (!is_about(rule, permit))
			continue;
		bad += rule->late || rule->odd;
		across += rule->in[0] && rule->out[0];
		in += rule->in[0] && !rule->out[0];
		out += rule->out[0] && !rule->in[0];
	}
	if (bad || in + out + across > 2)
		return 0;
	return in == 1 && out == 1	      ? PERMIT_FORWARD
	       : across == 1 && in + out == 0 ? PERMIT_ACROSS
					      : 0;
}

void permits_list(const struct permits *permits, struct object_list *ret)
{
	for (size_t i = 0; i < 2; i++)
		if (permits->drops[i])
			object_list_add(ret, OBJECT_PERMIT, 0)->permit.owner =
				(uint8_t)owner_of(families[i]);
	for (size_t i = 0; i < permits->n_rules; i++) {
		const struct permit_rule *rule = &permits->rules[i];
		struct object_permit permit = {.owner = (uint8_t)owner_of(rule->family)};
		bool known = false;
		memcpy(permit.ifname, subject(rule), IFNAMSIZ);
		for (size_t j = 0; j < i && !known; j++)
			known = is_about(&permits->rules[j], &permit);
		if (known || !permit.ifname[0])
			continue;
		permit.parts = parts_of(permits, &permit);
		object_list_add(ret, OBJECT_PERMIT, rule->network)->permit = permit;
	}
}

/* Changes */

static void print_removal(const struct permits *permits, const struct object_permit *permit,
			  FILE *out)
{
	for (size_t i = 0; i < permits->n_rules; i++)
		if (is_about(&permits->rules[i], permit))
			fprintf(out, "delete rule %s filter " CHAIN " handle %llu\n",
				family_names[permits->rules[i].family == NFPROTO_IPV6],
				(unsigned long long)permits->rules[i].handle);
}

static void print_rule(const struct permits *permits, const struct object *object,
		       const char *match, FILE *out)
{
	size_t family = object->permit.owner == PERMIT_DOCKER6;
	if (permits->returns[family])
		fprintf(out, "insert rule %s filter " CHAIN " position %llu", family_names[family],
			(unsigned long long)permits->returns[family]);
	else
		fprintf(out, "add rule %s filter " CHAIN, family_names[family]);
	fprintf(out, " %s counter accept comment \"%s%u\"\n", match, permits->tag, object->network);
}

static void print_rules(const struct permits *permits, const struct object *object, FILE *out)
{
	const char *ifname = object->permit.ifname;
	AUTO_FREE char *in = text_format("iifname \"%s\"", ifname);
	AUTO_FREE char *to = text_format("oifname \"%s\"", ifname);
	AUTO_FREE char *across = text_format("%s %s", in, to);
	if (object->permit.parts & PERMIT_FORWARD) {
		print_rule(permits, object, in, out);
		print_rule(permits, object, to, out);
	} else if (object->permit.parts & PERMIT_ACROSS) {
		print_rule(permits, object, across, out);
	}
}

int permits_apply(const struct permits *permits, const struct object *const *objects, size_t count,
		  bool remove, struct error *err)
{
	struct text text;
	text_begin(&text);
	for (size_t i = 0; i < count; i++) {
		print_removal(permits, &objects[i]->permit, text.out);
		if (!remove)
			print_rules(permits, objects[i], text.out);
	}
	AUTO_FREE char *rules = text_end(&text);
	return *rules ? firewall_run_text(rules, err) : 0;
}
