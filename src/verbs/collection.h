/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the verbs of networks and ports have in common: one of them is shown, several are removed.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

struct error;
struct invocation;
struct table;

struct collection {
	const char *what;	    /* "network" */
	const char *group;	    /* "net": of the verb that lists them */
	const char *lists, *member; /* the method, and where its answer has them */
	const char *removes;	    /* the method; key is its parameter */
	const char *key;	    /* what one is called by */
	void (*tell)(json_t *item); /* makes it one for people; NULL: it is */
	const char *asks;	    /* parameter of lists that asks for one; NULL: it has none */
	void (*more)(struct invocation *invocation, json_t *found); /* adds what only show tells */
};

/* The one that the first argument names. */
int collection_show(struct invocation *invocation, const struct collection *collection,
		    struct error *err);
/* All that the arguments name; 1 when some could not be removed. options: further parameters,
 * NULL: none. */
int collection_remove(struct invocation *invocation, const struct collection *collection,
		      json_t *options, struct error *err);
/* Whose each one is says something to those only who see other users'. key: where the uid is. */
bool collection_has_others(const json_t *list, const char *key);
/* The name of that user as a cell. */
void collection_add_owner(struct table *table, const json_t *item, const char *key);
