/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking the network whether it answers: neighbours by the kernel's own resolution, a gateway by
 * ARP from a MAC that nobody knows, a TCP session by what the kernel has heard of it. Everything
 * here waits, at most as long as it is told.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/ip.h"
#include "model/mac.h"

struct error;

/* Does a neighbour on this interface answer (ARP, neighbour discovery)? Asks anew whatever is
 * known of it. 1, 0 after the time, -errno. */
int hail_neighbour(int ifindex, const struct ip *ip, int milliseconds, struct error *err);

/* Does an IPv4 neighbour answer ARP of a MAC that it has never seen? Nothing is put into anybody's
 * ARP cache (sender address 0.0.0.0, RFC 5227). 1, 0 after the time, -errno. */
int hail_stranger(int ifindex, const struct ip *ip, int milliseconds, struct error *err);

/* Says to all on the segment that this address is at this MAC: gratuitous ARP (RFC 5227), or an
 * unsolicited neighbour advertisement (RFC 4861 7.2.6). */
int hail_announce(int ifindex, const struct mac *mac, const struct ip *ip, struct error *err);

struct hail_session {
	struct ip local, peer;
	uint16_t local_port, peer_port;
};
/* Milliseconds since the kernel heard an acknowledgement of this TCP session; -ENOENT: there is no
 * such one, -errno. */
int hail_session_age(const struct hail_session *session, struct error *err);

/* Does this address answer ICMP echo? 1, 0 after the time, -errno. */
int hail_echo(const struct ip *ip, int milliseconds, struct error *err);
