/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One table per entity: key, type, limits, default, help. Files, messages, --help, manual pages and
 * completion all read these tables, so a key exists in all of them or in none.
 */
#pragma once

#include <stdint.h>

#include "model/node.h"

struct error;

enum schema_type {
	SCHEMA_NAME,	/* a DNS label, into char[] */
	SCHEMA_TEXT,	/* char[size] */
	SCHEMA_BOOL,	/* bool */
	SCHEMA_COUNT,	/* uint32_t between min and max */
	SCHEMA_BYTES,	/* uint64_t; 256M, 1G */
	SCHEMA_SECONDS, /* uint32_t; 90s, 1h, 2d */
	SCHEMA_RATE,	/* uint32_t, kbit a second; 500kbit, 10mbit; none: 0 */
	SCHEMA_VLAN,	/* uint16_t, 1 to 4094; none: 0 */
	SCHEMA_CHOICE,	/* enum (int), one of the words */
	SCHEMA_WORD,	/* char[size], one of the words */
	SCHEMA_MAC,	/* struct mac */
	SCHEMA_ADDRESS, /* struct ip */
	SCHEMA_LIST,	/* an array, filled from the front; `list` says of what */
	SCHEMA_CUSTOM,	/* decode and encode do it */
};

/* Each item is written as one text; one alone needs no list around it. */
struct schema_list {
	const char *what; /* "the name of a network" */
	size_t size;	  /* of an item; all zero: none */
	int (*decode)(const char *text, void *item, struct error *err);
	json_t *(*encode)(const void *item); /* NULL result: none */
};

struct schema_key {
	const char *key;
	enum schema_type type;
	size_t offset;
	size_t size;		  /* of the member */
	uint64_t min, max;	  /* numbers and sizes */
	const char *const *words; /* NULL-terminated, SCHEMA_CHOICE and SCHEMA_WORD */
	const struct schema_list *list;
	const char *fallback; /* the default as text, for help */
	const char *help;     /* one line */
	bool required;
	bool if_true; /* a bool that is left out while it is false: older versions do not know it */
	bool read_only; /* shown, never accepted from a user's file */
	int (*decode)(const struct node *node, void *object, struct error *err);
	json_t *(*encode)(const void *object); /* NULL result: leave the key out */
};

struct schema {
	const char *entity; /* "network" */
	const char *help;
	const struct schema_key *keys;
	size_t n_keys;
};

/* Fills object (which holds its defaults) from a map. With trusted, read_only keys are accepted
 * too. */
int schema_decode(const struct schema *schema, const struct node *map, void *object, bool trusted,
		  struct error *err);
json_t *schema_encode(const struct schema *schema, const void *object);
/* Sets one key from text as the command line gives it (KEY=VALUE; lists by commas; YAML flow
 * syntax). */
int schema_set(const struct schema *schema, void *object, const char *key, const char *value,
	       struct error *err);

extern const struct schema lab_schema; /* a lab file's outermost keys; not to be encoded */
extern const struct schema
	network_schema; /* struct network; `name`, `id`, `ifname` and `lab` read_only */
extern const struct schema reservation_schema; /* struct reservation; `automatic` read_only */
extern const struct schema dhcp_schema;	       /* struct network; the map under `dhcp` */
extern const struct schema port_schema;	       /* struct port */
extern const struct schema machine_schema;     /* struct machine */
extern const struct schema nic_schema;	       /* struct nic */
extern const struct schema proxy_schema;       /* struct proxy */
