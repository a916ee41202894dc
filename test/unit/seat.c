/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Seats: what follows from a number, at the edges; rows; names. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/seat.h"

static void number_says_all(void **state)
{
	static const struct {
		uint32_t number;
		const char *mac, *link_local;
		uint16_t screen, console, ssh;
	} seats[] = {
		{1, "ba:ad:ca:fe:00:01", "fe80::b8ad:caff:fefe:1", 5901, 2301, 2201},
		{20, "ba:ad:ca:fe:00:14", "fe80::b8ad:caff:fefe:14", 5920, 2320, 2220},
		{255, "ba:ad:ca:fe:00:ff", "fe80::b8ad:caff:fefe:ff", 6155, 2555, 2455},
		{256, "ba:ad:ca:fe:01:00", "fe80::b8ad:caff:fefe:100", 6156, 2556, 2456},
		{59635, "ba:ad:ca:fe:e8:f3", "fe80::b8ad:caff:fefe:e8f3", 65535, 61935, 61835},
		{59636, "ba:ad:ca:fe:e8:f4", "fe80::b8ad:caff:fefe:e8f4", 0, 61936, 61836},
		{65535, "ba:ad:ca:fe:ff:ff", "fe80::b8ad:caff:fefe:ffff", 0, 0, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(seats) / sizeof(seats[0]); i++) {
		struct seat seat;
		char mac[MAC_TEXT_SIZE], address[IP_TEXT_SIZE];
		assert_int_equal(seat_make(seats[i].number, &seat, NULL), 0);
		assert_string_equal(mac_format(&seat.mac, mac), seats[i].mac);
		assert_string_equal(ip_format(&seat.link_local, address), seats[i].link_local);
		assert_int_equal(seat.ports[SEAT_SCREEN], seats[i].screen);
		assert_int_equal(seat.ports[SEAT_CONSOLE], seats[i].console);
		assert_int_equal(seat.ports[SEAT_SSH], seats[i].ssh);
		assert_int_equal(seat_of_mac(&seat.mac), seats[i].number);
	}
}

static void no_such_numbers(void **state)
{
	static const uint64_t numbers[] = {0, 65536, UINT32_MAX, UINT64_MAX};
	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct seat seat;
		struct error err = {0};
		assert_int_equal(seat_make(numbers[i], &seat, &err), -EINVAL);
		assert_non_null(strstr(err.text, "seats are 1 to 65535"));
	}
}

static void others_are_none(void **state)
{
	static const char *const macs[] = {"ba:ad:ca:fe:00:00", "ba:ad:ca:ff:00:01",
					   "ba:ad:ca:a0:14:97", "02:ad:ca:fe:00:01"};
	(void)state;
	for (size_t i = 0; i < sizeof(macs) / sizeof(macs[0]); i++) {
		struct mac mac;
		assert_int_equal(mac_parse(macs[i], &mac, NULL), 0);
		assert_int_equal(seat_of_mac(&mac), 0);
	}
}

static void rows(void **state)
{
	static const struct {
		const char *text;
		uint32_t first, last;
	} rows[] = {
		{"1", 1, 1}, {"1-20", 1, 20}, {"7-7", 7, 7}, {"007", 7, 7}, {"1-65535", 1, 65535}};
	static const char *const bad[] = {"",
					  "0",
					  "65536",
					  "0-3",
					  "1-65536",
					  "-3",
					  "3-",
					  "1-2-3",
					  "a",
					  "1-b",
					  " 1",
					  "1 ",
					  "1,2",
					  "+1",
					  "20-1",
					  "1--2",
					  "99999999999999999999"};
	(void)state;
	uint32_t first, last;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(seat_read_row(rows[i].text, &first, &last, NULL), 0);
		assert_int_equal(first, rows[i].first);
		assert_int_equal(last, rows[i].last);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error err = {0};
		assert_int_equal(seat_read_row(bad[i], &first, &last, &err), -EINVAL);
		assert_true(err.text[0] != '\0');
	}
}

static void names(void **state)
{
	struct seat seat;
	char name[IFNAMSIZ];
	struct error err = {0};
	(void)state;
	assert_int_equal(seat_make(65535, &seat, NULL), 0);
	assert_int_equal(seat_ifname(&seat, "tap", name, NULL), 0);
	assert_string_equal(name, "tap65535");
	assert_int_equal(seat_ifname(&seat, "tap-of-a-c", name, NULL), 0);
	assert_string_equal(name, "tap-of-a-c65535");
	assert_int_equal(seat_ifname(&seat, "tap-of-a-cl", name, &err), -EINVAL);
	assert_non_null(strstr(err.text, "more than 15 letters"));
}

/* Two numbers of which one's SSH is the other's console are 100 apart: a row of 100 is free of it.
 */
static void a_hundred_are_free(void **state)
{
	static bool taken[65536];
	(void)state;
	for (uint32_t number = 1; number <= 100; number++) {
		struct seat seat;
		assert_int_equal(seat_make(number, &seat, NULL), 0);
		for (size_t i = 0; i < SEAT_PORTS; i++) {
			assert_false(taken[seat.ports[i]]);
			taken[seat.ports[i]] = true;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(number_says_all), cmocka_unit_test(no_such_numbers),
		cmocka_unit_test(others_are_none), cmocka_unit_test(rows),
		cmocka_unit_test(names),	   cmocka_unit_test(a_hundred_are_free),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
