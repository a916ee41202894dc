/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ethernet addresses, and the ones that Lanyard gives. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/ip.h"

#define MAC_TEXT_SIZE 18

struct mac {
	uint8_t bytes[6];
};

int mac_parse(const char *text, struct mac *ret, struct error *err);
const char *mac_format(const struct mac *mac, char *text);
bool mac_is_set(const struct mac *mac); /* not all zero */
bool mac_equal(const struct mac *a, const struct mac *b);

/* ba:ad:ca:HH:HH:HH, hashed from the text and a probe number (0, 1, ... until it is free).
 * Never ba:ad:ca:fe:*, which belongs to the numbered seats. */
struct mac mac_hash(const char *text, unsigned probe);

/* The SLAAC address with the modified EUI-64 identifier (RFC 4291 appendix A); prefix must be a
 * /64. */
struct ip mac_eui64(const struct mac *mac, const struct ip *prefix);
