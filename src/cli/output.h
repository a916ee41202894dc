/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the user sees: aligned tables, one-line messages, JSON. Colours only where a person looks.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct error;
struct invocation;

/* From the global options; before it everything is plain. */
void output_init(const struct invocation *invocation);

/* A line of result on standard output; not with -q, not with --json. */
void output_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line on standard error about what goes on; not with -q. */
void output_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, with -v only. */
void output_detail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "lanyard: SENTENCE" on standard error, always. */
void output_error(const struct error *err);

bool output_is_json(void);
/* Prints a JSON value, which is taken. */
void output_json(json_t *value);

/* A table for people. Cells are copied; NULL and "" become "-". */
struct table {
	const char *const *titles;
	size_t n_columns;
	char **cells;
	size_t n_cells, room;
};
void table_init(struct table *table, const char *const *titles, size_t n_columns);
void table_add(struct table *table, const char *cell);
/* Prints it (nothing for one without rows, unless -q is missing: then the titles) and empties it.
 */
void table_print(struct table *table);

/* A JSON value as people read it: lists by commas, maps as key=value. Fresh memory. */
char *output_value(const json_t *value);
/* Member of a map as text, NULL-safe; "" when it is not there. Fresh memory. */
char *output_member(const json_t *map, const char *key);
/* Prints "key: value" lines of a map. */
void output_map(const json_t *map);

/* Starts and ends bold or green, red, yellow where colours are on; "" else. */
enum output_style { STYLE_PLAIN, STYLE_BOLD, STYLE_GOOD, STYLE_BAD, STYLE_WARN, STYLES };
const char *output_style(enum output_style style);
