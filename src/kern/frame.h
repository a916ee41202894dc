/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few Ethernet frames that a probe sends and understands: ARP and neighbour discovery, echo, a
 * TCP connection's first packet, DHCP's first one. Pure: bytes in, bytes out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/ip.h"
#include "model/mac.h"

#define FRAME_MAX 1514

struct frame {
	size_t length;
	uint8_t bytes[FRAME_MAX];
};

/* Who sends, and to whom; both addresses of one family. */
struct frame_ends {
	struct mac from_mac, to_mac;
	struct ip from, to;
};

/* "Who has to?" to everybody. from unset in IPv4: an ARP probe (RFC 5227). */
void frame_question(struct frame *frame, const struct frame_ends *ends);
/* "from is at from_mac", to one. */
void frame_here(struct frame *frame, const struct frame_ends *ends);
void frame_echo(struct frame *frame, const struct frame_ends *ends, uint16_t id, size_t payload);
void frame_tcp(struct frame *frame, const struct frame_ends *ends, uint16_t from_port,
	       uint16_t to_port, uint32_t sequence, uint8_t flags);
void frame_dhcp_discover(struct frame *frame, const struct mac *mac, uint32_t transaction);
void frame_router_solicitation(struct frame *frame, const struct mac *mac);

enum frame_kind {
	FRAME_OTHER,
	FRAME_QUESTION, /* to: who is asked for */
	FRAME_HERE,	/* from is at sender */
	FRAME_ECHO_REPLY,
	FRAME_TCP,
	FRAME_ICMP_ERROR, /* type and code */
	FRAME_DHCP_OFFER, /* to: what is offered; from: the server */
	FRAME_ROUTER,	  /* a router advertisement of from */
};

struct frame_view {
	enum frame_kind kind;
	struct mac sender, receiver; /* of the Ethernet header */
	struct ip from, to;
	uint16_t from_port, to_port; /* TCP; echo: to_port is the id */
	uint8_t flags;		     /* TCP */
	uint8_t type, code;	     /* ICMP errors */
	uint32_t sequence;	     /* TCP: acknowledgement; DHCP: transaction */
	struct ip router;	     /* DHCP option 3 */
};
void frame_read(const void *bytes, size_t length, struct frame_view *ret);

#define FRAME_FIN 0x01
#define FRAME_SYN 0x02
#define FRAME_RST 0x04
#define FRAME_ACK 0x10
