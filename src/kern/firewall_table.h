/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nf_tables' messages about the ruleset and about a table as a whole. */
#pragma once

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kern/netlink.h"

struct error;

#define FIREWALL_TYPE(message) ((uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | (message)))

/* Two of the same are the same rules: one that is replaced or added again has a new handle. */
struct firewall_rules {
	size_t count;
	uint64_t hash;
};

/* Starts a request. */
struct nlmsghdr *firewall_table_message(struct netlink *netlink, uint16_t type, uint16_t flags,
					uint8_t family, uint16_t resource);
/* A callback for netlink_run: the generation that the kernel tells, into a uint32_t. */
int firewall_table_take_generation(const struct nlmsghdr *message, void *data);
int firewall_table_generation(struct netlink *netlink, uint32_t *ret, struct error *err);

int firewall_table_exists(struct netlink *netlink, uint8_t family, const char *table, bool *ret,
			  struct error *err);
/* None where there is no such table. */
int firewall_table_rules(struct netlink *netlink, uint8_t family, const char *table,
			 struct firewall_rules *ret, struct error *err);
