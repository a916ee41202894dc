/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ethernet addresses: text, the hashed ones of our prefix, and what SLAAC makes of them. */
#include "model/mac.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "model/name.h"

#define MULTICAST 0x01u
#define LOCAL	  0x02u
#define SEATS	  0xfeu /* ba:ad:ca:fe:* is for numbered seats */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int mac_parse(const char *text, struct mac *ret, struct error *err)
{
	struct mac mac = {0};
	bool good = strlen(text) == MAC_TEXT_SIZE - 1;
	for (unsigned i = 0; good && i < 6; i++) {
		int high = digit(text[3 * i]), lower = digit(text[3 * i + 1]);
		char next = text[3 * i + 2];
		good = high >= 0 && lower >= 0 &&
		       (i == 5 ? next == '\0' : (next == ':' || next == '-'));
		mac.bytes[i] = (uint8_t)(high * 16 + lower);
	}
	if (!good)
		return error_set(err, EINVAL,
				 "'%.64s' is not a MAC address; write six pairs of hexadecimal "
				 "digits like ba:ad:ca:fe:00:0a",
				 text);
	if (mac.bytes[0] & MULTICAST)
		return error_set(err, EINVAL,
				 "MAC address %s is a group address; the first pair must be even",
				 text);
	if (!mac_is_set(&mac))
		return error_set(err, EINVAL,
				 "MAC address %s belongs to nobody; leave it out to "
				 "have one chosen",
				 text);
	*ret = mac;
	return 0;
}

const char *mac_format(const struct mac *mac, char *text)
{
	const uint8_t *b = mac->bytes;
	snprintf(text, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
		 b[5]);
	return text;
}

bool mac_is_set(const struct mac *mac)
{
	static const struct mac none;
	return memcmp(mac, &none, sizeof(none)) != 0;
}

bool mac_equal(const struct mac *a, const struct mac *b)
{
	return !memcmp(a, b, sizeof(*a));
}

struct mac mac_hash(const char *text, unsigned probe)
{
	uint64_t hash = name_hash(text, probe);
	while ((hash >> 16 & 0xff) == SEATS)
		hash = hash >> 8 ^ hash << 56 ^ 0x5bd1e995u;
	return (struct mac){
		{0xba, 0xad, 0xca, (uint8_t)(hash >> 16), (uint8_t)(hash >> 8), (uint8_t)hash}};
}

struct ip mac_eui64(const struct mac *mac, const struct ip *prefix)
{
	if (prefix->family != AF_INET6 || prefix->length != 64)
		return (struct ip){0};
	struct ip network = ip_network(prefix), ip = ip_host(&network);
	memcpy(ip.bytes + 8, mac->bytes, 3);
	ip.bytes[8] ^= LOCAL;
	ip.bytes[11] = 0xff;
	ip.bytes[12] = 0xfe;
	memcpy(ip.bytes + 13, mac->bytes + 3, 3);
	return ip;
}
