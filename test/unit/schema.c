/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables: every key decodes from what it encodes to, through YAML and through JSON; keys one by
 * one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "model/machine.h"
#include "model/network.h"
#include "model/policy.h"
#include "model/port.h"
#include "model/schema.h"

static const struct schema *const all[] = {&network_schema, &reservation_schema, &port_schema,
					   &machine_schema, &nic_schema,	 &dhcp_schema,
					   &lab_schema,	 &policy_schema};

/* What help, manual and completion build on. */
static void tables_are_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_true(all[i]->entity && all[i]->help && all[i]->n_keys > 0);
		for (size_t j = 0; j < all[i]->n_keys; j++) {
			const struct schema_key *key = &all[i]->keys[j];
			assert_true(key->key && key->help && key->help[0]);
			assert_true((key->type == SCHEMA_CUSTOM) == (key->decode && key->encode));
			assert_true(key->type == SCHEMA_CUSTOM || key->size > 0);
			assert_true((key->words != NULL) ==
				    (key->type == SCHEMA_CHOICE || key->type == SCHEMA_WORD));
			for (size_t k = 0; k < j; k++)
				assert_string_not_equal(key->key, all[i]->keys[k].key);
		}
	}
}

static void set(void *object, const struct schema *schema, const char *key, const char *value)
{
	struct error err = {0};
	if (schema_set(schema, object, key, value, &err) < 0)
		fail_msg("%s=%s: %s", key, value, err.text);
}

static void refuse(void *object, const struct schema *schema, const char *key, const char *value,
		   const char *expected)
{
	struct error err = {0};
	assert_true(schema_set(schema, object, key, value, &err) < 0);
	assert_string_equal(err.text, expected);
}

static struct network *full_network(void)
{
	struct network *network = network_new();
	set(network, &network_schema, "mode", "routed");
	set(network, &network_schema, "ipv4", "10.20.0.1/24,10.21.0.1/24");
	set(network, &network_schema, "ipv6", "fd00:20::/64");
	set(network, &network_schema, "dhcp", "{ range: 10.20.0.50-10.20.0.60, lease: 90m }");
	set(network, &network_schema, "dns", "false");
	set(network, &network_schema, "domain", "lab.internal");
	set(network, &network_schema, "mtu", "9000");
	set(network, &network_schema, "forwarders", "9.9.9.9,2620:fe::fe");
	set(network, &network_schema, "reservations",
	    "[ { name: web, mac: \"ba:ad:ca:fe:00:0a\", address: 10.20.0.10 }, "
	    "{ name: printer, address: 10.20.0.11, ipv6: fd00:20::11 } ]");
	strcpy(network->name, "lab");
	strcpy(network->lab, "demo");
	network->id = 12;
	strcpy(network->ifname, "ly-lab");
	network->reservations[0].automatic = true;
	return network;
}

static void network_both_ways(void **state)
{
	(void)state;
	struct network *network = full_network();
	json_t *json = schema_encode(&network_schema, network);
	char *text = node_yaml_text(json);
	struct node *trees[2];
	struct error err = {0};
	assert_int_equal(node_from_json("network", json, &trees[0], &err), 0);
	assert_int_equal(node_from_yaml("file", text, strlen(text), &trees[1], &err), 0);
	for (size_t i = 0; i < 2; i++) {
		struct network *copy = network_new();
		if (schema_decode(&network_schema, trees[i], copy, true, &err) < 0)
			fail_msg("%s", err.text);
		assert_true(network_equal(network, copy));
		assert_true(schema_decode(&network_schema, trees[i], copy, false, &err) < 0);
		network_free(copy);
		node_free(trees[i]);
	}
	free(text);
	json_decref(json);
	network_free(network);
}

static void machine_both_ways(void **state)
{
	(void)state;
	struct machine *machine = machine_new(), *copy = machine_new();
	struct error err = {0};
	set(machine, &machine_schema, "memory", "1536M");
	set(machine, &machine_schema, "cpus", "2");
	set(machine, &machine_schema, "nics", "[ lab, { network: dmz, queues: 2 } ]");
	set(machine, &machine_schema, "arguments", "[ -device, \"a: b # 'c'\" ]");
	json_t *json = schema_encode(&machine_schema, machine);
	char *text = node_yaml_text(json);
	struct node *node;
	assert_int_equal(node_from_yaml("file", text, strlen(text), &node, &err), 0);
	assert_int_equal(schema_decode(&machine_schema, node, copy, true, &err), 0);
	assert_int_equal(copy->memory, 1536ull << 20);
	assert_int_equal(copy->n_nics, 2);
	assert_string_equal(copy->nics[1].network, "dmz");
	assert_int_equal(copy->nics[1].queues, 2);
	assert_int_equal(copy->n_arguments, 2);
	assert_string_equal(copy->arguments[1], "a: b # 'c'");
	node_free(node);
	free(text);
	json_decref(json);
	machine_free(machine);
	machine_free(copy);
}

static void port_both_ways(void **state)
{
	(void)state;
	struct port port = {.id = "a1", .network = "lab", .owner = 1000, .group = (uint32_t)-1};
	struct port copy = {.owner = 5, .group = (uint32_t)-1};
	struct error err = {0};
	struct node *node;
	port.kind = PORT_TAP_NAMED;
	port.queues = 1;
	assert_int_equal(port_settle(&port, &err), 0);
	json_t *json = schema_encode(&port_schema, &port);
	assert_int_equal(node_from_json("port", json, &node, &err), 0);
	assert_int_equal(schema_decode(&port_schema, node, &copy, true, &err), 0);
	assert_string_equal(copy.ifname, "lya1");
	assert_int_equal(copy.owner, 1000);
	assert_int_equal(copy.group, (uint32_t)-1);
	assert_int_equal(copy.kind, PORT_TAP_NAMED);
	node_free(node);
	json_decref(json);
	port.owner = 5, port.group = 5;
	assert_int_equal(port_settle(&port, &err), -EINVAL);
}

static void defaults_come_back(void **state)
{
	(void)state;
	struct network *network = full_network(), *fresh = network_new();
	static const char *const keys[] = {"mode", "ipv4",   "ipv6", "dhcp",	   "dns",
					   "ra",   "domain", "mtu",  "forwarders", "reservations"};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		set(network, &network_schema, keys[i], "null");
	memset(network->name, 0, NAME_SIZE);
	memset(network->lab, 0, NAME_SIZE);
	memset(network->ifname, 0, IFNAMSIZ);
	network->id = 0;
	assert_true(network_equal(network, fresh));
	network_free(network);
	network_free(fresh);
}

static void sentences(void **state)
{
	(void)state;
	struct network *network = network_new();
	struct machine *machine = machine_new();
	refuse(network, &network_schema, "mut", "1500",
	       "unknown key 'mut' of a network; did you mean 'mtu'?");
	refuse(network, &network_schema, "id", "3", "'id' of a network is not yours to set");
	refuse(network, &network_schema, "mtu", "70000",
	       "mtu: mtu 70000 is too large; at most 65535");
	refuse(network, &network_schema, "mtu", "-5", "mtu: mtu '-5' is not a whole number");
	refuse(network, &network_schema, "mtu", "99999999999999999999999",
	       "mtu: mtu 99999999999999999999999 is too large; at most 65535");
	refuse(network, &network_schema, "mode", "rooted",
	       "mode: mode 'rooted' is unknown; did you mean 'routed'? It is nat, routed, bridged, "
	       "isolated or open");
	refuse(network, &network_schema, "dns", "maybe",
	       "dns: dns 'maybe' is neither true nor false");
	refuse(machine, &machine_schema, "memory", "63M",
	       "memory: memory 63M is too small; at least 64M");
	refuse(machine, &machine_schema, "memory", "256",
	       "memory: memory 256 has no unit; write it like 256M or 1G");
	refuse(machine, &machine_schema, "memory", "18446744073709551615T",
	       "memory: memory 18446744073709551615T is too large; at most 4T");
	network_free(network);
	machine_free(machine);
}

static void rates(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint32_t rate;
		const char *shown;
	} good[] = {
		{"64kbit", 64, "64kbit"},
		{"500kbit", 500, "500kbit"},
		{"2000kbit", 2000, "2mbit"},
		{"10Mbit", 10000, "10mbit"},
		{"1500mbit", 1500000, "1500mbit"},
		{"1gbit", 1000000, "1gbit"},
		{"100gbit", 100000000, "100gbit"},
		{"none", 0, NULL},
		{"0", 0, NULL},
	};
	struct port port = {.rate_in = 7};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		set(&port, &port_schema, "rate_in", good[i].text);
		assert_int_equal(port.rate_in, good[i].rate);
		json_t *json = schema_encode(&port_schema, &port);
		const char *shown = json_string_value(json_object_get(json, "rate_in"));
		assert_true(!shown == !good[i].shown);
		assert_true(!shown || strcmp(shown, good[i].shown) == 0);
		json_decref(json);
	}
	refuse(&port, &port_schema, "rate_in", "20",
	       "rate_in: rate_in '20' is not understood; write it like 500kbit, 10mbit, 1gbit or "
	       "none");
	refuse(&port, &port_schema, "rate_in", "-1mbit",
	       "rate_in: rate_in '-1mbit' is not understood; write it like 500kbit, 10mbit, 1gbit "
	       "or none");
	refuse(&port, &port_schema, "rate_out", "63kbit",
	       "rate_out: rate_out 63kbit is too small; at least 64kbit");
	refuse(&port, &port_schema, "rate_out", "18446744073709551615gbit",
	       "rate_out: rate_out 18446744073709551615gbit is too large; at most 100gbit");
}

/* Words that YAML would read as something else survive. */
static void yaml_text_is_read_back(void **state)
{
	(void)state;
	static const char *const words[] = {
		"null",		  "true", "",  "~",  "-",  "a: b", "#c", " x ",
		"\xc3\xa4\n\t\"", "0x1",  "{", "*a", "&a", "!t",   "%"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		json_t *json = json_pack("{s:s}", "key", words[i]);
		char *text = node_yaml_text(json);
		struct node *node;
		assert_int_equal(node_from_yaml("file", text, strlen(text), &node, NULL), 0);
		assert_int_equal(node->children[0]->kind, NODE_SCALAR);
		assert_string_equal(node->children[0]->text, words[i]);
		node_free(node);
		free(text);
		json_decref(json);
	}
}

static void json_is_limited(void **state)
{
	(void)state;
	json_t *json = json_array();
	for (int i = 0; i < NODE_DEPTH_MAX; i++) {
		json_t *outer = json_array();
		json_array_append_new(outer, json);
		json = outer;
	}
	struct node *node;
	struct error err = {0};
	assert_int_equal(node_from_json("network", json, &node, &err), -EINVAL);
	assert_non_null(strstr(err.text, "nested too deeply"));
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_whole),
		cmocka_unit_test(network_both_ways),
		cmocka_unit_test(machine_both_ways),
		cmocka_unit_test(port_both_ways),
		cmocka_unit_test(defaults_come_back),
		cmocka_unit_test(sentences),
		cmocka_unit_test(rates),
		cmocka_unit_test(json_is_limited),
		cmocka_unit_test(yaml_text_is_read_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
