/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file format that tcpdump and Wireshark read (pcap-savefile(5)): Ethernet, nanoseconds, the
 * byte order of this computer. Two headers of six and four numbers, so libpcap, which also opens
 * sockets and compiles filters, is not linked for it. Pure: bytes in, bytes out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCAP_HEADER_SIZE 24
#define PCAP_RECORD_SIZE 16 /* before each frame */
#define PCAP_TAG_SIZE	 4

/* What is known of a frame beside its bytes. */
struct pcap_frame {
	uint32_t seconds, nanoseconds;
	uint32_t length; /* on the wire, without the tag */
	bool has_tag;	 /* of 802.1Q, which the kernel keeps apart */
	uint16_t tag_type, tag;
};

void pcap_begin(uint32_t snap, uint8_t ret[PCAP_HEADER_SIZE]);

/* Completes a record: of the frame there are `captured` bytes at record + PCAP_RECORD_SIZE, and
 * room for PCAP_TAG_SIZE more. Returns the record's size. */
size_t pcap_complete(const struct pcap_frame *frame, uint8_t *record, uint32_t captured,
		     uint32_t snap);

/* Where a reader of the stream is. All zero before the first byte. */
struct pcap_place {
	uint64_t frames; /* whole ones */
	size_t rest;	 /* bytes after the last of them, or all before the first */
	uint8_t head[PCAP_HEADER_SIZE];
	size_t head_length;
	uint32_t missing; /* of a frame */
	bool has_begun;
};

void pcap_follow(struct pcap_place *place, const void *bytes, size_t length);
