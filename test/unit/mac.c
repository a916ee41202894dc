/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MACs: text, the hashed ones, EUI-64; and names with their hash and the nearest word. */
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
#include "model/mac.h"
#include "model/name.h"

static void text_both_ways(void **state)
{
	(void)state;
	struct mac mac;
	char text[MAC_TEXT_SIZE];
	assert_int_equal(mac_parse("BA-AD-CA-FE-00-0a", &mac, NULL), 0);
	assert_string_equal(mac_format(&mac, text), "ba:ad:ca:fe:00:0a");
	static const char *const bad[] = {"",
					  "ba:ad:ca:fe:00",
					  "ba:ad:ca:fe:00:0",
					  "ba:ad:ca:fe:00:0g",
					  "ba:ad:ca:fe:00:0a ",
					  "baadcafe000a",
					  "ba:ad:ca:fe:00:0a:0b",
					  "bb:ad:ca:fe:00:0a",
					  "ff:ff:ff:ff:ff:ff",
					  "00:00:00:00:00:00"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error err = {0};
		assert_int_equal(mac_parse(bad[i], &mac, &err), -EINVAL);
		assert_true(err.text[0] != '\0');
	}
}

/* Numbers of this test are stored in users' definitions: they never change. */
static void hash_is_stable(void **state)
{
	(void)state;
	struct mac mac = mac_hash("default/demo/db/0", 0);
	char text[MAC_TEXT_SIZE];
	assert_string_equal(mac_format(&mac, text), "ba:ad:ca:a0:14:97");
	struct mac probed = mac_hash("default/demo/db/0", 1);
	assert_false(mac_equal(&mac, &probed));
}

static void hash_leaves_seats_alone(void **state)
{
	(void)state;
	for (unsigned probe = 0; probe < 20000; probe++) {
		struct mac mac = mac_hash("seat", probe);
		static const uint8_t ours[] = {0xba, 0xad, 0xca};
		assert_memory_equal(mac.bytes, ours, 3);
		assert_int_not_equal(mac.bytes[3], 0xfe);
	}
}

static void eui64(void **state)
{
	(void)state;
	struct mac mac;
	struct ip prefix, ip;
	char text[IP_TEXT_SIZE];
	mac_parse("ba:ad:ca:fe:00:0a", &mac, NULL);
	ip_parse_prefix("fd00:20::1/64", &prefix, NULL);
	ip = mac_eui64(&mac, &prefix);
	assert_string_equal(ip_format(&ip, text), "fd00:20::b8ad:caff:fefe:a");
	prefix.length = 80;
	ip = mac_eui64(&mac, &prefix);
	assert_false(ip_is_set(&ip));
}

static void names(void **state)
{
	(void)state;
	char longest[66];
	memset(longest, 'a', sizeof(longest));
	longest[63] = '\0';
	assert_true(name_is_label("web") && name_is_label("a-1") && name_is_label(longest));
	longest[63] = 'a';
	longest[64] = '\0';
	static const char *const bad[] = {"", "-a", "a-", "A", "a.b", "a_b", "a b", "\xc3\xa4"};
	assert_false(name_is_label(longest));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(name_is_label(bad[i]));
	assert_true(name_is_domain("lab.internal"));
	assert_false(name_is_domain("lab..internal") || name_is_domain(".") || name_is_domain(""));
	assert_true(name_is_interface("ly-lab") && name_is_interface("eth0.5"));
	assert_false(name_is_interface("sixteen-bytes-xx") || name_is_interface("a/b") ||
		     name_is_interface("..") || name_is_interface(""));
}

static void nearest(void **state)
{
	(void)state;
	static const char *const words[] = {"mode", "mtu", "network", NULL, "reservations", "dhcp"};
	const size_t n = sizeof(words) / sizeof(words[0]);
	assert_string_equal(name_nearest("mut", words, n), "mtu");
	assert_string_equal(name_nearest("netwrok", words, n), "network");
	assert_string_equal(name_nearest("net", words, n), "network");
	assert_string_equal(name_nearest("reservation", words, n), "reservations");
	assert_null(name_nearest("colour", words, n));
	assert_null(name_nearest("", words, n));
}

static void replaced(void **state)
{
	(void)state;
	static const char *const texts[][2] = {
		{"network 'lab-bob': mtu", "network 'lab': mtu"},
		{"lab-bob, lab-bob.", "lab, lab."},
		{"create bridge ly-lab-bob", "create bridge ly-lab-bob"},
		{"web.lab-bob.internal lab-bob-2", "web.lab-bob.internal lab-bob-2"},
		{"", ""},
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *text = name_replace(texts[i][0], "lab-bob", "lab");
		assert_string_equal(text, texts[i][1]);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_both_ways), cmocka_unit_test(hash_is_stable),
		cmocka_unit_test(eui64),	  cmocka_unit_test(hash_leaves_seats_alone),
		cmocka_unit_test(names),	  cmocka_unit_test(nearest),
		cmocka_unit_test(replaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
