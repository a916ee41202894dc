/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lanyard why A B[:PORT]: the first broken step between two ends, and what mends it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/output.h"
#include "diagnosis/doctor.h"
#include "diagnosis/why_walk.h"
#include "machine/machine_store.h"
#include "verbs/verbs.h"

/* "web:80", "web", "[fd00::1]:80", "fd00::1" */
static int split(const char *word, char **ret_name, int *ret_port, struct error *err)
{
	const char *colon = strrchr(word, ':'), *end = word + strlen(word);
	bool bracket = word[0] == '[';
	*ret_port = 0;
	if (bracket) {
		end = strchr(word, ']');
		if (!end)
			return error_set(err, EINVAL, "'%s': the closing bracket is missing", word);
		colon = end[1] == ':' ? end + 1 : NULL;
		word++;
	} else if (colon && strchr(word, ':') != colon) {
		colon = NULL; /* an IPv6 address alone */
	} else if (colon) {
		end = colon;
	}
	if (colon) {
		char *rest;
		long port = strtol(colon + 1, &rest, 10);
		if (*rest || rest == colon + 1 || port < 1 || port > 65535)
			return error_set(err, EINVAL, "'%s' is no TCP port; write 1 to 65535",
					 colon + 1);
		*ret_port = (int)port;
	}
	*ret_name = text_format("%.*s", (int)(end - word), word);
	return 0;
}

static void host_address(const struct walk *walk, struct end *end, const json_t *network)
{
	static const char *const keys[] = {"ipv4", "ipv6"};
	(void)walk;
	for (size_t i = 0; i < 2; i++) {
		const json_t *value = json_object_get(network, keys[i]);
		const char *text =
			json_string_value(json_is_array(value) ? json_array_get(value, 0) : value);
		struct ip subnet;
		if (text && ip_parse_prefix(text, &subnet, NULL) == 0 &&
		    !ip_is_set(&end->addresses[0]) == !ip_is_set(&end->addresses[1]))
			end->addresses[i] = ip_host(&subnet);
		else if (text && ip_parse_prefix(text, &subnet, NULL) == 0 &&
			 !ip_is_set(&end->addresses[i]) && strcmp(end->name, "host") == 0)
			end->addresses[i] = ip_host(&subnet);
	}
}

/* The ways part by family: those that the far end has, or may have. */
static bool wants_family(const struct walk *walk, int family)
{
	size_t i = family == 6;
	const struct end *to = &walk->to;
	if (to->kind == END_MACHINE && family == 6)
		return ip_is_set(&to->addresses[1]);
	if (to->kind == END_MACHINE)
		return ip_is_set(&to->addresses[0]) || !ip_is_set(&to->addresses[1]);
	if (walk->from.kind == END_MACHINE) {
		const json_t *value =
			json_object_get(walk->from.network, family == 6 ? "ipv6" : "ipv4");
		const char *text =
			json_string_value(json_is_array(value) ? json_array_get(value, 0) : value);
		if (!text || strcmp(text, "none") == 0)
			return ip_is_set(&to->addresses[i]) && !ip_is_set(&to->addresses[!i]);
	}
	return ip_is_set(&to->addresses[i]);
}

static void walk_all(struct walk *walk)
{
	if (walk->from.kind == END_MACHINE)
		walk_plug(walk, &walk->from);
	if (walk->to.kind == END_MACHINE)
		walk_plug(walk, &walk->to);
	walk_vlan(walk);
	for (int family = 4; family <= 6 && !walk->broken; family += 2) {
		if (!wants_family(walk, family))
			continue;
		walk->family = family;
		walk->skipped = false;
		if (walk->from.kind == END_MACHINE)
			walk_segment(walk, &walk->from);
		if (walk->to.kind == END_MACHINE)
			walk_segment(walk, &walk->to);
		if (!walk->skipped)
			walk_way(walk);
	}
}

static void print_steps(const struct walk *walk)
{
	const json_t *step;
	size_t index;
	json_array_foreach (walk->steps, index, step) {
		bool ok = flag_of(step, "ok");
		long long family = number_of(step, "family");
		AUTO_FREE char *which =
			family > 0 ? text_format(" (IPv%lld)", family) : text_copy("");
		output_line("%s%-7s%s%s%s: %s", output_style(ok ? STYLE_GOOD : STYLE_BAD),
			    ok ? "ok" : "BROKEN", output_style(STYLE_PLAIN), text_of(step, "step"),
			    which, text_of(step, "text"));
		if (!ok && *text_of(step, "remedy"))
			output_line("       -> %s", text_of(step, "remedy"));
	}
	if (!walk->broken)
		output_line("%s reaches %s", walk->from.name, walk->to.name);
}

static int resolve(const struct walk *walk, const char *word, struct end *ret, struct error *err)
{
	int code = why_resolve(walk->examination, word, ret, err);
	return machine_store_explain(&walk->examination->invocation->own, word, code, err);
}

static int resolve_both(struct walk *walk, const char *from, const char *to, struct error *err)
{
	int code = resolve(walk, from, &walk->from, err);
	if (code == 0)
		code = resolve(walk, to, &walk->to, err);
	if (code < 0)
		return code;
	if (walk->from.kind == END_WORLD)
		return error_set(err, EINVAL,
				 "'%s' is outside: the walk begins at a machine or at 'host'",
				 from);
	if (walk->to.kind == END_HOST)
		host_address(walk, &walk->to,
			     walk->from.network
				     ? walk->from.network
				     : json_array_get(networks_of(walk->examination), 0));
	return 0;
}

int why_run(struct invocation *invocation, struct error *err)
{
	struct examination examination = {0};
	struct walk walk = {.examination = &examination, .steps = json_array()};
	AUTO_FREE char *to = NULL;
	int port, code = split(invocation->arguments[1], &to, &port, err);
	if (code == 0)
		code = client_open_existing(invocation, err);
	if (code == 0)
		code = examination_open(&examination, invocation, false, err);
	if (code == 0 && !examination.world)
		code = error_set(err, EIO, "%s", examination.world_error);
	if (code == 0)
		code = resolve_both(&walk, invocation->arguments[0], to, err);
	walk.to.port = port;
	if (code == 0) {
		walk_all(&walk);
		if (output_is_json())
			output_json(json_pack("{s:b, s:O}", "reached", !walk.broken, "steps",
					      walk.steps));
		else
			print_steps(&walk);
	}
	examination_done(&examination);
	json_decref(walk.steps);
	return code < 0 ? code : walk.broken;
}
