/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Choosing what the user left open: prefixes and the addresses of reservations. Everything is
 * hashed from names and MACs and probed from there, so the same definitions give the same answer on
 * every machine.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "model/name.h"
#include "model/network.h"

#define ULA_PROBES	1000
#define PROBES_MAX	(1u << 20) /* addresses tried in one subnet */
#define SUBNET_FULL	180	   /* reservations beyond which a /24 gets tight */
#define SUBNET_SHORTEST 16
#define PART_LENGTH	27 /* of a LAN, for machines */
#define PART_LONGEST	30
#define PARTS6		100

#define IPV4(a, b, c, d, bits)                                                                     \
	{                                                                                          \
		.family = AF_INET, .length = bits, .bytes = { a, b, c, d }                         \
	}

/* Private ranges (RFC 1918), in the order in which they are tried. */
static const struct ip pools[] = {
	IPV4(10, 0, 0, 0, 8),
	IPV4(172, 16, 0, 0, 12),
	IPV4(192, 168, 0, 0, 16),
};

/* What others like to use: home routers, VPNs, container engines, clusters, QEMU, LXC. */
static const struct ip popular[] = {
	IPV4(10, 0, 0, 0, 11),	    IPV4(10, 42, 0, 0, 15),	IPV4(10, 88, 0, 0, 15),
	IPV4(10, 96, 0, 0, 12),	    IPV4(10, 128, 0, 0, 16),	IPV4(10, 152, 183, 0, 24),
	IPV4(10, 244, 0, 0, 16),    IPV4(172, 16, 0, 0, 14),	IPV4(192, 168, 0, 0, 20),
	IPV4(192, 168, 100, 0, 24), IPV4(192, 168, 122, 0, 24), IPV4(192, 168, 178, 0, 24),
};

static bool overlaps_any(const struct ip *prefix, const struct ip *taken, size_t n_taken)
{
	for (size_t i = 0; i < n_taken; i++)
		if (taken[i].length > 0 && ip_overlaps(prefix, &taken[i]))
			return true;
	return false;
}

static unsigned subnet_length(const struct network *network)
{
	unsigned length = 24;
	for (size_t room = SUBNET_FULL; room < network->n_reservations && length > SUBNET_SHORTEST;
	     room *= 2)
		length--;
	return length;
}

/* The free subnet of a pool that comes first after the hashed one. */
static struct ip choose_in(const struct ip *pool, unsigned length, uint64_t hash,
			   const struct ip *taken, size_t n_taken)
{
	uint64_t count = (uint64_t)1 << (length - pool->length);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t number = (hash + i) % count;
		struct ip prefix = ip_nth(pool, number << (32 - length));
		prefix.length = (uint8_t)length;
		if (!overlaps_any(&prefix, popular, sizeof(popular) / sizeof(popular[0])) &&
		    !overlaps_any(&prefix, taken, n_taken))
			return prefix;
	}
	return (struct ip){0};
}

static struct ip gateway_of(const struct ip *prefix)
{
	struct ip gateway = ip_nth(prefix, 1);
	gateway.length = prefix->length;
	return gateway;
}

/* Home routers are mostly first, and hand out from the middle. */
static struct ip last_part(const struct ip *lan, const struct ip *taken, size_t n_taken)
{
	unsigned length = lan->length + 2 > PART_LENGTH ? lan->length + 2u : PART_LENGTH;
	if (length > PART_LONGEST)
		return (struct ip){0};
	for (uint64_t number = ((uint64_t)1 << (length - lan->length)) - 1; number > 0; number--) {
		struct ip part = ip_nth(lan, number << (32 - length));
		part.length = (uint8_t)length;
		if (!overlaps_any(&part, taken, n_taken))
			return gateway_of(&part);
	}
	return (struct ip){0};
}

/* 16 bits below the LAN's 64 that no interface identifier made of a MAC or by chance begins with.
 */
static struct ip part6(const struct ip *lan, const struct ip *taken, size_t n_taken)
{
	for (uint8_t number = 10; lan->length <= 64 && number < PARTS6; number++) {
		struct ip part = ip_network(lan);
		part.bytes[9] = number;
		part.length = 80;
		if (!overlaps_any(&part, taken, n_taken))
			return gateway_of(&part);
	}
	return (struct ip){0};
}

struct ip network_lan_part(const struct ip *lan, const struct ip *taken, size_t n_taken)
{
	return lan->family == AF_INET6 ? part6(lan, taken, n_taken)
				       : last_part(lan, taken, n_taken);
}

static int choose_ipv4(struct network *network, const char *seed, const struct ip *taken,
		       size_t n_taken, struct error *err)
{
	unsigned length = subnet_length(network);
	for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++) {
		struct ip prefix = choose_in(&pools[i], length, name_hash(seed, 4), taken, n_taken);
		if (!ip_is_set(&prefix))
			continue;
		network->ipv4[0] = gateway_of(&prefix);
		return 0;
	}
	return error_set(err, EADDRNOTAVAIL,
			 "no private IPv4 prefix is free of other networks and the host's routes; "
			 "write one under 'ipv4'");
}

/* fd, 40 bits of global identifier, 16 bits of subnet (RFC 4193 section 3.1). */
static int choose_ipv6(struct network *network, const char *seed, const struct ip *taken,
		       size_t n_taken, struct error *err)
{
	for (unsigned probe = 0; probe < ULA_PROBES; probe++) {
		uint64_t hash = name_hash(seed, 6 + probe);
		struct ip prefix = {.family = AF_INET6, .length = 64, .bytes = {0xfd}};
		for (unsigned i = 1; i < 8; i++)
			prefix.bytes[i] = (uint8_t)(hash >> (8 * (7 - i)));
		if (overlaps_any(&prefix, taken, n_taken))
			continue;
		network->ipv6[0] = gateway_of(&prefix);
		return 0;
	}
	return error_set(err, EADDRNOTAVAIL,
			 "no IPv6 prefix is free of the host's routes; write one under 'ipv6'");
}

/* Addresses of the primary subnet that are spoken for, as offsets, sorted. */
struct used {
	uint64_t *offsets;
	size_t count;
};

static int by_number(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
	return (one > other) - (one < other);
}

static bool is_used(const struct used *used, uint64_t offset)
{
	return bsearch(&offset, used->offsets, used->count, sizeof(offset), by_number) != NULL;
}

static void insert(struct used *used, uint64_t offset)
{
	size_t at = used->count++;
	while (at > 0 && used->offsets[at - 1] > offset) {
		used->offsets[at] = used->offsets[at - 1];
		at--;
	}
	used->offsets[at] = offset;
}

static struct used collect(const struct network *network)
{
	const struct ip *subnet = &network->ipv4[0];
	struct used used = {memory_zero(network->n_reservations + 1, sizeof(uint64_t)), 0};
	used.offsets[used.count++] = ip_offset(subnet, subnet);
	for (size_t i = 0; i < network->n_reservations; i++)
		if (ip_contains(subnet, &network->reservations[i].ipv4))
			used.offsets[used.count++] =
				ip_offset(subnet, &network->reservations[i].ipv4);
	qsort(used.offsets, used.count, sizeof(uint64_t), by_number);
	return used;
}

/* From the MAC's hash on, first beside the DHCP range, then inside it (dnsmasq gives a reserved
 * address to nobody else). 0: none is free. */
static uint64_t choose_offset(const struct network *network, const struct used *used,
			      const struct mac *mac)
{
	const struct ip *subnet = &network->ipv4[0];
	char text[MAC_TEXT_SIZE];
	uint64_t hash = name_hash(mac_format(mac, text), 0);
	uint64_t size = ((uint64_t)1 << (32 - subnet->length)) - 2; /* 1 to size */
	uint64_t low = 1, high = 0;
	if (ip_is_set(&network->dhcp_first)) {
		low = ip_offset(subnet, &network->dhcp_first);
		high = ip_offset(subnet, &network->dhcp_last);
	}
	for (int inside = 0; inside < 2; inside++)
		for (uint64_t i = 0; i < size && i < PROBES_MAX; i++) {
			uint64_t offset = 1 + (hash + i) % size;
			bool in_range = offset >= low && offset <= high;
			if ((inside || !in_range) && !is_used(used, offset))
				return offset;
		}
	return 0;
}

/* An automatic reservation follows its network to another prefix. */
static void forget_strays(struct network *network)
{
	for (size_t i = 0; i < network->n_reservations; i++) {
		struct reservation *reservation = &network->reservations[i];
		if (!reservation->automatic)
			continue;
		if (ip_is_set(&network->ipv4[0]) &&
		    !ip_contains(&network->ipv4[0], &reservation->ipv4))
			reservation->ipv4 = (struct ip){0};
		if (ip_is_set(&network->ipv6[0]) &&
		    !ip_contains(&network->ipv6[0], &reservation->ipv6))
			reservation->ipv6 = (struct ip){0};
	}
}

static int assign(struct network *network, struct error *err)
{
	const struct ip *ipv4 = &network->ipv4[0], *ipv6 = &network->ipv6[0];
	bool usable = ip_is_set(ipv4) && ipv4->length <= 30;
	struct used used = collect(network);
	int r = 0;
	for (size_t i = 0; r == 0 && i < network->n_reservations; i++) {
		struct reservation *reservation = &network->reservations[i];
		if (!mac_is_set(&reservation->mac))
			continue;
		if (!ip_is_set(&reservation->ipv6) && ip_is_set(ipv6))
			reservation->ipv6 = mac_eui64(&reservation->mac, ipv6);
		if (!usable || ip_is_set(&reservation->ipv4))
			continue;
		uint64_t offset = choose_offset(network, &used, &reservation->mac);
		char text[IP_TEXT_SIZE];
		struct ip prefix = ip_network(ipv4);
		if (offset == 0)
			r = error_set(err, EADDRNOTAVAIL,
				      "no address is free in %s for '%s'; choose a shorter prefix",
				      ip_format_prefix(&prefix, text), reservation->name);
		else
			reservation->ipv4 = ip_nth(ipv4, offset);
		insert(&used, offset);
	}
	free(used.offsets);
	return r;
}

int network_allocate(struct network *network, const char *instance, const struct ip *taken,
		     size_t n_taken, struct error *err)
{
	AUTO_FREE char *seed = text_format("%s/%s", instance, network->name);
	int r = 0;
	if (network->mode == NETWORK_BRIDGED) /* the LAN's */
		return 0;
	if (network->lan == LAN_PROXY && network->ipv4_choice == FAMILY_AUTO &&
	    !ip_is_set(&network->ipv4[0]))
		return error_set(err, EINVAL,
				 "network '%s': 'lan: proxy' needs a free part of the LAN's own "
				 "prefix; write it under 'ipv4', like 192.168.1.225/27",
				 network->name);
	if (network->ipv4_choice == FAMILY_AUTO) {
		if (!ip_is_set(&network->ipv4[0]))
			r = choose_ipv4(network, seed, taken, n_taken, err);
		if (r == 0)
			network->ipv4_choice = FAMILY_GIVEN;
	}
	if (r == 0 && network->ipv6_choice == FAMILY_AUTO) {
		if (!ip_is_set(&network->ipv6[0]))
			r = choose_ipv6(network, seed, taken, n_taken, err);
		if (r == 0)
			network->ipv6_choice = FAMILY_GIVEN;
	}
	if (r == 0) {
		network_choose_range(network);
		forget_strays(network);
		r = assign(network, err);
	}
	return r < 0 ? error_prefix(err, "network '%s'", network->name) : 0;
}

static bool is_given(const struct network *network, const struct ip *address)
{
	for (size_t i = 0; i < network->n_reservations; i++)
		if (ip_equal(&network->reservations[i].ipv4, address) ||
		    ip_equal(&network->reservations[i].ipv6, address))
			return true;
	return false;
}

/* Keeps an address that still fits and that nobody else was given meanwhile. */
static void inherit_address(const struct network *network, const struct ip *subnet,
			    const struct ip *old, struct ip *address)
{
	if (!ip_is_set(address) && ip_contains(subnet, old) && !is_given(network, old))
		*address = *old;
}

void network_inherit(struct network *network, const struct network *before)
{
	network->id = before->id;
	memcpy(network->ifname, before->ifname, sizeof(network->ifname));
	memcpy(network->planned, before->planned, sizeof(network->planned));
	network->planned_at = before->planned_at;
	if (network->ipv4_choice == FAMILY_AUTO && ip_is_set(&before->ipv4[0])) {
		memcpy(network->ipv4, before->ipv4, sizeof(network->ipv4));
		network->ipv4_choice = FAMILY_GIVEN;
	}
	if (network->ipv6_choice == FAMILY_AUTO && ip_is_set(&before->ipv6[0])) {
		memcpy(network->ipv6, before->ipv6, sizeof(network->ipv6));
		network->ipv6_choice = FAMILY_GIVEN;
	}
	for (size_t i = 0; i < network->n_reservations; i++) {
		struct reservation *reservation = &network->reservations[i];
		const struct reservation *old = network_reservation(before, reservation->name);
		if (!old || !mac_equal(&old->mac, &reservation->mac))
			continue;
		inherit_address(network, &network->ipv4[0], &old->ipv4, &reservation->ipv4);
		inherit_address(network, &network->ipv6[0], &old->ipv6, &reservation->ipv6);
	}
}
