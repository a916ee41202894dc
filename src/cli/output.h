/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the user sees: one-line messages, JSON. Colours only where a person looks. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct error;
struct invocation;

/* From the global options; before it everything is plain. */
void output_init(const struct invocation *invocation);

enum output_voice {
	OUTPUT_LINE,	 /* of result, on standard output; not with -q, not with --json */
	OUTPUT_NOTE,	 /* on standard error about what goes on; not with -q */
	OUTPUT_PROGRESS, /* the same about work that takes its time, where a person watches or with
			    -v */
	OUTPUT_DETAIL,	 /* the same, with -v only */
};
void output_say(enum output_voice voice, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
#define output_line(...)     output_say(OUTPUT_LINE, __VA_ARGS__)
#define output_note(...)     output_say(OUTPUT_NOTE, __VA_ARGS__)
#define output_progress(...) output_say(OUTPUT_PROGRESS, __VA_ARGS__)
#define output_detail(...)   output_say(OUTPUT_DETAIL, __VA_ARGS__)
/* "lanyard: SENTENCE" on standard error, always. */
void output_error(const struct error *err);

bool output_is_json(void);
bool output_is_quiet(void);
/* The verb's result, which is taken; printed by output_finish. Called again it adds to it. */
void output_json(json_t *value);
/* Several things were named: the result is {"results": [...]}, one for each. */
void output_several(void);
/*
 * With --json exactly one value goes to standard output: the verb's result, {} where it has none;
 * where something failed an object with "errors": [{"exit": CODE, "message": SENTENCE}]. streams:
 * what the verb prints is somebody else's, only errors are told. Called once, at the end.
 */
void output_finish(bool streams);
/* From now on Ctrl-C and SIGTERM end the program with 130 and this sentence (static, and in need of
 * no escaping), also as --json wants it. */
void output_on_interrupt(const char *sentence);

/* The text of a member, the map's; "" where there is none. */
const char *text_of(const json_t *json, const char *key);
/* A list of maps in the order of the texts under these keys (NULL-terminated; numbers in texts by
 * their value). Fresh reference. */
json_t *output_sorted(const json_t *list, const char *const *keys);

/* A JSON value as people read it: lists by commas, maps as key=value. Fresh memory. */
char *output_value(const json_t *value);
/* Member of a map as text, NULL-safe; "" when it is not there. Fresh memory. */
char *output_member(const json_t *map, const char *key);
/* Prints "key: value" lines of a map. */
void output_map(const json_t *map);

/* Starts and ends bold or green, red, yellow where colours are on; "" else. */
enum output_style { STYLE_PLAIN, STYLE_BOLD, STYLE_GOOD, STYLE_BAD, STYLE_WARN, STYLES };
const char *output_style(enum output_style style);
