/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One element of a set or map of nftables as a message, and back (linux/netfilter/nf_tables.h). */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct netlink;

#define FIREWALL_COMMENT_SIZE 48
#define FIREWALL_NAME_SIZE    32 /* of chains and of objects in maps */

struct firewall_element {
	const char *set;
	const void *key;
	size_t key_size;
	bool end;	   /* the first address after an interval */
	const char *chain; /* of a verdict map; NULL: none */
	int32_t verdict;
	const char *object; /* of a map of objects; NULL: none */
	const char *comment;
};

/* What the kernel says about one element. */
struct firewall_found {
	uint8_t key[2 * IFNAMSIZ];
	size_t key_size;
	bool end;
	char chain[FIREWALL_NAME_SIZE];
	char object[FIREWALL_NAME_SIZE];
	char comment[FIREWALL_COMMENT_SIZE];
};

/* Adds a message to the batch that the caller began. */
void firewall_element_put(struct netlink *netlink, uint8_t family, const char *table, bool add,
			  const struct firewall_element *element);

/* Calls take for each element of the set. -ENOENT: there is no such set. */
int firewall_element_read(struct netlink *netlink, uint8_t family, const char *table,
			  const char *set,
			  void (*take)(const struct firewall_found *found, void *data), void *data,
			  struct error *err);
