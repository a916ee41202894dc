/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbered seats of a class room: what follows from the number alone. A seat is no thing of its
 * own: it is a persistent tap whose machine has the number's MAC, and everything else is derived
 * from that.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/mac.h"
#include "model/schema.h"

struct error;

#define SEAT_MAX      65535 /* two bytes of the MAC */
#define SEAT_PREFIX   "lytap"
#define SEAT_WHO_SIZE 64

enum seat_port { SEAT_SCREEN, SEAT_CONSOLE, SEAT_SSH, SEAT_PORTS };

struct seat {
	uint32_t number;
	struct mac mac;		    /* ba:ad:ca:fe:HH:LL */
	struct ip link_local;	    /* what EUI-64 makes of it */
	uint16_t ports[SEAT_PORTS]; /* TCP; 0: there is none that high */
};

/* 1 to SEAT_MAX; -EINVAL. */
int seat_make(uint64_t number, struct seat *ret, struct error *err);
/* The number of the seat that has this MAC; 0: none. */
uint32_t seat_of_mac(const struct mac *mac);
/* "7", "1-20". */
int seat_read_row(const char *text, uint32_t *ret_first, uint32_t *ret_last, struct error *err);
/* "screen", "console", "SSH" */
const char *seat_port_name(enum seat_port port);
/* PREFIX and number; -EINVAL where they are too long for a name. */
int seat_ifname(const struct seat *seat, const char *prefix, char ret[IFNAMSIZ], struct error *err);

/* What the seats of a row have in common. */
struct seat_row {
	char prefix[IFNAMSIZ];
	char owner[SEAT_WHO_SIZE], group[SEAT_WHO_SIZE]; /* name or number; "": not said */
	uint32_t queues;
	bool isolated;
};
extern const struct schema seat_schema;
