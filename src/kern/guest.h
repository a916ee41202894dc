/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A throw-away guest: a tap on a network's bridge that lives as long as this process, with a MAC
 * and addresses of its own, which sends single frames and looks at what comes back. What it meets
 * on its way (bridge, guards, rules, NAT) is what a machine's packets meet.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kern/frame.h"
#include "kern/netlink.h"

struct error;

struct guest {
	int fd;
	int header; /* bytes before each frame */
	struct netlink route;
	struct mac mac;
	struct ip address[2]; /* IPv4, IPv6; family 0: none */
	struct ip prefix[2];  /* of the bridge: its gateway address and length */
};

/* Plugs it into the bridge; what has to be put right afterwards is nothing. */
int guest_plug(struct guest *guest, const char *bridge, struct error *err);
void guest_unplug(struct guest *guest);

/* Reads frames until one satisfies, answering questions for its addresses. False: time is over. */
typedef bool guest_wants(const struct frame_view *view, void *data);
bool guest_wait(struct guest *guest, int milliseconds, guest_wants *wants, void *data,
		struct frame_view *ret);
void guest_send(struct guest *guest, const struct frame *frame);

/* An address as machines get it: what a DHCP server offers (but does not get confirmed), or the
 * last free one; in IPv6 the one that follows from the MAC, or a free one of those for which the
 * host answers on the LAN. */
bool guest_settle(struct guest *guest, int family);
/* Who answers for an address of its own segment. */
bool guest_resolve(struct guest *guest, const struct ip *address, struct mac *ret);

enum guest_answer {
	GUEST_NOTHING,
	GUEST_ACCEPTED,
	GUEST_REFUSED, /* TCP reset */
	GUEST_ECHO,
	GUEST_ERROR, /* ICMP */
	GUEST_ANSWERS,
};
/* A TCP connection's beginning to a port, or an echo (port 0), by way of next_hop. */
enum guest_answer guest_try(struct guest *guest, const struct ip *to, uint16_t port,
			    const struct mac *next_hop, struct frame_view *ret);
