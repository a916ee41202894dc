/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "verbs/help.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/paths.h"
#include "cli/client.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/verb_meant.h"
#include "ipc/varlink_client.h"
#include "model/schema.h"
#include "verbs/verbs.h"

static void print_entry(const char *left, const char *right)
{
	if (strlen(left) > 30)
		printf("  %s\n  %-30s  %s\n", left, "", right);
	else
		printf("  %-30s  %s\n", left, right);
}

static void print_options(const struct verb_option *options)
{
	for (const struct verb_option *option = options; option && option->name; option++) {
		char left[64], letter[8] = "";
		if (option->letter)
			snprintf(letter, sizeof(letter), "-%c, ", option->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, option->name,
			 option->value ? " " : "", option->value ? option->value : "");
		print_entry(left, option->help);
	}
}

static void print_verb_line(const struct verb *verb)
{
	char left[128];
	snprintf(left, sizeof(left), "%s%s%s%s%s", verb->group ? verb->group : "",
		 verb->group ? " " : "", verb->name, *verb->arguments ? " " : "", verb->arguments);
	print_entry(left, verb->help);
}

static void print_all(void)
{
	printf("usage: lanyard [OPTION]... VERB [ARGUMENT]...\n\n"
	       "Plugs every virtual machine of this computer into the same network.\n");
	for (const struct verb_table *table = verb_tables; table->title; table++) {
		printf("\n%s%s%s\n", output_style(STYLE_BOLD), table->title,
		       output_style(STYLE_PLAIN));
		for (const struct verb *verb = table->verbs; verb->name; verb++)
			if (!verb->hidden)
				print_verb_line(verb);
	}
	printf("\n%sOptions, before or after the verb%s\n", output_style(STYLE_BOLD),
	       output_style(STYLE_PLAIN));
	print_options(verb_globals);
	printf("\n%sExit codes%s\n", output_style(STYLE_BOLD), output_style(STYLE_PLAIN));
	const char *help;
	for (int code = 0; (help = exit_code_help(code)); code++)
		printf("  %d  %s\n", code, help);
}

static void print_group(const char *group)
{
	printf("usage: lanyard %s VERB [ARGUMENT]...\n\n", group);
	for (const struct verb_table *table = verb_tables; table->title; table++)
		for (const struct verb *verb = table->verbs; verb->name; verb++)
			if (verb->group && strcmp(verb->group, group) == 0 && !verb->hidden)
				print_verb_line(verb);
	printf("\n'lanyard help %s VERB' explains one.\n", group);
}

static void print_keys(const struct schema *schema)
{
	printf("\nKeys of a %s:\n", schema->entity);
	for (size_t i = 0; i < schema->n_keys; i++) {
		const struct schema_key *key = &schema->keys[i];
		char right[256];
		if (key->read_only)
			continue;
		int used = snprintf(right, sizeof(right), "%s", key->help ? key->help : "");
		for (const char *const *word = key->words; word && *word; word++)
			used += snprintf(right + used, sizeof(right) - (size_t)used, "%s%s",
					 word == key->words ? ": " : ", ", *word);
		if (key->fallback)
			snprintf(right + used, sizeof(right) - (size_t)used, " (default: %s)",
				 key->fallback);
		print_entry(key->key, right);
	}
}

static void print_verb(const struct verb *verb)
{
	printf("usage: lanyard %s%s%s%s%s%s\n\n%c%s.\n", verb->group ? verb->group : "",
	       verb->group ? " " : "", verb->name, verb->options ? " [OPTION]..." : "",
	       *verb->arguments ? " " : "", verb->arguments, verb->help[0] & ~0x20, verb->help + 1);
	if (verb->details)
		printf("%s\n", verb->details);
	for (size_t i = 0; i < VERB_COMPLETES; i++) {
		const struct schema *schema = verb_schema(verb->completes[i]);
		if (schema) {
			print_keys(schema);
			break;
		}
	}
	if (verb->options) {
		printf("\nOptions:\n");
		print_options(verb->options);
	}
	if (verb->examples) {
		printf("\nExamples:\n");
		for (const char *line = verb->examples; *line; line += strcspn(line, "\n") + 1)
			printf("  %.*s\n", (int)strcspn(line, "\n"), line);
	}
	printf("\nOptions of every verb: 'lanyard help'.\n");
}

static int unknown_help(const char *group, const char *name, struct error *err)
{
	return error_set(err, EINVAL, "no help on '%s%s%s'%s; 'lanyard help' lists all verbs",
			 group ? group : "", group ? " " : "", name, verb_meant(group, name));
}

static json_t *options_json(const struct verb_option *options)
{
	json_t *list = json_array();
	for (const struct verb_option *option = options; option && option->name; option++)
		json_array_append_new(list,
				      json_pack("{s:s,s:s?,s:s}", "name", option->name, "value",
						option->value, "help", option->help));
	return list;
}

/* Of all verbs, a group's, or one. */
static json_t *help_json(const char *group, const char *name)
{
	json_t *verbs = json_array();
	for (const struct verb_table *table = verb_tables; table->title; table++)
		for (const struct verb *verb = table->verbs; verb->name; verb++) {
			bool is_meant = (!group || (verb->group && !strcmp(verb->group, group))) &&
					(!name || !strcmp(verb->name, name)) &&
					(group || !name || !verb->group);
			if (is_meant && !verb->hidden)
				json_array_append_new(verbs,
						      json_pack("{s:s?,s:s,s:s,s:s,s:o}", "group",
								verb->group, "name", verb->name,
								"arguments", verb->arguments,
								"help", verb->help, "options",
								options_json(verb->options)));
		}
	return json_pack("{s:o,s:o}", "verbs", verbs, "options", options_json(verb_globals));
}

int help_print(const char *group, const char *name, struct error *err)
{
	const struct verb *verb = name ? verb_find(group, name) : NULL;
	if (name && !verb)
		return unknown_help(group, name, err);
	if (output_is_json())
		output_json(help_json(group, name));
	else if (verb)
		print_verb(verb);
	else if (group)
		print_group(group);
	else
		print_all();
	return 0;
}

static int help_run(struct invocation *invocation, struct error *err)
{
	const char *const *words = invocation->arguments;
	if (invocation->n_arguments == 2)
		return help_print(words[0], words[1], err);
	if (invocation->n_arguments == 1)
		return verb_is_group(words[0]) ? help_print(words[0], NULL, err)
					       : help_print(NULL, words[0], err);
	return help_print(NULL, NULL, err);
}

/* Of this program, and of the broker where one answers; starts none. */
static int version_run(struct invocation *invocation, struct error *err)
{
	(void)err;
	struct varlink_answer answer = {0};
	struct error ignored;
	json_t *all = json_pack("{s:s}", "version", LANYARD_VERSION);
	if (client_open_running(invocation, &ignored) == 0 &&
	    client_call(invocation, "GetVersion", NULL, &answer, &ignored) == 0)
		json_object_set(all, "broker", answer.parameters);
	if (output_is_json()) {
		output_json(all);
	} else {
		json_t *broker = json_object_get(all, "broker");
		printf("lanyard %s\n", LANYARD_VERSION);
		if (broker)
			printf("lanyardd %s (%s instance '%s', process %lld)\n",
			       json_string_value(json_object_get(broker, "version")),
			       json_string_value(json_object_get(broker, "kind")),
			       json_string_value(json_object_get(broker, "instance")),
			       (long long)json_integer_value(json_object_get(broker, "pid")));
		json_decref(all);
	}
	varlink_answer_done(&answer);
	return 0;
}

const struct verb about_verbs[] = {
	{.name = "help",
	 .arguments = "[VERB]",
	 .help = "explain a verb, or list all",
	 .max = 2,
	 .completes = {COMPLETE_VERB, COMPLETE_VERB},
	 .run = help_run},
	{.name = "version", .arguments = "", .help = "print the versions", .run = version_run},
	{.name = "completion",
	 .arguments = "[bash | zsh | fish]",
	 .help = "print the completion for a shell (default: bash)",
	 .details = "An installed Lanyard needs no more. Run from its build folder:\n"
		    "  eval \"$(lanyard completion)\"            in ~/.bashrc\n"
		    "  eval \"$(lanyard completion zsh)\"        in ~/.zshrc, after compinit\n"
		    "  lanyard completion fish | source          in ~/.config/fish/config.fish",
	 .max = 1,
	 .completes = {COMPLETE_SHELL},
	 .run = completion_run},
	{.name = "complete-words",
	 .arguments = "INDEX -- WORD...",
	 .help = "print what may stand at a place of a command line",
	 .min = 1,
	 .max = 1,
	 .rest = REST_FOLLOWS,
	 .hidden = true,
	 .run = complete_run},
	{0},
};
