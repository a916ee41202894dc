/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Aligned columns for people. */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* Cells are copied; NULL and "" become "-". */
struct table {
	const char *const *titles;
	size_t n_columns;
	/* Titles of columns that a terminal which is too narrow for all does without, the first of
	 * them first; ended by NULL. NULL: none. */
	const char *const *spare;
	char **cells;
	size_t n_cells, room;
};
void table_init(struct table *table, const char *const *titles, size_t n_columns);
void table_add(struct table *table, const char *cell);
/* The members of a map under these keys, a cell each. */
void table_add_members(struct table *table, const json_t *map, const char *const *keys,
		       size_t n_keys);
/* Prints it and empties it; for one without rows empty_note on standard error. With -q no titles.
 * All columns where the output is no terminal. */
void table_print(struct table *table, const char *empty_note);
