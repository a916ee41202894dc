/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks: what is chosen (prefix, range, addresses), that it stays, and what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/network.h"

static struct network *make(const char *name, const char *ipv4, const char *ipv6)
{
	struct network *network = network_new();
	snprintf(network->name, sizeof(network->name), "%s", name);
	network->ipv4_choice = ipv4 ? FAMILY_GIVEN : FAMILY_NONE;
	network->ipv6_choice = ipv6 ? FAMILY_GIVEN : FAMILY_NONE;
	if (ipv4)
		assert_int_equal(ip_parse_prefix(ipv4, &network->ipv4[0], NULL), 0);
	if (ipv6)
		assert_int_equal(ip_parse_prefix(ipv6, &network->ipv6[0], NULL), 0);
	return network;
}

static void settle(struct network *network)
{
	struct error err = {0};
	if (network_settle(network, &err) < 0)
		fail_msg("%s", err.text);
}

static void assert_ip(const struct ip *ip, const char *expected)
{
	char text[IP_TEXT_SIZE];
	assert_string_equal(ip_format(ip, text), expected);
}

static void reserve(struct network *network, const char *name, bool automatic)
{
	struct reservation reservation = {.automatic = automatic};
	struct error err = {0};
	snprintf(reservation.name, sizeof(reservation.name), "%s", name);
	reservation.mac = mac_hash(name, 0);
	if (network_reserve(network, &reservation, &err) < 0)
		fail_msg("%s", err.text);
}

static void range_and_domain(void **state)
{
	(void)state;
	static const char *const cases[][3] = {
		{"10.20.0.1/24", "10.20.0.100", "10.20.0.199"},
		{"10.20.0.150/24", "10.20.0.100", "10.20.0.149"},
		{"10.20.0.101/24", "10.20.0.102", "10.20.0.199"},
		{"10.20.0.1/16", "10.20.100.0", "10.20.199.255"},
		{"10.20.0.1/28", "10.20.0.8", "10.20.0.14"},
		{"10.20.0.1/30", "10.20.0.2", "10.20.0.2"},
		{"10.20.0.2/30", "10.20.0.1", "10.20.0.1"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct network *network = make("lab", cases[i][0], NULL);
		settle(network);
		assert_ip(&network->dhcp_first, cases[i][1]);
		assert_ip(&network->dhcp_last, cases[i][2]);
		assert_string_equal(network->domain, "lab.internal");
		settle(network); /* a second time changes nothing */
		assert_ip(&network->dhcp_first, cases[i][1]);
		network_free(network);
	}
}

/* Chosen once by hash, they are stored: these numbers never change. */
static void prefixes_are_chosen(void **state)
{
	(void)state;
	struct network *network = network_new();
	struct error err = {0};
	strcpy(network->name, "other");
	struct ip taken[2] = {{.family = AF_INET, .length = 0}};
	assert_int_equal(network_settle(network, &err), -EINVAL);
	assert_int_equal(network_allocate(network, "default", taken, 1, &err), 0);
	assert_ip(&network->ipv4[0], "10.112.73.1");
	assert_int_equal(network->ipv4[0].length, 24);
	assert_int_equal(network->ipv6[0].bytes[0], 0xfd);
	assert_int_equal(network->ipv6[0].length, 64);
	assert_int_equal(network->ipv4_choice, FAMILY_GIVEN);
	settle(network);

	struct network *second = network_new();
	strcpy(second->name, "other");
	taken[0] = network->ipv4[0];
	taken[1] = network->ipv6[0];
	assert_int_equal(network_allocate(second, "default", taken, 2, &err), 0);
	struct ip a, b;
	assert_false(network_overlaps(network, second, &a, &b));
	network_free(network);
	network_free(second);
}

/* The part of a LAN that is proposed for machines: the last one that nobody is seen in. */
static void parts_of_a_lan(void **state)
{
	(void)state;
	static const char *const cases[][3] = {
		/* the LAN, somebody in it, the part */
		{"192.168.1.7/24", "192.168.1.1", "192.168.1.225/27"},
		{"192.168.1.7/24", "192.168.1.254", "192.168.1.193/27"},
		{"192.168.1.7/24", "192.168.1.0/24", ""},
		{"10.0.0.7/8", "10.0.0.1", "10.255.255.225/27"},
		{"192.0.2.7/27", "192.0.2.1", "192.0.2.25/29"},
		{"192.0.2.2/29", "192.0.2.1", ""},
		{"2001:db8:1::7/64", "2001:db8:1::1", "2001:db8:1:0:a::1/80"},
		{"2001:db8:1::7/64", "2001:db8:1:0:a::5", "2001:db8:1:0:b::1/80"},
		{"2001:db8::7/112", "2001:db8::1", ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip lan, taken;
		char text[IP_TEXT_SIZE];
		assert_int_equal(ip_parse_prefix(cases[i][0], &lan, NULL), 0);
		if (ip_parse_prefix(cases[i][1], &taken, NULL) < 0)
			assert_int_equal(ip_parse(cases[i][1], &taken, NULL), 0);
		struct ip part = network_lan_part(&lan, &taken, 1);
		assert_string_equal(ip_is_set(&part) ? ip_format_prefix(&part, text) : "",
				    cases[i][2]);
	}
}

static void full_host_is_said(void **state)
{
	(void)state;
	struct network *network = network_new();
	struct error err = {0};
	strcpy(network->name, "lab");
	static const char *const routes[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"};
	struct ip taken[3];
	for (size_t i = 0; i < 3; i++)
		ip_parse_prefix(routes[i], &taken[i], NULL);
	assert_int_equal(network_allocate(network, "default", taken, 2, &err), 0);
	assert_int_equal(network->ipv4[0].bytes[0], 192);
	network->ipv4_choice = FAMILY_AUTO;
	network->ipv4[0] = (struct ip){0};
	assert_int_equal(network_allocate(network, "default", taken, 3, &err), -EADDRNOTAVAIL);
	network_free(network);
}

static void addresses_lie_beside_the_range(void **state)
{
	(void)state;
	struct network *network = make("lab", "10.20.0.1/24", "fd00:20::1/64");
	struct error err = {0};
	char name[16];
	for (unsigned i = 0; i < 240; i++) {
		snprintf(name, sizeof(name), "m%u", i);
		reserve(network, name, true);
	}
	assert_int_equal(network_allocate(network, "default", NULL, 0, &err), 0);
	settle(network); /* all differ */
	unsigned inside = 0;
	for (size_t i = 0; i < network->n_reservations; i++)
		inside += network->reservations[i].ipv4.bytes[3] >= 100 &&
			  network->reservations[i].ipv4.bytes[3] < 200;
	assert_int_equal(inside, 240 - 153); /* 153 is the room beside it */
	for (unsigned i = 240; i < 254; i++) {
		snprintf(name, sizeof(name), "m%u", i);
		reserve(network, name, true);
	}
	assert_int_equal(network_allocate(network, "default", NULL, 0, &err), -EADDRNOTAVAIL);
	network_free(network);
}

/* A lab that is brought up again after an edit: who was there keeps the address. */
static void addresses_stay(void **state)
{
	(void)state;
	struct error err = {0};
	struct network *before = network_new(), *after = network_new();
	strcpy(before->name, "lab");
	strcpy(after->name, "lab");
	before->id = 4;
	reserve(before, "web", true);
	assert_int_equal(network_allocate(before, "default", NULL, 0, &err), 0);
	settle(before);
	reserve(after, "db", true);
	reserve(after, "web", true);
	network_inherit(after, before);
	assert_int_equal(after->id, 4);
	assert_int_equal(network_allocate(after, "default", before->ipv4, 1, &err), 0);
	settle(after);
	assert_int_equal(ip_compare(&before->ipv4[0], &after->ipv4[0]), 0);
	assert_true(ip_equal(&before->reservations[0].ipv4, &after->reservations[1].ipv4));
	assert_true(ip_equal(&before->reservations[0].ipv6, &after->reservations[1].ipv6));
	network_free(before);
	network_free(after);
}

static void automatic_ones_follow_the_prefix(void **state)
{
	(void)state;
	struct error err = {0};
	struct network *network = make("lab", "10.20.0.1/24", NULL);
	reserve(network, "web", true);
	assert_int_equal(network_allocate(network, "default", NULL, 0, &err), 0);
	settle(network);
	ip_parse_prefix("10.30.0.1/24", &network->ipv4[0], NULL);
	network->dhcp_first = network->dhcp_last = (struct ip){0};
	assert_int_equal(network_allocate(network, "default", NULL, 0, &err), 0);
	settle(network);
	assert_true(ip_contains(&network->ipv4[0], &network->reservations[0].ipv4));
	network_free(network);
}

static void reservations(void **state)
{
	(void)state;
	struct network *network = make("lab", "10.20.0.1/24", NULL);
	struct reservation web = {.name = "web"}, db = {.name = "db"};
	struct error err = {0};
	assert_int_equal(network_reserve(network, &web, &err),
			 -EINVAL); /* neither MAC nor address */
	ip_parse("10.20.0.10", &web.ipv4, NULL);
	assert_int_equal(network_reserve(network, &web, &err), 0);
	db.ipv4 = web.ipv4;
	assert_int_equal(network_reserve(network, &db, &err), -EEXIST);
	assert_string_equal(err.text,
			    "reservation 'db': address 10.20.0.10 is reserved for 'web' already");
	static const char *const bad[] = {"10.20.0.1", "10.20.0.0", "10.20.0.255", "10.21.0.5"};
	for (size_t i = 0; i < 4; i++) {
		ip_parse(bad[i], &db.ipv4, NULL);
		assert_int_equal(network_reserve(network, &db, &err), -EINVAL);
	}
	ip_parse("10.20.0.11", &web.ipv4, NULL);
	assert_int_equal(network_reserve(network, &web, &err), 0); /* replaces */
	assert_int_equal(network->n_reservations, 1);
	struct network *copy = network_copy(network);
	assert_true(network_equal(network, copy));
	assert_int_equal(network_unreserve(network, "web", &err), 0);
	assert_int_equal(network_unreserve(network, "web", &err), -ENOENT);
	assert_false(network_equal(network, copy));
	network_free(network);
	network_free(copy);
}

static void interface_names(void **state)
{
	(void)state;
	char ifname[IFNAMSIZ];
	network_ifname("twelve-bytes", 1, ifname);
	assert_string_equal(ifname, "ly-twelve-bytes");
	network_ifname("thirteen-byte", 4294967295u, ifname);
	assert_string_equal(ifname, "ly--4294967295");
}

/* Of a network that is edited: gateways by turns, and what is leaving after each. */
static void replaced_prefixes_leave(void **state)
{
	(void)state;
	struct network *before = make("lab", "10.20.0.1/24", "fd20::1/64");
	before->id = 1;
	struct reservation web = {.name = "web", .mac = {{0xba, 0xad, 0xca, 0, 0, 1}}};
	assert_int_equal(ip_parse("10.20.0.10", &web.ipv4, NULL), 0);
	assert_int_equal(network_reserve(before, &web, NULL), 0);
	settle(before);
	struct network *after = network_copy(before);
	assert_int_equal(ip_parse_prefix("10.30.0.1/24", &after->ipv4[0], NULL), 0);
	after->dhcp_first = after->dhcp_last = (struct ip){0};
	network_renumber(after, before);
	settle(after);
	network_retire(after, before, 1000);
	assert_ip(&after->reservations[0].ipv4, "10.30.0.10");
	assert_ip(&after->leaving[0].address, "10.20.0.1");
	assert_int_equal(after->leaving[0].until, 1000 + after->grace_seconds);
	assert_false(ip_is_set(&after->leaving[1].address)); /* IPv6 stays */
	assert_ptr_equal(network_left(after, AF_INET), &after->leaving[0].address);
	assert_null(network_left(after, AF_INET6));

	struct network *back = network_copy(after); /* in use again: leaves no more */
	back->ipv4[0] = before->ipv4[0];
	back->dhcp_first = back->dhcp_last = (struct ip){0};
	network_renumber(back, after);
	settle(back);
	network_retire(back, after, 2000);
	assert_ip(&back->leaving[0].address, "10.30.0.1");
	assert_false(ip_is_set(&back->leaving[1].address));
	assert_int_equal(network_leaves_next(back), 2000 + back->grace_seconds);

	struct network *same = network_copy(back); /* another gateway: its prefix does not leave */
	assert_int_equal(ip_parse_prefix("10.20.0.254/24", &same->ipv4[0], NULL), 0);
	settle(same);
	network_retire(same, back, 3000);
	assert_ip(&same->leaving[1].address, "10.20.0.1");
	assert_ip(network_left(same, AF_INET), "10.30.0.1");
	assert_false(network_expire(same, 2000 + same->grace_seconds - 1));
	assert_true(network_expire(same, 2000 + same->grace_seconds));
	assert_ip(&same->leaving[0].address, "10.20.0.1");
	assert_true(network_expire(same, 1 << 30));
	assert_int_equal(network_leaves_next(same), 0);

	struct network *at_once = network_copy(before); /* without grace */
	at_once->grace_seconds = 0;
	at_once->ipv4[0] = after->ipv4[0];
	network_retire(at_once, before, 1000);
	assert_int_equal(network_leaves_next(at_once), 0);
	network_free(before);
	network_free(after);
	network_free(back);
	network_free(same);
	network_free(at_once);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(range_and_domain),
		cmocka_unit_test(prefixes_are_chosen),
		cmocka_unit_test(parts_of_a_lan),
		cmocka_unit_test(full_host_is_said),
		cmocka_unit_test(addresses_lie_beside_the_range),
		cmocka_unit_test(addresses_stay),
		cmocka_unit_test(automatic_ones_follow_the_prefix),
		cmocka_unit_test(reservations),
		cmocka_unit_test(replaced_prefixes_leave),
		cmocka_unit_test(interface_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
