/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an instance owns on the machine, as a sorted list of small typed objects. The wanted list is
 * computed from the definitions, the actual one is read from the kernel; plan compares the two. The
 * same struct is the body of the executor's records, so everything is fixed in size and compared as
 * bytes: clear an object before filling it.
 *
 * Each body begins with its key (the bytes that say *which* object it is), goes on with what is
 * compared, and ends with what only its creation needs.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/ip.h"
#include "model/mac.h"
#include "model/network.h"
#include "model/port.h"

/* In the order of creation; deletion goes backwards. */
enum object_kind {
	OBJECT_BRIDGE, /* a network's bridge, with a silent port that gives it carrier from birth */
	OBJECT_ADDRESS,	   /* a gateway address on it */
	OBJECT_FORWARDING, /* forwarding of both families on one interface */
	OBJECT_FILTER,	   /* the network's elements in our nftables sets and maps */
	OBJECT_NAME,	/* a reservation: a line each in the hosts files of its network's dnsmasq */
	OBJECT_SERVICE, /* dnsmasq of one network */
	OBJECT_PORT,	/* a tap or one end of a veth pair, on a bridge */
	OBJECT_KINDS,
};

struct object_bridge {
	char ifname[IFNAMSIZ]; /* key */
	struct mac mac;
	uint8_t up;
	uint8_t carrier;
	uint32_t mtu;
	uint8_t stp;
	uint8_t reserved[3];
};

struct object_address {
	char ifname[IFNAMSIZ]; /* key, with the address */
	struct ip address;     /* with prefix length; IPv6 is added without DAD */
};

struct object_forwarding {
	char ifname[IFNAMSIZ]; /* key */
	uint8_t ipv4;
	uint8_t ipv6;
	uint8_t reserved[2];
};

struct object_filter {
	char ifname[IFNAMSIZ]; /* key */
	uint8_t mode;	       /* enum network_mode */
	uint8_t reserved[3];
	struct ip nat4; /* prefix to masquerade, family 0: none */
	struct ip nat6;
};

struct object_name {
	char name[NAME_SIZE]; /* key */
	struct mac mac;	      /* all zero: a name without DHCP */
	uint8_t reserved[2];
	struct ip ipv4, ipv6;
};

#define SERVICE_DHCP 1u
#define SERVICE_DNS  2u
#define SERVICE_RA   4u

struct object_service {
	char ifname[IFNAMSIZ]; /* key */
	uint32_t flags;	       /* SERVICE_* */
	struct ip ipv4, ipv6;  /* gateway with prefix length */
	struct ip first, last; /* DHCP range */
	uint32_t lease_seconds;
	uint32_t mtu;
	struct ip forwarders[NETWORK_FORWARDERS];
	char domain[DOMAIN_SIZE];
	uint8_t reserved[2];
};

struct object_port {
	char ifname[IFNAMSIZ]; /* key */
	char bridge[IFNAMSIZ]; /* the bridge it is on */
	uint8_t kind;	       /* enum port_kind */
	uint8_t up;
	uint8_t isolated;
	uint8_t persistent;    /* a named tap */
	uint32_t owner, group; /* a named tap's; (uint32_t)-1 none */
	struct mac hwaddr; /* of this end; the kernel's answer says whether somebody changed it */
	uint8_t reserved[2];
	/* creation only from here */
	uint32_t queues;
	uint32_t mtu;
	char peer[IFNAMSIZ]; /* the other end's name */
	struct mac peer_mac;
	uint8_t reserved2[2];
};

struct object {
	uint16_t kind; /* enum object_kind */
	uint16_t reserved;
	uint32_t network; /* id of the network it belongs to */
	union {
		struct object_bridge bridge;
		struct object_address address;
		struct object_forwarding forwarding;
		struct object_filter filter;
		struct object_name name;
		struct object_service service;
		struct object_port port;
	};
};

struct object_type {
	const char *name;    /* "bridge" */
	size_t size;	     /* of the body */
	size_t key_size;     /* leading bytes that identify it (a name: together with network) */
	size_t compare_size; /* leading bytes that are compared */
};
extern const struct object_type object_types[OBJECT_KINDS];

struct object_list {
	struct object *items;
	size_t count, room;
};
void object_list_done(struct object_list *list);
struct object *object_list_add(struct object_list *list, enum object_kind kind, uint32_t network);
void object_list_sort(struct object_list *list); /* by kind and key */

/* Kind, then the key. Interfaces are unique in the instance whatever their network; names are not.
 */
int object_compare_key(const struct object *a, const struct object *b);
/* The compared part; of bridges and ports their network too (it is in the alias). A port's hwaddr
 * that one side leaves unset (adopted interfaces) is not compared. */
bool object_is_same(const struct object *a, const struct object *b);

/* Everything that can be checked without asking the kernel: kind, NUL-terminated strings, interface
 * names, families, lengths, enumerations, zeroed padding. Hostile input ends here. */
int object_check(const struct object *object, struct error *err);

/* "bridge ly-lab", "address 10.20.0.1/24 on ly-lab", "name web 10.20.0.10"; size of text: 256. */
const char *object_describe(const struct object *object, char *text);

/* What a set of definitions wants: networks (settled, with id and ifname) and live ports. */
void object_expand(struct network *const *networks, size_t n_networks, struct port *const *ports,
		   size_t n_ports, struct object_list *ret);
