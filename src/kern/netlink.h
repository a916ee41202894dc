/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A netlink socket: several requests in one datagram, the kernel's own words (extended
 * acknowledgement) in struct error, dumps by callback. Knows the transport only, no links and no
 * rules.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

struct error;

#define NETLINK_MESSAGE_MAX 2048 /* room that each request may use, header included */

struct netlink {
	struct mnl_socket *socket;
	int bus;
	char *buffer; /* requests that were added and not sent */
	size_t used;
	struct nlmsghdr *last;
	uint32_t sequence;
	uint32_t first; /* sequence number of the first unsent request */
	unsigned count; /* unsent requests */
};

/* Called for each message of an answer; a negative result ends the dump with it. */
typedef int (*netlink_callback)(const struct nlmsghdr *message, void *data);

/* bus: NETLINK_ROUTE or NETLINK_NETFILTER, of the network namespace that the caller is in.
 * Close-on-exec. */
int netlink_open(struct netlink *netlink, int bus, struct error *err);
void netlink_close(struct netlink *netlink); /* a zeroed one too */

/* Starts the next request of the datagram: its family header is copied, attributes follow by
 * mnl_attr_put*. Nothing is sent before netlink_run. There is room for NETLINK_BATCH_MAX requests:
 * see netlink_is_full. */
struct nlmsghdr *netlink_add(struct netlink *netlink, uint16_t type, uint16_t flags,
			     const void *header, size_t header_size);
bool netlink_is_full(const struct netlink *netlink);

/* Sends what was added as one datagram. The kernel handles every request, also those after a failed
 * one. Returns 0, or the first failure with the kernel's text; *ret_failed (may be NULL) is its
 * number from 0. callback (may be NULL) gets the messages that are no acknowledgements (answers to
 * GET requests). */
int netlink_run(struct netlink *netlink, netlink_callback callback, void *data,
		unsigned *ret_failed, struct error *err);

/* One dump request; header: the family header and attributes after it. Repeated by itself when the
 * kernel says that it was interrupted by a change: begin (may be NULL) is called before each
 * attempt, so that the caller can empty its list. */
int netlink_dump(struct netlink *netlink, uint16_t type, const void *header, size_t header_size,
		 void (*begin)(void *data), netlink_callback callback, void *data,
		 struct error *err);
