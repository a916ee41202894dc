/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dnsmasq's lease file: its two kinds of lines, and what a guest or a full disk makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/lease.h"

static void both_families(void **state)
{
	(void)state;
	static const char text[] =
		"1763735000 ba:ad:ca:fe:00:0a 10.20.0.10 web 01:ba:ad:ca:fe:00:0a\n"
		"0 ba:ad:ca:01:02:03 10.20.0.11 * *\n"
		"duid 00:01:00:01:30:b1:00:00:ba:ad:ca:01:02:03\n"
		"1763735000 16909060 fd00::10 Web.lab.internal 00:04:aa\n"
		"1763735000 T42 fd00::11 * 00:04:aa";
	struct lease *leases;
	size_t bad = 9;
	assert_int_equal(lease_parse(text, sizeof(text) - 1, &leases, &bad), 4);
	assert_int_equal(bad, 0);
	char out[IP_TEXT_SIZE];
	assert_int_equal(leases[0].expires, 1763735000);
	assert_string_equal(mac_format(&leases[0].mac, out), "ba:ad:ca:fe:00:0a");
	assert_string_equal(ip_format(&leases[0].address, out), "10.20.0.10");
	assert_string_equal(leases[0].name, "web");
	assert_int_equal(leases[1].expires, 0);
	assert_string_equal(leases[1].name, "");
	assert_false(mac_is_set(&leases[2].mac));
	assert_string_equal(leases[2].name, "web");
	assert_string_equal(ip_format(&leases[3].address, out), "fd00::11");
	free(leases);
}

static void bad_lines_are_counted(void **state)
{
	(void)state;
	static const char text[] = "x ba:ad:ca:fe:00:0a 10.20.0.10 web *\n"
				   "1 ba:ad:ca:fe:00 10.20.0.10 web *\n"
				   "1 ba:ad:ca:fe:00:0a 10.20.0.300 web *\n"
				   "1 ba:ad:ca:fe:00:0a 10.20.0.10\n"
				   "1 ba:ad:ca:fe:00:0a  10.20.0.10 web *\n"
				   "99999999999999999999 ba:ad:ca:fe:00:0a 10.20.0.10 web *\n"
				   "1 ba:ad:ca:fe:00:0a 10.20.0.10 w\0b *\n"
				   "\n"
				   "1 ba:ad:ca:fe:00:0a 10.20.0.10 $(reboot) *\n";
	struct lease *leases;
	size_t bad = 0;
	assert_int_equal(lease_parse(text, sizeof(text) - 1, &leases, &bad), 1);
	assert_int_equal(bad, 7);
	assert_string_equal(leases[0].name, "");
	free(leases);
}

static void empty(void **state)
{
	(void)state;
	struct lease *leases;
	assert_int_equal(lease_parse("", 0, &leases, NULL), 0);
	assert_null(leases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_families),
		cmocka_unit_test(bad_lines_are_counted),
		cmocka_unit_test(empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
