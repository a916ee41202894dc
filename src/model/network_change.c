/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a live change owes to the machines that are plugged in. A replaced prefix stays for a while
 * as `leaving`: its gateway address goes on answering, its machines are translated as before, its
 * leases are not renewed (so that their holders ask anew), and IPv6 addresses of it are deprecated
 * by router advertisements. What is reserved moves along.
 */
#include <string.h>
#include <sys/socket.h>

#include "model/network.h"

static const struct ip *subnets_of(const struct network *network, int family)
{
	return family == AF_INET ? network->ipv4 : network->ipv6;
}

static size_t count_subnets(const struct network *network, int family)
{
	const struct ip *subnets = subnets_of(network, family);
	size_t n = 0;
	while (n < NETWORK_SUBNETS && ip_is_set(&subnets[n]))
		n++;
	return n;
}

static size_t count_leaving(const struct network *network, int family)
{
	size_t n = 0;
	for (size_t i = 0; i < 2 * NETWORK_SUBNETS; i++)
		n += network->leaving[i].address.family == family;
	return n;
}

static bool is_subnet(const struct network *network, const struct ip *address)
{
	const struct ip *subnets = subnets_of(network, address->family);
	for (size_t i = 0; i < NETWORK_SUBNETS; i++)
		if (ip_compare(&subnets[i], address) == 0)
			return true;
	return false;
}

/* The gateway's address, whatever its prefix length. */
static bool is_gateway(const struct network *network, const struct ip *address)
{
	const struct ip *subnets = subnets_of(network, address->family);
	for (size_t i = 0; i < NETWORK_SUBNETS; i++)
		if (ip_is_set(&subnets[i]) && ip_equal(&subnets[i], address))
			return true;
	return false;
}

static void drop_leaving(struct network *network, size_t index)
{
	size_t last = 2 * NETWORK_SUBNETS - 1;
	memmove(&network->leaving[index], &network->leaving[index + 1],
		(last - index) * sizeof(network->leaving[0]));
	network->leaving[last] = (struct leaving){0};
}

static void drop_oldest(struct network *network, int family)
{
	for (size_t i = 0; i < 2 * NETWORK_SUBNETS; i++)
		if (network->leaving[i].address.family == family) {
			drop_leaving(network, i);
			return;
		}
}

/* One that is defined again is in use again; together with the defined ones there is room for
 * NETWORK_SUBNETS of a family. */
static void trim(struct network *network)
{
	static const int families[] = {AF_INET, AF_INET6};
	for (size_t i = 2 * NETWORK_SUBNETS; i-- > 0;)
		if (ip_is_set(&network->leaving[i].address) &&
		    is_gateway(network, &network->leaving[i].address))
			drop_leaving(network, i);
	for (size_t f = 0; f < 2; f++)
		while (count_leaving(network, families[f]) &&
		       count_subnets(network, families[f]) + count_leaving(network, families[f]) >
			       NETWORK_SUBNETS)
			drop_oldest(network, families[f]);
}

static void add_leaving(struct network *network, const struct ip *address, int64_t until)
{
	for (size_t i = 0; i < 2 * NETWORK_SUBNETS; i++) {
		struct leaving *leaving = &network->leaving[i];
		if (ip_is_set(&leaving->address) && ip_compare(&leaving->address, address) != 0)
			continue;
		*leaving = (struct leaving){*address, until};
		return;
	}
}

static bool is_known_leaving(const struct network *network, const struct ip *address)
{
	for (size_t i = 0; i < 2 * NETWORK_SUBNETS; i++)
		if (ip_compare(&network->leaving[i].address, address) == 0)
			return true;
	return false;
}

void network_retire(struct network *network, const struct network *before, int64_t now)
{
	if (strcmp(network->ifname, before->ifname) != 0) { /* another interface */
		memset(network->leaving, 0, sizeof(network->leaving));
		return;
	}
	for (size_t i = 0; i < 2 * NETWORK_SUBNETS; i++)
		if (ip_is_set(&before->leaving[i].address) &&
		    !is_known_leaving(network, &before->leaving[i].address))
			add_leaving(network, &before->leaving[i].address, before->leaving[i].until);
	for (size_t f = 0; network->grace_seconds && f < 2; f++) {
		const struct ip *old = f ? before->ipv6 : before->ipv4;
		for (size_t i = 0; i < NETWORK_SUBNETS && ip_is_set(&old[i]); i++)
			if (!is_subnet(network, &old[i]))
				add_leaving(network, &old[i], now + network->grace_seconds);
	}
	trim(network);
}

bool network_expire(struct network *network, int64_t now)
{
	bool some = false;
	for (size_t i = 2 * NETWORK_SUBNETS; i-- > 0;)
		if (ip_is_set(&network->leaving[i].address) && network->leaving[i].until <= now) {
			drop_leaving(network, i);
			some = true;
		}
	return some;
}

int64_t network_leaves_next(const struct network *network)
{
	int64_t next = 0;
	for (size_t i = 0; i < 2 * NETWORK_SUBNETS; i++) {
		const struct leaving *leaving = &network->leaving[i];
		if (ip_is_set(&leaving->address) && (next == 0 || leaving->until < next))
			next = leaving->until;
	}
	return next;
}

const struct ip *network_left(const struct network *network, int family)
{
	const struct ip *last = NULL;
	for (size_t i = 0; i < 2 * NETWORK_SUBNETS; i++)
		if (network->leaving[i].address.family == family &&
		    network_is_apart(network, &network->leaving[i].address))
			last = &network->leaving[i].address;
	return last;
}

bool network_is_apart(const struct network *network, const struct ip *prefix)
{
	const struct ip *subnets = subnets_of(network, prefix->family);
	for (size_t i = 0; i < NETWORK_SUBNETS; i++)
		if (ip_overlaps(&subnets[i], prefix))
			return false;
	return true;
}

/* The same place in another subnet; unchanged where there is none. */
static void move(struct ip *address, const struct ip *from, const struct ip *to)
{
	if (!ip_is_set(address) || !ip_is_set(to) || !ip_contains(from, address) ||
	    ip_contains(to, address))
		return;
	struct ip moved = ip_nth(to, ip_offset(from, address)), last = ip_last(to);
	if (ip_is_set(&moved) && !(moved.family == AF_INET && ip_equal(&moved, &last)))
		*address = moved;
}

static void move_extra(struct dhcp_extra *extra, const struct network *before,
		       const struct network *network)
{
	move(&extra->tftp, &before->ipv4[0], &network->ipv4[0]);
	for (size_t i = 0; i < DHCP_NTP; i++) {
		move(&extra->ntp[i], &before->ipv4[0], &network->ipv4[0]);
		move(&extra->ntp[i], &before->ipv6[0], &network->ipv6[0]);
	}
}

/* On somebody's bridge addresses are the LAN's. */
static void forget_addresses(struct network *network)
{
	memset(network->ipv4, 0, sizeof(network->ipv4));
	memset(network->ipv6, 0, sizeof(network->ipv6));
	network->ipv4_choice = network->ipv6_choice = FAMILY_AUTO;
	network->dhcp_first = network->dhcp_last = (struct ip){0};
	network->dhcp6_first = network->dhcp6_last = (struct ip){0};
	for (size_t i = 0; i < network->n_reservations; i++)
		network->reservations[i].ipv4 = network->reservations[i].ipv6 = (struct ip){0};
}

static bool has_same_subnets(const struct network *a, const struct network *b)
{
	for (size_t i = 0; i < NETWORK_SUBNETS; i++)
		if (ip_compare(&a->ipv4[i], &b->ipv4[i]) != 0 ||
		    ip_compare(&a->ipv6[i], &b->ipv6[i]) != 0)
			return false;
	return true;
}

void network_renumber(struct network *network, const struct network *before)
{
	if (network->mode == NETWORK_BRIDGED && has_same_subnets(network, before)) {
		forget_addresses(network);
		return;
	}
	if (network->mode != NETWORK_BRIDGED && before->mode == NETWORK_BRIDGED &&
	    !strcmp(network->bridge, before->bridge))
		memset(network->bridge, 0, sizeof(network->bridge));
	move(&network->dhcp6_first, &before->ipv6[0], &network->ipv6[0]);
	move(&network->dhcp6_last, &before->ipv6[0], &network->ipv6[0]);
	move_extra(&network->dhcp_extra, before, network);
	for (size_t i = 0; i < network->n_reservations; i++) {
		move(&network->reservations[i].ipv4, &before->ipv4[0], &network->ipv4[0]);
		move(&network->reservations[i].ipv6, &before->ipv6[0], &network->ipv6[0]);
	}
}

void network_forget_planned(struct network *network)
{
	memset(network->planned, 0, sizeof(network->planned));
	network->planned_at = 0;
}

bool network_has_peer(const struct network *network, const char *name)
{
	for (size_t i = 0; i < NETWORK_PEERS && network->peers[i][0]; i++)
		if (!strcmp(network->peers[i], name))
			return true;
	return false;
}

bool network_has_peers(const struct network *network, struct network *const *others,
		       size_t n_others)
{
	for (size_t i = 0; i < n_others; i++)
		if (others[i] != network && (network_has_peer(network, others[i]->name) ||
					     network_has_peer(others[i], network->name)))
			return true;
	return false;
}
