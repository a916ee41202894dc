/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which interfaces are ours and how they should look: the alias that tags them, and a small table
 * of what the executor made or found, which the kernel's notifications are compared with. Makes no
 * system calls.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kern/link.h"
#include "kern/monitor.h"
#include "model/object.h"

/* `lanyard:INSTANCE:ROLE:NETWORK`, a port's followed by `:KIND`, and `:vlans` where it has some. */
enum label_role { LABEL_BRIDGE, LABEL_SILENT, LABEL_PORT, LABEL_PEER, LABEL_ROLES };
struct label {
	enum label_role role;
	uint32_t network;
	enum port_kind kind; /* of a port */
	bool has_vlans;	     /* of a port, that we gave it */
	bool is_unowned;     /* a named tap for nobody: the kernel's owner is our own uid */
};
const char *label_format(const struct label *label, const char *instance,
			 char text[LINK_ALIAS_SIZE]);
/* False: not a label of this instance. */
bool label_parse(const char *alias, const char *instance, struct label *ret);

/* How a link should look: compared as bytes, so cleared before it is filled. */
struct look {
	struct mac mac;
	uint8_t up, carrier, isolated, persistent, stp, vlan_filtering;
	int32_t master;
	uint32_t owner, group, mtu;
};

struct known_link {
	int ifindex;
	char name[IFNAMSIZ];
	struct label label;
	struct look look;
	struct vlans vlans;  /* of a port that has some (label) */
	uint16_t usual_vlan; /* the VLAN of its bridge, VLAN_NOWHERE: none */
	bool vlans_differ;
	bool stranger;	      /* only told of, not made or dumped; forgotten when it goes */
	bool leaving;	      /* we removed it: what is still told of it is old */
	bool differs;	      /* now, by the last notification */
	struct look seen;     /* by it, where it differs */
	bool forwards[2];     /* of a bridge, by us: IPv4, IPv6 */
	bool settings_told;   /* somebody may have switched that */
	struct ip *addresses; /* of a bridge */
	size_t n_addresses, addresses_room;
};

#define LINKS_REASON_SIZE 200

struct links {
	const char *instance;
	struct known_link *items; /* sorted by ifindex */
	size_t count, room;
	bool lost;			/* notifications were lost: compare with a dump */
	bool changed;			/* something that cannot change back by itself */
	char reason[LINKS_REASON_SIZE]; /* the first one since links_verdict */
};

void links_done(struct links *links);
void links_clear(struct links *links);
struct known_link *links_add(struct links *links, int ifindex, const char *name,
			     const struct label *label, const struct look *look);
void links_remove(struct links *links, int ifindex);
/* Removed by us: it stays until the kernel says that it is gone, and is found no more. */
void links_leave(struct links *links, int ifindex);
struct known_link *links_name(const struct links *links, const char *name, enum label_role role);
struct known_link *links_index(const struct links *links, int ifindex);
void links_vlans_set(struct known_link *port, const struct vlans *vlans, unsigned usual);
/* With what the kernel has; of one that has none of ours it does not matter. */
void links_vlans_compare(struct known_link *port, const struct vlan_port *now);
void links_address_add(struct known_link *bridge, const struct ip *address);
bool links_address_remove(struct known_link *bridge, const struct ip *address);

/* What of a link counts for one with this label. */
struct look look_of_link(const struct link *link, const struct label *label);

/* Takes in a notification of the kernel about links and addresses. */
void links_notice(struct links *links, const struct monitor_event *event);
/* The same for one link of a dump. */
void links_compare(struct links *links, const struct link *link);

/* Whether something of ours is not as it should be; *ret_reason until the next call. What was told
 * is taken as it is from now on, so that it is told once. */
bool links_verdict(struct links *links, char ret_reason[LINKS_REASON_SIZE]);
