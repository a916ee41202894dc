/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The savefile's headers as pcap-savefile(5) has them; tags; where a stream is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/pcap.h"

#define SNAP 100

static const struct pcap_frame plain = {.seconds = 1, .nanoseconds = 2, .length = 60};
static const struct pcap_frame tagged = {
	.length = 60, .has_tag = true, .tag_type = 0x88a8, .tag = 0x6007};

static void file_header(void **state)
{
	static const uint32_t magic = 0xa1b23c4d, behind[] = {0, 0, SNAP, 1};
	static const uint16_t version[] = {2, 4};
	uint8_t header[PCAP_HEADER_SIZE];
	(void)state;
	pcap_begin(SNAP, header);
	assert_memory_equal(header, &magic, sizeof(magic));
	assert_memory_equal(header + 4, version, sizeof(version));
	assert_memory_equal(header + 8, behind, sizeof(behind));
}

static size_t record_of(const struct pcap_frame *frame, uint32_t captured, uint32_t snap,
			uint32_t *ret)
{
	memset(ret, 0xee, 256);
	for (uint32_t i = 0; i < captured; i++)
		((uint8_t *)ret)[PCAP_RECORD_SIZE + i] = (uint8_t)i;
	return pcap_complete(frame, (uint8_t *)ret, captured, snap);
}

static void record_header(void **state)
{
	uint32_t record[64];
	(void)state;
	assert_int_equal(record_of(&plain, 60, SNAP, record), 16 + 60);
	assert_int_equal(record[0], 1);
	assert_int_equal(record[1], 2);
	assert_int_equal(record[2], 60);
	assert_int_equal(record[3], 60);
	assert_int_equal(record_of(&plain, 40, 40, record), 16 + 40);
	assert_int_equal(record[2], 40);
	assert_int_equal(record[3], 60);
}

static void tag_is_put_back(void **state)
{
	static const uint8_t expected[] = {11, 0x88, 0xa8, 0x60, 0x07, 12};
	uint32_t record[64];
	const uint8_t *bytes = (uint8_t *)record + PCAP_RECORD_SIZE;
	(void)state;
	assert_int_equal(record_of(&tagged, 60, SNAP, record), 16 + 64);
	assert_int_equal(record[2], 64);
	assert_int_equal(record[3], 64);
	assert_memory_equal(bytes + 11, expected, sizeof(expected));
	assert_int_equal(bytes[63], 59);
	/* what it pushes out of the snap is left out */
	assert_int_equal(record_of(&tagged, 40, 40, record), 16 + 40);
	assert_int_equal(record[3], 64);
	/* no addresses, no tag */
	assert_int_equal(record_of(&tagged, 8, SNAP, record), 16 + 8);
}

/* However it is cut, after each byte the place is right. */
static void place_in_the_stream(void **state)
{
	uint8_t stream[PCAP_HEADER_SIZE + 2 * (PCAP_RECORD_SIZE + 5)];
	const size_t ends[] = {PCAP_HEADER_SIZE, PCAP_HEADER_SIZE + PCAP_RECORD_SIZE + 5,
			       sizeof(stream)};
	(void)state;
	pcap_begin(SNAP, stream);
	pcap_complete(&plain, stream + ends[0], 5, SNAP);
	pcap_complete(&plain, stream + ends[1], 5, SNAP);
	for (size_t cut = 0; cut <= sizeof(stream); cut++) {
		struct pcap_place place = {0};
		size_t whole = cut < ends[0]   ? 0
			       : cut < ends[1] ? ends[0]
			       : cut < ends[2] ? ends[1]
					       : ends[2];
		pcap_follow(&place, stream, cut);
		assert_int_equal(place.rest, cut - whole);
		assert_int_equal(place.frames, cut < ends[1] ? 0 : cut < ends[2] ? 1 : 2);
		for (size_t i = cut; i < sizeof(stream); i++)
			pcap_follow(&place, stream + i, 1);
		assert_int_equal(place.rest, 0);
		assert_int_equal(place.frames, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_header),
		cmocka_unit_test(record_header),
		cmocka_unit_test(tag_is_put_back),
		cmocka_unit_test(place_in_the_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
