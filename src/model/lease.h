/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dnsmasq's lease file (dnsmasq(8), --dhcp-leasefile), as another program wrote it: hostile input.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/mac.h"
#include "model/network.h"

struct lease {
	uint64_t expires; /* seconds since the epoch, 0: never */
	struct mac mac;	  /* unset for DHCPv6 */
	struct ip address;
	char name[NAME_SIZE]; /* "" when the machine sent none */
};

/* Parses a whole file; malformed lines are skipped and counted in *ret_bad (may be NULL). Returns
 * how many; *ret is the caller's (NULL when there are none). */
size_t lease_parse(const char *text, size_t length, struct lease **ret, size_t *ret_bad);

/* One line without its end; allocates nothing. False: it is none. */
bool lease_parse_line(const char *line, size_t length, struct lease *ret);
