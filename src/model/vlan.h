/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What VLANs a port of a bridge carries: as it is there, in the terms that switches have for it
 * (struct vlan_port), and as one asks for it on a port of one's own (struct vlans).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct error;
struct schema_list;

#define VLAN_COUNT     4096
#define VLAN_LAST      4094 /* 0 and 4095 are none (IEEE 802.1Q 9.6) */
#define VLAN_RANGES    16
#define VLAN_NAME_SIZE 64 /* a port of Open vSwitch need not be an interface: a bond, a patch */

enum vlan_mode {
	VLAN_ACCESS,	      /* one, untagged */
	VLAN_TRUNK,	      /* tagged ones */
	VLAN_NATIVE_TAGGED,   /* a trunk; what comes without a tag is in `tag`, and leaves tagged */
	VLAN_NATIVE_UNTAGGED, /* the same, and leaves without one */
	VLAN_TUNNEL,	      /* one, whose frames may have tags of their own (802.1ad) */
	VLAN_MODES,
};

struct vlan_port {
	char name[VLAN_NAME_SIZE];
	uint8_t mode; /* enum vlan_mode */
	uint8_t all;  /* all VLANs, whatever `trunks` says */
	uint8_t bare; /* one of `trunks` leaves without its tag: no mode is called so */
	uint16_t tag; /* 0: none */
	uint8_t trunks[VLAN_COUNT / 8];
};

const char *vlan_mode_name(unsigned mode);
void vlan_add(struct vlan_port *port, unsigned first, unsigned last);
bool vlan_has(const struct vlan_port *port, unsigned vlan);
/* The mode of a port that only lists which VLANs it carries: `untagged` is the VLAN of frames that
 * come without a tag (0: none does), leaves_untagged whether it leaves so as well. */
void vlan_settle(struct vlan_port *port, unsigned untagged, bool leaves_untagged);
/* {name, mode, tag?, trunks?}; a mode with a trunk and no `trunks`: all VLANs. */
json_t *vlan_port_json(const struct vlan_port *port);

struct vlan_range {
	uint16_t first, last; /* 0: none */
};

/* All zero: what the bridge gives to every port. Compared as bytes. */
struct vlans {
	uint16_t native;		       /* of frames without a tag; 0: the bridge's own */
	struct vlan_range tagged[VLAN_RANGES]; /* ascending and apart, without native */
};
#define VLAN_NOWHERE (VLAN_COUNT - 1) /* native, of a port that is there: they are dropped */

/* "10" and "10-20", as lists of the schema tables have them (model/schema.h). */
extern const struct schema_list vlan_range_list;
/* The two keys of every table whose objects have VLANs; where they lie is said by the table. */
#define VLAN_KEYS(native_member, tagged_member)                                                    \
	{.key = "vlan",                                                                            \
	 .type = SCHEMA_VLAN,                                                                      \
	 native_member,                                                                            \
	 .fallback = "none",                                                                       \
	 .help = "the VLAN of its frames without a tag; the network's own when left out"},         \
	{                                                                                          \
		.key = "trunk", .type = SCHEMA_LIST, tagged_member, .list = &vlan_range_list,      \
		.help = "the VLANs that it carries with a tag, like 10 or 20-29; none when left "  \
			"out"                                                                      \
	}
/* Like strings of it with commas between; into text (VLAN_RANGES_TEXT), returned. */
#define VLAN_RANGES_TEXT 192
const char *vlan_ranges_format(const struct vlan_range ranges[VLAN_RANGES], char *text);
bool vlan_ranges_have(const struct vlan_range ranges[VLAN_RANGES], unsigned first, unsigned last);

bool vlans_are_set(const struct vlans *vlans);
bool vlans_equal(const struct vlans *a, const struct vlans *b);
/* Sorts and joins, and takes native out of the tagged ones. -E2BIG: that makes too many ranges. */
int vlans_settle(struct vlans *vlans, struct error *err);
/* Whether it is as vlans_settle leaves it; native may be VLAN_NOWHERE. */
bool vlans_are_settled(const struct vlans *vlans);
/* What a port that is there has; usual: the VLAN that its bridge gives to every port's untagged
 * frames, 0 where it has none. What cannot be said so differs from everything that
 * can be asked for. */
void vlans_of_port(const struct vlan_port *port, unsigned usual, struct vlans *ret);
