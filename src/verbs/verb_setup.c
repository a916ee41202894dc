/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lanyard setup: asks the administrator, shows what that means, and does it after a yes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/output.h"
#include "ipc/varlink_client.h"
#include "verbs/setup.h"
#include "verbs/verbs.h"

#define ASK_AGAIN 3 /* wrong answers in a row that are put up with */

/* A line from the terminal without its end; an empty one is the proposal. NULL: it has gone. */
static char *read_answer(const char *proposal)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t length = getline(&line, &size, stdin);
	while (length > 0 && strchr(" \t\r\n", line[length - 1]))
		line[--length] = '\0';
	if (length > 0)
		return line;
	free(line);
	return length < 0 ? NULL : text_copy(proposal);
}

static int gone(struct error *err)
{
	return error_set(err, ECANCELED, "nothing was done: no answer came");
}

/* Asks until an answer can be planned. It is left to the setup, whose steps may point at it. */
static int ask(struct setup *setup, const struct setup_question *question, char **ret,
	       struct error *err)
{
	AUTO_FREE char *proposal = question->proposal(setup);
	for (int i = 0;; i++) {
		fprintf(stderr, "%s [%s]: ", question->ask, proposal);
		free(*ret);
		*ret = read_answer(proposal);
		if (!*ret)
			return gone(err);
		int result = question->plan(setup, *ret, err);
		if (result != -EINVAL || i + 1 == ASK_AGAIN)
			return result;
		fprintf(stderr, "%s\n", err->text);
	}
}

/* The flags that are missing where nobody can be asked. */
static int check_flags(const struct invocation *invocation, struct error *err)
{
	char missing[128] = "";
	size_t used = 0;
	for (const struct setup_question *question = setup_questions; question->option; question++)
		if (!verb_value(invocation, question->option))
			used += (size_t)snprintf(missing + used, sizeof(missing) - used, " --%s",
						 question->option);
	if (!verb_given(invocation, "yes") && !invocation->dry_run)
		snprintf(missing + used, sizeof(missing) - used, " --yes");
	if (!*missing || isatty(STDIN_FILENO))
		return 0;
	return error_set(err, EINVAL, "there is no terminal to ask at; say:%s", missing);
}

static int confirm(struct error *err)
{
	fprintf(stderr, "Do this? [y/N]: ");
	AUTO_FREE char *answer = read_answer("no");
	if (!answer)
		return gone(err);
	if (answer[0] == 'y' || answer[0] == 'Y')
		return 0;
	return error_set(err, ECANCELED, "nothing was done");
}

static int plan(struct setup *setup, char **answers, struct error *err)
{
	struct invocation *invocation = setup->invocation;
	int result = 0;
	for (size_t i = 0; result == 0 && setup_questions[i].option; i++) {
		const struct setup_question *question = &setup_questions[i];
		const char *value = verb_value(invocation, question->option);
		result = value ? question->plan(setup, value, err)
			       : ask(setup, question, &answers[i], err);
		if (result < 0 && value)
			error_prefix(err, "--%s", question->option);
	}
	return result;
}

static int show_and_do(struct setup *setup, struct error *err)
{
	const struct invocation *invocation = setup->invocation;
	if (output_is_json())
		output_json(setup_json(setup));
	if (setup->n_steps == 0) {
		output_line("nothing is to do: all is as you say");
		return 0;
	}
	output_line("what %s done:", invocation->dry_run ? "would be" : "will be");
	setup_print(setup);
	if (invocation->dry_run)
		return 0;
	int result = verb_given(invocation, "yes") ? 0 : confirm(err);
	return result < 0 ? result : setup_carry_out(setup, err);
}

static int setup_run(struct invocation *invocation, struct error *err)
{
	struct setup setup = {.invocation = invocation};
	struct varlink_answer answer = {0};
	char *answers[VERB_OPTIONS_MAX] = {0};
	invocation->system = true;
	int result = check_flags(invocation, err);
	if (result == 0 && geteuid() != 0 && !invocation->dry_run)
		result = error_set(err, EPERM, "setup changes the computer: run it as root (sudo)");
	if (result == 0)
		result = client_call(invocation, "ListNetworks", NULL, &answer, err);
	if (result == 0) {
		setup.networks = json_incref(json_object_get(answer.parameters, "networks"));
		result = plan(&setup, answers, err);
	}
	if (result == 0)
		result = show_and_do(&setup, err);
	varlink_answer_done(&answer);
	setup_done(&setup);
	for (size_t i = 0; i < VERB_OPTIONS_MAX; i++)
		free(answers[i]);
	return result;
}

static const struct verb_option options[] = {
	{"class", 0, "GROUP", "whose members plug machines in, as the policy limits it, or none",
	 COMPLETE_GROUP},
	{"network", 0, "ANSWER", "the network default: keep, auto, ADDRESS/PREFIX, or none",
	 COMPLETE_NOTHING},
	{"hypervisors", 0, "LIST", "which are told of its bridge: libvirt, lxc, or none",
	 COMPLETE_NOTHING},
	{"kvm", 0, "WHO", "who may use KVM: accounts, everyone, or none to leave it",
	 COMPLETE_NOTHING},
	{"yes", 'y', NULL, "do it without asking", COMPLETE_NOTHING},
	{0},
};

const struct verb setup_verbs[] = {
	{.name = "setup",
	 .arguments = "",
	 .help = "ask what an administrator has to decide, show it, do it after a yes",
	 .details = "One question each; an option answers it beforehand. The same answers again "
		    "change "
		    "nothing;\n'none' takes back what setup wrote.",
	 .examples = "sudo lanyard setup\n"
		     "sudo lanyard setup --class pupils --network keep --hypervisors lxc --kvm "
		     "everyone --yes\n",
	 .options = options,
	 .run = setup_run},
	{0},
};
