/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lanyard can-i: whether the policy allows something, asked in advance. The verb that is asked for
 * runs with --dry-run and without a word, so the answer is that of the thing itself; alone it lists
 * what the policy gives to the caller. In a user instance its owner may do everything.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/table.h"
#include "ipc/varlink_client.h"
#include "verbs/verbs.h"

#define NO 1 /* the exit code */

static void print_rights(const json_t *answer)
{
	static const char *const titles[] = {"KEY", "VALUE", "USED", "RULE"};
	static const char *const columns[] = {"key", "value", "used", "rule"};
	const json_t *policy = json_object_get(answer, "policy"), *right;
	AUTO_FREE char *problem = output_member(policy, "problem");
	struct table table;
	size_t index;
	if (*problem)
		output_note("%sthe policy is not as its file says:%s %s", output_style(STYLE_BAD),
			    output_style(STYLE_PLAIN), problem);
	if (!json_is_true(json_object_get(answer, "limited"))) {
		output_line("everything: no policy limits you here");
		return;
	}
	table_init(&table, titles, sizeof(titles) / sizeof(titles[0]));
	json_array_foreach (json_object_get(answer, "rights"), index, right)
		table_add_members(&table, right, columns, sizeof(columns) / sizeof(columns[0]));
	table_print(&table, NULL);
}

static int list_rights(struct invocation *invocation, struct error *err)
{
	struct varlink_answer answer = {0};
	int result = client_paths(invocation, err);
	if (result == 0 && !invocation->paths.system) { /* one's own: it is not started for that */
		if (output_is_json())
			output_json(
				json_pack("{s:b, s:b, s:[]}", "limited", 0, "use", 1, "rights"));
		else
			print_rights(NULL);
		return 0;
	}
	if (result == 0)
		result = client_call(invocation, "GetRights", NULL, &answer, err);
	if (result == 0 && output_is_json())
		output_json(json_incref(answer.parameters));
	else if (result == 0)
		print_rights(answer.parameters);
	varlink_answer_done(&answer);
	return result;
}

/* The rule that a refusal begins with: "/etc/lanyard/policy.yaml:12"; "" where none does. */
static void rule_of(const char *reason, char *ret, size_t size)
{
	unsigned line;
	int path = 0, end = 0;
	ret[0] = '\0';
	if (reason[0] == '/' && sscanf(reason, "%*[^:]%n:%u%n", &path, &line, &end) == 1 &&
	    reason[end] == ':')
		snprintf(ret, size, "%.*s", end, reason);
}

static int answer(bool allowed, const char *reason)
{
	char rule[512];
	rule_of(reason, rule, sizeof(rule));
	output_line("%s%s%s", allowed ? "yes" : "no", *reason ? ": " : "", reason);
	if (output_is_json()) {
		json_t *json = json_pack("{s:b}", "allowed", allowed);
		if (*reason)
			json_object_set_new(json, "reason", json_string(reason));
		if (*rule)
			json_object_set_new(json, "rule", json_string(rule));
		output_json(json);
	}
	return allowed ? 0 : NO;
}

/* The words after can-i as a call of their own, of the same instance. */
static int read_inner(const struct invocation *outer, struct invocation *inner, struct error *err)
{
	int result = verb_parse((int)outer->n_rest + 1, outer->rest - 1, inner, err);
	if (result < 0)
		return result;
	if (!inner->verb || inner->help || inner->verb->no_dry_run || inner->verb->run == can_run)
		return error_set(err, EINVAL,
				 "can-i: '%s' can not be asked for; it is for verbs that know "
				 "--dry-run, like 'port add' or 'net set'",
				 outer->rest[0]);
	if (!inner->user && !inner->system) {
		inner->user = outer->user;
		inner->system = outer->system;
	}
	if (!inner->instance)
		inner->instance = outer->instance;
	inner->dry_run = inner->asks = inner->quiet = true;
	inner->json = inner->verbose = false;
	return 0;
}

int can_run(struct invocation *invocation, struct error *err)
{
	static struct invocation inner; /* large */
	if (invocation->n_rest == 0)
		return list_rights(invocation, err);
	int result = read_inner(invocation, &inner, err);
	if (result < 0)
		return result;
	result = client_paths(&inner, err);
	if (result == 0 && inner.paths.system) {
		output_init(&inner);
		result = inner.verb->run(&inner, err);
		output_init(invocation);
	}
	client_close(&inner);
	if (result == -EACCES || result == -EPERM)
		return answer(false, err->text);
	return result == 0 ? answer(true, "") : result;
}

const struct verb can_verbs[] = {
	{.name = "can-i",
	 .arguments = "[VERB...]",
	 .help = "whether the policy allows something, or all that it gives you",
	 .details = "Exit code 0: yes; 1: no, with the rule that says so. Other mistakes of the "
		    "verb have its own\n"
		    "exit codes. Without a verb: every limit, how much of it is used, and which "
		    "rule says it.",
	 .examples = "lanyard can-i\n"
		     "lanyard can-i net add lab mode=bridged bridge=br0\n"
		     "lanyard can-i publish 8080 web:80\n",
	 .rest = REST_FOLLOWS,
	 .no_dry_run = true,
	 .completes = {COMPLETE_LINE},
	 .run = can_run},
	{0},
};
