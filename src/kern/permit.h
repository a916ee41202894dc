/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What other firewalls of the host do with our networks, as far as the kernel shows it: whether
 * Docker is here and drops, and our rules in its chain for users, DOCKER-USER. These are plain
 * rules that iptables can show, save and restore, tagged by the comment `lanyard:INSTANCE:ID`,
 * before the chain's final RETURN and behind what the administrator has put there.
 *
 * Of ufw and firewalld only a fingerprint is kept; their own programs change them
 * (steward/permit_*).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/paths.h"
#include "kern/netlink.h"
#include "model/object.h"

struct error;

struct permit_rule {
	uint8_t family; /* NFPROTO_IPV4 or _IPV6 */
	bool late;	/* behind a RETURN, where it has no effect */
	bool odd;	/* not as we make them */
	uint64_t handle;
	uint32_t network;
	char in[IFNAMSIZ], out[IFNAMSIZ];
};

struct permits {
	char tag[INSTANCE_SIZE + 16];	  /* "lanyard:INSTANCE:" */
	char zone[PERMIT_ZONE_SIZE + 16]; /* a chain that firewalld makes for our zone */
	struct permit_rule *rules;	  /* ours */
	size_t n_rules, room;
	uint64_t returns[2]; /* handle of the chain's RETURN, 0: none; IPv4, IPv6 */
	bool drops[2];	     /* Docker is here, and what DOCKER-USER lets through is dropped */
	uint64_t print;	     /* of all of it, ufw and firewalld included */
};

void permits_open(struct permits *permits, const char *instance);
void permits_close(struct permits *permits);

/* Reads all anew. */
int permits_read(struct permits *permits, struct netlink *netlink, struct error *err);

/* One OBJECT_PERMIT per Docker that drops (ifname ""), and one per interface with rules of ours;
 * parts 0: they are not as they should be. */
void permits_list(const struct permits *permits, struct object_list *ret);

/* Replaces (or removes) the rules of these, in one transaction. After permits_read. */
int permits_apply(const struct permits *permits, const struct object *const *objects, size_t count,
		  bool remove, struct error *err);
