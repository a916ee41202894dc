/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Completion: the shell hands over its words, the answer comes from the tables and, for names, from
 * the instance if it runs (none is started by the Tab key). One line for each word that may stand
 * there, what it is about behind a tab; for what the shell knows itself @files, and @commands N:
 * word N and what follows are another command's line. How a shell is asked for it is in
 * completion/.
 */
#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/client.h"
#include "diagnosis/doctor.h"
#include "ipc/varlink_client.h"
#include "machine/machine_store.h"
#include "model/schema.h"
#include "verbs/seats.h"
#include "verbs/verbs.h"

struct completion {
	struct invocation *invocation; /* of complete-words; names which instance */
	const char *word;	       /* as far as it is typed */
	const char *first;	       /* first argument of the verb on the line, or NULL */
	size_t command;		       /* where another command's line begins */
};

/* about: one line for people, NULL where the word says it. */
static void offer_about(const struct completion *completion, const char *word, const char *suffix,
			const char *about)
{
	if (word && strncmp(word, completion->word, strlen(completion->word)) == 0)
		printf("%s%s%s%s\n", word, suffix, about ? "\t" : "", about ? about : "");
}

static void offer(const struct completion *completion, const char *word)
{
	offer_about(completion, word, "", NULL);
}

static void offer_words(const struct completion *completion, const char *const *words)
{
	for (; words && *words; words++)
		offer(completion, *words);
}

/* Offers a member of each object in a list that a method answers. */
static void offer_answers(const struct completion *completion, const char *method,
			  json_t *parameters, const char *list, const char *member)
{
	struct error ignored;
	struct varlink_answer answer = {0};
	if (client_open_running(completion->invocation, &ignored) < 0) {
		json_decref(parameters);
		return;
	}
	size_t index;
	json_t *item;
	if (client_call(completion->invocation, method, parameters, &answer, &ignored) == 0) {
		json_array_foreach (json_object_get(answer.parameters, list), index, item) {
			const json_t *value = json_object_get(item, member);
			char number[24];
			snprintf(number, sizeof(number), "%lld",
				 (long long)json_integer_value(value));
			offer(completion,
			      json_is_integer(value) ? number : json_string_value(value));
		}
	}
	varlink_answer_done(&answer);
}

static void offer_networks(const struct completion *completion)
{
	offer_answers(completion, "ListNetworks", NULL, "networks", "name");
}

static void offer_labs(const struct completion *completion)
{
	offer_answers(completion, "ListNetworks", NULL, "networks", "lab");
}

static void offer_ports(const struct completion *completion)
{
	offer_answers(completion, "ListPorts", NULL, "ports", "id");
}

static void offer_seats(const struct completion *completion)
{
	struct error ignored;
	if (client_open_running(completion->invocation, &ignored) < 0)
		return;
	json_t *ports = seat_ask(completion->invocation, "ListPorts", NULL, "ports", &ignored),
	       *port;
	size_t index;
	json_array_foreach (ports, index, port) {
		uint32_t number = seat_of_port(port);
		char text[24];
		snprintf(text, sizeof(text), "%u", number);
		if (number)
			offer(completion, text);
	}
	json_decref(ports);
}

static void offer_published(const struct completion *completion)
{
	offer_answers(completion, "ListPublished", NULL, "published", "host_port");
}

static void offer_machines(const struct completion *completion)
{
	struct error ignored;
	struct machine_list list = {0};
	if (client_paths(completion->invocation, &ignored) == 0 &&
	    machine_store_list(&completion->invocation->own, &list, &ignored) == 0)
		for (size_t i = 0; i < list.count; i++)
			offer(completion, list.items[i]->machine->name);
	machine_list_done(&list);
}

static void offer_captures(const struct completion *completion)
{
	offer_machines(completion);
	offer_ports(completion);
	offer_networks(completion);
}

static void offer_reservations(const struct completion *completion)
{
	struct error ignored;
	struct varlink_answer answer = {0};
	if (!completion->first || client_open_running(completion->invocation, &ignored) < 0)
		return;
	size_t i, j;
	json_t *network, *reservation;
	if (client_call(completion->invocation, "ListNetworks", NULL, &answer, &ignored) == 0) {
		json_array_foreach (json_object_get(answer.parameters, "networks"), i, network) {
			const char *name = json_string_value(json_object_get(network, "name"));
			if (!name || strcmp(name, completion->first) != 0)
				continue;
			json_array_foreach (json_object_get(network, "reservations"), j,
					    reservation)
				offer(completion,
				      json_string_value(json_object_get(reservation, "name")));
		}
	}
	varlink_answer_done(&answer);
}

static void offer_keys(const struct completion *completion, const struct schema *schema)
{
	const char *equals = strchr(completion->word, '=');
	for (size_t i = 0; i < schema->n_keys; i++) {
		const struct schema_key *key = &schema->keys[i];
		if (key->read_only)
			continue;
		if (!equals) {
			offer_about(completion, key->key, "=", key->help);
			continue;
		}
		size_t length = (size_t)(equals - completion->word);
		if (strlen(key->key) != length || memcmp(key->key, completion->word, length) != 0)
			continue;
		static const char *const bools[] = {"true", "false", NULL};
		struct completion value = *completion;
		value.word = equals + 1;
		offer_words(&value, key->type == SCHEMA_BOOL ? bools : key->words);
	}
}

static void offer_network_keys(const struct completion *completion)
{
	offer_keys(completion, &network_schema);
}

static void offer_port_keys(const struct completion *completion)
{
	offer_keys(completion, &port_schema);
}

static void offer_seat_keys(const struct completion *completion)
{
	offer_keys(completion, &seat_schema);
}

static void offer_files(const struct completion *completion)
{
	(void)completion;
	puts("@files");
}

static void offer_commands(const struct completion *completion)
{
	printf("@commands %zu\n", completion->command);
}

static void offer_nothing(const struct completion *completion)
{
	(void)completion;
}

/* The second words of a group, or all first words. */
static void offer_verbs_of(const struct completion *completion, const char *group)
{
	const char *last = NULL;
	for (const struct verb_table *table = verb_tables; table->title; table++) {
		for (const struct verb *verb = table->verbs; verb->name; verb++) {
			if (verb->hidden)
				continue;
			if (group && verb->group && strcmp(verb->group, group) == 0)
				offer_about(completion, verb->name, "", verb->help);
			if (group)
				continue;
			const char *word = verb->group ? verb->group : verb->name;
			if (!last || strcmp(last, word) != 0)
				offer_about(completion, word, "",
					    verb->group ? table->title : verb->help);
			last = word;
		}
	}
}

static void offer_verbs(const struct completion *completion)
{
	const char *first = completion->first;
	offer_verbs_of(completion, first && verb_is_group(first) ? first : NULL);
}

static void offer_checks(const struct completion *completion)
{
	for (const struct check *const *area = doctor_areas; *area; area++)
		for (const struct check *check = *area; check->id; check++)
			offer_about(completion, check->id, "", check->title);
}

static void offer_shells(const struct completion *completion)
{
	offer_words(completion, completion_shells);
}

static void offer_groups(const struct completion *completion)
{
	const struct group *group;
	setgrent();
	while ((group = getgrent()))
		offer(completion, group->gr_name);
	endgrent();
}

static void (*const offers[COMPLETE_KINDS])(const struct completion *) = {
	[COMPLETE_NOTHING] = offer_nothing,	[COMPLETE_FILE] = offer_files,
	[COMPLETE_COMMAND] = offer_commands,	[COMPLETE_VERB] = offer_verbs,
	[COMPLETE_NETWORK] = offer_networks,	[COMPLETE_NETWORK_KEY] = offer_network_keys,
	[COMPLETE_PORT] = offer_ports,		[COMPLETE_PORT_KEY] = offer_port_keys,
	[COMPLETE_SEAT] = offer_seats,		[COMPLETE_SEAT_KEY] = offer_seat_keys,
	[COMPLETE_MACHINE] = offer_machines,	[COMPLETE_RESERVATION] = offer_reservations,
	[COMPLETE_PUBLISHED] = offer_published, [COMPLETE_LAB] = offer_labs,
	[COMPLETE_CHECK] = offer_checks,	[COMPLETE_SHELL] = offer_shells,
	[COMPLETE_GROUP] = offer_groups,	[COMPLETE_LINE] = offer_nothing,
	[COMPLETE_CAPTURE] = offer_captures,
};

static void offer_options(const struct completion *completion, const struct verb_option *options)
{
	for (const struct verb_option *option = options; option && option->name; option++) {
		char word[64];
		snprintf(word, sizeof(word), "--%s", option->name);
		offer_about(completion, word, "", option->help);
	}
}

/* The option that a word names, "--NAME", "--NAME=VALUE" or "-N", and that takes a value. */
static const struct verb_option *wants_value(const struct verb_option *options, const char *word)
{
	for (const struct verb_option *option = options; option && option->name; option++) {
		if (!option->value)
			continue;
		size_t length = strcspn(word, "=");
		if (strncmp(word, "--", 2) == 0 && strlen(option->name) == length - 2 &&
		    strncmp(word + 2, option->name, length - 2) == 0)
			return option;
		if (word[0] == '-' && option->letter && word[1] == option->letter && !word[2])
			return option;
	}
	return NULL;
}

/* What the words in front of the one to complete make of it. */
struct line {
	const struct verb *verb;
	const char *group;
	const char *first;
	size_t n_arguments;
	bool rest;
	size_t command;			  /* where the rest begins */
	const struct verb_option *option; /* whose value it is */
};

static const struct verb_option *line_option(const struct line *line, const char *word)
{
	const struct verb_option *option =
		wants_value(line->verb ? line->verb->options : NULL, word);
	return option ? option : wants_value(verb_globals, word);
}

/* Has the verb all its arguments, so that a command of somebody else's follows? */
static bool is_full(const struct line *line)
{
	return line->verb && line->verb->rest == REST_FOLLOWS &&
	       line->verb->max == (int)line->n_arguments;
}

static void line_read(struct line *line, char **words, size_t n_words,
		      struct invocation *invocation)
{
	for (size_t i = 1; i < n_words && !line->rest; i++) {
		const char *word = words[i];
		line->command = i + (strcmp(word, "--") == 0);
		if (line->option) {
			if (strcmp(line->option->name, "instance") == 0)
				invocation->instance = word;
			line->option = NULL;
		} else if (strcmp(word, "--") == 0) {
			line->rest = true;
		} else if (word[0] == '-') {
			invocation->user |= strcmp(word, "--user") == 0;
			invocation->system |= strcmp(word, "--system") == 0;
			line->option = strchr(word, '=') ? NULL : line_option(line, word);
		} else if (is_full(line)) {
			line->rest = true;
		} else if (line->verb) {
			line->first = line->n_arguments++ ? line->first : word;
		} else if (!line->group && verb_is_group(word)) {
			line->group = word;
		} else {
			line->verb = verb_find(line->group, word);
			line->rest = !line->verb;
			if (line->verb && line->verb->completes[0] == COMPLETE_LINE)
				*line = (struct line){.command = line->command};
		}
	}
}

int complete_run(struct invocation *invocation, struct error *err)
{
	char *end;
	unsigned long index = strtoul(invocation->arguments[0], &end, 10);
	if (*end || index == 0 || index > invocation->n_rest)
		return error_set(err, EINVAL, "bad index '%s'", invocation->arguments[0]);
	struct completion completion = {.invocation = invocation, .word = ""};
	if (index < invocation->n_rest)
		completion.word = invocation->rest[index];
	struct line line = {0};
	line_read(&line, invocation->rest, index, invocation);
	completion.first = line.first;
	completion.command = line.rest ? line.command : index;
	const struct verb *verb = line.verb;
	const char *equals =
		strncmp(completion.word, "--", 2) ? NULL : strchr(completion.word, '=');
	if (equals && !line.option && (line.option = line_option(&line, completion.word)))
		completion.word = equals + 1;
	size_t place = line.n_arguments < VERB_COMPLETES ? line.n_arguments : VERB_COMPLETES - 1;
	if (line.option) {
		offers[line.option->completes](&completion);
	} else if (!line.rest && completion.word[0] == '-') {
		offer_options(&completion, verb ? verb->options : NULL);
		offer_options(&completion, verb_globals);
	} else if (line.rest || is_full(&line)) {
		offers[verb && verb->rest != REST_NONE ? COMPLETE_COMMAND : COMPLETE_NOTHING](
			&completion);
	} else if (!verb) {
		offer_verbs_of(&completion, line.group);
	} else if (verb->max < 0 || (int)line.n_arguments < verb->max) {
		offers[verb->completes[place]](&completion);
	}
	return 0;
}
