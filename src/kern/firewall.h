/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our nftables table `inet lanyard_INSTANCE`: made with the first network, gone with the last one
 * (and its sisters for bridged networks and for rates, see firewall_guard and firewall_rate).
 * Rules look networks up in sets and verdict maps, so a packet costs the same for one network as
 * for a thousand; a network is a handful of elements.
 *
 * The elements are kept in memory together with the ruleset's generation: as long as nobody commits
 * anything, a dump costs one small request.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/paths.h"
#include "kern/netlink.h"
#include "model/object.h"

struct error;

enum firewall_verb {
	FIREWALL_ADD,	 /* also replaces what is there for that ifname */
	FIREWALL_REMOVE, /* only the key counts; -ENOENT when it is not there */
};

struct firewall_change {
	enum firewall_verb verb;
	const struct object *object; /* kind OBJECT_FILTER or OBJECT_RATE */
};

struct firewall {
	struct netlink netlink;
	char table[INSTANCE_SIZE + 16];
	uint32_t generation; /* of the ruleset when the list below was right, 0: unknown */
	bool exists;	     /* the table */
	bool intact;	     /* its chains and rules are the ones we made */
	uint64_t rules;	     /* hash over the handles of our rules */
	bool guard_exists, guard_intact; /* the table of bridged networks, see firewall_guard */
	struct object_list filters;
	char rate_table[INSTANCE_SIZE + 16];
	bool rates_exist, rates_intact; /* the table of rates, see firewall_rate */
	struct object_list rates;
	/* What a change has met, and no dump has told yet: somebody else's commit, a table of ours
	 * that is not as it was. */
	bool met_others, met_loss;
};

/* Of the network namespace the caller is in. Changes nothing. */
int firewall_open(struct firewall *firewall, const char *instance, struct error *err);
void firewall_close(struct firewall *firewall);

/* Appends one OBJECT_FILTER per network, one OBJECT_RATE per port with limits. Lists the kernel
 * only when the generation moved. When somebody removed or changed our table or its rules, there
 * are none (so that they are made again).
 */
int firewall_dump(struct firewall *firewall, struct object_list *ret, struct error *err);

/* The same as it was known last, damaged or not: asks nobody. */
void firewall_known(const struct firewall *firewall, enum object_kind kind,
		    struct object_list *ret);

/* All changes, which are of one kind, in one transaction, or none of them (beyond about 100
 * networks: several transactions). Makes the table when it is missing or damaged; removes it in the
 * same transaction when no network is left. */
int firewall_apply(struct firewall *firewall, const struct firewall_change *changes, size_t count,
		   struct error *err);

/* Commands of nft as one transaction, by libnftables; errors in its own words. Of any table:
 * whoever has a struct firewall open finds it out by the generation. */
int firewall_run_text(const char *text, struct error *err);

/* Whether a generation announced by the kernel (monitor) is the one we know: false means that
 * somebody else changed the ruleset. */
bool firewall_is_current(const struct firewall *firewall, uint32_t generation);
