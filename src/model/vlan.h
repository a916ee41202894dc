/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What VLANs a port of somebody's bridge carries, in the terms that switches have for it. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define VLAN_COUNT     4096
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
