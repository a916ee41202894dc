/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of our nftables table, as golden files in test/golden/firewall/. LANYARD_GOLDEN=write
 * renews them. */
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
#include "kern/firewall_guard.h"
#include "kern/firewall_rate.h"
#include "kern/firewall_text.h"

static void compare(const char *name, const char *text)
{
	struct error err = {0};
	AUTO_FREE char *path = text_format("%s/firewall/%s", TEST_DATA, name);
	AUTO_FREE char *wanted = NULL;
	if (getenv("GOLDEN_UPDATE"))
		file_write_atomic(path, text, strlen(text), 0644, false, &err);
	if (file_read(path, 1 << 20, &wanted, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(text, wanted);
}

static size_t count_rules(const char *text)
{
	size_t rules = 0;
	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		rules += strncmp(line, "\t\t", 2) == 0 && strncmp(line, "\t\ttype", 6) != 0;
	return rules;
}

static void base_is_as_written(void **state)
{
	(void)state;
	AUTO_FREE char *made = firewall_text_base("lanyard_default", false);
	AUTO_FREE char *replaced = firewall_text_base("lanyard_default", true);
	compare("base.nft", made);
	assert_string_equal(strchr(replaced, '\n') + 1, made);
	assert_memory_equal(replaced, "delete table inet lanyard_default\n", 34);
}

static struct object filter_of(uint32_t network, const char *ifname, enum network_mode mode)
{
	struct object object;
	memset(&object, 0, sizeof(object));
	object.kind = OBJECT_FILTER;
	object.network = network;
	snprintf(object.filter.ifname, sizeof(object.filter.ifname), "%s", ifname);
	object.filter.mode = (uint8_t)mode;
	return object;
}

static void elements_are_as_written(void **state)
{
	(void)state;
	static const char *const names[] = {"ly-nat", "ly-routed", "ly-bridged", "ly-isolated",
					    "ly-open"};
	char *text = text_copy("");
	for (uint32_t mode = 0; mode < NETWORK_MODES; mode++) {
		struct object object = filter_of(mode + 1, names[mode], (enum network_mode)mode);
		if (mode == NETWORK_NAT) {
			struct ip *nat = object.filter.nat;
			assert_int_equal(ip_parse_prefix("10.20.0.0/24", &nat[0], NULL), 0);
			assert_int_equal(ip_parse_prefix("fd12:3456::/64", &nat[1], NULL), 0);
			snprintf(object.filter.peers[0], IFNAMSIZ, "ly-routed");
		}
		AUTO_FREE char *before = text;
		AUTO_FREE char *elements = firewall_text_elements("lanyard_default", &object);
		text = text_format("%s%s", before, elements);
	}
	compare("elements.nft", text);
	free(text);
}

static void guard_is_as_written(void **state)
{
	(void)state;
	AUTO_FREE char *made = firewall_guard_text("lanyard_default", false);
	AUTO_FREE char *replaced = firewall_guard_text("lanyard_default", true);
	compare("guard.nft", made);
	assert_string_equal(strchr(replaced, '\n') + 1, made);
	assert_int_equal(count_rules(made), firewall_guard_rules());
}

static void rates_are_as_written(void **state)
{
	(void)state;
	AUTO_FREE char *made = firewall_rate_text("lanyard-rate_default", false);
	AUTO_FREE char *replaced = firewall_rate_text("lanyard-rate_default", true);
	compare("rate.nft", made);
	assert_string_equal(strchr(replaced, '\n') + 1, made);
	assert_int_equal(count_rules(made), firewall_rate_rules());
}

static void modes_are_complete(void **state)
{
	(void)state;
	AUTO_FREE char *base = firewall_text_base("lanyard_default", false);
	assert_int_equal(count_rules(base), firewall_text_rules());
	for (int mode = 0; mode < NETWORK_MODES; mode++) {
		AUTO_FREE char *from = text_format("\tchain %s {\n", firewall_modes[mode].from);
		AUTO_FREE char *to = text_format("\tchain %s {\n", firewall_modes[mode].to);
		assert_non_null(strstr(base, from));
		assert_non_null(strstr(base, to));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base_is_as_written),  cmocka_unit_test(elements_are_as_written),
		cmocka_unit_test(guard_is_as_written), cmocka_unit_test(rates_are_as_written),
		cmocka_unit_test(modes_are_complete),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
