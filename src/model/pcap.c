/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/pcap.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#define MAGIC_NANOSECONDS 0xa1b23c4d
#define LINKTYPE_ETHERNET 1
#define ADDRESSES	  12u /* bytes of an Ethernet frame before its tag */

struct header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy; /* both always 0 */
	uint32_t snap, link_type;
};
static_assert(sizeof(struct header) == PCAP_HEADER_SIZE, "pcap-savefile(5)");

struct record {
	uint32_t seconds, nanoseconds;
	uint32_t captured, length;
};
static_assert(sizeof(struct record) == PCAP_RECORD_SIZE, "pcap-savefile(5)");

void pcap_begin(uint32_t snap, uint8_t ret[PCAP_HEADER_SIZE])
{
	const struct header header = {.magic = MAGIC_NANOSECONDS,
				      .major = 2,
				      .minor = 4,
				      .snap = snap,
				      .link_type = LINKTYPE_ETHERNET};
	memcpy(ret, &header, sizeof(header));
}

static void insert_tag(const struct pcap_frame *frame, uint8_t *bytes, uint32_t captured)
{
	const uint16_t tag[2] = {htons(frame->tag_type), htons(frame->tag)};
	static_assert(sizeof(tag) == PCAP_TAG_SIZE, "IEEE 802.1Q");
	memmove(bytes + ADDRESSES + sizeof(tag), bytes + ADDRESSES, captured - ADDRESSES);
	memcpy(bytes + ADDRESSES, tag, sizeof(tag));
}

size_t pcap_complete(const struct pcap_frame *frame, uint8_t *record, uint32_t captured,
		     uint32_t snap)
{
	struct record head = {frame->seconds, frame->nanoseconds, captured, frame->length};
	if (frame->has_tag && captured >= ADDRESSES) {
		insert_tag(frame, record + sizeof(head), captured);
		head.captured += PCAP_TAG_SIZE;
		head.length += PCAP_TAG_SIZE;
	}
	if (head.captured > snap)
		head.captured = snap;
	memcpy(record, &head, sizeof(head));
	return sizeof(head) + head.captured;
}

/* The next bytes of a header; at its end it says what follows. */
static size_t follow_head(struct pcap_place *place, const uint8_t *bytes, size_t length)
{
	struct record record;
	size_t size = place->has_begun ? PCAP_RECORD_SIZE : PCAP_HEADER_SIZE;
	size_t part = length < size - place->head_length ? length : size - place->head_length;
	memcpy(place->head + place->head_length, bytes, part);
	place->head_length += part;
	place->rest += part;
	if (place->head_length < size)
		return part;
	place->head_length = 0;
	if (place->has_begun) {
		memcpy(&record, place->head, sizeof(record));
		place->missing = record.captured;
	} else {
		place->has_begun = true;
		place->rest = 0;
	}
	return part;
}

static size_t follow_frame(struct pcap_place *place, size_t length)
{
	size_t part = length < place->missing ? length : place->missing;
	place->missing -= (uint32_t)part;
	place->rest += part;
	if (place->missing == 0) {
		place->frames++;
		place->rest = 0;
	}
	return part;
}

void pcap_follow(struct pcap_place *place, const void *bytes, size_t length)
{
	const uint8_t *next = bytes, *end = next + length;
	while (next < end)
		next += place->missing > 0 ? follow_frame(place, (size_t)(end - next))
					   : follow_head(place, next, (size_t)(end - next));
}
