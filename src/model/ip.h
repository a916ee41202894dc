/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IPv4 and IPv6 addresses and prefixes as plain values; both families in one type. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct error;

#define IP_TEXT_SIZE 52 /* the longest IPv6 text, "/128" and NUL */

struct ip {
	uint16_t family;   /* AF_INET, AF_INET6, 0 for none */
	uint8_t length;	   /* prefix length in bits where one is meant, else 32 or 128 */
	uint8_t reserved;  /* zero: the value is compared as bytes */
	uint8_t bytes[16]; /* network order; unused bytes are zero */
};

/* "10.0.0.1", "fd00::1"; ip_parse_prefix: with a length ("10.0.0.1/24", host bits kept).
 * Returns 0 or -EINVAL with what would be right. */
int ip_parse(const char *text, struct ip *ret, struct error *err);
int ip_parse_prefix(const char *text, struct ip *ret, struct error *err);

/* Writes into text (IP_TEXT_SIZE) and returns it; "" for family 0. */
const char *ip_format(const struct ip *ip, char *text);
const char *ip_format_prefix(const struct ip *ip, char *text);

bool ip_is_set(const struct ip *ip);
bool ip_equal(const struct ip *a, const struct ip *b);	/* address only */
int ip_compare(const struct ip *a, const struct ip *b); /* family, then address, then length */
bool ip_contains(const struct ip *prefix, const struct ip *ip);
bool ip_overlaps(const struct ip *a, const struct ip *b); /* two prefixes share an address */
bool ip_is_link_local(const struct ip *ip);
struct ip ip_network(const struct ip *prefix); /* host bits cleared, length kept */
struct ip ip_last(const struct ip *prefix);    /* last address of the prefix */
struct ip ip_host(const struct ip *prefix);    /* the address alone: length 32 or 128 */
/* The n-th address of a prefix (0 is the network itself); family 0 when outside. */
struct ip ip_nth(const struct ip *prefix, uint64_t n);
/* How far ip lies above the prefix's first address (only the low 64 bits). */
uint64_t ip_offset(const struct ip *prefix, const struct ip *ip);
