/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nss/reply.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

/* Aligned for a pointer; NULL when the buffer ends before. */
static void *reserve(struct reply *reply, size_t size)
{
	size_t lead = -(uintptr_t)reply->at % sizeof(void *);
	if (reply->left < lead || reply->left - lead < size)
		return NULL;
	void *at = reply->at + lead;
	reply->at += lead + size;
	reply->left -= lead + size;
	return at;
}

static char *copy(struct reply *reply, const char *text)
{
	size_t size = strlen(text) + 1;
	char *at = reserve(reply, size);
	return at ? memcpy(at, text, size) : NULL;
}

static size_t address_size(int family)
{
	return family == AF_INET ? 4 : 16;
}

static size_t count_of(const struct hostname *hostname, int family)
{
	size_t count = 0;
	for (size_t i = 0; i < hostname->count; i++)
		count += hostname->addresses[i].family == family;
	return count;
}

bool reply_host(struct reply *reply, const struct hostname *hostname, int family,
		struct hostent *ret)
{
	size_t size = address_size(family), at = 0;
	char **addresses = reserve(reply, (count_of(hostname, family) + 1) * sizeof(char *));
	char **aliases = reserve(reply, 2 * sizeof(char *));
	char *name = copy(reply, hostname->name), *alias = copy(reply, hostname->alias);
	if (!addresses || !aliases || !name || !alias)
		return false;
	for (size_t i = 0; i < hostname->count; i++) {
		if (hostname->addresses[i].family != family)
			continue;
		char *bytes = reserve(reply, size);
		if (!bytes)
			return false;
		addresses[at++] = memcpy(bytes, hostname->addresses[i].bytes, size);
	}
	addresses[at] = NULL;
	aliases[0] = alias;
	aliases[1] = NULL;
	*ret = (struct hostent){.h_name = name,
				.h_aliases = aliases,
				.h_addrtype = family,
				.h_length = (int)size,
				.h_addr_list = addresses};
	return true;
}

bool reply_tuples(struct reply *reply, const struct hostname *hostname,
		  struct gaih_addrtuple **tuples)
{
	struct gaih_addrtuple *own = *tuples, *first = NULL, **link = &first;
	char *name = copy(reply, hostname->name);
	if (!name)
		return false;
	for (size_t i = 0; i < hostname->count; i++) {
		struct gaih_addrtuple *tuple = i == 0 && own ? own : reserve(reply, sizeof(*tuple));
		if (!tuple)
			return false;
		const struct ip *ip = &hostname->addresses[i];
		*tuple =
			(struct gaih_addrtuple){.name = i == 0 ? name : NULL, .family = ip->family};
		memcpy(tuple->addr, ip->bytes, address_size(ip->family));
		*link = tuple;
		link = &tuple->next;
	}
	*tuples = first;
	return true;
}
