/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/verb.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/verb_meant.h"
#include "model/name.h"
#include "model/schema.h"
#include "model/seat.h"

/* Options that every verb takes, before or after it. */
const struct verb_option verb_globals[] = {
	{"user", 0, NULL, "talk to your own instance", COMPLETE_NOTHING},
	{"system", 0, NULL, "talk to the computer's instance", COMPLETE_NOTHING},
	{"instance", 0, "NAME", "talk to the instance of this name", COMPLETE_NOTHING},
	{"json", 0, NULL, "print one JSON value, errors in it too", COMPLETE_NOTHING},
	{"dry-run", 0, NULL, "say what would be done and do nothing", COMPLETE_NOTHING},
	{"quiet", 'q', NULL, "print errors and what was asked for, no more", COMPLETE_NOTHING},
	{"verbose", 'v', NULL, "print more", COMPLETE_NOTHING},
	{"no-color", 0, NULL, "no colours, not even on a terminal", COMPLETE_NOTHING},
	{"help", 'h', NULL, "explain the verb", COMPLETE_NOTHING},
	{"version", 0, NULL, "print the version", COMPLETE_NOTHING},
	{0},
};

/* Where verb_globals[i] is kept: a bool, but for --instance. */
static const size_t global_flags[] = {
	offsetof(struct invocation, user),     offsetof(struct invocation, system),
	offsetof(struct invocation, instance), offsetof(struct invocation, json),
	offsetof(struct invocation, dry_run),  offsetof(struct invocation, quiet),
	offsetof(struct invocation, verbose),  offsetof(struct invocation, no_color),
	offsetof(struct invocation, help),     offsetof(struct invocation, version),
};
_Static_assert(sizeof(global_flags) / sizeof(global_flags[0]) ==
		       sizeof(verb_globals) / sizeof(verb_globals[0]) - 1,
	       "a place for each global option");

void nearest_feed(struct nearest *nearest, const char *word)
{
	if (nearest->n_words < NEAREST_MAX)
		nearest->words[nearest->n_words++] = word;
}

const char *nearest_text(const struct nearest *nearest)
{
	static char text[128];
	const char *best = name_nearest(nearest->typed, nearest->words, nearest->n_words);
	if (!best)
		return "";
	snprintf(text, sizeof(text), " (did you mean '%s'?)", best);
	return text;
}

const struct verb *verb_next(const struct verb *verb, const struct verb_table **table)
{
	if (!verb)
		*table = verb_tables;
	else if ((++verb)->name)
		return verb;
	else
		++*table;
	for (; (*table)->title; ++*table)
		if ((*table)->verbs->name)
			return (*table)->verbs;
	return NULL;
}

bool verb_is_of(const struct verb *verb, const char *group)
{
	return verb->group && group ? strcmp(verb->group, group) == 0 : verb->group == group;
}

const struct verb *verb_find(const char *group, const char *name)
{
	const struct verb_table *table;
	for (const struct verb *verb = verb_next(NULL, &table); verb;
	     verb = verb_next(verb, &table))
		if (verb_is_of(verb, group) && strcmp(verb->name, name) == 0)
			return verb;
	return NULL;
}

bool verb_is_group(const char *word)
{
	const struct verb_table *table;
	for (const struct verb *verb = verb_next(NULL, &table); verb;
	     verb = verb_next(verb, &table))
		if (verb_is_of(verb, word))
			return true;
	return false;
}

const struct schema *verb_schema(enum complete kind)
{
	return kind == COMPLETE_NETWORK_KEY ? &network_schema
	       : kind == COMPLETE_PORT_KEY  ? &port_schema
	       : kind == COMPLETE_SEAT_KEY  ? &seat_schema
					    : NULL;
}

static int unknown_verb(const char *group, const char *word, struct error *err)
{
	return error_set(err, EINVAL, "unknown verb '%s%s%s'%s; 'lanyard help' lists all",
			 group ? group : "", group ? " " : "", word, verb_meant(group, word));
}

static const char *verb_title(const struct verb *verb)
{
	static char title[64];
	snprintf(title, sizeof(title), "%s%s%s", verb->group ? verb->group : "",
		 verb->group ? " " : "", verb->name);
	return title;
}

/* Where the reading of the command line is. */
struct reader {
	char **words;
	size_t n_words, next;
	struct invocation *invocation;
	bool only_words; /* "--" was read: no options any more */
};

/* An option by name (without dashes, length bytes) or by letter. */
static const struct verb_option *option_find(const struct verb_option *options, const char *name,
					     size_t length, char letter)
{
	for (const struct verb_option *option = options; option && option->name; option++)
		if (name ? strlen(option->name) == length && memcmp(option->name, name, length) == 0
			 : letter && option->letter == letter)
			return option;
	return NULL;
}

static int option_store(struct invocation *invocation, const struct verb_option *option,
			const char *value, struct error *err)
{
	const struct verb_option *own = invocation->verb ? invocation->verb->options : NULL;
	if (own && option >= own && option < own + VERB_OPTIONS_MAX) {
		const char **place = &invocation->values[option - own];
		if (*place && option->value)
			return error_set(err, EINVAL, "option --%s is given twice", option->name);
		*place = value ? value : "";
		return 0;
	}
	char *base = (char *)invocation + global_flags[option - verb_globals];
	if (option->value)
		*(const char **)(void *)base = value;
	else
		*(bool *)(void *)base = true;
	return 0;
}

static int unknown_option(const struct reader *reader, const char *word, struct error *err)
{
	const struct verb *verb = reader->invocation->verb;
	struct nearest nearest = {.typed = word + strspn(word, "-")};
	char copy[64];
	snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(nearest.typed, "="), nearest.typed);
	nearest.typed = copy;
	for (const struct verb_option *option = verb_globals; option->name; option++)
		nearest_feed(&nearest, option->name);
	for (const struct verb_option *option = verb ? verb->options : NULL; option && option->name;
	     option++)
		nearest_feed(&nearest, option->name);
	char dashed[80] = "";
	const char *best = name_nearest(copy, nearest.words, nearest.n_words);
	if (best)
		snprintf(dashed, sizeof(dashed), " (did you mean '--%s'?)", best);
	if (!verb)
		return error_set(err, EINVAL, "unknown option '%s'%s; 'lanyard help' lists all",
				 word, dashed);
	return error_set(err, EINVAL, "unknown option '%s'%s; 'lanyard help %s' lists all", word,
			 dashed, verb_title(verb));
}

static int option_value(struct reader *reader, const struct verb_option *option,
			const char *attached, struct error *err)
{
	if (!option->value && attached)
		return error_set(err, EINVAL, "option --%s takes no value", option->name);
	if (option->value && !attached) {
		if (reader->next >= reader->n_words)
			return error_set(err, EINVAL, "option --%s needs a value: --%s %s",
					 option->name, option->name, option->value);
		attached = reader->words[reader->next++];
	}
	return option_store(reader->invocation, option, attached, err);
}

static const struct verb_option *option_either(const struct reader *reader, const char *name,
					       size_t length, char letter)
{
	const struct verb *verb = reader->invocation->verb;
	const struct verb_option *option =
		option_find(verb ? verb->options : NULL, name, length, letter);
	return option ? option : option_find(verb_globals, name, length, letter);
}

static int read_option(struct reader *reader, const char *word, struct error *err)
{
	if (word[1] == '-') {
		size_t length = strcspn(word + 2, "=");
		const struct verb_option *option = option_either(reader, word + 2, length, 0);
		if (!option)
			return unknown_option(reader, word, err);
		return option_value(reader, option, word[2 + length] ? word + 3 + length : NULL,
				    err);
	}
	for (const char *letter = word + 1; *letter; letter++) {
		const struct verb_option *option = option_either(reader, NULL, 0, *letter);
		if (!option)
			return unknown_option(reader, word, err);
		const char *attached = option->value && letter[1] ? letter + 1 : NULL;
		int result = option_value(reader, option, attached, err);
		if (result < 0 || attached)
			return result;
	}
	return 0;
}

/* A word that is no option: group, verb or argument. */
static int read_word(struct reader *reader, const char *word, struct error *err)
{
	struct invocation *invocation = reader->invocation;
	if (!invocation->verb) {
		if (!invocation->group && verb_is_group(word)) {
			invocation->group = word;
			return 0;
		}
		invocation->verb = verb_find(invocation->group, word);
		return invocation->verb ? 0 : unknown_verb(invocation->group, word, err);
	}
	if (invocation->n_arguments == VERB_ARGUMENTS_MAX - 1)
		return error_set(err, EINVAL, "more than %d arguments", VERB_ARGUMENTS_MAX - 1);
	invocation->arguments[invocation->n_arguments++] = word;
	return 0;
}

static void read_rest(struct reader *reader)
{
	reader->invocation->rest = reader->words + reader->next;
	reader->invocation->n_rest = reader->n_words - reader->next;
	reader->next = reader->n_words;
}

/* Does everything from here on belong to the command that the verb runs? */
static bool is_rest(const struct reader *reader, const char *word)
{
	const struct invocation *invocation = reader->invocation;
	const struct verb *verb = invocation->verb;
	return verb && verb->rest == REST_FOLLOWS && invocation->n_arguments >= (size_t)verb->min &&
	       (word[0] != '-' || invocation->n_arguments > 0);
}

static int check_counts(const struct invocation *invocation, struct error *err)
{
	const struct verb *verb = invocation->verb;
	if ((int)invocation->n_arguments < verb->min)
		return error_set(err, EINVAL, "too few arguments: lanyard %s %s", verb_title(verb),
				 verb->arguments);
	if (verb->max >= 0 && (int)invocation->n_arguments > verb->max)
		return error_set(err, EINVAL, "unexpected argument '%s': lanyard %s%s%s",
				 invocation->arguments[verb->max], verb_title(verb),
				 *verb->arguments ? " " : "", verb->arguments);
	if (invocation->rest && verb->rest == REST_NONE)
		return error_set(err, EINVAL, "'%s' takes nothing after '--'", verb_title(verb));
	if (invocation->dry_run && verb->no_dry_run)
		return error_set(err, EINVAL, "'%s' cannot be tried with --dry-run",
				 verb_title(verb));
	for (size_t i = 0; i < invocation->n_arguments; i++)
		if (!*invocation->arguments[i])
			return error_set(err, EINVAL, "empty argument: lanyard %s %s",
					 verb_title(verb), verb->arguments);
	return 0;
}

/* The verb runs no command, so that "--" only ends the options. */
static bool is_plain(const struct reader *reader)
{
	const struct verb *verb = reader->invocation->verb;
	return verb && verb->rest == REST_NONE;
}

/* After a mistake: was the answer to be JSON? */
static int mistake(struct reader *reader, int result)
{
	for (size_t i = reader->next; i < reader->n_words; i++) {
		if (strcmp(reader->words[i], "--") == 0)
			break;
		reader->invocation->json |= strcmp(reader->words[i], "--json") == 0;
	}
	return result;
}

int verb_parse(int argc, char **argv, struct invocation *ret, struct error *err)
{
	memset(ret, 0, sizeof(*ret));
	struct reader reader = {
		.words = argv, .n_words = (size_t)argc, .next = 1, .invocation = ret};
	while (reader.next < reader.n_words) {
		const char *word = argv[reader.next];
		if (is_rest(&reader, word)) {
			reader.next += strcmp(word, "--") == 0;
			read_rest(&reader);
			break;
		}
		reader.next++;
		if (strcmp(word, "--") == 0 && !is_plain(&reader)) {
			read_rest(&reader);
			break;
		}
		if (strcmp(word, "--") == 0 && !reader.only_words) {
			reader.only_words = true;
			continue;
		}
		bool is_option = word[0] == '-' && word[1] && !reader.only_words;
		int result =
			is_option ? read_option(&reader, word, err) : read_word(&reader, word, err);
		if (result < 0)
			return mistake(&reader, result);
	}
	if (ret->user && ret->system)
		return error_set(err, EINVAL, "--user and --system exclude each other");
	if (ret->help || ret->version)
		return 0;
	if (!ret->verb && ret->group)
		return error_set(err, EINVAL, "'%s' needs a verb; 'lanyard help %s' lists them",
				 ret->group, ret->group);
	if (!ret->verb)
		return error_set(err, EINVAL,
				 "what to do is missing; 'lanyard help' lists the verbs");
	return check_counts(ret, err);
}

const char *verb_value(const struct invocation *invocation, const char *name)
{
	const struct verb_option *options = invocation->verb->options;
	const struct verb_option *option = option_find(options, name, strlen(name), 0);
	return option ? invocation->values[option - options] : NULL;
}

bool verb_given(const struct invocation *invocation, const char *name)
{
	return verb_value(invocation, name) != NULL;
}
