/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VLANs that are asked for, and those that a port is found to have. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/schema.h"
#include "model/vlan.h"

static int parse(const char *text, struct vlan_range *ret)
{
	struct error err = {0};
	return vlan_range_list.decode(text, ret, &err);
}

static void ranges(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint16_t first, last; /* 0: refused */
	} cases[] = {
		{"1", 1, 1},	 {"4094", 4094, 4094}, {"10-20", 10, 20}, {"7-7", 7, 7},
		{"0", 0, 0},	 {"4095", 0, 0},       {"20-10", 0, 0},	  {"", 0, 0},
		{"-5", 0, 0},	 {"5-", 0, 0},	       {"1-2-3", 0, 0},	  {"x", 0, 0},
		{" 5", 0, 0},	 {"5 ", 0, 0},	       {"00005", 0, 0},	  {"1-4095", 0, 0},
		{"99999", 0, 0}, {"1- 2", 0, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vlan_range range = {0};
		assert_int_equal(parse(cases[i].text, &range), cases[i].first ? 0 : -EINVAL);
		assert_int_equal(range.first, cases[i].first);
		assert_int_equal(range.last, cases[i].last);
	}
}

static void assert_settled(struct vlans vlans, const char *tagged)
{
	char text[VLAN_RANGES_TEXT];
	struct error err = {0};
	assert_int_equal(vlans_settle(&vlans, &err), 0);
	assert_string_equal(vlan_ranges_format(vlans.tagged, text), tagged);
	assert_true(vlans_are_settled(&vlans));
}

static void settled(void **state)
{
	(void)state;
	assert_settled((struct vlans){0}, "");
	assert_settled((struct vlans){.native = 20}, "");
	assert_settled((struct vlans){.tagged = {{30, 31}, {10, 12}, {13, 13}, {11, 30}}}, "10-31");
	assert_settled((struct vlans){.native = 20, .tagged = {{1, 4094}}}, "1-19,21-4094");
	assert_settled((struct vlans){.native = 20, .tagged = {{20, 20}}}, "");
	struct vlans many = {.native = 5};
	struct error err = {0};
	for (uint16_t i = 0; i < VLAN_RANGES; i++)
		many.tagged[i] =
			(struct vlan_range){(uint16_t)(4 + 10 * i), (uint16_t)(6 + 10 * i)};
	struct vlans before = many;
	assert_int_equal(vlans_settle(&many, &err), -E2BIG);
	before.native = 0;
	many = before;
	assert_int_equal(vlans_settle(&many, &err), 0);
	assert_true(vlans_equal(&many, &before));
	assert_settled((struct vlans){.tagged = {{0, 0}, {7, 8}}}, "7-8");
}

/* As records of the executor may say them. */
static void unsettled(void **state)
{
	(void)state;
	static const struct vlans cases[] = {
		{.native = 4096},
		{.tagged = {{0, 5}}},
		{.tagged = {{5, 0}}},
		{.tagged = {{6, 5}}},
		{.tagged = {{5, 4095}}},
		{.tagged = {{0, 0}, {5, 6}}},
		{.tagged = {{5, 6}, {7, 8}}},
		{.tagged = {{5, 6}, {1, 2}}},
		{.native = 7, .tagged = {{5, 8}}},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_false(vlans_are_settled(&cases[i]));
}

static void allowed(void **state)
{
	(void)state;
	const struct vlan_range few[VLAN_RANGES] = {{10, 19}, {30, 39}, {20, 25}};
	assert_true(vlan_ranges_have(few, 10, 25));
	assert_true(vlan_ranges_have(few, 39, 39));
	assert_false(vlan_ranges_have(few, 10, 26));
	assert_false(vlan_ranges_have(few, 9, 10));
	assert_false(vlan_ranges_have(few, 1, 4094));
	const struct vlan_range none[VLAN_RANGES] = {{0, 0}};
	assert_false(vlan_ranges_have(none, 1, 1));
}

static struct vlans found(unsigned mode, unsigned tag, unsigned first, unsigned last,
			  unsigned usual)
{
	struct vlan_port port = {.mode = (uint8_t)mode, .tag = (uint16_t)tag};
	struct vlans ret;
	if (last)
		vlan_add(&port, first, last);
	vlans_of_port(&port, usual, &ret);
	assert_true(vlans_are_settled(&ret));
	return ret;
}

static void assert_found(struct vlans vlans, unsigned native, const char *tagged)
{
	char text[VLAN_RANGES_TEXT];
	assert_int_equal(vlans.native, native);
	assert_string_equal(vlan_ranges_format(vlans.tagged, text), tagged);
}

static void seen(void **state)
{
	(void)state;
	/* Linux: 1 is what its bridge gives to all */
	assert_found(found(VLAN_ACCESS, 1, 0, 0, 1), 0, "");
	assert_found(found(VLAN_ACCESS, 20, 0, 0, 1), 20, "");
	assert_found(found(VLAN_NATIVE_UNTAGGED, 20, 30, 31, 1), 20, "30-31");
	assert_found(found(VLAN_NATIVE_UNTAGGED, 1, 30, 31, 1), 0, "30-31");
	assert_found(found(VLAN_TRUNK, 0, 30, 31, 1), VLAN_NOWHERE, "30-31");
	assert_found(found(VLAN_NATIVE_TAGGED, 20, 30, 31, 1), VLAN_NOWHERE, "30-31");
	/* a bridge that gives nothing */
	assert_found(found(VLAN_TRUNK, 0, 30, 31, VLAN_NOWHERE), 0, "30-31");
	/* Open vSwitch */
	assert_found(found(VLAN_TRUNK, 0, 0, 2, 0), 0, "1-2");
	assert_found(found(VLAN_TRUNK, 0, 1, 2, 0), VLAN_NOWHERE, "1-2");
	assert_found(found(VLAN_ACCESS, 7, 1, 2, 0), 7, "");
	assert_found(found(VLAN_TUNNEL, 7, 0, 0, 0), VLAN_NOWHERE, "");
	/* that one of a trunk's leaves without its tag, nobody can ask for */
	struct vlan_port bare = {.mode = VLAN_NATIVE_UNTAGGED, .tag = 1, .bare = 1};
	struct vlans seen_bare;
	vlan_add(&bare, 20, 20);
	vlans_of_port(&bare, 1, &seen_bare);
	assert_found(seen_bare, VLAN_NOWHERE, "20");
	struct vlan_port all = {.mode = VLAN_NATIVE_UNTAGGED, .all = 1, .tag = 9};
	struct vlans vlans;
	vlans_of_port(&all, 0, &vlans);
	assert_found(vlans, 9, "1-8,10-4094");
	/* more than anybody can ask for */
	for (unsigned i = 0; i < 2 * VLAN_RANGES; i++)
		vlan_add(&all, 100 + 2 * i, 100 + 2 * i);
	all.all = 0;
	vlans_of_port(&all, 0, &vlans);
	assert_int_equal(vlans.native, VLAN_NOWHERE);
}

static void assert_json(json_t *json, const char *expected)
{
	char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);
	assert_string_equal(text, expected);
	free(text);
	json_decref(json);
}

/* What the kernel lists of a Linux bridge's port. */
static void listed(void **state)
{
	(void)state;
	struct vlan_port port = {.name = "p"};
	vlan_add(&port, 1, 1);
	vlan_settle(&port, 1, true);
	assert_json(vlan_port_json(&port), "{\"mode\":\"access\",\"name\":\"p\",\"tag\":1}");
	vlan_add(&port, 20, 21);
	vlan_settle(&port, 1, true);
	assert_json(vlan_port_json(&port), "{\"mode\":\"native_untagged\",\"name\":\"p\",\"tag\":1,"
					   "\"trunks\":[20,21]}");
	vlan_settle(&port, 1, false);
	assert_int_equal(port.mode, VLAN_NATIVE_TAGGED);
	vlan_settle(&port, 0, false);
	assert_json(vlan_port_json(&port),
		    "{\"mode\":\"trunk\",\"name\":\"p\",\"trunks\":[20,21]}");
	vlan_add(&port, 4000, 70000); /* of which the last is 4095 */
	assert_true(vlan_has(&port, 4095));
	assert_false(vlan_has(&port, 4096));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges), cmocka_unit_test(settled), cmocka_unit_test(unsettled),
		cmocka_unit_test(listed), cmocka_unit_test(allowed), cmocka_unit_test(seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
