/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Verbs of the command line as tables. Each entity's file exports one table that says what a verb
 * is called, takes and does; parsing, help, suggestions and completion read nothing else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/paths.h"

struct error;
struct schema;
struct varlink_client;

#define VERB_OPTIONS_MAX   16
#define VERB_ARGUMENTS_MAX 1024
#define VERB_COMPLETES	   3

/* What a word may be, for completion. */
enum complete {
	COMPLETE_NOTHING,
	COMPLETE_FILE,
	COMPLETE_COMMAND,
	COMPLETE_VERB,
	COMPLETE_NETWORK,
	COMPLETE_NETWORK_KEY, /* KEY=VALUE of the network's schema */
	COMPLETE_PORT,
	COMPLETE_PORT_KEY,
	COMPLETE_SEAT,
	COMPLETE_SEAT_KEY,
	COMPLETE_MACHINE,
	COMPLETE_CAPTURE,     /* a machine, port or network */
	COMPLETE_RESERVATION, /* of the network named by the first argument */
	COMPLETE_PUBLISHED,
	COMPLETE_LAB,
	COMPLETE_CHECK, /* of doctor */
	COMPLETE_SHELL,
	COMPLETE_GROUP, /* of accounts */
	COMPLETE_LINE,	/* a whole call of lanyard */
	COMPLETE_KINDS,
};

struct verb_option {
	const char *name;  /* without dashes */
	char letter;	   /* 0: none */
	const char *value; /* what help calls its value, NULL: it takes none */
	const char *help;
	enum complete completes;
};

/* What happens to words that are not for us. */
enum verb_rest {
	REST_NONE,   /* no "--" */
	REST_AFTER,  /* everything after "--" */
	REST_FOLLOWS /* everything after the last required argument; "--" may stand before it */
};

struct invocation;
/* Returns 0, -errno with err (the exit code follows from it), or a positive exit code of its own
 * when everything was said already. */
typedef int verb_function(struct invocation *invocation, struct error *err);

struct verb {
	const char *group; /* "net", NULL for a verb of its own */
	const char *name;
	const char *arguments;		   /* as help shows them */
	const char *help;		   /* one line */
	const char *details;		   /* further lines, NULL: none */
	const char *examples;		   /* commands, one a line, NULL: none */
	const struct verb_option *options; /* ended by one without name, NULL: none */
	int min, max;			   /* positional arguments; max -1: any number */
	enum verb_rest rest;
	bool no_dry_run; /* it changes or runs something that cannot be foretold */
	bool hidden;	 /* not listed */
	enum complete
		completes[VERB_COMPLETES]; /* per argument, the last one for all that follow */
	verb_function *run;
};

/* A table of an entity, ended by one without name. */
struct verb_table {
	const char *title;
	const struct verb *verbs;
};
extern const struct verb_table verb_tables[]; /* in main.c, ended by one without title */
extern const struct verb_option verb_globals[];

/* Lookup of the words of one call. */
struct invocation {
	const struct verb *verb;
	const char *group; /* a group without verb (help) */
	bool user, system, json, dry_run, quiet, verbose, no_color, help, version;
	bool asks; /* can-i: with dry_run; whether the broker would, nothing else */
	const char *instance;
	const char *arguments[VERB_ARGUMENTS_MAX];
	size_t n_arguments;
	char **rest; /* NULL-terminated, part of argv */
	size_t n_rest;
	const char
		*values[VERB_OPTIONS_MAX]; /* as in verb->options; "" for a flag that was given */

	/* filled on first use by client.c */
	bool has_paths;
	struct paths paths; /* of the instance that is talked to */
	struct paths own;   /* where this user's machines and keys are */
	struct varlink_client *client;
};

/* Reads the command line. -EINVAL with the nearest suggestion. Keeps pointers into argv. */
int verb_parse(int argc, char **argv, struct invocation *ret, struct error *err);
/* The value of an option: NULL when it was not given, "" for a flag. name must be in the verb's
 * table. */
const char *verb_value(const struct invocation *invocation, const char *name);
bool verb_given(const struct invocation *invocation, const char *name);
/* The verb after this one in all tables, the first for NULL; NULL after the last. table: where the
 * walk is. */
const struct verb *verb_next(const struct verb *verb, const struct verb_table **table);
/* Does it belong to this group? NULL: to none. */
bool verb_is_of(const struct verb *verb, const char *group);
/* Finds a verb by its words; group is NULL for one of its own. */
const struct verb *verb_find(const char *group, const char *name);
bool verb_is_group(const char *word);
/* The schema whose keys an argument of this kind takes; NULL for others. */
const struct schema *verb_schema(enum complete kind);

/* The nearest of some words to what was typed: feed them all, then ask. */
#define NEAREST_MAX 128
struct nearest {
	const char *typed;
	const char *words[NEAREST_MAX];
	size_t n_words;
};
void nearest_feed(struct nearest *nearest, const char *word);
/* " (did you mean 'WORD'?)" or "". Static memory. */
const char *nearest_text(const struct nearest *nearest);
