/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frames of probes: what is built is read back, and its checksums are right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "kern/frame.h"

static const struct mac ours = {{0xba, 0xad, 0xca, 0, 0, 1}};
static const struct mac theirs = {{0xba, 0xad, 0xca, 0, 0, 2}};

static struct frame_ends ends_of(const char *from, const char *to)
{
	struct frame_ends ends = {.from_mac = ours, .to_mac = theirs};
	assert_int_equal(ip_parse(from, &ends.from, NULL), 0);
	assert_int_equal(ip_parse(to, &ends.to, NULL), 0);
	return ends;
}

/* RFC 1071: over correct bytes the sum is all ones. */
static unsigned folded(const uint8_t *bytes, size_t length, uint32_t sum)
{
	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	if (length & 1)
		sum += (uint32_t)bytes[length - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The addresses, the protocol and the length belong to the sum of everything but ICMP. */
static void check_sums(const struct frame *frame, uint8_t protocol)
{
	bool is_ipv4 = frame->bytes[12] == 0x08;
	const uint8_t *ip = frame->bytes + 14;
	size_t header = is_ipv4 ? 20 : 40, length = frame->length - 14 - header;
	uint32_t sum = 0;
	if (is_ipv4)
		assert_int_equal(folded(ip, 20, 0), 0xffff);
	if (protocol != 1)
		sum = folded(ip + (is_ipv4 ? 12 : 8), is_ipv4 ? 8 : 32,
			     (uint32_t)length + protocol);
	assert_int_equal(folded(ip + header, length, sum), 0xffff);
}

static void questions(void **state)
{
	(void)state;
	struct frame frame;
	struct frame_view view;
	struct frame_ends ends = ends_of("10.20.0.9", "10.20.0.1");
	frame_question(&frame, &ends);
	frame_read(frame.bytes, frame.length, &view);
	assert_int_equal(view.kind, FRAME_QUESTION);
	assert_true(ip_equal(&view.to, &ends.to) && mac_equal(&view.sender, &ours));
	frame_here(&frame, &ends);
	frame_read(frame.bytes, frame.length, &view);
	assert_int_equal(view.kind, FRAME_HERE);
	assert_true(ip_equal(&view.from, &ends.from) && mac_equal(&view.receiver, &theirs));

	ends = ends_of("fd00::9", "fd00::1:2:3");
	frame_question(&frame, &ends);
	check_sums(&frame, 58);
	frame_read(frame.bytes, frame.length, &view);
	assert_int_equal(view.kind, FRAME_QUESTION);
	assert_true(ip_equal(&view.to, &ends.to));
	static const struct mac group = {{0x33, 0x33, 0xff, 2, 0, 3}};
	assert_true(mac_equal(&view.receiver, &group));
	frame_here(&frame, &ends);
	check_sums(&frame, 58);
	frame_read(frame.bytes, frame.length, &view);
	assert_int_equal(view.kind, FRAME_HERE);
	assert_true(ip_equal(&view.from, &ends.from));
}

static void connections(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {{"10.20.0.9", "203.0.113.1"},
					       {"fd00::9", "2001:db8::1"}};
	for (size_t i = 0; i < 2; i++) {
		struct frame frame;
		struct frame_view view;
		struct frame_ends ends = ends_of(pairs[i][0], pairs[i][1]);
		frame_tcp(&frame, &ends, 50000, 80, 1000, FRAME_SYN);
		check_sums(&frame, 6);
		frame_read(frame.bytes, frame.length, &view);
		assert_int_equal(view.kind, FRAME_TCP);
		assert_int_equal(view.from_port, 50000);
		assert_int_equal(view.to_port, 80);
		assert_int_equal(view.flags, FRAME_SYN);
		assert_true(ip_equal(&view.from, &ends.from) && ip_equal(&view.to, &ends.to));
		for (size_t payload = 0; payload < 4; payload++) {
			frame_echo(&frame, &ends, 7, payload);
			check_sums(&frame, i == 0 ? 1 : 58);
		}
	}
}

static void services(void **state)
{
	(void)state;
	struct frame frame;
	frame_dhcp_discover(&frame, &ours, 0x01020304);
	check_sums(&frame, 17);
	assert_int_equal(frame.length, 14 + 20 + 8 + 300);
	frame_router_solicitation(&frame, &ours);
	check_sums(&frame, 58);
	assert_int_equal(frame.length, 14 + 40 + 16);
}

/* Cut anywhere, nothing is read beyond the end (the sanitizers look). */
static void cut_frames(void **state)
{
	(void)state;
	struct frame frame;
	struct frame_view view;
	struct frame_ends ends = ends_of("fd00::9", "fd00::1");
	frame_here(&frame, &ends);
	for (size_t length = 0; length < frame.length; length++) {
		uint8_t *copy = test_malloc(length + 1);
		memcpy(copy, frame.bytes, length);
		frame_read(copy, length, &view);
		assert_int_not_equal(view.kind, FRAME_TCP);
		test_free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions),
		cmocka_unit_test(connections),
		cmocka_unit_test(services),
		cmocka_unit_test(cut_frames),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
