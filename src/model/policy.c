/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/policy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

AUTO_DEFINE(node)
AUTO_DEFINE(policy)

struct policy *policy_new(void)
{
	return memory_zero(1, sizeof(struct policy));
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	free(policy->file);
	free(policy->rules);
	free(policy);
}

/* Reading. */

/* FILE:LINE:COLUMN, where FILE may have colons too. */
static unsigned line_of(const char *place)
{
	unsigned line = 0;
	const char *colon = strrchr(place, ':');
	while (colon && colon > place && colon[-1] != ':')
		colon--;
	if (colon)
		sscanf(colon, "%u", &line);
	return line;
}

static int parse_rule(struct policy *policy, enum policy_whose whose, const struct node *map,
		      struct error *err)
{
	struct policy_rule *rule = &policy->rules[policy->n_rules];
	*rule = (struct policy_rule){.whose = whose, .line = line_of(map->key_place)};
	if (whose != POLICY_EVERYONE && strlen(map->key) >= sizeof(rule->name)) {
		error_set(err, EINVAL, "'%.40s...' is too long for a name", map->key);
		return error_prefix(err, "%.200s", map->key_place);
	}
	snprintf(rule->name, sizeof(rule->name), "%s", whose == POLICY_EVERYONE ? "" : map->key);
	int r = schema_decode(&policy_schema, map, &rule->rights, false, err);
	for (size_t i = 0; r == 0 && i < POLICY_KEYS; i++) {
		const struct node *said = node_child(map, policy_schema.keys[i].key);
		rule->lines[i] = said ? line_of(said->key_place) : 0;
	}
	policy->n_rules += r == 0;
	return r;
}

static int parse_rules(struct policy *policy, enum policy_whose whose, const struct node *map,
		       struct error *err)
{
	int r = 0;
	if (map->kind != NODE_MAP && map->kind != NODE_NULL)
		return node_error(
			map, err, EINVAL,
			"%s has to be a map of NAME: RULE, like \"students: { ports: 4 }\"",
			map->key);
	for (size_t i = 0; r == 0 && i < map->n_children; i++)
		r = parse_rule(policy, whose, map->children[i], err);
	return r;
}

static int parse_users(struct policy *policy, const struct node *map, struct error *err)
{
	return parse_rules(policy, POLICY_USER, map, err);
}

static int parse_groups(struct policy *policy, const struct node *map, struct error *err)
{
	return parse_rules(policy, POLICY_OF_GROUP, map, err);
}

static int parse_everyone(struct policy *policy, const struct node *map, struct error *err)
{
	return parse_rule(policy, POLICY_EVERYONE, map, err);
}

/* In the order in which they count. */
static const struct {
	const char *key;
	int (*parse)(struct policy *policy, const struct node *map, struct error *err);
} sections[] = {
	{"users", parse_users},
	{"groups", parse_groups},
	{"everyone", parse_everyone},
};
#define N_SECTIONS (sizeof(sections) / sizeof(sections[0]))

static int check_sections(const struct node *root, struct error *err)
{
	char text[NODE_DESCRIBE_SIZE];
	if (root->kind != NODE_MAP && root->kind != NODE_NULL)
		return node_error(root, err, EINVAL,
				  "%s is no policy; it has to be a map of users, groups and "
				  "everyone",
				  node_describe(root, text));
	for (size_t i = 0; i < root->n_children; i++) {
		bool known = false;
		for (size_t j = 0; j < N_SECTIONS; j++)
			known |= strcmp(root->children[i]->key, sections[j].key) == 0;
		if (known)
			continue;
		error_set(err, EINVAL,
			  "unknown key '%.64s' of a policy; it is users, groups or everyone",
			  root->children[i]->key);
		return error_prefix(err, "%.200s", root->children[i]->key_place);
	}
	return 0;
}

static int count_rules(const struct node *root, size_t *ret, struct error *err)
{
	*ret = 1; /* everyone's */
	for (size_t i = 0; i < root->n_children; i++)
		*ret += root->children[i]->n_children;
	return *ret <= POLICY_RULES_MAX
		       ? 0
		       : node_error(root, err, E2BIG, "more than %d rules; make rules for groups",
				    POLICY_RULES_MAX);
}

int policy_parse(const char *file, const char *text, size_t length, struct policy **ret,
		 struct error *err)
{
	AUTO(node) struct node *root = NULL;
	AUTO(policy) struct policy *policy = policy_new();
	size_t room = 0;
	int r = node_from_yaml(file, text, length, &root, err);
	if (r == 0)
		r = check_sections(root, err);
	if (r == 0)
		r = count_rules(root, &room, err);
	if (r < 0)
		return r;
	policy->file = text_copy(file);
	policy->rules = memory_zero(room, sizeof(*policy->rules));
	for (size_t i = 0; r == 0 && i < N_SECTIONS; i++) {
		const struct node *section = node_child(root, sections[i].key);
		if (section)
			r = sections[i].parse(policy, section, err);
	}
	if (r == 0)
		*ret = TAKE(policy);
	return r;
}

/* What counts for somebody. */

static bool is_for(const struct policy_rule *rule, const char *user, policy_member *is_member,
		   void *data)
{
	if (rule->whose == POLICY_USER)
		return strcmp(rule->name, user) == 0;
	return rule->whose == POLICY_EVERYONE || is_member(rule->name, data);
}

static void take_key(struct policy_grant *grant, const struct policy_rule *rule, size_t key)
{
	const struct schema_key *entry = &policy_schema.keys[key];
	grant->lines[key] = rule->lines[key];
	memcpy((char *)&grant->rights + entry->offset, (const char *)&rule->rights + entry->offset,
	       entry->size);
}

void policy_resolve(const struct policy *policy, const char *user, policy_member *is_member,
		    void *data, struct policy_grant *ret)
{
	*ret = (struct policy_grant){0};
	for (size_t i = 0; i < POLICY_KEYS; i++)
		if (policy_schema.keys[i].fallback)
			(void)schema_set(&policy_schema, &ret->rights, policy_schema.keys[i].key,
					 policy_schema.keys[i].fallback, NULL);
	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct policy_rule *rule = &policy->rules[i];
		if (!is_for(rule, user, is_member, data))
			continue;
		for (size_t key = 0; key < POLICY_KEYS; key++)
			if (!ret->lines[key] && rule->lines[key])
				take_key(ret, rule, key);
	}
	if (!ret->lines[POLICY_USE])
		ret->rights.use = is_member(POLICY_GROUP, data);
}

const char *policy_place(const struct policy *policy, const struct policy_grant *grant,
			 enum policy_key key, char *place)
{
	if (grant->lines[key])
		snprintf(place, POLICY_PLACE_SIZE, "%.200s:%u", policy->file, grant->lines[key]);
	else if (policy->file)
		snprintf(place, POLICY_PLACE_SIZE, "%.200s says nothing about '%s'", policy->file,
			 policy_schema.keys[key].key);
	else
		snprintf(place, POLICY_PLACE_SIZE, "the default of '%s'",
			 policy_schema.keys[key].key);
	return place;
}

bool policy_has_network(const struct policy_rights *rights, const char *name, bool *ret_by_name)
{
	bool found = false;
	*ret_by_name = false;
	for (size_t i = 0; i < POLICY_ITEMS && rights->plug[i][0]; i++) {
		*ret_by_name |= strcmp(rights->plug[i], name) == 0;
		found |= *ret_by_name || strcmp(rights->plug[i], "*") == 0;
	}
	return found;
}

bool policy_has_interface(const struct policy_rights *rights, const char *ifname)
{
	for (size_t i = 0; i < POLICY_ITEMS && rights->interfaces[i][0]; i++) {
		const char *pattern = rights->interfaces[i];
		size_t length = strlen(pattern);
		if (pattern[length - 1] == '*' ? strncmp(pattern, ifname, length - 1) == 0
					       : strcmp(pattern, ifname) == 0)
			return true;
	}
	return false;
}

bool policy_has_prefix(const struct policy_rights *rights, const struct ip *prefix)
{
	for (size_t i = 0; i < POLICY_ITEMS && ip_is_set(&rights->addresses[i]); i++)
		if (rights->addresses[i].length <= prefix->length &&
		    ip_contains(&rights->addresses[i], prefix))
			return true;
	return false;
}

bool policy_has_domain(const struct policy_rights *rights, const char *domain)
{
	for (size_t i = 0; i < POLICY_ITEMS && rights->domains[i][0]; i++) {
		const char *above = rights->domains[i];
		size_t length = strlen(above), own = strlen(domain);
		if (strcmp(above, "*") == 0 ||
		    (own > length + 1 && domain[own - length - 1] == '.' &&
		     strcasecmp(domain + own - length, above) == 0))
			return true;
	}
	return false;
}

bool policy_has_mac(const struct policy_rights *rights, const struct mac *mac)
{
	for (size_t i = 0; i < POLICY_ITEMS && rights->macs[i].is_set; i++)
		if (memcmp(&rights->macs[i].first, mac, sizeof(*mac)) <= 0 &&
		    memcmp(mac, &rights->macs[i].last, sizeof(*mac)) <= 0)
			return true;
	return !rights->macs[0].is_set;
}

static bool is_any(const struct ip *address)
{
	static const struct ip any = {0};
	return memcmp(address->bytes, any.bytes, sizeof(any.bytes)) == 0;
}

bool policy_has_publish_address(const struct policy_rights *rights, const struct ip *address)
{
	for (size_t i = 0; i < POLICY_ITEMS && ip_is_set(&rights->publish_on[i]); i++)
		if (ip_equal(&rights->publish_on[i], address) ||
		    (rights->publish_on[i].family == address->family &&
		     is_any(&rights->publish_on[i])))
			return true;
	return false;
}

bool policy_has_publish_port(const struct policy_rights *rights, uint16_t port)
{
	for (size_t i = 0; i < POLICY_ITEMS && rights->publish_ports[i].first; i++)
		if (rights->publish_ports[i].first <= port && port <= rights->publish_ports[i].last)
			return true;
	return false;
}
