/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lanyard doctor: all checks, or some; and the one that matters after another command's failure. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/output.h"
#include "cli/process.h"
#include "diagnosis/doctor.h"
#include "verbs/doctor_hint.h"
#include "verbs/verbs.h"

#define EXIT_WARNINGS 1
#define EXIT_ERRORS   2

const struct check *const doctor_areas[] = {
	doctor_firewall,    doctor_address,	doctor_bridge, doctor_nic, doctor_names,
	doctor_hypervisors, doctor_permissions, doctor_self,   NULL,
};

static bool begins(const char *id, const char *prefix)
{
	return !prefix || strncasecmp(id, prefix, strlen(prefix)) == 0;
}

static size_t run_all(struct examination *examination, const char *only)
{
	size_t count = 0;
	for (const struct check *const *area = doctor_areas; *area; area++)
		for (const struct check *check = *area; check->id; check++) {
			if (!begins(check->id, only))
				continue;
			examination_run(examination, check);
			count++;
		}
	return count;
}

static enum verdict verdict_of(const json_t *finding)
{
	for (int i = 0; i < VERDICTS; i++)
		if (strcmp(text_of(finding, "verdict"), verdict_names[i]) == 0)
			return (enum verdict)i;
	return VERDICT_UNKNOWN;
}

static void print_finding(const json_t *finding, bool verbose)
{
	static const enum output_style styles[VERDICTS] = {STYLE_GOOD, STYLE_BOLD, STYLE_WARN,
							   STYLE_BAD};
	enum verdict verdict = verdict_of(finding);
	if (verdict <= VERDICT_UNKNOWN && !verbose)
		return;
	output_line("%s%-8s%s%-8s %s", output_style(styles[verdict]), verdict_names[verdict],
		    output_style(STYLE_PLAIN), text_of(finding, "id"),
		    text_of(finding, "evidence"));
	if (*text_of(finding, "remedy"))
		output_line("                 -> %s", text_of(finding, "remedy"));
}

static int summarize(const struct examination *examination, bool verbose)
{
	size_t counts[VERDICTS] = {0}, index;
	const json_t *finding;
	json_array_foreach (examination->findings, index, finding) {
		counts[verdict_of(finding)]++;
		if (!output_is_json())
			print_finding(finding, verbose);
	}
	output_line("%zu ok, %zu unknown, %zu warning%s, %zu error%s%s", counts[VERDICT_OK],
		    counts[VERDICT_UNKNOWN], counts[VERDICT_WARNING],
		    counts[VERDICT_WARNING] == 1 ? "" : "s", counts[VERDICT_ERROR],
		    counts[VERDICT_ERROR] == 1 ? "" : "s",
		    verbose || !(counts[VERDICT_OK] + counts[VERDICT_UNKNOWN]) ? ""
									       : " (-v shows all)");
	if (output_is_json())
		output_json(json_pack("{s:O}", "findings", examination->findings));
	return counts[VERDICT_ERROR] ? EXIT_ERRORS : counts[VERDICT_WARNING] ? EXIT_WARNINGS : 0;
}

/* Mending: a finding's commands one after the other, as words, without a shell. */

#define WORDS_MAX 32

static int run_command(const json_t *words, struct error *err)
{
	const char *argv[WORDS_MAX] = {NULL};
	AUTO_FREE char *self = NULL;
	const json_t *word;
	size_t index;
	json_array_foreach (words, index, word)
		if (index < WORDS_MAX - 1)
			argv[index] = json_string_value(word);
	if (argv[0] && strcmp(argv[0], "lanyard") == 0) { /* this very one */
		char path[4096];
		ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
		if (length > 0) {
			path[length] = '\0';
			argv[0] = self = text_copy(path);
		}
	}
	return process_run_shown(argv, err);
}

static int mend(const json_t *finding, struct error *err)
{
	const json_t *words;
	size_t index;
	output_note("%s: %s", text_of(finding, "id"), text_of(finding, "remedy"));
	json_array_foreach (json_object_get(finding, "commands"), index, words) {
		int code = run_command(words, err);
		if (code)
			return code < 0 ? code
					: error_set(err, EIO, "%s: the remedy failed (exit %d)",
						    text_of(finding, "id"), code);
	}
	return 0;
}

/* Runs the remedies of what is mendable; *ret_count: how many. */
static int mend_all(struct invocation *invocation, const json_t *findings, const char *id,
		    size_t *ret_count, struct error *err)
{
	const json_t *finding;
	size_t index;
	*ret_count = 0;
	json_array_foreach (findings, index, finding) {
		if (!flag_of(finding, "mendable") || !begins(text_of(finding, "id"), id))
			continue;
		++*ret_count;
		if (invocation->dry_run) {
			output_line("%s: %s", text_of(finding, "id"), text_of(finding, "remedy"));
			continue;
		}
		int code = mend(finding, err);
		if (code < 0)
			return code;
	}
	return 0;
}

static int unknown_check(const char *word, struct error *err)
{
	return error_set(
		err, EINVAL,
		"no check begins with '%s'; the areas are FW IP BR NIC DNS DHCP HV LXC PM SELF",
		word);
}

static int examine(struct invocation *invocation, const char *only, struct examination *ret,
		   struct error *err)
{
	int code = examination_open(ret, invocation, false, err);
	if (code == 0 && run_all(ret, only) == 0)
		code = unknown_check(only, err);
	return code;
}

int doctor_run(struct invocation *invocation, struct error *err)
{
	const char *only = verb_value(invocation, "only");
	const char *id = invocation->n_arguments ? invocation->arguments[0] : NULL;
	bool fix = verb_given(invocation, "fix");
	struct examination examination;
	size_t mended = 0;
	int code = examine(invocation, id ? id : only, &examination, err);
	if (code == 0 && fix)
		code = mend_all(invocation, examination.findings, id, &mended, err);
	if (code == 0 && mended && !invocation->dry_run) { /* look again whether it helped */
		examination_done(&examination);
		code = examine(invocation, id ? id : only, &examination, err);
	}
	if (code == 0)
		code = summarize(&examination, invocation->verbose || only || id);
	examination_done(&examination);
	return code;
}

static const struct verb_option doctor_options[] = {
	{"only", 0, "PREFIX", "only checks whose id begins so (FW, BR-01)", COMPLETE_CHECK},
	{"fix", 0, NULL, "run the remedies of what may be mended, then look again",
	 COMPLETE_NOTHING},
	{0},
};

static const struct verb_option capture_options[] = {
	{"write", 'w', "FILE", "into this file instead of standard output", COMPLETE_FILE},
	{"count", 'c', "NUMBER", "end after so many frames", COMPLETE_NOTHING},
	{"snap", 's', "BYTES", "of each frame no more than that", COMPLETE_NOTHING},
	{"network", 'n', "NAME",
	 "where a machine is on several networks; without NAME: all of the network",
	 COMPLETE_NETWORK},
	{0},
};

const struct verb doctor_verbs[] = {
	{.name = "doctor",
	 .arguments = "[ID]",
	 .help = "look for what keeps machines from reaching each other",
	 .details =
		 "Each finding comes with its evidence and one remedy. Exit code 1: warnings, 2: "
		 "errors.\n-v also shows what is well. With an ID only that one is looked for, or "
		 "mended.",
	 .examples = "lanyard doctor --only FW\n"
		     "lanyard doctor --fix FW-01\n",
	 .options = doctor_options,
	 .max = 1,
	 .completes = {COMPLETE_CHECK},
	 .run = doctor_run},
	{.name = "why",
	 .arguments = "FROM TO[:PORT]",
	 .help = "walk from one end to another and name the first broken step",
	 .details =
		 "FROM is a machine or 'host', TO a machine, 'host', an address or a name of the "
		 "world.",
	 .min = 2,
	 .max = 2,
	 .completes = {COMPLETE_MACHINE, COMPLETE_MACHINE},
	 .run = why_run},
	{.name = "capture",
	 .arguments = "[NAME]",
	 .help = "the frames of a machine, port or network, as pcap",
	 .details = "NAME is a machine's, the id or interface of a port, or a network's for all of "
		    "its frames.\nIt ends by Ctrl-C, with its reader, or with the port. What is "
		    "shown of them is up to the reader:\ntcpdump and Wireshark have filters.",
	 .examples = "lanyard capture web | tcpdump -n -r - port 80\n"
		     "wireshark -k -i <(lanyard capture web)\n"
		     "lanyard capture lab -c 100 -w lab.pcap\n",
	 .options = capture_options,
	 .max = 1,
	 .completes = {COMPLETE_CAPTURE},
	 .run = capture_run},
	{0},
};
