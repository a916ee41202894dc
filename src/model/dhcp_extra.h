/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What DHCP tells machines besides address, router, name server and domain: what they boot, who
 * knows the time, and options by their number. The texts end in dnsmasq's configuration, in quotes
 * unless they are numbers or addresses, hence the few characters that they may have.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/ip.h"
#include "model/node.h"

struct error;

#define DHCP_BOOT_SIZE	  128 /* BOOTP's field `file` (RFC 2131, 2) */
#define DHCP_NTP	  4
#define DHCP_OPTIONS_SIZE 320

struct dhcp_extra {
	char boot[DHCP_BOOT_SIZE];	 /* "" none */
	struct ip tftp;			 /* IPv4; unset: the gateway, where there is a boot file */
	struct ip ntp[DHCP_NTP];	 /* of either family, filled from the front */
	char options[DHCP_OPTIONS_SIZE]; /* lines "NUMBER VALUE", each number once, ascending */
};

struct dhcp_option {
	unsigned number;
	const char *value; /* not terminated */
	size_t length;
	bool is_text; /* to be put in quotes; else quoted already, or of numbers */
};

/* Steps through options, *position beginning at the text; false at the end, or where it is none of
 * ours. */
bool dhcp_option_next(const char **position, struct dhcp_option *ret);

/* Hostile input: every byte of both texts is what decoding would have made. */
bool dhcp_boot_is_valid(const char *boot);
bool dhcp_options_are_valid(const char *options);

int dhcp_extra_check(const struct dhcp_extra *extra, struct error *err);
bool dhcp_extra_equal(const struct dhcp_extra *a, const struct dhcp_extra *b);

/* The map under `options`; NODE_NULL: none. */
int dhcp_options_decode(const struct node *node, char ret[DHCP_OPTIONS_SIZE], struct error *err);
json_t *dhcp_options_encode(const char *options);
