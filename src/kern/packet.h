/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packet sockets (packet(7)), each bound to one interface; CAP_NET_RAW. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct error;

/* For frames of one EtherType, to send and to hear. The caller's. */
int packet_open(int ifindex, uint16_t protocol, struct error *err);

/* Every frame that passes the interface, both ways, each with the time (SCM_TIMESTAMPNS) and its
 * VLAN tag (PACKET_AUXDATA); what is not fetched in time is dropped and counted
 * (PACKET_STATISTICS). is_promiscuous: those too that are not for the interface itself. The
 * caller's. */
int packet_open_tap(int ifindex, bool is_promiscuous, struct error *err);
