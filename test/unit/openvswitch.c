/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Open vSwitch's database: what is asked of it, and answers, sensible and hostile ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "base/error.h"
#include "svc/openvswitch.h"

#define UUID_A "58ff42cf-8b7a-426e-a4fd-e5bad3214b15"
#define UUID_B "3cf276c2-1469-4f79-9c31-3a39da433803"

static void assert_json(json_t *json, const char *expected)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
	json_decref(json);
}

/* Messages */

static void framed(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		long length;
	} cases[] = {
		{"", 0},
		{"  \n", 0},
		{"{", 0},
		{"{}", 2},
		{" {}{", 3},
		{"{\"a\":\"}\"}x", 9},
		{"{\"a\":\"\\\"}\"", 0},
		{"{\"a\":[1,{\"b\":2}]}", 17},
		{"[1]", -1},
		{"x", -1},
		{"null", -1},
		{"}", -1},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(openvswitch_message(cases[i].text, strlen(cases[i].text)),
				 cases[i].length);
	char deep[4096];
	memset(deep, '[', sizeof(deep));
	deep[0] = '{';
	assert_int_equal(openvswitch_message(deep, sizeof(deep)), -1);
	const char zero[] = {'\0', '{', '}'};
	assert_int_equal(openvswitch_message(zero, sizeof(zero)), -1);
}

/* Requests */

static const struct object_member plain = {"lya", "ovsbr0", .isolated = 0},
				  isolated = {"lya", "ovsbr0", .isolated = 1};

static void inserted(void **state)
{
	(void)state;
	json_t *list = json_array();
	openvswitch_insert(list, &isolated, "default:7", NULL);
	assert_json(list,
		    "[{\"op\":\"insert\",\"row\":{\"external_ids\":[\"map\",[[\"lanyard\","
		    "\"default:7\"]]],\"name\":\"lya\"},\"table\":\"Interface\",\"uuid-name\":"
		    "\"interface0\"},"
		    "{\"op\":\"insert\",\"row\":{\"external_ids\":[\"map\",[[\"lanyard\","
		    "\"default:7\"]]],\"interfaces\":[\"named-uuid\",\"interface0\"],\"name\":"
		    "\"lya\",\"protected\":true},\"table\":\"Port\",\"uuid-name\":\"port0\"},"
		    "{\"mutations\":[[\"ports\",\"insert\",[\"named-uuid\",\"port0\"]]],\"op\":"
		    "\"mutate\",\"table\":\"Bridge\",\"where\":[[\"name\",\"==\",\"ovsbr0\"]]}]");
}

static void kept(void **state)
{
	(void)state;
	struct openvswitch_port before = {.vlan_tag = json_integer(20)};
	json_t *list = json_array();
	openvswitch_insert(list, &plain, "default:7", &before);
	assert_int_equal(json_integer_value(json_object_get(
				 json_object_get(json_array_get(list, 1), "row"), "tag")),
			 20);
	json_decref(list);
	json_decref(before.vlan_tag);
}

/* The columns of the VLANs in what is said of a port. */
static void assert_vlans(json_t *operations, size_t index, const char *expected)
{
	static const char *const columns[] = {"external_ids", "tag", "trunks", "vlan_mode"};
	const json_t *row = json_object_get(json_array_get(operations, index), "row");
	json_t *list = json_object();
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		if (json_object_get(row, columns[i]))
			json_object_set(list, columns[i], json_object_get(row, columns[i]));
	assert_json(list, expected);
	json_decref(operations);
}

static void vlans_of_ours(void **state)
{
	(void)state;
	struct openvswitch_port before = {.vlan_tag = json_integer(7), .has_vlans = true};
	struct object_member member = plain;
	json_t *list = json_array();
	member.vlans = (struct vlans){.native = 20};
	openvswitch_insert(list, &member, "default:7", &before);
	assert_vlans(list, 1,
		     "{\"external_ids\":[\"map\",[[\"lanyard\",\"default:7\"],[\"lanyard-vlans\","
		     "\"yes\"]]],\"tag\":20,\"trunks\":[\"set\",[]],\"vlan_mode\":\"access\"}");
	list = json_array();
	member.vlans.tagged[0] = (struct vlan_range){30, 31};
	openvswitch_update(list, &before, &member, "default:7");
	assert_vlans(list, 1,
		     "{\"tag\":20,\"trunks\":[\"set\",[30,31]],\"vlan_mode\":\"native-untagged\"}");
	list = json_array();
	member.vlans.native = 0;
	openvswitch_update(list, &before, &member, "default:7");
	assert_vlans(
		list, 1,
		"{\"tag\":[\"set\",[]],\"trunks\":[\"set\",[0,30,31]],\"vlan_mode\":\"trunk\"}");
	/* none any more: ours go, somebody's are not touched */
	list = json_array();
	openvswitch_update(list, &before, &plain, "default:7");
	assert_vlans(list, 1,
		     "{\"tag\":[\"set\",[]],\"trunks\":[\"set\",[]],\"vlan_mode\":[\"set\",[]]}");
	before.has_vlans = false;
	list = json_array();
	openvswitch_update(list, &before, &plain, "default:7");
	assert_vlans(list, 1, "{}");
	json_decref(before.vlan_tag);
}

static void removed_and_changed(void **state)
{
	(void)state;
	struct openvswitch_port port = {.uuid = UUID_A, .bridge = "ovsbr0"};
	json_t *list = json_array();
	openvswitch_remove(list, &port);
	assert_json(list, "[{\"mutations\":[[\"ports\",\"delete\",[\"uuid\",\"" UUID_A
			  "\"]]],\"op\":\"mutate\",\"table\":\"Bridge\",\"where\":[[\"name\","
			  "\"==\",\"ovsbr0\"]]}]");
	list = json_array();
	openvswitch_update(list, &port, &plain, "default:8");
	assert_json(list,
		    "[{\"mutations\":[[\"external_ids\",\"delete\",[\"set\",[\"lanyard\",\"lanyard-"
		    "vlans\"]]],"
		    "[\"external_ids\",\"insert\",[\"map\",[[\"lanyard\",\"default:8\"]]]]],"
		    "\"op\":\"mutate\",\"table\":\"Port\",\"where\":[[\"_uuid\",\"==\",[\"uuid\","
		    "\"" UUID_A "\"]]]},"
		    "{\"op\":\"update\",\"row\":{\"protected\":false},\"table\":\"Port\","
		    "\"where\":[[\"_uuid\",\"==\",[\"uuid\",\"" UUID_A "\"]]]}]");
}

static void waited_for(void **state)
{
	(void)state;
	json_t *list = json_array();
	openvswitch_wait(list, "lya", 5000);
	openvswitch_wait_beyond(list, 12, 100);
	openvswitch_count(list);
	assert_json(list,
		    "[{\"columns\":[\"ofport\"],\"op\":\"wait\",\"rows\":[{\"ofport\":[\"set\",[]]"
		    "}],\"table\":\"Interface\",\"timeout\":5000,\"until\":\"!=\",\"where\":"
		    "[[\"name\",\"==\",\"lya\"]]},"
		    "{\"columns\":[\"cur_cfg\"],\"op\":\"wait\",\"rows\":[{\"cur_cfg\":12}],"
		    "\"table\":\"Open_vSwitch\",\"timeout\":100,\"until\":\"!=\",\"where\":[]},"
		    "{\"mutations\":[[\"next_cfg\",\"+=\",1]],\"op\":\"mutate\",\"table\":"
		    "\"Open_vSwitch\",\"where\":[]}]");
	json_t *call = openvswitch_request("transact", openvswitch_transaction(json_array()), 1);
	assert_json(call, "{\"id\":1,\"method\":\"transact\",\"params\":[\"Open_vSwitch\"]}");
	json_t *look = openvswitch_look(), *monitor = openvswitch_monitor();
	assert_int_equal(json_array_size(look), 4);
	assert_int_equal(json_array_size(monitor), 3);
	json_decref(look);
	json_decref(monitor);
}

static void tagged(void **state)
{
	(void)state;
	char tag[OPENVSWITCH_TAG];
	uint32_t network = 0;
	openvswitch_tag("default", 7, tag);
	assert_string_equal(tag, "default:7");
	assert_true(openvswitch_parse_tag(tag, "default", &network));
	assert_int_equal(network, 7);
	static const char *const others[] = {
		"",	      "default",  "default:", "default:x", "default:7x",
		"default2:7", "defaul:7", ":7",	      "default:-1"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(openvswitch_parse_tag(others[i], "default", &network));
}

/* Answers */

#define PORT(uuid, name, more) "{\"_uuid\":[\"uuid\",\"" uuid "\"],\"name\":\"" name "\"" more "}"
#define ANSWER(bridges, ports, interfaces)                                                         \
	"{\"id\":1,\"error\":null,\"result\":[{\"rows\":[" bridges "]},{\"rows\":[" ports          \
	"]},{\"rows\":[" interfaces "]},{\"rows\":[{\"next_cfg\":3,\"cur_cfg\":2}]}]}"
#define TWO                                                                                        \
	"{\"name\":\"ovsbr0\",\"ports\":[\"set\",[[\"uuid\",\"" UUID_A "\"],[\"uuid\",\"" UUID_B   \
	"\"]]]}"

static int read_answer(const char *text, json_t **ret_answer, struct openvswitch *ret,
		       struct error *err)
{
	const json_t *results = NULL;
	*ret = (struct openvswitch){0};
	*ret_answer = json_loads(text, JSON_DECODE_ANY, NULL);
	int r = openvswitch_results(*ret_answer, 4, &results, err);
	return r < 0 ? r : openvswitch_read(results, ret, err);
}

static void looked_at(void **state)
{
	(void)state;
	struct openvswitch now;
	struct error err = {0};
	json_t *answer;
	const char *text = ANSWER(
		TWO,
		PORT(UUID_A, "lya",
		     ",\"tag\":20,\"protected\":true,\"external_ids\":[\"map\",[[\"x\",\"y\"],"
		     "[\"lanyard\",\"default:7\"]]]") "," PORT(UUID_B, "bond0",
							       ",\"vlan_mode\":\"native-untagged\","
							       "\"tag\":10,\"trunks\":[\"set\",[20,"
							       "30]"
							       "]") "," PORT("11111111-1469-4f79-"
									     "9c31-3a39da433803",
									     "orphan", ""),
		"{\"name\":\"lya\",\"ofport\":-1,\"error\":\"could not open\"}");
	assert_int_equal(read_answer(text, &answer, &now, &err), 0);
	assert_true(openvswitch_has_bridge(&now, "ovsbr0"));
	assert_false(openvswitch_has_bridge(&now, "ovsbr1"));
	assert_int_equal(now.n_ports, 2); /* one is in no bridge */
	assert_int_equal(now.asked, 3);
	assert_int_equal(now.done, 2);
	const struct openvswitch_port *port = openvswitch_port(&now, "lya");
	assert_string_equal(port->tag, "default:7");
	assert_string_equal(port->bridge, "ovsbr0");
	assert_string_equal(port->error, "could not open");
	assert_int_equal(port->number, -1);
	assert_true(port->isolated);
	assert_json(vlan_port_json(&port->vlan),
		    "{\"mode\":\"access\",\"name\":\"lya\",\"tag\":20}");
	port = openvswitch_port(&now, "bond0");
	assert_int_equal(port->number, 0);
	assert_string_equal(port->tag, "");
	assert_json(vlan_port_json(&port->vlan), "{\"mode\":\"native_untagged\",\"name\":\"bond0\","
						 "\"tag\":10,\"trunks\":[20,30]}");
	assert_null(openvswitch_port(&now, "orphan"));
	openvswitch_done(&now);
	json_decref(answer);
}

static void modes(void **state)
{
	(void)state;
	static const struct {
		const char *row, *expected;
	} cases[] = {
		{"", "{\"mode\":\"trunk\",\"name\":\"p\"}"},
		{",\"tag\":[\"set\",[]],\"trunks\":7", "{\"mode\":\"trunk\",\"name\":\"p\","
						       "\"trunks\":[7]}"},
		{",\"vlan_mode\":\"access\"", "{\"mode\":\"access\",\"name\":\"p\"}"},
		{",\"vlan_mode\":\"trunk\",\"trunks\":[\"set\",[0,4095]]",
		 "{\"mode\":\"trunk\",\"name\":\"p\",\"trunks\":[0,4095]}"},
		{",\"vlan_mode\":\"native-tagged\",\"tag\":5",
		 "{\"mode\":\"native_tagged\",\"name\":\"p\",\"tag\":5}"},
		{",\"vlan_mode\":\"dot1q-tunnel\",\"tag\":5",
		 "{\"mode\":\"dot1q_tunnel\",\"name\":\"p\",\"tag\":5}"},
		/* none of these is a VLAN */
		{",\"tag\":4096,\"trunks\":[\"set\",[-1,5000,\"x\",null,{}]]",
		 "{\"mode\":\"trunk\",\"name\":\"p\",\"trunks\":[]}"},
		{",\"vlan_mode\":\"what\",\"tag\":\"7\"", "{\"mode\":\"trunk\",\"name\":\"p\"}"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct openvswitch now;
		struct error err = {0};
		json_t *answer;
		char text[1024];
		snprintf(text, sizeof(text),
			 "{\"id\":1,\"result\":[{\"rows\":[{\"name\":\"b\",\"ports\":[\"uuid\","
			 "\"" UUID_A "\"]}]},{\"rows\":[{\"_uuid\":[\"uuid\",\"" UUID_A
			 "\"],\"name\":\"p\"%s}]},{\"rows\":[]},{\"rows\":[{}]}]}",
			 cases[i].row);
		assert_int_equal(read_answer(text, &answer, &now, &err), 0);
		assert_int_equal(now.n_ports, 1);
		assert_json(vlan_port_json(&now.ports[0].vlan), cases[i].expected);
		openvswitch_done(&now);
		json_decref(answer);
	}
}

static void hostile(void **state)
{
	(void)state;
	static const char *const refused[] = {
		"{}",
		"7",
		"[]",
		"{\"result\":7}",
		"{\"result\":[]}",
		"{\"result\":null,\"error\":\"unknown database\"}",
		"{\"result\":[],\"error\":{\"error\":\"x\"}}",
		"{\"result\":[null,null,null,null]}",
		"{\"result\":[{},{},{},{}]}",
		"{\"result\":[{\"rows\":{}},{\"rows\":[]},{\"rows\":[]},{\"rows\":[{}]}]}",
		"{\"result\":[{\"rows\":[]},{\"rows\":[]},{\"rows\":[]},{\"rows\":[]}]}",
		("{\"result\":[{\"rows\":[]},{\"rows\":[]},{\"rows\":[]},{\"rows\":[{}]},{"
		 "\"error\":"
		 "\"constraint violation\",\"details\":\"twice\"}]}"),
	};
	/* Nonsense in the rows is no port. */
	static const char *const nonsense[] = {
		ANSWER("null,7,[],{}", "null,7,[],{}", "null"),
		ANSWER(TWO, "{\"_uuid\":7,\"name\":\"lya\"}", ""),
		ANSWER(TWO, "{\"_uuid\":[\"uuid\",\"\"],\"name\":\"lya\"}", ""),
		ANSWER(TWO, "{\"_uuid\":[\"uuid\",\"" UUID_A UUID_A "\"],\"name\":\"lya\"}", ""),
		ANSWER(TWO, "{\"_uuid\":[\"uuid\",\"" UUID_A "\"],\"name\":[]}", ""),
		ANSWER("{\"name\":7,\"ports\":[\"set\",7]}", PORT(UUID_A, "lya", ""), ""),
		ANSWER("{\"name\":\"b\",\"ports\":[\"set\"]}", PORT(UUID_A, "lya", ""), ""),
		ANSWER("{\"name\":\"b\",\"ports\":[\"uuid\"]}", PORT(UUID_A, "lya", ""), ""),
	};
	struct openvswitch now;
	json_t *answer;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct error err = {0};
		assert_true(read_answer(refused[i], &answer, &now, &err) < 0);
		assert_true(err.text[0]);
		openvswitch_done(&now);
		json_decref(answer);
	}
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		struct error err = {0};
		assert_int_equal(read_answer(nonsense[i], &answer, &now, &err), 0);
		assert_int_equal(now.n_ports, 0);
		openvswitch_done(&now);
		json_decref(answer);
	}
}

static void said(void **state)
{
	(void)state;
	struct error err = {0};
	const json_t *results;
	json_t *answer = json_loads("{\"result\":[{},{\"error\":\"timed out\"},null]}", 0, NULL);
	assert_int_equal(openvswitch_results(answer, 3, &results, &err), -ETIMEDOUT);
	json_decref(answer);
	answer = json_loads("{\"error\":{\"error\":\"x\",\"details\":\"why\"},\"result\":null}", 0,
			    NULL);
	assert_int_equal(openvswitch_results(answer, 3, &results, &err), -EPROTO);
	assert_string_equal(err.text, "Open vSwitch: why");
	json_decref(answer);
}

static bool concerns(const char *text)
{
	json_t *message = json_loads(text, JSON_DECODE_ANY, NULL);
	assert_non_null(message);
	bool result = openvswitch_concerns(message, "default");
	json_decref(message);
	return result;
}

static void told(void **state)
{
	(void)state;
#define UPDATE(row) "{\"method\":\"update\",\"params\":[null,{\"Port\":{\"" UUID_A "\":" row "}}]}"
#define IDS(tag)    "{\"external_ids\":[\"map\",[[\"lanyard\",\"" tag "\"]]]}"
	assert_true(concerns(UPDATE("{\"old\":" IDS("default:7") "}")));
	assert_true(
		concerns(UPDATE("{\"old\":{\"protected\":true},\"new\":" IDS("default:7") "}")));
	assert_false(concerns(UPDATE("{\"old\":" IDS("other:7") "}")));
	assert_false(concerns(UPDATE("{\"old\":{\"external_ids\":[\"map\",[]]}}")));
	assert_false(concerns(UPDATE("7")));
	assert_true(concerns("{\"params\":[null,{\"Bridge\":{\"" UUID_A "\":{}}}]}"));
	assert_false(concerns("{\"params\":[null,{\"Bridge\":7}]}"));
	assert_false(concerns("{\"params\":[null,{\"Port\":7}]}"));
	assert_false(concerns("{\"method\":\"echo\",\"params\":[]}"));
	assert_false(concerns("[]"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(framed),	 cmocka_unit_test(inserted),
		cmocka_unit_test(kept),		 cmocka_unit_test(removed_and_changed),
		cmocka_unit_test(vlans_of_ours), cmocka_unit_test(waited_for),
		cmocka_unit_test(tagged),	 cmocka_unit_test(looked_at),
		cmocka_unit_test(modes),	 cmocka_unit_test(hostile),
		cmocka_unit_test(said),		 cmocka_unit_test(told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
