/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One Ethernet segment with its services. Plain data: the schema fills it, plan compares what it
 * expands to, printers show it.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/dhcp_extra.h"
#include "model/ip.h"
#include "model/mac.h"
#include "model/vlan.h"

struct error;

#define NAME_SIZE	   64  /* names of networks and machines are DNS labels (RFC 1035: 63) */
#define DOMAIN_SIZE	   254 /* RFC 1035 2.3.4 */
#define NETWORK_SUBNETS	   4   /* per family; the first is the primary one */
#define NETWORK_FORWARDERS 4
#define NETWORK_PEERS	   16
#define NETWORK_ROUTES	   8
#define NETWORK_VIAS	   4
#define NETWORK_VLAN	   1 /* Linux gives it to a new bridge and its ports */
#define OVERLAP_SIZE	   200
#define PLANNED_SIZE	   512

enum network_mode {
	NETWORK_NAT,
	NETWORK_ROUTED,
	NETWORK_BRIDGED,
	NETWORK_ISOLATED,
	NETWORK_OPEN,
	NETWORK_MODES,
};

/* How the LAN finds the machines of a routed network. */
enum network_lan {
	LAN_ROUTE, /* it has or is given a route */
	LAN_PROXY, /* the prefix is a part of the LAN's own: the host answers for them (ARP, ND) */
};

/* How a family's addresses are chosen. */
enum network_family {
	FAMILY_AUTO, /* chosen when the network is made, then stored as given */
	FAMILY_GIVEN,
	FAMILY_NONE,
};

/* A promise: this machine has this address and name. Either address may be unset. */
struct reservation {
	char name[NAME_SIZE];
	struct mac mac; /* unset: a name and address without DHCP */
	struct ip ipv4;
	struct ip ipv6;
	bool automatic; /* made for a machine of a lab, goes with it */
};

/* A prefix that lies behind a machine of the network. */
struct static_route {
	struct ip to, via;
};

/* A gateway address that a change has replaced: it stays until then, so that machines can go on
 * with their old address until they have asked for a new one. */
struct leaving {
	struct ip address;
	int64_t until; /* CLOCK_REALTIME seconds */
};

struct network {
	char name[NAME_SIZE];
	char called[NAME_SIZE]; /* by its owner, where the name was somebody's; else "" */
	char lab[NAME_SIZE];	/* the lab that defines it; "" when made by hand */
	uint32_t owner;		/* uid of who made it in a system instance; 0: root */
	uint32_t id;		/* stable and unique within the instance; 0 until it has one */
	char ifname[IFNAMSIZ];	/* its layer 3 interface */
	enum network_mode mode;
	enum network_family ipv4_choice;
	enum network_family ipv6_choice;
	struct ip ipv4[NETWORK_SUBNETS]; /* gateway address with prefix length */
	struct ip ipv6[NETWORK_SUBNETS];
	bool dhcp; /* offer DHCP (and DHCPv6 for reservations) */
	bool dns;
	bool ra;
	enum network_lan lan;
	bool guard; /* bridged: machines play neither router nor DHCP server on the LAN */
	struct ip dhcp_first, dhcp_last;   /* unset: chosen from the primary IPv4 subnet */
	struct ip dhcp6_first, dhcp6_last; /* unset: DHCPv6 has reserved addresses only */
	bool dhcp6_stateless;		   /* DHCPv6 has no addresses at all */
	uint32_t lease_seconds;
	struct dhcp_extra dhcp_extra;
	char domain[DOMAIN_SIZE]; /* "" becomes NAME.internal */
	uint32_t mtu;		  /* bytes; 0: 1500 */
	char uplink[IFNAMSIZ];	  /* the host's NIC in its bridge, see uplink add; "" without */
	struct mac mac;		  /* of the bridge; unset: made of the name */
	bool unconfirmed;	  /* its uplink may still go back: not in the definitions yet */
	struct ip forwarders[NETWORK_FORWARDERS];
	char bridge[IFNAMSIZ]; /* bridged: somebody's bridge, which is `ifname` too */
	bool openvswitch;      /* that is one of Open vSwitch: its ports are rows of a database */
	bool vlan_filtering;   /* its bridge keeps VLANs apart; NETWORK_VLAN is the network */
	char peers[NETWORK_PEERS][NAME_SIZE]; /* networks that it reaches, and that reach it */
	struct static_route routes[NETWORK_ROUTES];
	char via[NETWORK_VIAS][IFNAMSIZ];	     /* more ways out: interfaces of the host */
	uint32_t grace_seconds;			     /* how long a replaced prefix stays */
	struct leaving leaving[2 * NETWORK_SUBNETS]; /* in the order of their replacement */
	char planned[PLANNED_SIZE]; /* settings that are to come, as JSON; "" none */
	uint32_t planned_at;	    /* CLOCK_REALTIME seconds; 0: nothing is planned */
	char overlap[OVERLAP_SIZE]; /* what the host reaches by the same prefix, for people */
	struct reservation *reservations;
	size_t n_reservations;
};

struct network *network_new(void); /* with the defaults */
void network_free(struct network *network);
void network_done(struct network *network);
struct network *network_copy(const struct network *network);
bool network_equal(const struct network *a, const struct network *b);

const char *network_mode_name(enum network_mode mode);
/* guard, where our packet filter sees the frames. */
bool network_is_guarded(const struct network *network);

/* Checks everything that one network can say about itself (gateway inside its prefix and not its
 * first or last address, range inside, reservations inside and unique, mtu). Fills what follows
 * from the rest: the DHCP range, the domain. Choice AUTO must have been resolved. */
int network_settle(struct network *network, struct error *err);

/* The checks of network_settle alone, also before AUTO is resolved. *ret_key (may be NULL): the key
 * at fault. */
int network_check(const struct network *network, const char **ret_key, struct error *err);

/* Chooses the DHCP range where there is none: .100 to .199 of a /24, the like of other prefixes. */
void network_choose_range(struct network *network);

/* Do two networks share an address? Then by these two subnets. */
bool network_overlaps(const struct network *a, const struct network *b, struct ip *ret_a,
		      struct ip *ret_b);

/* Its part about reservations. */
int network_check_reservations(const struct network *network, struct error *err);

/* Whether a port of it may have these; a bridge that is not ours says so itself, when it is asked.
 */
int network_check_vlans(const struct network *network, const struct vlans *vlans,
			struct error *err);

/* Reservations by name; NULL when there is none. network_reserve replaces the one of the same name;
 * -EEXIST: another one has the MAC or an address. network_unreserve: -ENOENT. */
struct reservation *network_reservation(const struct network *network, const char *name);
int network_reserve(struct network *network, const struct reservation *reservation,
		    struct error *err);
int network_unreserve(struct network *network, const char *name, struct error *err);

/*
 * Resolves AUTO: picks a /24 out of 10.0.0.0/8 and a ULA /64 (RFC 4193), both hashed from instance
 * and name, that overlap with none of the taken prefixes (default routes in taken do not count).
 * The choice is GIVEN then. Assigns an address to each reservation that has a MAC and none, outside
 * the DHCP range while there is room; an automatic one that a new prefix has left outside gets
 * another. Does not check: network_settle comes after. taken: the host's routes and the other
 * networks' prefixes. -EADDRNOTAVAIL: nothing free.
 */
int network_allocate(struct network *network, const char *instance, const struct ip *taken,
		     size_t n_taken, struct error *err);

/*
 * A part of the LAN's prefix for machines (lan: proxy): its gateway, with the part's length. The
 * last one that overlaps with nothing taken, a /27 of IPv4 where the LAN is large enough, a /80 of
 * IPv6. Family 0: there is none.
 */
struct ip network_lan_part(const struct ip *lan, const struct ip *taken, size_t n_taken);

/*
 * A network defined anew keeps what was chosen for it before: id, ifname, the prefixes where it
 * says AUTO, the addresses of reservations whose MAC is the same. Then network_allocate chooses
 * only what is new.
 */
void network_inherit(struct network *network, const struct network *before);

/*
 * What a live change owes to the machines that are plugged in. network_renumber (of a network that
 * was edited, not defined anew): reservations of the old primary prefix move to the same place in
 * the new one; on somebody's bridge there are none.
 * network_retire: prefixes that went stay as `leaving` for the grace period; what is a
 * gateway again does not. network_expire: forgets those whose time has come;
 * true when there were some. network_leaves_next: when the next one goes, 0: none.
 */
void network_renumber(struct network *network, const struct network *before);
void network_retire(struct network *network, const struct network *before, int64_t now);
bool network_expire(struct network *network, int64_t now);
int64_t network_leaves_next(const struct network *network);
/* Its leaving prefix of this family that went last and lies apart from its subnets, or NULL. */
const struct ip *network_left(const struct network *network, int family);

void network_forget_planned(struct network *network);

bool network_is_apart(const struct network *network, const struct ip *prefix);

bool network_has_peer(const struct network *network, const char *name);
/* It says so, or one of the others does. */
bool network_has_peers(const struct network *network, struct network *const *others,
		       size_t n_others);

/* The kernel's name: ly-NAME, or ly--ID where that is longer than 15 bytes. */
void network_ifname(const char *name, uint32_t id, char ret[IFNAMSIZ]);
