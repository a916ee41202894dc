/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every nftables ruleset of the namespace, iptables' own one included, reduced to what decides over
 * forwarded and incoming packets: the base chains, what they do with the rest, and interfaces that
 * are let through. Listing all costs megabytes: only a short-lived process does it.
 */
#include <errno.h>
#include <linux/capability.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "kern/capability.h"
#include "kern/facts.h"

static const char *text(const json_t *json, const char *key)
{
	const char *value = json_string_value(json_object_get(json, key));
	return value ? value : "";
}

static bool is_same(const json_t *a, const json_t *b, const char *key)
{
	return strcmp(text(a, key), text(b, key)) == 0;
}

/* Does the rule end every packet that comes to it? Counters and logs are no condition. */
static bool is_final_drop(const json_t *rule)
{
	const json_t *expression;
	size_t index;
	bool drops = false;
	json_array_foreach (json_object_get(rule, "expr"), index, expression) {
		if (json_object_get(expression, "drop") || json_object_get(expression, "reject"))
			drops = true;
		else if (!json_object_get(expression, "counter") &&
			 !json_object_get(expression, "log"))
			return false;
	}
	return drops;
}

/* A chain's last rule, also that of the chain which it jumps to without a condition. */
static const json_t *last_rule(const json_t *ruleset, const json_t *chain)
{
	const json_t *item, *last = NULL;
	size_t index;
	json_array_foreach (ruleset, index, item) {
		const json_t *rule = json_object_get(item, "rule");
		if (rule && is_same(rule, chain, "family") && is_same(rule, chain, "table") &&
		    strcmp(text(rule, "chain"), text(chain, "name")) == 0)
			last = rule;
	}
	return last;
}

/* A jump to a chain that ends in an accept, as firewalld's zones and policies do. */
static bool leads_to_accept(const json_t *ruleset, const json_t *rule, const json_t *expression)
{
	const json_t *jump = json_object_get(expression, "jump"), *part;
	jump = jump ? jump : json_object_get(expression, "goto");
	if (!jump)
		return false;
	json_t *chain = json_pack("{s:s, s:s, s:s}", "family", text(rule, "family"), "table",
				  text(rule, "table"), "name", text(jump, "target"));
	const json_t *last = last_rule(ruleset, chain);
	size_t index;
	bool accepts = false, conditional = false;
	json_array_foreach (json_object_get(last, "expr"), index, part) {
		accepts |= json_object_get(part, "accept") != NULL;
		conditional |= json_object_get(part, "match") != NULL;
	}
	json_decref(chain);
	return accepts && !conditional;
}

/* "<NAME": a rule that accepts what comes in by NAME, whatever else it is; ">NAME": what goes out
 * by it. "related" matches count for nothing: connections have to begin somewhere. */
static void note_accept(json_t *accepts, const json_t *ruleset, const json_t *rule)
{
	const json_t *expressions = json_object_get(rule, "expr"), *expression;
	char name[64] = "";
	bool accepts_all = false, conditional = false;
	size_t index;
	json_array_foreach (expressions, index, expression) {
		const json_t *match = json_object_get(expression, "match");
		const char *key =
			text(json_object_get(json_object_get(match, "left"), "meta"), "key");
		const char *value = json_string_value(json_object_get(match, "right"));
		if (json_object_get(expression, "accept") ||
		    leads_to_accept(ruleset, rule, expression))
			accepts_all = true;
		else if (match && value && strcmp(text(match, "op"), "==") == 0 &&
			 (strcmp(key, "iifname") == 0 || strcmp(key, "oifname") == 0) && !*name)
			snprintf(name, sizeof(name), "%c%s", key[0] == 'i' ? '<' : '>', value);
		else if (match || json_object_get(expression, "xt"))
			conditional = true;
	}
	if (accepts_all && *name && !conditional)
		json_array_append_new(accepts, json_string(name));
}

static json_t *accepts_of(const json_t *ruleset, const json_t *chain)
{
	json_t *accepts = json_array();
	const json_t *item;
	size_t index;
	json_array_foreach (ruleset, index, item) {
		const json_t *rule = json_object_get(item, "rule");
		if (rule && is_same(rule, chain, "family") && is_same(rule, chain, "table"))
			note_accept(accepts, ruleset, rule);
	}
	return accepts;
}

/* The interfaces that any rule of the table names as those where packets come in. */
static json_t *names_of(const json_t *ruleset, const json_t *chain)
{
	json_t *names = json_array();
	const json_t *item, *expression;
	size_t index, i;
	json_array_foreach (ruleset, index, item) {
		const json_t *rule = json_object_get(item, "rule");
		if (!rule || !is_same(rule, chain, "family") || !is_same(rule, chain, "table"))
			continue;
		json_array_foreach (json_object_get(rule, "expr"), i, expression) {
			const json_t *match = json_object_get(expression, "match");
			const json_t *left =
				json_object_get(json_object_get(match, "left"), "meta");
			json_t *name = json_object_get(match, "right");
			if (strcmp(text(left, "key"), "iifname") == 0 && json_is_string(name))
				json_array_append(names, name);
		}
	}
	return names;
}

static json_t *chain_json(const json_t *ruleset, const json_t *chain)
{
	const json_t *last = last_rule(ruleset, chain);
	bool drops = strcmp(text(chain, "policy"), "drop") == 0 || (last && is_final_drop(last));
	bool is_base = *text(chain, "hook");
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:o}", "family",
			 text(chain, "family"), "table", text(chain, "table"), "name",
			 text(chain, "name"), "hook", text(chain, "hook"), "policy",
			 text(chain, "policy"), "drops", drops, "accepts",
			 is_base ? accepts_of(ruleset, chain) : json_array(), "names",
			 is_base ? names_of(ruleset, chain) : json_array());
}

static json_t *reduce(const json_t *ruleset)
{
	json_t *tables = json_array(), *chains = json_array();
	const json_t *item;
	size_t index;
	json_array_foreach (ruleset, index, item) {
		const json_t *table = json_object_get(item, "table");
		const json_t *chain = json_object_get(item, "chain");
		if (table)
			json_array_append_new(tables, json_sprintf("%s %s", text(table, "family"),
								   text(table, "name")));
		if (chain)
			json_array_append_new(chains, chain_json(ruleset, chain));
	}
	return json_pack("{s:o, s:o}", "tables", tables, "chains", chains);
}

json_t *facts_firewall(struct error *err)
{
	uint64_t rights = 0;
	/* libnftables would complain on standard error */
	if (capability_effective(&rights, err) < 0 || !(rights & 1ull << CAP_NET_ADMIN)) {
		error_set(err, EPERM, "the ruleset cannot be read without CAP_NET_ADMIN");
		return NULL;
	}
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!nft) {
		error_set(err, ENOMEM, "libnftables");
		return NULL;
	}
	nft_ctx_output_set_flags(nft, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_STATELESS);
	nft_ctx_buffer_output(nft);
	nft_ctx_buffer_error(nft);
	json_t *facts = NULL, *all = NULL;
	if (nft_run_cmd_from_buffer(nft, "list ruleset") == 0)
		all = json_loads(nft_ctx_get_output_buffer(nft), 0, NULL);
	if (all)
		facts = reduce(json_object_get(all, "nftables"));
	else
		error_set(err, EIO, "the ruleset cannot be read");
	json_decref(all);
	nft_ctx_free(nft);
	return facts;
}
