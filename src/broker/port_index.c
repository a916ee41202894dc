/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/port_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/name.h"

#define HEADS_FIRST 16

/* The last bytes are those that differ, also where somebody chose the MACs. */
static uint64_t hash_mac(const struct mac *mac)
{
	return (uint64_t)mac->bytes[3] << 16 | (uint64_t)mac->bytes[4] << 8 | mac->bytes[5];
}

static uint64_t hash_port(const struct port *port, enum port_key key)
{
	return key == PORT_BY_MAC ? hash_mac(&port->mac)
				  : name_hash(key == PORT_BY_ID ? port->id : port->ifname, 0);
}

static struct port_entry **head(const struct port_index *index, enum port_key key, uint64_t hash)
{
	return &index->heads[key][hash & (index->n_heads - 1)];
}

static void link_entry(struct port_index *index, enum port_key key, struct port_entry *entry)
{
	struct port_entry **first = head(index, key, hash_port(&entry->port, key));
	entry->next[key] = *first;
	*first = entry;
}

static void grow(struct port_index *index)
{
	const struct port_index old = *index;
	index->n_heads = old.n_heads ? old.n_heads * 2 : HEADS_FIRST;
	for (enum port_key key = 0; key < PORT_KEYS; key++) {
		index->heads[key] = memory_zero(index->n_heads, sizeof(struct port_entry *));
		for (size_t i = 0; i < old.n_heads; i++)
			for (struct port_entry *entry = old.heads[key][i], *next; entry;
			     entry = next) {
				next = entry->next[key];
				link_entry(index, key, entry);
			}
		free(old.heads[key]);
	}
}

void port_index_done(struct port_index *index)
{
	for (enum port_key key = 0; key < PORT_KEYS; key++)
		free(index->heads[key]);
	*index = (struct port_index){0};
}

void port_index_add(struct port_index *index, struct port_entry *entry)
{
	if (index->count++ == index->n_heads)
		grow(index);
	for (enum port_key key = 0; key < PORT_KEYS; key++)
		link_entry(index, key, entry);
}

void port_index_remove(struct port_index *index, struct port_entry *entry)
{
	for (enum port_key key = 0; key < PORT_KEYS; key++) {
		struct port_entry **place = head(index, key, hash_port(&entry->port, key));
		while (*place != entry)
			place = &(*place)->next[key];
		*place = entry->next[key];
	}
	index->count--;
}

struct port *port_index_name(const struct port_index *index, enum port_key key, const char *name)
{
	if (index->count == 0)
		return NULL;
	struct port_entry *entry = *head(index, key, name_hash(name, 0));
	while (entry && strcmp(key == PORT_BY_ID ? entry->port.id : entry->port.ifname, name) != 0)
		entry = entry->next[key];
	return entry ? &entry->port : NULL;
}

struct port *port_index_mac(const struct port_index *index, const struct mac *mac,
			    const char *network, const char *but)
{
	if (index->count == 0)
		return NULL;
	struct port_entry *entry = *head(index, PORT_BY_MAC, hash_mac(mac));
	while (entry &&
	       !(mac_equal(&entry->port.mac, mac) && strcmp(entry->port.network, network) == 0 &&
		 strcmp(entry->port.id, but) != 0))
		entry = entry->next[PORT_BY_MAC];
	return entry ? &entry->port : NULL;
}
