/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks: making, copying, comparing, and what follows from the rest of one. */
#include "model/network.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/file.h"
#include "model/name.h"

#define LEASE_SECONDS 3600
#define GRACE_SECONDS 3600

static const char *const mode_names[NETWORK_MODES] = {
	[NETWORK_NAT] = "nat",		 [NETWORK_ROUTED] = "routed", [NETWORK_BRIDGED] = "bridged",
	[NETWORK_ISOLATED] = "isolated", [NETWORK_OPEN] = "open",
};

const char *network_mode_name(enum network_mode mode)
{
	return mode < NETWORK_MODES ? mode_names[mode] : "?";
}

struct network *network_new(void)
{
	struct network *network = memory_zero(1, sizeof(*network));
	network->dhcp = network->dns = network->ra = network->guard = true;
	network->lease_seconds = LEASE_SECONDS;
	network->grace_seconds = GRACE_SECONDS;
	return network;
}

void network_done(struct network *network)
{
	if (!network)
		return;
	free(network->reservations);
	network->reservations = NULL;
	network->n_reservations = 0;
}

void network_free(struct network *network)
{
	network_done(network);
	free(network);
}

struct network *network_copy(const struct network *network)
{
	struct network *copy = memory_zero(1, sizeof(*copy));
	*copy = *network;
	copy->reservations = memory_zero(network->n_reservations, sizeof(*copy->reservations));
	if (network->n_reservations)
		memcpy(copy->reservations, network->reservations,
		       network->n_reservations * sizeof(*copy->reservations));
	return copy;
}

bool network_is_guarded(const struct network *network)
{
	return network->mode == NETWORK_BRIDGED && network->guard && !network->openvswitch;
}

static bool ips_equal(const struct ip *a, const struct ip *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ip_compare(&a[i], &b[i]) != 0)
			return false;
	return true;
}

static bool reservation_equal(const struct reservation *a, const struct reservation *b)
{
	return !strcmp(a->name, b->name) && mac_equal(&a->mac, &b->mac) &&
	       ips_equal(&a->ipv4, &b->ipv4, 1) && ips_equal(&a->ipv6, &b->ipv6, 1) &&
	       a->automatic == b->automatic;
}

bool network_equal(const struct network *a, const struct network *b)
{
	bool same = !strcmp(a->name, b->name) && !strcmp(a->called, b->called) &&
		    !strcmp(a->lab, b->lab) && a->owner == b->owner && a->id == b->id &&
		    !strcmp(a->ifname, b->ifname) && a->mode == b->mode &&
		    a->ipv4_choice == b->ipv4_choice && a->ipv6_choice == b->ipv6_choice &&
		    a->dhcp == b->dhcp && a->dns == b->dns && a->ra == b->ra &&
		    a->guard == b->guard && a->lan == b->lan &&
		    a->lease_seconds == b->lease_seconds && !strcmp(a->domain, b->domain) &&
		    a->mtu == b->mtu && !strcmp(a->uplink, b->uplink) &&
		    mac_equal(&a->mac, &b->mac) && a->unconfirmed == b->unconfirmed &&
		    a->n_reservations == b->n_reservations;
	same = same && ips_equal(a->ipv4, b->ipv4, NETWORK_SUBNETS) &&
	       ips_equal(a->ipv6, b->ipv6, NETWORK_SUBNETS) &&
	       ips_equal(&a->dhcp_first, &b->dhcp_first, 1) &&
	       ips_equal(&a->dhcp_last, &b->dhcp_last, 1) &&
	       ips_equal(&a->dhcp6_first, &b->dhcp6_first, 1) &&
	       ips_equal(&a->dhcp6_last, &b->dhcp6_last, 1) &&
	       a->dhcp6_stateless == b->dhcp6_stateless &&
	       dhcp_extra_equal(&a->dhcp_extra, &b->dhcp_extra) &&
	       ips_equal(a->forwarders, b->forwarders, NETWORK_FORWARDERS);
	same = same && !strcmp(a->bridge, b->bridge) && a->openvswitch == b->openvswitch &&
	       a->vlan_filtering == b->vlan_filtering && !strcmp(a->planned, b->planned) &&
	       a->planned_at == b->planned_at && !memcmp(a->peers, b->peers, sizeof(a->peers)) &&
	       !memcmp(a->via, b->via, sizeof(a->via)) && a->grace_seconds == b->grace_seconds;
	for (size_t i = 0; same && i < NETWORK_ROUTES; i++)
		same = ips_equal(&a->routes[i].to, &b->routes[i].to, 1) &&
		       ips_equal(&a->routes[i].via, &b->routes[i].via, 1);
	for (size_t i = 0; same && i < 2 * NETWORK_SUBNETS; i++)
		same = ips_equal(&a->leaving[i].address, &b->leaving[i].address, 1) &&
		       a->leaving[i].until == b->leaving[i].until;
	for (size_t i = 0; same && i < a->n_reservations; i++)
		same = reservation_equal(&a->reservations[i], &b->reservations[i]);
	return same;
}

/* .100 to .199 of a /24 and its like elsewhere; the upper half of a small subnet. Where the gateway
 * lies in it, the larger part beside it. */
void network_choose_range(struct network *network)
{
	const struct ip *gateway = &network->ipv4[0];
	if (!network->dhcp || !ip_is_set(gateway) || gateway->length > 30 ||
	    ip_is_set(&network->dhcp_first))
		return;
	uint64_t size = (uint64_t)1 << (32 - gateway->length);
	uint64_t first = size >= 64 ? size * 100 / 256 : size / 2;
	uint64_t last = size >= 64 ? size * 200 / 256 - 1 : size - 2;
	uint64_t own = ip_offset(gateway, gateway);
	if (own >= first && own <= last) {
		if (last > own && (last - own >= own - first))
			first = own + 1;
		else if (own > first)
			last = own - 1;
		else
			first = last = own == 1 ? 2 : 1; /* a /30: the only other one */
	}
	network->dhcp_first = ip_nth(gateway, first);
	network->dhcp_last = ip_nth(gateway, last);
}

static bool is_resolved(const struct network *network, enum network_family choice,
			const struct ip *subnets)
{
	if (network->mode == NETWORK_BRIDGED)
		return true;
	return (choice == FAMILY_NONE) == !ip_is_set(&subnets[0]);
}

int network_settle(struct network *network, struct error *err)
{
	int r = name_check(network->name, "network", err);
	if (r < 0)
		return r;
	r = network_check(network, NULL, err);
	if (r == 0 && (!is_resolved(network, network->ipv4_choice, network->ipv4) ||
		       !is_resolved(network, network->ipv6_choice, network->ipv6)))
		r = error_set(err, EINVAL, "its addresses have not been chosen yet");
	if (r < 0)
		return error_prefix(err, "network '%s'", network->name);
	network_choose_range(network);
	if (!network->domain[0])
		snprintf(network->domain, sizeof(network->domain), "%s.internal", network->name);
	if (network->mode == NETWORK_BRIDGED && network->bridge[0]) {
		memset(network->ifname, 0, sizeof(network->ifname));
		snprintf(network->ifname, sizeof(network->ifname), "%s", network->bridge);
	} else if (network->id)
		network_ifname(network->name, network->id, network->ifname);
	return 0;
}

/* Its n-th prefix, those that are leaving among them; NULL beyond the last. */
static const struct ip *prefix_of(const struct network *network, size_t n)
{
	if (n < NETWORK_SUBNETS)
		return &network->ipv4[n];
	if (n < 2 * NETWORK_SUBNETS)
		return &network->ipv6[n - NETWORK_SUBNETS];
	if (n < 4 * NETWORK_SUBNETS)
		return &network->leaving[n - 2 * NETWORK_SUBNETS].address;
	return NULL;
}

bool network_overlaps(const struct network *a, const struct network *b, struct ip *ret_a,
		      struct ip *ret_b)
{
	const struct ip *one, *other;
	for (size_t i = 0; (one = prefix_of(a, i)); i++)
		for (size_t j = 0; ip_is_set(one) && (other = prefix_of(b, j)); j++)
			if (ip_is_set(other) && ip_overlaps(one, other)) {
				*ret_a = *one;
				*ret_b = *other;
				return true;
			}
	return false;
}

void network_ifname(const char *name, uint32_t id, char ret[IFNAMSIZ])
{
	memset(ret, 0, IFNAMSIZ);
	if (strlen(name) + 3 < IFNAMSIZ)
		snprintf(ret, IFNAMSIZ, "ly-%.12s", name);
	else
		snprintf(ret, IFNAMSIZ, "ly--%u", id); /* no label begins with a hyphen */
}
