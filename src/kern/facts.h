/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one network namespace looks like, as JSON for those who look for faults (doctor, why): links
 * with their bridge state, addresses, routes, rules, neighbours, learnt MACs, the chains of every
 * firewall, settings, listening sockets. Read once, by a short-lived program, with the rights that
 * it happens to have; what may not be read is null, never empty.
 */
#pragma once

#include <jansson.h>

struct error;
struct netlink;

/* All of it. Needs no right but for the firewall. */
int facts_read(json_t **ret, struct error *err);

/* Its parts; fresh values, NULL with err. */
json_t *facts_links(struct netlink *netlink, struct error *err);
json_t *facts_addresses(struct netlink *netlink, struct error *err);
json_t *facts_neighbours(struct netlink *netlink, struct error *err);
json_t *facts_macs(struct netlink *netlink, struct error *err);
json_t *facts_routes(struct netlink *netlink, struct error *err);
json_t *facts_rules(struct netlink *netlink, struct error *err);
/* {"tables": [], "chains": [{family, table, name, hook, priority, policy, drops, accepts}]}. drops:
 * what no rule accepts is dropped, by the policy or by a last rule without a condition; accepts:
 * "<ly-lab" and ">ly-lab" for interfaces whose packets some rule of the table accepts by the
 * interface alone. */
json_t *facts_firewall(struct error *err);
/* Settings: of each link "ipv4.forwarding": {"eth0": 1, "all": 0}, and single numbers. */
json_t *facts_settings(const json_t *links);
/* UDP and TCP sockets that wait for others: protocol, address, port, inode, uid. */
json_t *facts_listeners(void);

/* The route that the kernel would take for a packet from there to there (from and ifname may be
 * empty): {"type": "unicast", "index": 3, "gateway": "..."}, or the error as {"error": errno}. */
struct ip;
json_t *facts_route(struct netlink *netlink, const struct ip *to, const struct ip *from,
		    int ifindex);
