/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a policy says to a network or to one more of something, and how it says no. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "model/policy.h"

int policy_refuse(const struct policy *policy, const struct policy_grant *grant,
		  enum policy_key key, struct error *err, const char *format, ...)
{
	char place[POLICY_PLACE_SIZE], text[ERROR_TEXT_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return error_set(err, EACCES, "%s: %s", policy_place(policy, grant, key, place), text);
}

int policy_check_rate(const struct policy *policy, const struct policy_grant *grant,
		      const char *key, uint32_t rate, struct error *err)
{
	char most[POLICY_VALUE_SIZE];
	if (!grant->rights.rate || (rate && rate <= grant->rights.rate))
		return 0;
	policy_value(grant, POLICY_RATE, most);
	return policy_refuse(policy, grant, POLICY_RATE, err,
			     "%s of a port of yours is %s at most; write that or less, or leave it "
			     "out",
			     key, most);
}

static int check_vlans(const struct policy *policy, const struct policy_grant *grant,
		       const char *key, const struct vlan_range *wanted, struct error *err)
{
	char some[VLAN_RANGES_TEXT], most[POLICY_VALUE_SIZE];
	struct vlan_range one[VLAN_RANGES] = {*wanted};
	if (!wanted->first || vlan_ranges_have(grant->rights.vlans, wanted->first, wanted->last))
		return 0;
	return policy_refuse(
		policy, grant, POLICY_VLANS, err,
		"%s %s is none of the VLANs that you may choose here (%s); ask root for "
		"a rule with 'vlans: %s'",
		key, vlan_ranges_format(one, some), policy_value(grant, POLICY_VLANS, most), some);
}

int policy_check_vlans(const struct policy *policy, const struct policy_grant *grant,
		       const struct vlans *vlans, struct error *err)
{
	struct vlan_range native = {vlans->native, vlans->native};
	int r = check_vlans(policy, grant, "vlan", &native, err);
	for (size_t i = 0; r == 0 && i < VLAN_RANGES; i++)
		r = check_vlans(policy, grant, "trunk", &vlans->tagged[i], err);
	return r;
}

int policy_check_count(const struct policy *policy, const struct policy_grant *grant,
		       enum policy_key key, size_t count, struct error *err)
{
	static const struct {
		const char *one, *many, *help;
	} words[POLICY_KEYS] = {
		[POLICY_NETWORKS] = {"network of your own", "networks of your own",
				     "'lanyard net remove NAME' makes room"},
		[POLICY_PORTS] = {"port", "ports", "'lanyard port remove ID' makes room"},
		[POLICY_MACHINES] = {"machine plugged in", "machines plugged in",
				     "stop one to make room"},
		[POLICY_PUBLISHED] = {"published port", "published ports",
				      "'lanyard unpublish PORT' makes room"},
	};
	const struct schema_key *entry = &policy_schema.keys[key];
	uint32_t most = *(const uint32_t *)((const char *)&grant->rights + entry->offset);
	if (count < most)
		return 0;
	if (most == 0)
		return policy_refuse(policy, grant, key, err,
				     "you may have no %s; ask root for a rule with '%s: 1'",
				     words[key].one, entry->key);
	return policy_refuse(policy, grant, key, err,
			     "you may have %u %s and have %zu; %s, or ask root for more", most,
			     most == 1 ? words[key].one : words[key].many, count, words[key].help);
}

static size_t append(char *text, size_t used, const json_t *value)
{
	AUTO_FREE char *number = json_is_string(value) ? text_copy(json_string_value(value))
						       : json_dumps(value, JSON_ENCODE_ANY);
	if (used < POLICY_VALUE_SIZE)
		used += (size_t)snprintf(text + used, POLICY_VALUE_SIZE - used, "%s%s",
					 used ? ", " : "", number);
	return used;
}

const char *policy_value(const struct policy_grant *grant, enum policy_key key, char *text)
{
	size_t used = 0, index;
	json_t *all = schema_encode(&policy_schema, &grant->rights), *item;
	const json_t *value = json_object_get(all, policy_schema.keys[key].key);
	snprintf(text, POLICY_VALUE_SIZE, "%s", key == POLICY_MACS ? "any" : "none");
	json_array_foreach (value, index, item)
		used = append(text, used, item);
	if (value && !json_is_array(value))
		append(text, 0, value);
	json_decref(all);
	return text;
}

/* What of it changes the host's routing; NULL: nothing. */
static const char *find_routing(const struct network *network)
{
	if (network->mode == NETWORK_ROUTED)
		return "mode routed";
	if (network->mode == NETWORK_OPEN)
		return "mode open";
	if (ip_is_set(&network->routes[0].to))
		return "a route";
	return network->via[0][0] ? "a way out by 'via'" : NULL;
}

static int check_mode(const struct policy *policy, const struct policy_grant *grant,
		      const struct network *network, struct error *err)
{
	const char *routing = find_routing(network);
	if (network->mode == NETWORK_BRIDGED && !grant->rights.may_bridge)
		return policy_refuse(policy, grant, POLICY_MAY_BRIDGE, err,
				     "mode bridged leads into the LAN, which you may not; use mode "
				     "nat, or ask root for a rule with 'may-bridge: true'");
	if (routing && !grant->rights.may_route)
		return policy_refuse(policy, grant, POLICY_MAY_ROUTE, err,
				     "%s changes the host's routing, which you may not; use mode "
				     "nat without routes, or ask root for a rule with 'may-route: "
				     "true'",
				     routing);
	return 0;
}

static bool has_subnet(const struct ip *subnets, const struct ip *prefix)
{
	for (size_t i = 0; i < NETWORK_SUBNETS && ip_is_set(&subnets[i]); i++)
		if (ip_compare(&subnets[i], prefix) == 0)
			return true;
	return false;
}

static int check_prefixes(const struct policy *policy, const struct policy_grant *grant,
			  const struct ip *subnets, const struct ip *before, struct error *err)
{
	char prefix[IP_TEXT_SIZE], list[POLICY_VALUE_SIZE];
	for (size_t i = 0; i < NETWORK_SUBNETS && ip_is_set(&subnets[i]); i++) {
		if (before && has_subnet(before, &subnets[i]))
			continue;
		if (subnets[i].family == AF_INET && subnets[i].length < grant->rights.ipv4_length)
			return policy_refuse(policy, grant, POLICY_IPV4_LENGTH, err,
					     "%s is too large; your IPv4 networks are at most /%u",
					     ip_format_prefix(&subnets[i], prefix),
					     grant->rights.ipv4_length);
		if (policy_has_prefix(&grant->rights, &subnets[i]))
			continue;
		return policy_refuse(policy, grant, POLICY_ADDRESSES, err,
				     "%s lies outside of your prefixes (%s); choose another one, "
				     "or auto",
				     ip_format_prefix(&subnets[i], prefix),
				     policy_value(grant, POLICY_ADDRESSES, list));
	}
	return 0;
}

static int check_reservations(const struct network *network, const struct network *before,
			      struct error *err)
{
	size_t had = before ? before->n_reservations : 0;
	if (network->n_reservations <= POLICY_RESERVATIONS || network->n_reservations <= had)
		return 0;
	return error_set(err, EACCES, "a network of your own has at most %d reservations",
			 POLICY_RESERVATIONS);
}

int policy_check_network(const struct policy *policy, const struct policy_grant *grant,
			 const struct network *network, const struct network *before,
			 struct error *err)
{
	char list[POLICY_VALUE_SIZE];
	int r = check_reservations(network, before, err);
	if (r < 0)
		return r;
	if (!before || before->mode != network->mode ||
	    memcmp(before->routes, network->routes, sizeof(network->routes)) != 0 ||
	    memcmp(before->via, network->via, sizeof(network->via)) != 0)
		r = check_mode(policy, grant, network, err);
	if (r == 0)
		r = check_prefixes(policy, grant, network->ipv4, before ? before->ipv4 : NULL, err);
	if (r == 0)
		r = check_prefixes(policy, grant, network->ipv6, before ? before->ipv6 : NULL, err);
	if (r == 0 && network->domain[0] && network->mode != NETWORK_BRIDGED &&
	    (!before || strcmp(before->domain, network->domain) != 0) &&
	    !policy_has_domain(&grant->rights, network->domain))
		r = policy_refuse(policy, grant, POLICY_DOMAINS, err,
				  "the domain %.100s lies outside of yours (%s); choose one below "
				  "them",
				  network->domain, policy_value(grant, POLICY_DOMAINS, list));
	return r;
}
