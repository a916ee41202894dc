/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Policies: which rule counts, what lists hold, what a network of somebody's own may be, and that
 * the shipped file says what is so without it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "model/network.h"
#include "model/policy.h"

AUTO_DEFINE(policy)
AUTO_DEFINE(network)

static bool in_all(const char *group, void *data)
{
	(void)group;
	(void)data;
	return true;
}

static bool in_none(const char *group, void *data)
{
	(void)group;
	(void)data;
	return false;
}

static struct policy *parse(const char *text)
{
	struct policy *policy = NULL;
	struct error err = {0};
	if (policy_parse("policy.yaml", text, strlen(text), &policy, &err) < 0)
		fail_msg("%s", err.text);
	return policy;
}

static struct policy_grant resolve(const struct policy *policy, const char *user)
{
	struct policy_grant grant;
	policy_resolve(policy, user, in_none, NULL, &grant);
	return grant;
}

static void group_alone_may_use(void **state)
{
	(void)state;
	AUTO(policy) struct policy *none = policy_new();
	struct policy_grant grant;
	policy_resolve(none, "alice", in_all, NULL, &grant);
	assert_true(grant.rights.use);
	assert_int_equal(grant.lines[POLICY_USE], 0);
	assert_false(resolve(none, "alice").rights.use);
	/* a rule that says it counts for more than the group */
	AUTO(policy) struct policy *closed = parse("everyone: { use: false }");
	policy_resolve(closed, "alice", in_all, NULL, &grant);
	assert_false(grant.rights.use);
	assert_int_equal(grant.lines[POLICY_USE], 1);
}

static void lists(void **state)
{
	(void)state;
	bool by_name;
	struct ip ip;
	struct mac mac;
	AUTO(policy)
	struct policy *policy = parse(
		"everyone: { plug: [exam, '*'], interfaces: [tap2, 'br*'], addresses: "
		"[10.20.0.0/16], domains: [class.internal], publish-on: ['::'], "
		"publish-ports: [80, 8000-8001], macs: ['52:54:00:00:00:00-52:54:00:ff:ff:ff'] }");
	const struct policy_grant grant = resolve(policy, "alice");
	const struct policy_rights *rights = &grant.rights;
	assert_true(policy_has_network(rights, "exam", &by_name) && by_name);
	assert_true(policy_has_network(rights, "lab", &by_name) && !by_name);
	assert_true(policy_has_interface(rights, "tap2"));
	assert_true(policy_has_interface(rights, "br0"));
	assert_false(policy_has_interface(rights, "tap20"));
	ip_parse_prefix("10.20.3.1/24", &ip, NULL);
	assert_true(policy_has_prefix(rights, &ip));
	ip_parse_prefix("10.20.3.1/8", &ip, NULL); /* larger than what it lies in */
	assert_false(policy_has_prefix(rights, &ip));
	assert_true(policy_has_domain(rights, "lab.Class.internal"));
	assert_false(policy_has_domain(rights, "class.internal"));
	assert_false(policy_has_domain(rights, "myclass.internal"));
	ip_parse("fd00::1", &ip, NULL);
	assert_true(policy_has_publish_address(rights, &ip));
	ip_parse("127.0.0.1", &ip, NULL);
	assert_false(policy_has_publish_address(rights, &ip));
	assert_true(policy_has_publish_port(rights, 80) && policy_has_publish_port(rights, 8001));
	assert_false(policy_has_publish_port(rights, 81));
	mac_parse("52:54:00:12:34:56", &mac, NULL);
	assert_true(policy_has_mac(rights, &mac));
	mac_parse("52:54:01:00:00:00", &mac, NULL);
	assert_false(policy_has_mac(rights, &mac));
}

static void refuse(const struct policy *policy, const struct network *network,
		   const struct network *before, const char *expected)
{
	struct error err = {0};
	const struct policy_grant grant = resolve(policy, "alice");
	int r = policy_check_network(policy, &grant, network, before, &err);
	assert_int_equal(r, expected ? -EACCES : 0);
	if (expected)
		assert_string_equal(err.text, expected);
}

static void networks(void **state)
{
	(void)state;
	AUTO(policy)
	struct policy *policy = parse("everyone:\n"
				      "  addresses: [10.20.0.0/16]\n"
				      "  may-bridge: false\n");
	AUTO(network) struct network *network = network_new();
	network->mode = NETWORK_BRIDGED;
	refuse(policy, network, NULL,
	       "policy.yaml:3: mode bridged leads into the LAN, which you may not; use mode nat, "
	       "or ask root for a rule with 'may-bridge: true'");
	network->mode = NETWORK_ROUTED;
	refuse(policy, network, NULL,
	       "policy.yaml says nothing about 'may-route': mode routed changes the host's "
	       "routing, which you may not; use mode nat without routes, or ask root for a rule "
	       "with 'may-route: true'");
	network->mode = NETWORK_NAT;
	refuse(policy, network, NULL, NULL);
	ip_parse_prefix("10.99.0.1/24", &network->ipv4[0], NULL);
	refuse(policy, network, NULL,
	       "policy.yaml:2: 10.99.0.1/24 lies outside of your prefixes (10.20.0.0/16); choose "
	       "another one, or auto");
	refuse(policy, network, network, NULL); /* it has it already */
	ip_parse_prefix("10.20.0.1/21", &network->ipv4[0], NULL);
	refuse(policy, network, NULL,
	       "policy.yaml says nothing about 'ipv4-length': 10.20.0.1/21 is too large; your "
	       "IPv4 networks are at most /22");
	ip_parse_prefix("10.20.9.1/24", &network->ipv4[0], NULL);
	refuse(policy, network, NULL, NULL);
	strcpy(network->domain, "example.org");
	refuse(policy, network, NULL,
	       "policy.yaml says nothing about 'domains': the domain example.org lies outside of "
	       "yours (internal); choose one below them");
	strcpy(network->domain, "lab.internal");
	ip_parse_prefix("10.99.0.0/24", &network->routes[0].to, NULL);
	refuse(policy, network, NULL,
	       "policy.yaml says nothing about 'may-route': a route changes the host's routing, "
	       "which you may not; use mode nat without routes, or ask root for a rule with "
	       "'may-route: true'");
}

static void counts(void **state)
{
	(void)state;
	struct error err = {0};
	AUTO(policy)
	struct policy *policy = parse("everyone:\n"
				      "  ports: 2\n"
				      "  networks: 0\n"
				      "  published: 1\n"
				      "  machines: 2\n");
	const struct policy_grant grant = resolve(policy, "alice");
	assert_int_equal(policy_check_count(policy, &grant, POLICY_MACHINES, 1, &err), 0);
	assert_int_equal(policy_check_count(policy, &grant, POLICY_MACHINES, 2, &err), -EACCES);
	assert_string_equal(err.text, "policy.yaml:5: you may have 2 machines plugged in and have "
				      "2; stop one to make room, or ask root for more");
	assert_int_equal(policy_check_count(policy, &grant, POLICY_PORTS, 1, &err), 0);
	assert_int_equal(policy_check_count(policy, &grant, POLICY_PORTS, 2, &err), -EACCES);
	assert_string_equal(err.text, "policy.yaml:2: you may have 2 ports and have 2; 'lanyard "
				      "port remove ID' makes room, or ask root for more");
	assert_int_equal(policy_check_count(policy, &grant, POLICY_NETWORKS, 0, &err), -EACCES);
	assert_string_equal(err.text, "policy.yaml:3: you may have no network of your own; ask "
				      "root for a rule with 'networks: 1'");
	assert_int_equal(policy_check_count(policy, &grant, POLICY_PUBLISHED, 1, &err), -EACCES);
	assert_string_equal(err.text,
			    "policy.yaml:4: you may have 1 published port and have 1; 'lanyard "
			    "unpublish PORT' makes room, or ask root for more");
}

static void rates(void **state)
{
	(void)state;
	struct error err = {0};
	AUTO(policy) struct policy *none = policy_new();
	AUTO(policy) struct policy *policy = parse("everyone:\n  rate: 20mbit\n");
	struct policy_grant grant = resolve(none, "alice");
	assert_int_equal(policy_check_rate(none, &grant, "rate_in", 0, &err), 0);
	assert_int_equal(policy_check_rate(none, &grant, "rate_in", 100000, &err), 0);
	grant = resolve(policy, "alice");
	assert_int_equal(policy_check_rate(policy, &grant, "rate_in", 20000, &err), 0);
	assert_int_equal(policy_check_rate(policy, &grant, "rate_out", 20001, &err), -EACCES);
	assert_string_equal(err.text, "policy.yaml:2: rate_out of a port of yours is 20mbit at "
				      "most; write that or less, or leave it out");
	assert_int_equal(policy_check_rate(policy, &grant, "rate_in", 0, &err), -EACCES);
}

/* Every key that it says has the value of the table, and all but `use` are said. */
static void shipped_file_is_the_default(void **state)
{
	(void)state;
	const char *path = LANYARD_SOURCE_DIR "/share/policy.yaml";
	char *text = NULL;
	struct error err = {0};
	AUTO(policy) struct policy *policy = NULL;
	AUTO(policy) struct policy *none = policy_new();
	ssize_t length = file_read(path, 65536, &text, &err);
	assert_true(length > 0);
	if (policy_parse(path, text, (size_t)length, &policy, &err) < 0)
		fail_msg("%s", err.text);
	free(text);
	struct policy_grant said = resolve(policy, "alice"), fallback = resolve(none, "alice");
	assert_memory_equal(&said.rights, &fallback.rights, sizeof(said.rights));
	for (size_t i = POLICY_USE + 1; i < POLICY_KEYS; i++)
		assert_true(said.lines[i] > 0);
	policy_resolve(policy, "alice", in_all, NULL, &said);
	assert_true(said.rights.use);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(group_alone_may_use),
		cmocka_unit_test(lists),
		cmocka_unit_test(networks),
		cmocka_unit_test(counts),
		cmocka_unit_test(rates),
		cmocka_unit_test(shipped_file_is_the_default),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
