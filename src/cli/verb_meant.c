/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which verb was meant: one of some group, what virsh, incus, docker or containerlab call it, or
 * the nearest word.
 */
#include "cli/verb_meant.h"

#include <stdio.h>
#include <string.h>

#include "cli/verb.h"
#include "model/name.h"

/* What others say for one of ours; the first line whose verb is there counts. */
static const struct {
	const char *others;	  /* between spaces */
	const char *where;	  /* the group that it stands behind; "*": any, "": none */
	const char *group, *name; /* ours; with "*" of the same group */
} others[] = {
	{" destroy kill poweroff shutdown down halt ", "vm", "vm", "stop"},
	{" create new define run launch boot up ", "vm", "vm", "start"},
	{" reboot reset ", "vm", "vm", "restart"},
	{" shell login exec enter ", "vm", "vm", "ssh"},
	{" attach ", "vm", "vm", "console"},
	{" rm delete del destroy undefine ", "*", NULL, "remove"},
	{" create new define ", "*", NULL, "add"},
	{" ls ps ", "*", NULL, "list"},
	{" info inspect dumpxml get ", "*", NULL, "show"},
	{" edit modify change update ", "*", NULL, "set"},
	{" ls list ps inspect show info ", "", NULL, "status"},
	{" deploy apply create launch run ", "", NULL, "up"},
	{" destroy teardown ", "", NULL, "down"},
	{" shell login ", "", NULL, "ssh"},
	{" attach ", "", "vm", "console"},
	{" enter ", "", NULL, "exec"},
	{" forward expose ", "", NULL, "publish"},
	{" tcpdump dump sniff ", "", NULL, "capture"},
	{" trace ping ", "", NULL, "why"},
	{" diagnose health ", "", NULL, "doctor"},
	{" man usage ", "", NULL, "help"},
};

/* The only verb of this name in any group: "vm console" for "console". NULL: none, or several. */
static const struct verb *of_some_group(const char *name)
{
	const struct verb *only = NULL;
	const struct verb_table *table;
	for (const struct verb *verb = verb_next(NULL, &table); verb;
	     verb = verb_next(verb, &table)) {
		if (verb->hidden || !verb->group || strcmp(verb->name, name) != 0)
			continue;
		if (only)
			return NULL;
		only = verb;
	}
	return only;
}

static const struct verb *of_others(const char *group, const char *word)
{
	char spaced[64];
	snprintf(spaced, sizeof(spaced), " %.40s ", word);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		bool any = group && strcmp(others[i].where, "*") == 0;
		if ((!any && strcmp(others[i].where, group ? group : "") != 0) ||
		    !strstr(others[i].others, spaced))
			continue;
		const struct verb *verb = verb_find(any ? group : others[i].group, others[i].name);
		if (verb)
			return verb;
	}
	return NULL;
}

/* "net-list", as virsh has it. */
static const struct verb *with_dash(const char *word)
{
	char group[16];
	const char *dash = strchr(word, '-');
	if (!dash || dash == word)
		return NULL;
	snprintf(group, sizeof(group), "%.*s", (int)(dash - word), word);
	const struct verb *verb = verb_find(group, dash + 1);
	return verb || !verb_is_group(group) ? verb : of_others(group, dash + 1);
}

const char *verb_meant(const char *group, const char *word)
{
	static char text[96];
	const struct verb *meant = group ? NULL : of_some_group(word);
	if (!meant)
		meant = of_others(group, word);
	if (!meant && !group)
		meant = with_dash(word);
	if (meant) {
		snprintf(text, sizeof(text), " (did you mean '%s%s%s'?)",
			 meant->group ? meant->group : "", meant->group ? " " : "", meant->name);
		return text;
	}
	struct nearest nearest = {.typed = word};
	const struct verb_table *table;
	for (const struct verb *verb = verb_next(NULL, &table); verb;
	     verb = verb_next(verb, &table)) {
		if (!verb->hidden && verb_is_of(verb, group))
			nearest_feed(&nearest, verb->name);
		else if (!verb->hidden && !group && verb->group)
			nearest_feed(&nearest, verb->group);
	}
	const char *near = name_nearest(word, nearest.words, nearest.n_words);
	if (!near)
		return "";
	snprintf(text, sizeof(text), " (did you mean '%s%s%s'?)", group ? group : "",
		 group ? " " : "", near);
	return text;
}
