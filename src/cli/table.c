/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/table.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/output.h"

#define COLUMNS_MAX 32
#define GAP	    2

/* How it is laid out. */
struct layout {
	size_t widths[COLUMNS_MAX];
	bool hidden[COLUMNS_MAX];
	size_t last; /* column that is shown */
};

void table_init(struct table *table, const char *const *titles, size_t n_columns)
{
	*table = (struct table){.titles = titles, .n_columns = n_columns};
}

void table_add(struct table *table, const char *cell)
{
	table->cells = memory_grow(table->cells, &table->room, table->n_cells + 1, sizeof(char *));
	table->cells[table->n_cells++] = text_copy(cell && *cell ? cell : "-");
}

void table_add_members(struct table *table, const json_t *map, const char *const *keys,
		       size_t n_keys)
{
	for (size_t i = 0; i < n_keys; i++) {
		AUTO_FREE char *cell = output_member(map, keys[i]);
		table_add(table, cell);
	}
}

/* Columns on a terminal; bytes of UTF-8 that continue a character take none. */
static size_t text_width(const char *text)
{
	size_t width = 0;
	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void measure(const struct table *table, struct layout *ret)
{
	*ret = (struct layout){.last = table->n_columns - 1};
	for (size_t i = 0; i < table->n_columns; i++)
		ret->widths[i] = strlen(table->titles[i]);
	for (size_t i = 0; i < table->n_cells; i++) {
		size_t *width = &ret->widths[i % table->n_columns];
		size_t length = text_width(table->cells[i]);
		*width = length > *width ? length : *width;
	}
}

static size_t width_of(const struct table *table, const struct layout *layout)
{
	size_t width = 0;
	for (size_t i = 0; i < table->n_columns; i++)
		width += layout->hidden[i] ? 0 : layout->widths[i] + GAP;
	return width - GAP;
}

static size_t column_of(const struct table *table, const char *title)
{
	size_t i = 0;
	while (strcmp(table->titles[i], title) != 0)
		i++;
	return i;
}

/* Of the terminal that it goes to; 0: of any width. */
static size_t room(void)
{
	struct winsize size;
	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col
										     : 0;
}

/* Hides what does not fit, the least important first; what fits again when a wide one has gone
 * comes back. */
static void fit(const struct table *table, struct layout *layout)
{
	size_t width = room(), n_hidden = 0;
	while (width && table->spare && table->spare[n_hidden] && width_of(table, layout) > width)
		layout->hidden[column_of(table, table->spare[n_hidden++])] = true;
	while (n_hidden-- > 0) {
		bool *hidden = &layout->hidden[column_of(table, table->spare[n_hidden])];
		*hidden = false;
		*hidden = width_of(table, layout) > width;
	}
	while (layout->hidden[layout->last])
		layout->last--;
}

static void say_hidden(const struct table *table, const struct layout *layout)
{
	const char *gap = "";
	struct text text;
	text_begin(&text);
	for (size_t i = 0; i < table->n_columns; i++)
		if (layout->hidden[i]) {
			fprintf(text.out, "%s%s", gap, table->titles[i]);
			gap = ", ";
		}
	AUTO_FREE char *hidden = text_end(&text);
	if (*hidden)
		output_note("not shown in so narrow a terminal: %s ('| cat' shows all)", hidden);
}

static void print_row(const struct table *table, const char *const *cells,
		      const struct layout *layout, enum output_style style)
{
	if (style != STYLE_PLAIN)
		fputs(output_style(style), stdout);
	for (size_t i = 0; i < layout->last; i++)
		if (!layout->hidden[i])
			printf("%s%*s", cells[i],
			       (int)(layout->widths[i] - text_width(cells[i]) + GAP), "");
	/* No spaces at the end of a line. */
	printf("%s%s\n", cells[layout->last],
	       style == STYLE_PLAIN ? "" : output_style(STYLE_PLAIN));
}

static void print_rows(const struct table *table)
{
	struct layout layout;
	measure(table, &layout);
	fit(table, &layout);
	if (!output_is_quiet())
		print_row(table, table->titles, &layout, STYLE_BOLD);
	for (size_t i = 0; i + table->n_columns <= table->n_cells; i += table->n_columns)
		print_row(table, (const char *const *)table->cells + i, &layout, STYLE_PLAIN);
	say_hidden(table, &layout);
}

void table_print(struct table *table, const char *empty_note)
{
	if (table->n_cells == 0 && empty_note)
		output_note("%s", empty_note);
	if (table->n_cells > 0)
		print_rows(table);
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct table){0};
}
