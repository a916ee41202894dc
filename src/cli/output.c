/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/output.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/exit_code.h"
#include "cli/verb.h"

static struct {
	bool json, quiet, verbose, color;
} mode;

/* What --json has gathered. */
static struct {
	json_t *results; /* list of the verb's results */
	json_t *errors;	 /* list, NULL while nothing failed */
	bool is_several;
} gathered;

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

static bool is_wanted(enum output_voice voice)
{
	const bool wanted[] = {
		[OUTPUT_LINE] = !mode.json && !mode.quiet,
		[OUTPUT_NOTE] = !mode.quiet,
		[OUTPUT_PROGRESS] = !mode.quiet && (mode.verbose || isatty(STDERR_FILENO)),
		[OUTPUT_DETAIL] = mode.verbose,
	};
	return wanted[voice];
}

void output_say(enum output_voice voice, const char *format, ...)
{
	if (!is_wanted(voice))
		return;
	FILE *file = voice == OUTPUT_LINE ? stdout : stderr;
	if (file == stderr)
		fflush(stdout); /* before it, where both are shown */
	va_list args;
	va_start(args, format);
	vfprintf(file, format, args);
	va_end(args);
	fputc('\n', file);
}

void output_error(const struct error *err)
{
	fflush(stdout);
	fprintf(stderr, "lanyard: %s\n", err->text);
	if (!mode.json)
		return;
	if (!gathered.errors)
		gathered.errors = json_array();
	json_t *message = json_string(err->text);
	if (!message) /* not UTF-8 */
		message = json_string("see standard error");
	json_array_append_new(gathered.errors, json_pack("{s:i,s:o}", "exit", exit_code(-err->code),
							 "message", message));
}

bool output_is_quiet(void)
{
	return mode.quiet;
}

bool output_is_json(void)
{
	return mode.json;
}

void output_json(json_t *value)
{
	if (!gathered.results)
		gathered.results = json_array();
	json_array_append_new(gathered.results, value);
}

void output_several(void)
{
	gathered.is_several = true;
}

/* The results as one value; a fresh reference. */
static json_t *one_result(void)
{
	size_t n_results = json_array_size(gathered.results);
	json_t *only = json_array_get(gathered.results, 0);
	if (gathered.is_several || n_results > 1)
		return gathered.results ? json_pack("{s:O}", "results", gathered.results)
					: json_pack("{s:[]}", "results");
	if (!only || (gathered.errors && !json_is_object(only)))
		return json_object();
	return json_incref(only);
}

void output_finish(bool streams)
{
	if (mode.json && (!streams || gathered.errors || gathered.results)) {
		json_t *value = one_result();
		if (gathered.errors)
			json_object_set(value, "errors", gathered.errors);
		json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
		fputc('\n', stdout);
		json_decref(value);
	}
	json_decref(gathered.results);
	json_decref(gathered.errors);
	gathered.results = gathered.errors = NULL;
}

/* Only calls that are safe in a signal handler. */
static void say(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) < 0)
		_exit(130);
}

static const char *on_interrupt;

static void interrupted(int number)
{
	const char *sentence = on_interrupt;
	(void)number;
	say(STDERR_FILENO, "lanyard: ");
	say(STDERR_FILENO, sentence);
	say(STDERR_FILENO, "\n");
	if (mode.json) {
		say(STDOUT_FILENO, "{\"errors\": [{\"exit\": 130, \"message\": \"");
		say(STDOUT_FILENO, sentence);
		say(STDOUT_FILENO, "\"}]}\n");
	}
	_exit(130);
}

void output_on_interrupt(const char *sentence)
{
	on_interrupt = sentence;
	signal(SIGINT, interrupted);
	signal(SIGTERM, interrupted);
}

struct sorted {
	json_t *item;
	size_t place; /* before: equals stay in their order */
	const char *const *keys;
};

static int by_keys(const void *a, const void *b)
{
	const struct sorted *one = a, *other = b;
	int order = 0;
	for (const char *const *key = one->keys; order == 0 && *key; key++) {
		AUTO_FREE char *first = output_member(one->item, *key);
		AUTO_FREE char *second = output_member(other->item, *key);
		order = strverscmp(first, second);
	}
	return order ? order : one->place < other->place ? -1 : 1;
}

json_t *output_sorted(const json_t *list, const char *const *keys)
{
	size_t count = json_array_size(list);
	AUTO_FREE struct sorted *items = memory_zero(count + 1, sizeof(*items));
	for (size_t i = 0; i < count; i++)
		items[i] = (struct sorted){json_array_get(list, i), i, keys};
	qsort(items, count, sizeof(*items), by_keys);
	json_t *sorted = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append(sorted, items[i].item);
	return sorted;
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

const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));
	return text ? text : "";
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
		bool is_table = json_is_object(json_array_get(member, 0));
		for (size_t i = 0; i < (is_table ? json_array_size(member) : 1); i++) {
			AUTO_FREE char *text =
				output_value(is_table ? json_array_get(member, i) : member);
			if (*text)
				printf("%s%c%*s %s\n", i ? "" : key, i ? ' ' : ':',
				       (int)(width - (i ? 0 : strlen(key))), "", text);
		}
	}
}
