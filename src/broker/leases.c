/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/leases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "model/name.h"

#define LEASES_MAX (8u << 20)
#define WORDS_MAX  4096

/* The network's present leases; the caller frees. */
static size_t read_leases(const struct state *state, const struct network *network,
			  struct lease **ret)
{
	AUTO_FREE char *path = text_format("%s/%u/leases", state->paths->services, network->id);
	AUTO_FREE char *text = NULL;
	*ret = NULL;
	ssize_t length = file_read(path, LEASES_MAX, &text, NULL);
	if (length <= 0)
		return 0;
	size_t count = lease_parse(text, (size_t)length, ret, NULL), kept = 0;
	uint64_t now = (uint64_t)time(NULL);
	for (size_t i = 0; i < count; i++)
		if ((*ret)[i].expires == 0 || (*ret)[i].expires > now)
			(*ret)[kept++] = (*ret)[i];
	return kept;
}

static const struct reservation *reservation_of(const struct network *network,
						const struct lease *lease)
{
	for (size_t i = 0; i < network->n_reservations; i++) {
		const struct reservation *one = &network->reservations[i];
		if (ip_equal(&one->ipv4, &lease->address) || ip_equal(&one->ipv6, &lease->address))
			return one;
	}
	return NULL;
}

static json_t *lease_json(const struct network *network, const struct lease *lease)
{
	char mac[MAC_TEXT_SIZE], address[IP_TEXT_SIZE];
	const struct reservation *reserved = reservation_of(network, lease);
	const char *name = reserved ? reserved->name : lease->name[0] ? lease->name : NULL;
	const struct mac *from =
		mac_is_set(&lease->mac) || !reserved ? &lease->mac : &reserved->mac;
	json_t *json = json_pack("{s:s, s:s, s:s, s:b}", "network", network->name, "mac",
				 mac_is_set(from) ? mac_format(from, mac) : "", "address",
				 ip_format(&lease->address, address), "reserved", reserved != NULL);
	if (name)
		json_object_set_new(json, "name", json_string(name));
	if (lease->expires)
		json_object_set_new(json, "expires", json_integer((json_int_t)lease->expires));
	return json;
}

json_t *leases_json(const struct state *state, const char *network)
{
	json_t *list = json_array();
	for (size_t i = 0; i < state->n_networks; i++) {
		const struct network *one = state->networks[i];
		if (network && strcmp(one->name, network) != 0)
			continue;
		AUTO_FREE struct lease *leases = NULL;
		size_t count = read_leases(state, one, &leases);
		for (size_t j = 0; j < count; j++)
			json_array_append_new(list, lease_json(one, &leases[j]));
	}
	return list;
}

/* NAME or NAME.DOMAIN. */
static bool is_called(const struct network *network, const char *own, const char *asked)
{
	size_t length = strlen(own);
	if (length == 0 || strncasecmp(own, asked, length) != 0)
		return false;
	return asked[length] == '\0' ||
	       (asked[length] == '.' && strcasecmp(asked + length + 1, network->domain) == 0);
}

struct search {
	const char *name;
	const char *words[WORDS_MAX]; /* what there is, for the error */
	size_t n_words;
	struct ip found;
	const struct network *where;
};

static void note(struct search *search, const char *word)
{
	if (word[0] && search->n_words < WORDS_MAX)
		search->words[search->n_words++] = word;
}

static void take(struct search *search, const struct network *network, const struct ip *address)
{
	if (ip_is_set(address) && !ip_is_set(&search->found)) {
		search->found = *address;
		search->where = network;
	}
}

static void search_reservations(struct search *search, const struct network *network)
{
	for (size_t i = 0; i < network->n_reservations; i++) {
		const struct reservation *one = &network->reservations[i];
		note(search, one->name);
		if (!is_called(network, one->name, search->name))
			continue;
		take(search, network, &one->ipv4);
		take(search, network, &one->ipv6);
	}
}

/* IPv4 first: an address of DHCPv6 is there as soon, but a guest may have IPv6 off. */
static void search_leases(struct search *search, const struct network *network,
			  const struct lease *leases, size_t count)
{
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < count; i++) {
			bool six = leases[i].address.family != AF_INET;
			if (six == (pass == 1) && is_called(network, leases[i].name, search->name))
				take(search, network, &leases[i].address);
		}
	for (size_t i = 0; i < count; i++)
		note(search, leases[i].name);
}

static int find_address(const struct state *state, const struct ip *address,
			const char **ret_network)
{
	for (size_t i = 0; i < state->n_networks; i++)
		for (size_t j = 0; j < NETWORK_SUBNETS; j++)
			if (ip_contains(&state->networks[i]->ipv4[j], address) ||
			    ip_contains(&state->networks[i]->ipv6[j], address)) {
				*ret_network = state->networks[i]->name;
				return 0;
			}
	return -ENOENT;
}

int leases_resolve(const struct state *state, const char *name, const char *network, struct ip *ret,
		   char ret_network[NAME_SIZE], struct error *err)
{
	const char *where = NULL;
	if (ip_parse(name, ret, NULL) == 0) {
		if (find_address(state, ret, &where) < 0)
			return error_set(err, ENOENT, "%s lies in no network of this instance",
					 name);
		if (ret_network)
			snprintf(ret_network, NAME_SIZE, "%s", where);
		return 0;
	}
	struct search *search = memory_zero(1, sizeof(*search));
	struct lease **all = memory_zero(state->n_networks, sizeof(struct lease *));
	search->name = name;
	for (size_t i = 0; i < state->n_networks; i++)
		if (!network || strcmp(state->networks[i]->name, network) == 0)
			search_reservations(search, state->networks[i]);
	for (size_t i = 0; i < state->n_networks; i++)
		if (!network || strcmp(state->networks[i]->name, network) == 0) {
			size_t count = read_leases(state, state->networks[i], &all[i]);
			search_leases(search, state->networks[i], all[i], count);
		}
	int r = 0;
	if (search->where) {
		*ret = search->found;
		if (ret_network)
			snprintf(ret_network, NAME_SIZE, "%s", search->where->name);
	} else {
		const char *nearest = name_nearest(name, search->words, search->n_words);
		r = error_set(err, ENOENT, "no machine called '%.80s' has an address here%s%s%s",
			      name,
			      nearest ? "; did you mean '"
				      : "; 'lanyard net leases' shows those that have",
			      nearest ? nearest : "", nearest ? "'?" : "");
	}
	for (size_t i = 0; i < state->n_networks; i++)
		free(all[i]);
	free(all);
	free(search);
	return r;
}
