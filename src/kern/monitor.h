/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens in our network namespace, told by the kernel: links, addresses, the nftables
 * ruleset. It says what changed, not whether that concerns us.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kern/link.h"
#include "kern/netlink.h"
#include "model/ip.h"
#include "model/vlan.h"

struct error;

#define MONITOR_PORTS 64

enum monitor_kind {
	MONITOR_LINK,	   /* made or changed: .link is filled */
	MONITOR_LINK_GONE, /* .link: ifindex, name, alias at least */
	MONITOR_VLANS,	   /* of a bridge's port, .ifindex: .vlans as they are now */
	MONITOR_ADDRESS,   /* added: .ifindex, .address */
	MONITOR_ADDRESS_GONE,
	MONITOR_ROUTE, /* of the main table, added: .ifindex, .address (its prefix), .own */
	MONITOR_ROUTE_GONE,
	MONITOR_FORWARDING, /* of .ifindex, switched by anybody */
	MONITOR_FIREWALL,   /* a ruleset was committed: .generation (see firewall_is_current),
			       .process */
	MONITOR_EVERYTHING, /* messages were lost: look at everything */
	MONITOR_KINDS,
};

struct monitor_event {
	enum monitor_kind kind;
	int ifindex;
	struct link link;
	struct vlan_port vlans;
	struct ip address;
	bool own; /* a route of ours */
	uint32_t generation;
	pid_t pid;	  /* of the process that committed, in the first pid namespace */
	char process[16]; /* its name */
};

struct monitor {
	int fd; /* for the event loop: readable when there is something to read */
	struct netlink route;
	struct netlink netfilter;
	struct netlink query; /* for what messages leave out */
	int ports[MONITOR_PORTS];
	size_t n_ports;
};

typedef void (*monitor_callback)(const struct monitor_event *event, void *data);

int monitor_open(struct monitor *monitor, struct error *err);
void monitor_close(struct monitor *monitor);
/* Reads all that is there, without blocking. */
int monitor_read(struct monitor *monitor, monitor_callback callback, void *data, struct error *err);
