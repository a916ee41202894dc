/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ports of a model by what they are looked for: one of a thousand costs no more than one of
 * ten. Knows nothing of what else a model has.
 */
#pragma once

#include <stddef.h>

#include "model/port.h"

enum port_key { PORT_BY_ID, PORT_BY_IFNAME, PORT_BY_MAC, PORT_KEYS };

/* A port in an index. What it is looked for must not change meanwhile. */
struct port_entry {
	struct port port; /* first: who has it has the entry */
	struct port_entry *next[PORT_KEYS];
};

/* Zeros: an empty one. The ports are the caller's. */
struct port_index {
	struct port_entry **heads[PORT_KEYS];
	size_t n_heads, count; /* a power of two, and at least as many as ports */
};

void port_index_done(struct port_index *index);
void port_index_add(struct port_index *index, struct port_entry *entry);
void port_index_remove(struct port_index *index, struct port_entry *entry);
/* The one whose id or interface this is; NULL: none. */
struct port *port_index_name(const struct port_index *index, enum port_key key, const char *name);
/* One of this MAC on this network but the one of this id; NULL: none. */
struct port *port_index_mac(const struct port_index *index, const struct mac *mac,
			    const char *network, const char *but);
