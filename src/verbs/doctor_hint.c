/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "verbs/doctor_hint.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "diagnosis/doctor.h"

/* Which checks may explain which failure: the code (0: any) and words of the sentence (NULL: any),
 * the checks in the order of likelihood. Failures that explain themselves have no line here. */
static const struct explanation {
	int code;
	const char *words;
	const char *checks[8];
} explanations[] = {
	{0, "/dev/net/tun", {"HV-08", "HV-09"}},
	{0, "/dev/kvm", {"HV-08", "HV-02", "HV-01", "HV-03"}},
	{0, "dnsmasq", {"DNS-01", "DNS-02", "SELF-03"}},
	{0, "No space left", {"PM-03"}},
	{EACCES, "/run/lanyard", {"HV-02", "PM-01"}},
	{EACCES, "denied", {"SELF-03"}},
	{EPERM, "not permitted", {"SELF-03"}},
	{ENOSPC, NULL, {"PM-03", "IP-07", "DHCP-01"}},
	{ENODEV, NULL, {"HV-08", "HV-09", "SELF-02"}},
	{ETIMEDOUT,
	 NULL,
	 {"FW-04", "FW-01", "BR-06", "BR-02", "BR-08", "DHCP-01", "DHCP-03", "SELF-02"}},
	{EHOSTUNREACH, NULL, {"FW-04", "FW-01", "BR-06", "BR-02", "BR-08", "DHCP-03", "SELF-02"}},
	{ENETUNREACH, NULL, {"IP-06", "FW-08", "IP-01"}},
};

static const struct check *find(const char *id)
{
	for (const struct check *const *area = doctor_areas; *area; area++)
		for (const struct check *check = *area; check->id; check++)
			if (strcmp(check->id, id) == 0)
				return check;
	return NULL;
}

/* What is wrong with what was typed, or is there already, is no fault of the computer. */
static bool is_input(const struct error *err)
{
	int code = exit_code(-err->code);
	return code == exit_code(-EINVAL) || code == exit_code(-EEXIST);
}

static const struct explanation *explain(const struct error *err)
{
	if (is_input(err))
		return NULL;
	for (size_t i = 0; i < sizeof(explanations) / sizeof(explanations[0]); i++) {
		const struct explanation *one = &explanations[i];
		if ((!one->code || one->code == err->code) &&
		    (!one->words || strcasestr(err->text, one->words)))
			return one;
	}
	return NULL;
}

static bool is_trouble(const json_t *finding)
{
	const char *verdict = text_of(finding, "verdict");
	return strcmp(verdict, "warning") == 0 || strcmp(verdict, "error") == 0;
}

void doctor_hint(struct invocation *invocation, const struct error *err)
{
	const struct explanation *explanation = explain(err);
	struct examination examination;
	struct error ignored = {0};
	if (!explanation || !invocation->verb || !strcmp(invocation->verb->name, "doctor"))
		return;
	if (examination_open(&examination, invocation, true, &ignored) == 0)
		for (size_t i = 0; i < 8 && explanation->checks[i]; i++) {
			examination_run(&examination, find(explanation->checks[i]));
			const json_t *last = json_array_get(
				examination.findings, json_array_size(examination.findings) - 1);
			if (!last || !is_trouble(last))
				continue;
			output_note("%s: %s%s%s", text_of(last, "id"), text_of(last, "evidence"),
				    *text_of(last, "remedy") ? "; " : "", text_of(last, "remedy"));
			break;
		}
	examination_done(&examination);
}
