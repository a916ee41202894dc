/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/output.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/verb.h"

static struct {
	bool json, quiet, verbose, color;
} mode;

static const char *const style_codes[] = {
	[STYLE_PLAIN] = "\033[0m", [STYLE_BOLD] = "\033[1m",  [STYLE_GOOD] = "\033[32m",
	[STYLE_BAD] = "\033[31m",  [STYLE_WARN] = "\033[33m",
};
_Static_assert(sizeof(style_codes) / sizeof(style_codes[0]) == STYLES, "a code for each style");

void output_init(const struct invocation *invocation)
{
	const char *terminal = getenv("TERM"), *plain = getenv("NO_COLOR"); /* no-color.org */
	mode.json = invocation->json;
	mode.quiet = invocation->quiet;
	mode.verbose = invocation->verbose && !invocation->quiet;
	mode.color = !invocation->no_color && !(plain && *plain) && isatty(STDOUT_FILENO) &&
		     terminal && strcmp(terminal, "dumb") != 0;
}

const char *output_style(enum output_style style)
{
	return mode.color ? style_codes[style] : "";
}

__attribute__((format(printf, 2, 0))) static void print_line(FILE *file, const char *format,
							     va_list args)
{
	vfprintf(file, format, args);
	fputc('\n', file);
}

void output_line(const char *format, ...)
{
	if (mode.json || mode.quiet)
		return;
	va_list args;
	va_start(args, format);
	print_line(stdout, format, args);
	va_end(args);
}

void output_note(const char *format, ...)
{
	if (mode.quiet)
		return;
	va_list args;
	fflush(stdout);
	va_start(args, format);
	print_line(stderr, format, args);
	va_end(args);
}

void output_detail(const char *format, ...)
{
	if (!mode.verbose)
		return;
	va_list args;
	fflush(stdout);
	va_start(args, format);
	print_line(stderr, format, args);
	va_end(args);
}

void output_error(const struct error *err)
{
	fflush(stdout);
	fprintf(stderr, "lanyard: %s\n", err->text);
}

bool output_is_json(void)
{
	return mode.json;
}

void output_json(json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	fputc('\n', stdout);
	json_decref(value);
}

void table_init(struct table *table, const char *const *titles, size_t n_columns)
{
	*table = (struct table){.titles = titles, .n_columns = n_columns};
}

void table_add(struct table *table, const char *cell)
{
	table->cells = memory_grow(table->cells, &table->room, table->n_cells + 1, sizeof(char *));
	table->cells[table->n_cells++] = text_copy(cell && *cell ? cell : "-");
}

static void print_row(const struct table *table, const char *const *cells, const size_t *widths)
{
	for (size_t i = 0; i < table->n_columns; i++) {
		/* No spaces at the end of a line. */
		if (i + 1 == table->n_columns)
			printf("%s\n", cells[i]);
		else
			printf("%-*s  ", (int)widths[i], cells[i]);
	}
}

void table_print(struct table *table)
{
	size_t widths[32] = {0};
	for (size_t i = 0; i < table->n_columns; i++)
		widths[i] = strlen(table->titles[i]);
	for (size_t i = 0; i < table->n_cells; i++) {
		size_t length = strlen(table->cells[i]);
		if (length > widths[i % table->n_columns])
			widths[i % table->n_columns] = length;
	}
	if (!mode.quiet) {
		fputs(output_style(STYLE_BOLD), stdout);
		print_row(table, table->titles, widths);
		fputs(output_style(STYLE_PLAIN), stdout);
	}
	for (size_t i = 0; i + table->n_columns <= table->n_cells; i += table->n_columns)
		print_row(table, (const char *const *)table->cells + i, widths);
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct table){0};
}

static char *join(char *list, const char *separator, const char *text)
{
	char *joined = list ? text_format("%s%s%s", list, separator, text) : text_copy(text);
	free(list);
	return joined;
}

static char *value_of_map(const json_t *value)
{
	char *text = NULL;
	const char *key;
	json_t *member;
	json_object_foreach ((json_t *)value, key, member) {
		AUTO_FREE char *part = output_value(member);
		AUTO_FREE char *pair = text_format("%s=%s", key, part);
		text = join(text, " ", pair);
	}
	return text ? text : text_copy("");
}

static char *value_of_list(const json_t *value)
{
	char *text = NULL;
	size_t index;
	json_t *member;
	json_array_foreach (value, index, member) {
		AUTO_FREE char *part = output_value(member);
		text = join(text, json_is_object(member) ? "; " : ",", part);
	}
	return text ? text : text_copy("");
}

char *output_value(const json_t *value)
{
	if (json_is_string(value))
		return text_copy(json_string_value(value));
	if (json_is_object(value))
		return value_of_map(value);
	if (json_is_array(value))
		return value_of_list(value);
	if (json_is_boolean(value))
		return text_copy(json_is_true(value) ? "yes" : "no");
	if (json_is_integer(value))
		return text_format("%lld", (long long)json_integer_value(value));
	if (json_is_real(value))
		return text_format("%g", json_real_value(value));
	return text_copy("");
}

char *output_member(const json_t *map, const char *key)
{
	return output_value(json_object_get(map, key));
}

void output_map(const json_t *map)
{
	size_t width = 0;
	const char *key;
	json_t *member;
	json_object_foreach ((json_t *)map, key, member)
		width = strlen(key) > width ? strlen(key) : width;
	json_object_foreach ((json_t *)map, key, member) {
		AUTO_FREE char *text = output_value(member);
		if (*text)
			printf("%s:%*s %s\n", key, (int)(width - strlen(key)), "", text);
	}
}
