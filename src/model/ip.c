/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses and prefixes of both families, worked on bit by bit in network order. */
#include "model/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static unsigned bits(const struct ip *ip)
{
	return ip->family == AF_INET ? 32 : 128;
}

static int parse_address(const char *text, struct ip *ret)
{
	struct ip ip = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};
	if (inet_pton(ip.family, text, ip.bytes) != 1)
		return -EINVAL;
	ip.length = (uint8_t)bits(&ip);
	*ret = ip;
	return 0;
}

int ip_parse(const char *text, struct ip *ret, struct error *err)
{
	if (parse_address(text, ret) == 0)
		return 0;
	if (strchr(text, '/'))
		return error_set(err, EINVAL,
				 "'%.64s' is not an address alone; leave out what begins with '/'",
				 text);
	return error_set(err, EINVAL,
			 "'%.64s' is not an IP address; write one like 10.20.0.10 or fd00::10",
			 text);
}

int ip_parse_prefix(const char *text, struct ip *ret, struct error *err)
{
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	char address[IP_TEXT_SIZE];
	struct ip ip;
	if (length < sizeof(address)) {
		memcpy(address, text, length);
		address[length] = '\0';
	}
	if (length >= sizeof(address) || parse_address(address, &ip) < 0)
		return error_set(err, EINVAL,
				 "'%.64s' is not an address with a prefix length; write one like "
				 "10.20.0.1/24 or fd00::1/64",
				 text);
	if (!slash)
		return error_set(err, EINVAL, "'%s' has no prefix length; write it like %s/%d",
				 text, text, ip.family == AF_INET ? 24 : 64);
	size_t digits = strspn(slash + 1, "0123456789");
	unsigned long value = strtoul(slash + 1, NULL, 10);
	if (digits == 0 || digits > 3 || slash[1 + digits] || value > bits(&ip))
		return error_set(err, EINVAL,
				 "'%.16s' is not a prefix length; it is a number from 0 to %u",
				 slash, bits(&ip));
	ip.length = (uint8_t)value;
	*ret = ip;
	return 0;
}

const char *ip_format(const struct ip *ip, char *text)
{
	text[0] = '\0';
	if (ip->family == AF_INET || ip->family == AF_INET6)
		inet_ntop(ip->family, ip->bytes, text, IP_TEXT_SIZE);
	return text;
}

const char *ip_format_prefix(const struct ip *ip, char *text)
{
	ip_format(ip, text);
	size_t used = strlen(text);
	if (used > 0)
		snprintf(text + used, IP_TEXT_SIZE - used, "/%u", ip->length);
	return text;
}

bool ip_is_set(const struct ip *ip)
{
	return ip->family != 0;
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

int ip_compare(const struct ip *a, const struct ip *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	int order = memcmp(a->bytes, b->bytes, sizeof(a->bytes));
	if (order != 0)
		return order < 0 ? -1 : 1;
	return (a->length > b->length) - (a->length < b->length);
}

/* The byte of a prefix's mask: 1 bits for the network part. */
static uint8_t mask(unsigned length, unsigned byte)
{
	if (length >= 8 * (byte + 1))
		return 0xff;
	if (length <= 8 * byte)
		return 0;
	return (uint8_t)(0xff << (8 * (byte + 1) - length));
}

static bool share(const struct ip *a, const struct ip *b, unsigned length)
{
	if (!a->family || a->family != b->family)
		return false;
	for (unsigned i = 0; i < bits(a) / 8; i++)
		if ((a->bytes[i] ^ b->bytes[i]) & mask(length, i))
			return false;
	return true;
}

bool ip_contains(const struct ip *prefix, const struct ip *ip)
{
	return share(prefix, ip, prefix->length);
}

bool ip_overlaps(const struct ip *a, const struct ip *b)
{
	return share(a, b, a->length < b->length ? a->length : b->length);
}

bool ip_is_link_local(const struct ip *ip)
{
	if (ip->family == AF_INET)
		return ip->bytes[0] == 169 && ip->bytes[1] == 254;
	return ip->family == AF_INET6 && ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

struct ip ip_network(const struct ip *prefix)
{
	struct ip ip = *prefix;
	for (unsigned i = 0; i < bits(prefix) / 8; i++)
		ip.bytes[i] &= mask(prefix->length, i);
	return ip;
}

struct ip ip_last(const struct ip *prefix)
{
	struct ip ip = *prefix;
	for (unsigned i = 0; i < bits(prefix) / 8; i++)
		ip.bytes[i] |= (uint8_t)~mask(prefix->length, i);
	return ip_host(&ip);
}

struct ip ip_host(const struct ip *prefix)
{
	struct ip ip = *prefix;
	ip.length = ip.family ? (uint8_t)bits(&ip) : 0;
	return ip;
}

struct ip ip_nth(const struct ip *prefix, uint64_t n)
{
	struct ip network = ip_network(prefix), ip = ip_host(&network);
	for (int i = (int)(bits(prefix) / 8) - 1; i >= 0 && n > 0; i--) {
		n += ip.bytes[i];
		ip.bytes[i] = (uint8_t)n;
		n >>= 8;
	}
	if (n > 0 || !ip_contains(prefix, &ip))
		return (struct ip){0};
	return ip;
}

static uint64_t low(const struct ip *ip)
{
	unsigned n = bits(ip) / 8;
	uint64_t value = 0;
	for (unsigned i = n > 8 ? n - 8 : 0; i < n; i++)
		value = value << 8 | ip->bytes[i];
	return value;
}

uint64_t ip_offset(const struct ip *prefix, const struct ip *ip)
{
	struct ip network = ip_network(prefix);
	return low(ip) - low(&network);
}
