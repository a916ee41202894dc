/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reservations of a network: each inside a subnet and no special address, no two with the same
 * name, MAC or address. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/file.h"
#include "model/name.h"
#include "model/network.h"

/* Reservations of one network differ in name, MAC and addresses. Sorted by each in turn, equals are
 * neighbours. */

static int by_name(const void *a, const void *b)
{
	const struct reservation *const *one = a, *const *other = b;
	return strcmp((*one)->name, (*other)->name);
}

static int by_mac(const void *a, const void *b)
{
	const struct reservation *const *one = a, *const *other = b;
	return memcmp(&(*one)->mac, &(*other)->mac, sizeof(struct mac));
}

static int by_ipv4(const void *a, const void *b)
{
	const struct reservation *const *one = a, *const *other = b;
	return ip_compare(&(*one)->ipv4, &(*other)->ipv4);
}

static int by_ipv6(const void *a, const void *b)
{
	const struct reservation *const *one = a, *const *other = b;
	return ip_compare(&(*one)->ipv6, &(*other)->ipv6);
}

static const char *name_text(const struct reservation *reservation, char *text)
{
	(void)text;
	return reservation->name;
}

static const char *mac_text(const struct reservation *reservation, char *text)
{
	return mac_is_set(&reservation->mac) ? mac_format(&reservation->mac, text) : NULL;
}

static const char *ipv4_text(const struct reservation *reservation, char *text)
{
	return ip_is_set(&reservation->ipv4) ? ip_format(&reservation->ipv4, text) : NULL;
}

static const char *ipv6_text(const struct reservation *reservation, char *text)
{
	return ip_is_set(&reservation->ipv6) ? ip_format(&reservation->ipv6, text) : NULL;
}

static const struct {
	const char *what;
	int (*compare)(const void *a, const void *b);
	const char *(*text)(const struct reservation *reservation, char *text); /* NULL: unset */
} uniques[] = {
	{"the name", by_name, name_text},
	{"MAC", by_mac, mac_text},
	{"address", by_ipv4, ipv4_text},
	{"address", by_ipv6, ipv6_text},
};

static int check_uniques(const struct network *network, struct error *err)
{
	size_t n = network->n_reservations;
	const struct reservation **sorted = memory_zero(n, sizeof(struct reservation *));
	int r = 0;
	for (size_t i = 0; i < n; i++)
		sorted[i] = &network->reservations[i];
	for (size_t k = 0; r == 0 && n > 1 && k < sizeof(uniques) / sizeof(uniques[0]); k++) {
		qsort(sorted, n, sizeof(struct reservation *), uniques[k].compare);
		for (size_t i = 1; r == 0 && i < n; i++) {
			char buffer[IP_TEXT_SIZE];
			const char *text = uniques[k].text(sorted[i], buffer);
			if (text && uniques[k].compare(&sorted[i - 1], &sorted[i]) == 0)
				r = error_set(err, EEXIST,
					      "reservations '%s' and '%s' both have %s %s",
					      sorted[i - 1]->name, sorted[i]->name, uniques[k].what,
					      text);
		}
	}
	free(sorted);
	return r;
}

/* Is the address one of the network's subnets' and no special one? */
static int check_member(const struct ip *address, const struct ip *subnets,
			enum network_family choice, struct error *err)
{
	char text[IP_TEXT_SIZE], in[IP_TEXT_SIZE];
	ip_format(address, text);
	if (choice == FAMILY_NONE)
		return error_set(err, EINVAL, "address %s cannot be: the network has no %s", text,
				 address->family == AF_INET ? "IPv4" : "IPv6");
	if (!ip_is_set(&subnets[0]))
		return error_set(err, EINVAL,
				 "address %s needs a prefix to lie in; write one under '%s' of the "
				 "network, or leave the address out",
				 text, address->family == AF_INET ? "ipv4" : "ipv6");
	for (size_t i = 0; i < NETWORK_SUBNETS && ip_is_set(&subnets[i]); i++) {
		struct ip first = ip_nth(&subnets[i], 0), last = ip_last(&subnets[i]);
		if (!ip_contains(&subnets[i], address))
			continue;
		if (ip_equal(address, &subnets[i]))
			return error_set(err, EINVAL, "address %s is the gateway's", text);
		if (ip_equal(address, &first) ||
		    (address->family == AF_INET && ip_equal(address, &last)))
			return error_set(err, EINVAL,
					 "address %s is the first or last one of its subnet, no "
					 "machine's",
					 text);
		return 0;
	}
	struct ip prefix = ip_network(&subnets[0]);
	return error_set(err, EINVAL, "address %s is outside %s", text,
			 ip_format_prefix(&prefix, in));
}

static int check_reservation(const struct network *network, const struct reservation *reservation,
			     struct error *err)
{
	int r = name_check(reservation->name, "reservation", err);
	if (r < 0)
		return r;
	const struct ip *ipv4 = &reservation->ipv4, *ipv6 = &reservation->ipv6;
	if (!mac_is_set(&reservation->mac) && !ip_is_set(ipv4) && !ip_is_set(ipv6))
		r = error_set(err, EINVAL, "needs a MAC%s",
			      network->ipv4_choice == FAMILY_NONE &&
					      network->ipv6_choice == FAMILY_NONE
				      ? ": the network has no addresses of its own"
				      : " or an address");
	if (r == 0 && ip_is_set(ipv4))
		r = check_member(ipv4, network->ipv4, network->ipv4_choice, err);
	if (r == 0 && ip_is_set(ipv6))
		r = check_member(ipv6, network->ipv6, network->ipv6_choice, err);
	if (r < 0)
		error_prefix(err, "reservation '%s'", reservation->name);
	return r;
}

int network_check_reservations(const struct network *network, struct error *err)
{
	for (size_t i = 0; i < network->n_reservations; i++) {
		int r = check_reservation(network, &network->reservations[i], err);
		if (r < 0)
			return r;
	}
	return check_uniques(network, err);
}

struct reservation *network_reservation(const struct network *network, const char *name)
{
	for (size_t i = 0; i < network->n_reservations; i++)
		if (!strcmp(network->reservations[i].name, name))
			return &network->reservations[i];
	return NULL;
}

/* Another reservation that has one of these already. */
static int check_taken(const struct network *network, const struct reservation *reservation,
		       struct error *err)
{
	for (size_t i = 0; i < network->n_reservations; i++) {
		const struct reservation *other = &network->reservations[i];
		if (!strcmp(other->name, reservation->name))
			continue;
		for (size_t k = 1; k < sizeof(uniques) / sizeof(uniques[0]); k++) {
			char buffer[IP_TEXT_SIZE];
			const char *text = uniques[k].text(reservation, buffer);
			if (text && uniques[k].compare(&reservation, &other) == 0)
				return error_set(err, EEXIST, "%s %s is reserved for '%s' already",
						 uniques[k].what, text, other->name);
		}
	}
	return 0;
}

int network_reserve(struct network *network, const struct reservation *reservation,
		    struct error *err)
{
	int r = check_reservation(network, reservation, err);
	if (r < 0)
		return r;
	r = check_taken(network, reservation, err);
	if (r < 0)
		return error_prefix(err, "reservation '%s'", reservation->name);
	struct reservation *same = network_reservation(network, reservation->name);
	if (same) {
		*same = *reservation;
		return 0;
	}
	size_t room = network->n_reservations, n = room + 1;
	network->reservations =
		memory_grow(network->reservations, &room, n, sizeof(*network->reservations));
	network->reservations[network->n_reservations++] = *reservation;
	return 0;
}

int network_unreserve(struct network *network, const char *name, struct error *err)
{
	struct reservation *found = network_reservation(network, name);
	if (!found)
		return error_set(err, ENOENT, "network '%s' has no reservation '%s'", network->name,
				 name);
	size_t index = (size_t)(found - network->reservations);
	memmove(found, found + 1, (network->n_reservations - index - 1) * sizeof(*found));
	network->n_reservations--;
	return 0;
}
