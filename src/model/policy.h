/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may do what in a system instance, and how much of it: the rules of /etc/lanyard/policy.yaml.
 * A rule is a user's, a group's or everyone's and says some of the keys. What counts for somebody
 * is, key by key, the first rule that says something about it: the user's own, those of the groups
 * in the order of the file, everyone's; then the default. Each answer keeps the line of its rule,
 * so that a refusal can name it. Pure: who is in which group is asked of the caller.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/ip.h"
#include "model/mac.h"
#include "model/network.h"
#include "model/schema.h"
#include "model/vlan.h"

struct error;

#define POLICY_GROUP	    "lanyard" /* its members may use the instance where no rule says so */
#define POLICY_NAME_SIZE    64	      /* of users and groups; useradd(8) takes 32 */
#define POLICY_ITEMS	    16	      /* of a list */
#define POLICY_RULES_MAX    1000
#define POLICY_PLACE_SIZE   256
#define POLICY_VALUE_SIZE   512
#define POLICY_RESERVATIONS 1000 /* of one network of somebody's own */

enum policy_key {
	POLICY_USE,
	POLICY_CONNECTIONS, /* from here to POLICY_PUBLISHED: how many of them */
	POLICY_NETWORKS,
	POLICY_PORTS,
	POLICY_MACHINES,
	POLICY_PUBLISHED,
	POLICY_PLUG,
	POLICY_INTERFACES,
	POLICY_ADDRESSES,
	POLICY_IPV4_LENGTH,
	POLICY_DOMAINS,
	POLICY_MACS,
	POLICY_VLANS,
	POLICY_RATE,
	POLICY_PUBLISH_ON,
	POLICY_PUBLISH_PORTS,
	POLICY_MAY_BRIDGE,
	POLICY_MAY_ROUTE,
	POLICY_MAY_CAPTURE,
	POLICY_MAY_SEE_OTHERS,
	POLICY_KEYS,
};

struct policy_macs {
	struct mac first, last;
	bool is_set;
};

struct policy_ports {
	uint16_t first, last;
};

/* One member for each key, found by the table. Lists are filled from the front. */
struct policy_rights {
	bool use, may_bridge, may_route, may_capture, may_see_others;
	uint32_t connections, networks, ports, machines, published, ipv4_length;
	uint32_t rate;			    /* kbit/s of each port, both ways; 0: unlimited */
	char plug[POLICY_ITEMS][NAME_SIZE]; /* root's networks, "*" for all */
	char interfaces[POLICY_ITEMS][IFNAMSIZ + 1]; /* names, or "PREFIX*" */
	struct ip addresses[POLICY_ITEMS];
	char domains[POLICY_ITEMS][NAME_SIZE];
	struct policy_macs macs[POLICY_ITEMS]; /* none: any */
	struct vlan_range vlans[VLAN_RANGES];
	struct ip publish_on[POLICY_ITEMS];
	struct policy_ports publish_ports[POLICY_ITEMS];
};

enum policy_whose { POLICY_USER, POLICY_OF_GROUP, POLICY_EVERYONE };

struct policy_rule {
	enum policy_whose whose;
	char name[POLICY_NAME_SIZE]; /* of the user or group */
	unsigned line;
	unsigned lines[POLICY_KEYS]; /* where it says the key; 0: it does not */
	struct policy_rights rights;
};

struct policy {
	char *file; /* NULL: there is none */
	struct policy_rule *rules;
	size_t n_rules;
};

/* What one user may, and which line says so (0: no rule, the default). */
struct policy_grant {
	struct policy_rights rights;
	unsigned lines[POLICY_KEYS];
};

extern const struct schema policy_schema; /* struct policy_rights; the keys of one rule */

/* An empty text has no rules. Errors read "FILE:LINE:COLUMN: what was wrong; what would be right".
 */
int policy_parse(const char *file, const char *text, size_t length, struct policy **ret,
		 struct error *err);
/* Without a file and without rules. */
struct policy *policy_new(void);
void policy_free(struct policy *policy);

/* What the user may. is_member answers for the groups of the rules and for POLICY_GROUP. */
typedef bool policy_member(const char *group, void *data);
void policy_resolve(const struct policy *policy, const char *user, policy_member *is_member,
		    void *data, struct policy_grant *ret);

/* "FILE:LINE" of the rule, or that no rule says it; into place (POLICY_PLACE_SIZE), returned. */
const char *policy_place(const struct policy *policy, const struct policy_grant *grant,
			 enum policy_key key, char *place);

/* "10.0.0.0/8, fc00::/7", "12", "true", as the file has it; into text (POLICY_VALUE_SIZE),
 * returned.
 */
const char *policy_value(const struct policy_grant *grant, enum policy_key key, char *text);

/* Whether a list of the rights has it. */
bool policy_has_network(const struct policy_rights *rights, const char *name, bool *ret_by_name);
bool policy_has_interface(const struct policy_rights *rights, const char *ifname);
bool policy_has_prefix(const struct policy_rights *rights, const struct ip *prefix);
bool policy_has_domain(const struct policy_rights *rights, const char *domain);
bool policy_has_mac(const struct policy_rights *rights, const struct mac *mac);
bool policy_has_publish_address(const struct policy_rights *rights, const struct ip *address);
bool policy_has_publish_port(const struct policy_rights *rights, uint16_t port);

/*
 * Whether the user may own this network; before (NULL: a new one) is what it was, of which nothing
 * is asked again. -EACCES with the place of the rule in front.
 */
int policy_check_network(const struct policy *policy, const struct policy_grant *grant,
			 const struct network *network, const struct network *before,
			 struct error *err);
/* Whether one more is too many of them: key is one of the counts. */
int policy_check_count(const struct policy *policy, const struct policy_grant *grant,
		       enum policy_key key, size_t count, struct error *err);
/* Whether a port may have what it says as `key`, rate_in or rate_out. */
int policy_check_rate(const struct policy *policy, const struct policy_grant *grant,
		      const char *key, uint32_t rate, struct error *err);
int policy_check_vlans(const struct policy *policy, const struct policy_grant *grant,
		       const struct vlans *vlans, struct error *err);
/* -EACCES: "PLACE: sentence". */
int policy_refuse(const struct policy *policy, const struct policy_grant *grant,
		  enum policy_key key, struct error *err, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
