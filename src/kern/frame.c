/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kern/frame.h"

#include <string.h>
#include <sys/socket.h>

#define TYPE_IPV4 0x0800
#define TYPE_ARP  0x0806
#define TYPE_IPV6 0x86dd
#define ETHER	  14
#define ICMP	  1
#define TCP	  6
#define UDP	  17
#define ICMPV6	  58

static const struct mac everybody = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static void put(struct frame *frame, const void *bytes, size_t length)
{
	memcpy(frame->bytes + frame->length, bytes, length);
	frame->length += length;
}

static void put8(struct frame *frame, uint8_t value)
{
	frame->bytes[frame->length++] = value;
}

static void put16(struct frame *frame, unsigned value)
{
	put8(frame, (uint8_t)(value >> 8));
	put8(frame, (uint8_t)value);
}

static void put32(struct frame *frame, uint32_t value)
{
	put16(frame, value >> 16);
	put16(frame, value & 0xffff);
}

static unsigned get16(const uint8_t *bytes)
{
	return (unsigned)bytes[0] << 8 | bytes[1];
}

static uint32_t get32(const uint8_t *bytes)
{
	return (uint32_t)get16(bytes) << 16 | get16(bytes + 2);
}

static size_t size_of(const struct ip *ip)
{
	return ip->family == AF_INET ? 4 : 16;
}

static void start(struct frame *frame, const struct mac *from, const struct mac *to, unsigned type)
{
	frame->length = 0;
	put(frame, to, sizeof(*to));
	put(frame, from, sizeof(*from));
	put16(frame, type);
}

/* RFC 1071 */
static uint32_t sum(uint32_t so_far, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i + 1 < length; i += 2)
		so_far += get16(bytes + i);
	if (length & 1)
		so_far += (uint32_t)bytes[length - 1] << 8;
	return so_far;
}

static unsigned finish_sum(uint32_t so_far)
{
	while (so_far >> 16)
		so_far = (so_far & 0xffff) + (so_far >> 16);
	return ~so_far & 0xffff;
}

static void set16(uint8_t *bytes, unsigned value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

/* The header of either family for a payload of so many bytes that follows. */
static void put_ip(struct frame *frame, const struct frame_ends *ends, uint8_t protocol,
		   size_t payload, uint8_t hops)
{
	size_t at = frame->length;
	if (ends->to.family == AF_INET) {
		put16(frame, 0x4500);
		put16(frame, (unsigned)payload + 20);
		put32(frame, 0x4000); /* do not fragment */
		put8(frame, hops);
		put8(frame, protocol);
		put16(frame, 0);
	} else {
		put32(frame, 0x60000000);
		put16(frame, (unsigned)payload);
		put8(frame, protocol);
		put8(frame, hops);
	}
	put(frame, ends->from.bytes, size_of(&ends->to));
	put(frame, ends->to.bytes, size_of(&ends->to));
	if (ends->to.family == AF_INET)
		set16(frame->bytes + at + 10, finish_sum(sum(0, frame->bytes + at, 20)));
}

/* Fills the checksum at an offset of the payload, the pseudo header included where it counts. */
static void check(struct frame *frame, const struct frame_ends *ends, uint8_t protocol,
		  size_t payload_at, size_t offset)
{
	size_t length = frame->length - payload_at;
	uint32_t so_far = 0;
	if (protocol != ICMP) {
		so_far = sum(so_far, ends->from.bytes, size_of(&ends->to));
		so_far = sum(so_far, ends->to.bytes, size_of(&ends->to));
		so_far += (uint32_t)length + protocol;
	}
	unsigned value = finish_sum(sum(so_far, frame->bytes + payload_at, length));
	set16(frame->bytes + payload_at + offset, protocol == UDP && value == 0 ? 0xffff : value);
}

static void put_arp(struct frame *frame, const struct frame_ends *ends, unsigned operation,
		    const struct mac *to)
{
	start(frame, &ends->from_mac, to, TYPE_ARP);
	put32(frame, 0x00010800);
	put16(frame, 0x0604);
	put16(frame, operation);
	put(frame, &ends->from_mac, 6);
	put(frame, ends->from.bytes, 4);
	put(frame, operation == 1 ? (const void *)"\0\0\0\0\0" : to, 6);
	put(frame, ends->to.bytes, 4);
}

static void put_discovery(struct frame *frame, const struct frame_ends *ends, uint8_t type,
			  const struct ip *target)
{
	size_t at = ETHER + 40;
	put_ip(frame, ends, ICMPV6, 32, 255);
	put16(frame, (unsigned)type << 8);
	put16(frame, 0);
	put32(frame, type == 136 ? 0x60000000 : 0);
	put(frame, target->bytes, 16);
	put16(frame, type == 136 ? 0x0201 : 0x0101);
	put(frame, &ends->from_mac, 6);
	check(frame, ends, ICMPV6, at, 2);
}

/* The solicited-node group of RFC 4291 2.7.1. */
static struct ip group_of(const struct ip *target)
{
	struct ip group = {.family = AF_INET6, .length = 128};
	static const uint8_t prefix[13] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
	memcpy(group.bytes, prefix, sizeof(prefix));
	memcpy(group.bytes + 13, target->bytes + 13, 3);
	return group;
}

void frame_question(struct frame *frame, const struct frame_ends *ends)
{
	if (ends->to.family == AF_INET) {
		put_arp(frame, ends, 1, &everybody);
		return;
	}
	struct frame_ends ask = *ends;
	ask.to = group_of(&ends->to);
	ask.to_mac = (struct mac){{0x33, 0x33, 0, 0, 0, 0}};
	memcpy(ask.to_mac.bytes + 2, ask.to.bytes + 12, 4);
	start(frame, &ask.from_mac, &ask.to_mac, TYPE_IPV6);
	put_discovery(frame, &ask, 135, &ends->to);
}

void frame_here(struct frame *frame, const struct frame_ends *ends)
{
	if (ends->to.family == AF_INET) {
		put_arp(frame, ends, 2, &ends->to_mac);
		return;
	}
	start(frame, &ends->from_mac, &ends->to_mac, TYPE_IPV6);
	put_discovery(frame, ends, 136, &ends->from);
}

static size_t start_ip(struct frame *frame, const struct frame_ends *ends, uint8_t protocol,
		       size_t payload)
{
	start(frame, &ends->from_mac, &ends->to_mac,
	      ends->to.family == AF_INET ? TYPE_IPV4 : TYPE_IPV6);
	put_ip(frame, ends, protocol, payload, 64);
	return frame->length;
}

void frame_echo(struct frame *frame, const struct frame_ends *ends, uint16_t id, size_t payload)
{
	bool is_ipv4 = ends->to.family == AF_INET;
	uint8_t protocol = is_ipv4 ? ICMP : ICMPV6;
	size_t at = start_ip(frame, ends, protocol, 8 + payload);
	put16(frame, is_ipv4 ? 0x0800 : 0x8000);
	put16(frame, 0);
	put16(frame, id);
	put16(frame, 1);
	memset(frame->bytes + frame->length, 'l', payload);
	frame->length += payload;
	check(frame, ends, protocol, at, 2);
}

void frame_tcp(struct frame *frame, const struct frame_ends *ends, uint16_t from_port,
	       uint16_t to_port, uint32_t sequence, uint8_t flags)
{
	size_t at = start_ip(frame, ends, TCP, 20);
	put16(frame, from_port);
	put16(frame, to_port);
	put32(frame, sequence);
	put32(frame, 0);
	put16(frame, 0x5000u | flags);
	put16(frame, 64240);
	put32(frame, 0);
	check(frame, ends, TCP, at, 16);
}

void frame_dhcp_discover(struct frame *frame, const struct mac *mac, uint32_t transaction)
{
	struct frame_ends ends = {.from_mac = *mac, .to_mac = everybody};
	ends.from = (struct ip){.family = AF_INET, .length = 32};
	ends.to = (struct ip){.family = AF_INET, .length = 32, .bytes = {255, 255, 255, 255}};
	size_t at = start_ip(frame, &ends, UDP, 8 + 300);
	put16(frame, 68);
	put16(frame, 67);
	put16(frame, 308);
	put16(frame, 0);
	size_t message = frame->length;
	memset(frame->bytes + message, 0, 300);
	put32(frame, 0x01010600); /* RFC 2131 */
	put32(frame, transaction);
	frame->bytes[message + 10] = 0x80; /* answers by broadcast */
	memcpy(frame->bytes + message + 28, mac, 6);
	frame->length = message + 236;
	put32(frame, 0x63825363);
	put16(frame, 0x3501); /* DISCOVER */
	put8(frame, 1);
	put32(frame, 0x37020103); /* wants mask and router */
	put8(frame, 255);
	frame->length = message + 300;
	check(frame, &ends, UDP, at, 6);
}

void frame_router_solicitation(struct frame *frame, const struct mac *mac)
{
	struct frame_ends ends = {.from_mac = *mac, .to_mac = {{0x33, 0x33, 0, 0, 0, 2}}};
	struct ip link_local = {.family = AF_INET6, .length = 64, .bytes = {0xfe, 0x80}};
	ends.from = mac_eui64(mac, &link_local);
	ends.to = (struct ip){.family = AF_INET6, .length = 128, .bytes = {0xff, 2}};
	ends.to.bytes[15] = 2;
	start(frame, mac, &ends.to_mac, TYPE_IPV6);
	put_ip(frame, &ends, ICMPV6, 16, 255);
	put32(frame, 0x85000000); /* RFC 4861 4.1 */
	put32(frame, 0);
	put16(frame, 0x0101);
	put(frame, mac, 6);
	check(frame, &ends, ICMPV6, ETHER + 40, 2);
}

static struct ip ip_at(const uint8_t *bytes, int family)
{
	struct ip ip = {.family = (uint16_t)family, .length = family == AF_INET ? 32 : 128};
	memcpy(ip.bytes, bytes, size_of(&ip));
	return ip;
}

static void read_arp(const uint8_t *bytes, size_t length, struct frame_view *view)
{
	if (length < 28)
		return;
	view->kind = get16(bytes + 6) == 1 ? FRAME_QUESTION : FRAME_HERE;
	memcpy(&view->sender, bytes + 8, 6);
	view->from = ip_at(bytes + 14, AF_INET);
	view->to = ip_at(bytes + 24, AF_INET);
}

static void read_options(const uint8_t *bytes, size_t length, struct frame_view *view)
{
	for (size_t i = 0; i + 1 < length && bytes[i] != 255;
	     i += bytes[i] ? 2u + bytes[i + 1] : 1) {
		if (bytes[i] == 0 || i + 2 + bytes[i + 1] > length)
			continue;
		if (bytes[i] == 53 && bytes[i + 1] >= 1 && bytes[i + 2] == 2)
			view->kind = FRAME_DHCP_OFFER;
		else if (bytes[i] == 3 && bytes[i + 1] >= 4)
			view->router = ip_at(bytes + i + 2, AF_INET);
	}
}

static void read_udp(const uint8_t *bytes, size_t length, struct frame_view *view)
{
	const uint8_t *message = bytes + 8;
	if (length < 8 + 240 || get16(bytes) != 67 || message[0] != 2)
		return;
	view->sequence = get32(message + 4);
	view->to = ip_at(message + 16, AF_INET);
	read_options(message + 240, length - 8 - 240, view);
}

static void read_tcp(const uint8_t *bytes, size_t length, struct frame_view *view)
{
	if (length < 20)
		return;
	view->kind = FRAME_TCP;
	view->from_port = (uint16_t)get16(bytes);
	view->to_port = (uint16_t)get16(bytes + 2);
	view->sequence = get32(bytes + 8);
	view->flags = bytes[13];
}

static void read_icmp(const uint8_t *bytes, size_t length, struct frame_view *view)
{
	if (length < 8)
		return;
	view->type = bytes[0];
	view->code = bytes[1];
	view->to_port = (uint16_t)get16(bytes + 4);
	if (bytes[0] == 0)
		view->kind = FRAME_ECHO_REPLY;
	else if (bytes[0] == 3)
		view->kind = FRAME_ICMP_ERROR;
}

static void read_icmp6(const uint8_t *bytes, size_t length, struct frame_view *view)
{
	if (length < 8)
		return;
	view->type = bytes[0];
	view->code = bytes[1];
	view->to_port = (uint16_t)get16(bytes + 4);
	if (bytes[0] == 129)
		view->kind = FRAME_ECHO_REPLY;
	else if (bytes[0] == 134)
		view->kind = FRAME_ROUTER;
	else if (bytes[0] < 128)
		view->kind = FRAME_ICMP_ERROR;
	else if (bytes[0] == 135 && length >= 24) {
		view->kind = FRAME_QUESTION;
		view->to = ip_at(bytes + 8, AF_INET6);
	} else if (bytes[0] == 136 && length >= 24) {
		view->kind = FRAME_HERE;
		view->from = ip_at(bytes + 8, AF_INET6);
	}
}

typedef void reader(const uint8_t *bytes, size_t length, struct frame_view *view);

static void read_payload(uint8_t protocol, const uint8_t *bytes, size_t length,
			 struct frame_view *view)
{
	static const struct {
		uint8_t protocol;
		reader *read;
	} readers[] = {{ICMP, read_icmp}, {TCP, read_tcp}, {UDP, read_udp}, {ICMPV6, read_icmp6}};
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
		if (readers[i].protocol == protocol)
			readers[i].read(bytes, length, view);
}

static void read_ipv4(const uint8_t *bytes, size_t length, struct frame_view *view)
{
	size_t header = length >= 20 ? (bytes[0] & 15u) * 4 : 0;
	if (header < 20 || header > length || (get16(bytes + 6) & 0x1fff))
		return;
	view->from = ip_at(bytes + 12, AF_INET);
	view->to = ip_at(bytes + 16, AF_INET);
	read_payload(bytes[9], bytes + header, length - header, view);
}

static void read_ipv6(const uint8_t *bytes, size_t length, struct frame_view *view)
{
	if (length < 40)
		return;
	view->from = ip_at(bytes + 8, AF_INET6);
	view->to = ip_at(bytes + 24, AF_INET6);
	read_payload(bytes[6], bytes + 40, length - 40, view);
}

void frame_read(const void *frame, size_t length, struct frame_view *ret)
{
	const uint8_t *bytes = frame;
	*ret = (struct frame_view){.kind = FRAME_OTHER};
	if (length < ETHER)
		return;
	memcpy(&ret->receiver, bytes, 6);
	memcpy(&ret->sender, bytes + 6, 6);
	static const struct {
		unsigned type;
		reader *read;
	} readers[] = {{TYPE_ARP, read_arp}, {TYPE_IPV4, read_ipv4}, {TYPE_IPV6, read_ipv6}};
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
		if (readers[i].type == get16(bytes + 12))
			readers[i].read(bytes + ETHER, length - ETHER, ret);
}
