/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where one NIC is plugged in. */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "model/mac.h"
#include "model/network.h"
#include "model/vlan.h"

#define PORT_ID_SIZE	12
#define PORT_QUEUES_MAX 8
#define PORT_RATE_MIN	64u	   /* kbit/s: below, a few packets are a second */
#define PORT_RATE_MAX	100000000u /* 100 gbit/s */

enum port_kind {
	PORT_TAP,	/* descriptors handed over; lives as long as their holder */
	PORT_TAP_NAMED, /* persistent, opened by name, owned by one user or one group */
	PORT_NETNS,	/* the other end lies inside somebody's network namespace */
	PORT_VETH,  /* a quiet end on the host for a hypervisor that bridges onto an interface */
	PORT_ADOPT, /* an interface that another program made */
	PORT_KINDS,
};

struct port {
	char id[PORT_ID_SIZE]; /* unique within the instance */
	char ifname[IFNAMSIZ]; /* the end on the switch; ly + id unless chosen */
	char network[NAME_SIZE];
	char machine[NAME_SIZE]; /* whose NIC it is; may be "" */
	char peer[IFNAMSIZ];	 /* PORT_NETNS, PORT_VETH: name of the other end */
	enum port_kind kind;
	struct mac mac;	 /* the machine's NIC, not our end's */
	uint32_t queues; /* descriptor pairs, 1..PORT_QUEUES_MAX */
	uint32_t owner;	 /* uid of a named tap, (uint32_t)-1: none */
	uint32_t group;	 /* gid of a named tap, (uint32_t)-1: none */
	bool down;
	bool isolated;	   /* does not reach other isolated ports */
	uint32_t rate_in;  /* kbit/s that its machine may receive; 0: unlimited */
	uint32_t rate_out; /* and send */
	struct vlans vlans;
	uint32_t strikes; /* how often its holder changed the interface behind our back */
};

const char *port_kind_name(enum port_kind kind);
/* Lives by itself, so that its definition is kept like a network's. The others end with somebody's
 * descriptor, namespace or interface. */
bool port_lasts(const struct port *port);
bool port_equal(const struct port *a, const struct port *b);
/* The MAC of our own end of a tap or veth: fe: + five bytes hashed from the id. */
struct mac port_hwaddr(const struct port *port);
/* What its network cannot give it. */
int port_check_network(const struct port *port, const struct network *network, struct error *err);
/* The interface of a port that has no other name. */
void port_ifname(const char *id, char ret[IFNAMSIZ]);
/* Checks one port by itself and fills ifname from id where it is empty. */
int port_settle(struct port *port, struct error *err);
