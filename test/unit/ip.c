/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses and prefixes: text both ways, containment, arithmetic at the edges. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/ip.h"

static struct ip address(const char *text)
{
	struct ip ip;
	assert_int_equal(ip_parse(text, &ip, NULL), 0);
	return ip;
}

static struct ip prefix(const char *text)
{
	struct ip ip;
	assert_int_equal(ip_parse_prefix(text, &ip, NULL), 0);
	return ip;
}

static void assert_text(struct ip ip, const char *expected)
{
	char text[IP_TEXT_SIZE];
	assert_string_equal(ip_format(&ip, text), expected);
}

static void text_both_ways(void **state)
{
	(void)state;
	static const char *const texts[] = {"0.0.0.0", "10.20.0.1",	  "255.255.255.255", "::",
					    "::1",     "fd00:1:2:3::abc", "fe80::1"};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_text(address(texts[i]), texts[i]);
	char text[IP_TEXT_SIZE];
	struct ip ip = prefix("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128");
	assert_string_equal(ip_format_prefix(&ip, text),
			    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
	struct ip none = {0};
	assert_string_equal(ip_format_prefix(&none, text), "");
	assert_false(ip_is_set(&none));
}

static void bad_text_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"",	       "10",	    "10.0.0",	   "10.0.0.256",
					  "10.0.0.1 ", "010.0.0.1", "10.0.0.1/24", "fd00::g",
					  ":",	       "1::2::3",   "fd00::1%eth0"};
	struct ip ip;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error err = {0};
		assert_int_equal(ip_parse(bad[i], &ip, &err), -EINVAL);
		assert_true(err.text[0] != '\0');
	}
	static const char *const prefixes[] = {
		"10.0.0.1",	"10.0.0.1/",  "10.0.0.1/33", "10.0.0.1/-1",   "10.0.0.1/+8",
		"10.0.0.1/24x", "fd00::/129", "/24",	     "10.0.0.1/0024", "10.0.0.1/24/24"};
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		assert_int_equal(ip_parse_prefix(prefixes[i], &ip, NULL), -EINVAL);
}

static void containment(void **state)
{
	(void)state;
	struct ip net = prefix("10.20.0.1/24"), wide = prefix("10.20.0.0/16");
	struct ip inside = address("10.20.0.255"), outside = address("10.20.1.0");
	struct ip six = address("::1"), none = {0}, all = prefix("0.0.0.0/0");
	assert_true(ip_contains(&net, &inside));
	assert_false(ip_contains(&net, &outside));
	assert_false(ip_contains(&net, &six));
	assert_false(ip_contains(&none, &none));
	assert_true(ip_overlaps(&net, &wide));
	assert_true(ip_overlaps(&wide, &net));
	assert_true(ip_overlaps(&all, &outside));
	struct ip odd = prefix("10.20.0.128/25"), low = prefix("10.20.0.0/25");
	assert_false(ip_overlaps(&odd, &low));
}

static void arithmetic(void **state)
{
	(void)state;
	struct ip net = prefix("10.20.3.77/22"), six = prefix("fd00:1::5/64");
	assert_text(ip_network(&net), "10.20.0.0");
	assert_text(ip_last(&net), "10.20.3.255");
	assert_text(ip_nth(&net, 0), "10.20.0.0");
	assert_text(ip_nth(&net, 300), "10.20.1.44");
	assert_text(ip_nth(&net, 1024), "");
	assert_int_equal(ip_offset(&net, &net), 3 * 256 + 77);
	assert_text(ip_nth(&six, 0x10000), "fd00:1::1:0");
	assert_text(ip_last(&six), "fd00:1::ffff:ffff:ffff:ffff");
	struct ip last = prefix("255.255.255.0/24");
	assert_text(ip_nth(&last, 256), "");
	assert_int_equal(ip_host(&net).length, 32);
	assert_int_equal(ip_host(&six).length, 128);
}

static void order(void **state)
{
	(void)state;
	struct ip a = prefix("10.0.0.1/24"), b = prefix("10.0.0.1/25"), c = prefix("10.0.0.2/8");
	struct ip six = prefix("::/0");
	assert_true(ip_compare(&a, &b) < 0);
	assert_true(ip_compare(&b, &c) < 0);
	assert_true(ip_compare(&c, &six) < 0);
	assert_true(ip_equal(&a, &b));
	assert_int_equal(ip_compare(&a, &a), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_both_ways), cmocka_unit_test(bad_text_is_refused),
		cmocka_unit_test(containment),	  cmocka_unit_test(arithmetic),
		cmocka_unit_test(order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
