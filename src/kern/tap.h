/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taps by /dev/net/tun: frames with a vnet header and without packet information, as QEMU's
 * virtio-net expects them. A tap lives as long as a descriptor is open, or until it is deleted when
 * persistent.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/mac.h"

struct error;
struct netlink;

#define TAP_QUEUES_MAX 8
#define TAP_NOBODY     ((uint32_t)-1)

struct tap {
	const char *name;
	const char *alias;
	const struct mac *mac; /* of our end; NULL: the kernel's choice */
	int bridge;	       /* ifindex of the bridge it is put on, 0: none */
	uint32_t mtu;	       /* 0: 1500 */
	uint32_t queues;       /* 1..TAP_QUEUES_MAX; more than one makes a multi-queue tap, as does
				  multi_queue */
	bool multi_queue;
	bool up;
	bool isolated;
	const struct vlans *vlans; /* on the bridge; NULL: as the bridge has it */
	uint16_t usual_vlan;	   /* the bridge's own, where they have no native one */
	bool persistent;	   /* a named one, opened later by its owner */
	uint32_t owner,
		group; /* at most one of them; TAP_NOBODY: neither, then the caller's own uid is the
			* owner, because a tap without owner can be opened by everybody */
	struct tap_ahead *ahead; /* used up where it fits; NULL: nothing is */
};

/* What was done for the next tap before anybody waits for it. */
struct tap_ahead {
	int fd;		     /* the opened device, -1: not yet */
	char name[IFNAMSIZ]; /* of the tap that it is, "": of none yet */
};
/* Opens the device and, with a name, makes that tap: ours, down, on no bridge. Does nothing twice;
 * what hinders it is told when the tap is asked for. */
void tap_prepare(struct tap_ahead *ahead, const char *name);
/* A tap that was made, and not used, is gone after it. */
void tap_forget(struct tap_ahead *ahead);

/* Makes a new one (-EEXIST when the name is taken) with everything set before it goes up; it gets
 * no IPv6 link-local address (link_ipv6_off, which takes its time, is the caller's).
 * fds: room for `queues` descriptors (close-on-exec, blocking), the caller's; for a persistent one
 * NULL, then its queues are closed again. *ret_ifindex (may be NULL). After a failure nothing is
 * left. */
int tap_create(struct netlink *netlink, const struct tap *tap, int *fds, int *ret_ifindex,
	       struct error *err);

/* Opens one more queue of an existing one. -EBUSY: single queue and in use; -EPERM: not its owner.
 */
int tap_open(const char *name, bool multi_queue, struct error *err);

/* Puts back what its holder changed through the descriptor: owner and persistence need a queue of
 * it, so fd is one that the caller has or got by tap_open. */
int tap_set_persistent(int fd, bool persistent, struct error *err);
int tap_set_owner(int fd, uint32_t owner, uint32_t group, struct error *err);
