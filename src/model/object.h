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
	OBJECT_ROUTE,	   /* a prefix behind a machine of the network */
	OBJECT_FORWARDING, /* forwarding of both families on one interface */
	OBJECT_PROXY,	   /* an address for which the host answers on the LAN (ARP, ND) */
	OBJECT_FILTER,	   /* the network's elements in our nftables sets and maps */
	OBJECT_PERMIT,	/* the same network's rules in the form of another firewall of the host */
	OBJECT_NAME,	/* a reservation: a line each in the hosts files of its network's dnsmasq */
	OBJECT_SERVICE, /* dnsmasq of one network */
	OBJECT_PORT,	/* a tap or one end of a veth pair, on a bridge */
	OBJECT_RATE,	/* what a port's machine may send and receive: its limits in nftables */
	OBJECT_MEMBER,	/* a port's row in somebody's Open vSwitch bridge; the steward's work */
	OBJECT_UPLINK,	/* a NIC of the host that is a port of a bridge of ours */
	/* What of the host's own configuration names that NIC or that bridge. The executor alone
	 * plans these, see executor/adoption.h. */
	OBJECT_HOST_LINK,
	OBJECT_HOST_ADDRESS,
	OBJECT_HOST_ROUTE,
	OBJECT_HOST_RULE,
	OBJECT_KINDS,
};

struct object_bridge {
	char ifname[IFNAMSIZ]; /* key */
	struct mac mac;
	uint8_t up;
	uint8_t carrier;
	uint32_t mtu;
	uint8_t stp;
	uint8_t vlan_filtering;
	uint8_t reserved[2];
};

struct object_address {
	char ifname[IFNAMSIZ]; /* key, with the address */
	struct ip address;     /* with prefix length; IPv6 is added without DAD */
};

struct object_route {
	char ifname[IFNAMSIZ]; /* key, with the prefix */
	struct ip to;
	struct ip via;
};

struct object_forwarding {
	char ifname[IFNAMSIZ]; /* key */
	uint8_t ipv4;
	uint8_t ipv6;
	uint8_t learns;	 /* an uplink: goes on learning IPv6 routes by router advertisement */
	uint8_t proxies; /* an uplink: answers for others (see proxy) by IPv6 too */
};

struct object_proxy {
	char ifname[IFNAMSIZ]; /* key, with the address: the LAN's interface */
	struct ip address;
};

#define FILTER_PREFIXES (2 * NETWORK_SUBNETS)
/* Beside the modes: an interface of the host that forwards for our networks only (see `via`). */
#define FILTER_FENCE NETWORK_MODES
#define FILTER_MODES (NETWORK_MODES + 1)

struct object_filter {
	char ifname[IFNAMSIZ]; /* key */
	uint8_t mode;	       /* enum network_mode, or FILTER_FENCE */
	uint8_t reserved[3];
	struct ip nat[FILTER_PREFIXES]; /* prefixes to masquerade, ascending, unset ones last */
	char peers[NETWORK_PEERS][IFNAMSIZ]; /* ascending; each pair is said by one of both only */
};

/* Whose firewall. A drop of theirs is final, whatever our own table accepts. */
enum permit_owner {
	PERMIT_DOCKER,	/* chain DOCKER-USER of iptables' table filter */
	PERMIT_DOCKER6, /* and of ip6tables' */
	PERMIT_UFW,
	PERMIT_FIREWALLD,
	PERMIT_OWNERS,
};

#define PERMIT_INPUT   1u /* to the host by this interface, DHCP and DNS among it */
#define PERMIT_FORWARD 2u /* forwarded from it and to it */
#define PERMIT_ACROSS                                                                              \
	4u /* from port to port of a bridge, where br_netfilter shows that to them                 \
	    */

struct object_permit {
	char ifname[IFNAMSIZ]; /* key, with owner; "" in a dump: this owner is here and drops */
	uint8_t owner;	       /* enum permit_owner */
	uint8_t parts;	       /* PERMIT_* */
	uint8_t reserved[2];
};

const char *permit_owner_name(unsigned owner);
#define PERMIT_ZONE_SIZE 18 /* firewalld's limit */
/* firewalld's zone for an instance's networks: "lanyard", or "ly-INSTANCE" (cut). */
void permit_zone_name(const char *instance, char ret[PERMIT_ZONE_SIZE]);

struct object_name {
	char name[NAME_SIZE]; /* key */
	struct mac mac;	      /* all zero: a name without DHCP */
	uint8_t reserved[2];
	struct ip ipv4, ipv6;
};

#define SERVICE_DHCP	    1u
#define SERVICE_DNS	    2u
#define SERVICE_RA	    4u
#define SERVICE_NO_ROUTER   8u	/* we are no way out: announce no default route */
#define SERVICE_NO_UPSTREAM 16u /* names of the network only */
#define SERVICE_STATELESS   32u /* DHCPv6 has no addresses, only what else there is to know */

struct object_service {
	char ifname[IFNAMSIZ];		      /* key */
	uint32_t flags;			      /* SERVICE_* */
	struct ip ipv4, ipv6;		      /* gateway with prefix length */
	struct ip first, last;		      /* DHCP range */
	struct ip first6, last6;	      /* DHCPv6's; unset: reserved addresses only */
	struct ip more6[NETWORK_SUBNETS - 1]; /* further prefixes to be announced */
	struct ip left4,
		left6; /* replaced prefixes: leases are not renewed, addresses deprecated */
	uint32_t lease_seconds;
	uint32_t mtu;
	struct ip forwarders[NETWORK_FORWARDERS];
	char domain[DOMAIN_SIZE];
	uint8_t reserved[2];
	struct dhcp_extra extra;
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
	uint8_t guarded;   /* on the LAN's segment: plays neither router nor DHCP server there */
	uint8_t reserved;
	uint32_t mtu;	    /* of this end, at least; 0 (adopted interfaces): not ours to set */
	struct vlans vlans; /* in a dump: of a port that was given some by us */
	uint16_t reserved3;
	/* not compared from here: for creation */
	uint32_t queues;
	char peer[IFNAMSIZ]; /* the other end's name */
	struct mac peer_mac;
	uint8_t blink; /* for a change: takes the carrier away for a moment, so that the machine
			* asks for its address again */
	uint8_t reserved2;
};

struct object_rate {
	char ifname[IFNAMSIZ]; /* key: the port's */
	uint32_t in, out;      /* kbit/s, as the machine sees it; 0: unlimited, but not both */
};

struct object_member {
	char ifname[IFNAMSIZ]; /* key: the port's */
	char bridge[IFNAMSIZ];
	uint8_t isolated; /* from other isolated ones: `protected` */
	uint8_t reserved[3];
	struct vlans vlans; /* in a dump: of a port that was given some by us */
	uint16_t reserved2;
};

#define UPLINK_REPORT_SIZE 128

struct object_uplink {
	char ifname[IFNAMSIZ]; /* key: the NIC */
	char bridge[IFNAMSIZ]; /* whose port it is */
	uint8_t moved; /* addresses, routes and rules of the NIC are the bridge's; wanted: 1 */
	uint8_t reserved[3];
	/* not compared from here */
	uint8_t confirmed;
	uint8_t by_hand;    /* checks that pass do not confirm */
	uint16_t peer_port; /* the caller's session, see peer */
	uint32_t seconds;   /* until it goes back by itself; in a dump: that are left */
	struct ip peer;	    /* the other end of the caller's SSH session, family 0: none */
	struct ip local;    /* this end */
	uint16_t local_port;
	char report[UPLINK_REPORT_SIZE]; /* in a dump: what the checks said last */
	uint8_t reserved2[2];
};

#define HOST_SETTINGS 24 /* see host_setting_name */

struct object_host_link {
	char ifname[IFNAMSIZ]; /* key */
	char bridge[IFNAMSIZ]; /* "": a port of none */
	struct mac mac;
	uint8_t up;
	uint8_t tagged; /* our altname is on it */
	uint32_t mtu;
	uint8_t gen_mode; /* how the kernel makes IPv6 link-local addresses */
	uint8_t reserved[3];
	int32_t settings[HOST_SETTINGS]; /* -1: the kernel has no such one */
};

#define HOST_MESSAGE_SIZE 408
#define HOST_FOREVER	  UINT32_MAX

/* An address, a route or a rule as the kernel tells it, without what differs from one interface or
 * moment to the next. */
struct object_host {
	char ifname[IFNAMSIZ];		    /* key, with all up to valid_until */
	uint16_t size;			    /* of message */
	uint16_t learnt;		    /* a route that the kernel learns by itself */
	uint8_t message[HOST_MESSAGE_SIZE]; /* family header and attributes */
	/* creation only from here */
	uint32_t valid_until, preferred_until; /* seconds of CLOCK_BOOTTIME */
	uint32_t order;			       /* of creation */
};

struct object {
	uint16_t kind; /* enum object_kind */
	uint16_t reserved;
	uint32_t network; /* id of the network it belongs to */
	union {
		struct object_bridge bridge;
		struct object_address address;
		struct object_route route;
		struct object_forwarding forwarding;
		struct object_proxy proxy;
		struct object_filter filter;
		struct object_permit permit;
		struct object_name name;
		struct object_service service;
		struct object_port port;
		struct object_rate rate;
		struct object_member member;
		struct object_uplink uplink;
		struct object_host_link host_link;
		struct object_host host;
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

/* The one with this key in a sorted list; NULL. */
const struct object *object_list_find(const struct object_list *list, const struct object *key);

/* Kind, then the key. Interfaces are unique in the instance whatever their network; names are not.
 */
int object_compare_key(const struct object *a, const struct object *b);
/* The compared part; of bridges, ports and members their network too (it is in the tag). A port's
 * hwaddr that one side leaves unset (adopted interfaces) is not compared. A port's MTU may be
 * larger than wanted: its machine may not have heard of the smaller one yet. */
bool object_is_same(const struct object *wanted, const struct object *actual);

/* Everything that can be checked without asking the kernel: kind, NUL-terminated strings, interface
 * names, families, lengths, enumerations, zeroed padding. Hostile input ends here. */
int object_check(const struct object *object, struct error *err);

/* "bridge ly-lab", "address 10.20.0.1/24 on ly-lab", "name web 10.20.0.10"; size of text: 256. */
const char *object_describe(const struct object *object, char *text);

/* Has a network's packets to the outside translated, as those of mode nat are. */
void object_filter_translate(const struct network *network, struct object_filter *filter);

/* What one port wants, for its whole life; network NULL: it is not there. Appended. */
void object_expand_port(const struct port *port, const struct network *network,
			struct object_list *ret);

/* What a set of definitions wants: networks (settled, with id and ifname) and live ports. */
void object_expand(struct network *const *networks, size_t n_networks, struct port *const *ports,
		   size_t n_ports, struct object_list *ret);
