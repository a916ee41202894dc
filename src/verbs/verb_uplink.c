/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lanyard uplink, lanyard confirm: the host's NICs in bridges of ours. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/table.h"
#include "ipc/varlink_client.h"
#include "verbs/verbs.h"

#define LOOK_AGAIN 300 /* milliseconds */

static int read_seconds(const struct invocation *invocation, json_t *parameters, struct error *err)
{
	const char *text = verb_value(invocation, "confirm-within");
	char *end = NULL;
	if (!text)
		return 0;
	long seconds = strtol(text, &end, 10);
	if (!*text || *end || seconds < 0 || seconds > 1000000)
		return error_set(err, EINVAL, "'%s' is no number of seconds", text);
	json_object_set_new(parameters, "confirm_within", json_integer(seconds));
	return 0;
}

static json_t *uplink_of(const struct varlink_answer *answer, const char *nic)
{
	size_t index;
	json_t *uplink;
	json_array_foreach (json_object_get(answer->parameters, "uplinks"), index, uplink) {
		const char *name = json_string_value(json_object_get(uplink, "interface"));
		if (name && strcmp(name, nic) == 0)
			return uplink;
	}
	return NULL;
}

/* 1: confirmed, 0: not yet, -errno: gone back, or nobody answers any more. What the checks say is
 * told when it changes. */
static int look(struct invocation *invocation, const char *nic, char **last, struct error *err)
{
	struct varlink_answer answer = {0};
	int result = client_call(invocation, "ListUplinks", NULL, &answer, err);
	const json_t *uplink = result == 0 ? uplink_of(&answer, nic) : NULL;
	if (result == 0 && !uplink)
		result = error_set(err, ETIMEDOUT,
				   "'%s' was not confirmed in time: all is as before%s%s", nic,
				   *last ? "; the checks said: " : "", *last ? *last : "");
	const char *state = json_string_value(json_object_get(uplink, "state"));
	if (result == 0 && strcmp(state, "unconfirmed") != 0)
		result = 1;
	const char *report = json_string_value(json_object_get(uplink, "report"));
	if (result == 0 && report && (!*last || strcmp(*last, report) != 0)) {
		free(*last);
		*last = strdup(report);
		output_note("waiting: %s", report);
	}
	varlink_answer_done(&answer);
	return result;
}

/* Until its checks pass, somebody confirms it elsewhere, or it goes back. */
static int wait_for_checks(struct invocation *invocation, const char *nic, struct error *err)
{
	AUTO_FREE char *last = NULL;
	int result;
	while ((result = look(invocation, nic, &last, err)) == 0)
		poll(NULL, 0, LOOK_AGAIN);
	if (result < 0)
		return result;
	output_line("uplink %s is confirmed: the checks pass", nic);
	return 0;
}

/* Words of a command line, each with its NUL. */
static bool has_word(const char *words, size_t length, const char *word)
{
	for (size_t at = 0; at < length; at += strlen(words + at) + 1)
		if (strcmp(words + at, word) == 0)
			return true;
	return false;
}

/* A DHCP client that goes on on the NIC would put the address back there when it renews the lease.
 */
static void note_client(const char *pid, const char *nic, const char *bridge)
{
	static const char *const clients[] = {"dhclient", "udhcpc", "dhcpcd"};
	AUTO_FREE char *path = text_format("/proc/%s/cmdline", pid);
	AUTO_FREE char *words = NULL;
	ssize_t length = file_read(path, 65536, &words, NULL);
	if (length <= 0 || !has_word(words, (size_t)length, nic))
		return;
	const char *name = strrchr(words, '/') ? strrchr(words, '/') + 1 : words;
	bool is_box = strcmp(name, "busybox") == 0 || strcmp(name, "sh") == 0;
	if (is_box)
		name = words + strlen(words) + 1;
	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++)
		if (strcmp(name, clients[i]) == 0)
			output_note("note: %s (process %s) runs on %s; before it renews its lease "
				    "it has to be started on %s instead",
				    name, pid, nic, bridge);
}

static void note_clients(const char *nic, const char *bridge)
{
	DIR *folder = opendir("/proc");
	const struct dirent *entry;
	while (folder && (entry = readdir(folder)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			note_client(entry->d_name, nic, bridge);
	if (folder)
		closedir(folder);
}

static void print_added(const struct varlink_answer *answer, const char *nic)
{
	const json_t *network = json_object_get(answer->parameters, "network");
	const char *report = json_string_value(json_object_get(answer->parameters, "report"));
	json_int_t seconds = json_integer_value(json_object_get(answer->parameters, "seconds"));
	AUTO_FREE char *name = output_member(network, "name");
	AUTO_FREE char *bridge = output_member(network, "ifname");
	if (report)
		output_note("note: %s", report);
	output_line("uplink %s is a port of %s, the bridge of network %s", nic, bridge, name);
	const char *owner = json_string_value(json_object_get(answer->parameters, "owner"));
	if (owner)
		output_line("%s configures %s; it gets the bridge in its own form when it is "
			    "confirmed",
			    owner, nic);
	note_clients(nic, bridge);
	if (seconds)
		output_line("it goes back in %lld seconds unless it is confirmed (lanyard confirm)",
			    (long long)seconds);
}

static int add_run(struct invocation *invocation, struct error *err)
{
	const char *nic = invocation->arguments[0];
	AUTO_FREE char *session = session_ssh();
	bool by_hand = verb_given(invocation, "by-hand");
	json_t *parameters = json_pack("{s:s, s:b}", "interface", nic, "by_hand", by_hand);
	if (verb_given(invocation, "to"))
		json_object_set_new(parameters, "network",
				    json_string(verb_value(invocation, "to")));
	if (session)
		json_object_set_new(parameters, "session", json_string(session));
	int result = read_seconds(invocation, parameters, err);
	if (result < 0) {
		json_decref(parameters);
		return result;
	}
	struct varlink_answer answer = {0};
	result = client_change(invocation, "AddUplink", parameters, &answer, err);
	bool waits = json_integer_value(json_object_get(answer.parameters, "seconds")) > 0;
	const char *report = json_string_value(json_object_get(answer.parameters, "report"));
	if (result == 0 && invocation->dry_run && report)
		output_note("note: %s", report);
	else if (result == 0 && !invocation->dry_run)
		print_added(&answer, nic);
	if (result == 0 && output_is_json() && !invocation->dry_run)
		output_json(json_incref(answer.parameters));
	if (result == 0 && waits && !by_hand && !invocation->dry_run)
		result = wait_for_checks(invocation, nic, err);
	varlink_answer_done(&answer);
	return result;
}

static int remove_run(struct invocation *invocation, struct error *err)
{
	const char *nic = invocation->arguments[0];
	struct varlink_answer answer = {0};
	json_t *parameters =
		json_pack("{s:s, s:b}", "interface", nic, "force", verb_given(invocation, "force"));
	int result = client_change(invocation, "RemoveUplink", parameters, &answer, err);
	varlink_answer_done(&answer);
	if (result == 0 && !invocation->dry_run)
		output_line("uplink %s removed: it has its addresses and routes again", nic);
	return result;
}

static int list_run(struct invocation *invocation, struct error *err)
{
	static const char *const columns[] = {"interface", "network", "bridge",
					      "state",	   "mac",     "report"};
	static const char *const titles[] = {"INTERFACE", "NETWORK", "BRIDGE",
					     "STATE",	  "MAC",     "CHECKS"};
	struct varlink_answer answer = {0};
	int result = client_call(invocation, "ListUplinks", NULL, &answer, err);
	json_t *uplinks = json_object_get(answer.parameters, "uplinks"), *uplink;
	if (result == 0 && output_is_json()) {
		output_json(json_incref(uplinks));
	} else if (result == 0) {
		struct table table;
		size_t index;
		table_init(&table, titles, sizeof(titles) / sizeof(titles[0]));
		json_array_foreach (uplinks, index, uplink)
			table_add_members(&table, uplink, columns, table.n_columns);
		table_print(&table, "no NIC of the host is bridged");
	}
	varlink_answer_done(&answer);
	return result;
}

static int show_run(struct invocation *invocation, struct error *err)
{
	const char *nic = invocation->arguments[0];
	struct varlink_answer answer = {0};
	int result = client_call(invocation, "ListUplinks", NULL, &answer, err);
	json_t *uplink = result == 0 ? uplink_of(&answer, nic) : NULL;
	if (result == 0 && !uplink)
		result = error_set(err, ENOENT,
				   "'%s' is no uplink; 'lanyard uplink list' lists them", nic);
	if (result == 0 && output_is_json())
		output_json(json_incref(uplink));
	else if (result == 0)
		output_map(uplink);
	varlink_answer_done(&answer);
	return result;
}

static int confirm_run(struct invocation *invocation, struct error *err)
{
	json_t *parameters = json_object();
	if (invocation->n_arguments)
		json_object_set_new(parameters, "interface", json_string(invocation->arguments[0]));
	struct varlink_answer answer = {0};
	int result = client_call(invocation, "ConfirmUplink", parameters, &answer, err);
	AUTO_FREE char *names = output_member(answer.parameters, "confirmed");
	if (result == 0)
		output_line("confirmed: %s stays", names);
	varlink_answer_done(&answer);
	return result;
}

static const struct verb_option add_options[] = {
	{"to", 0, "NETWORK", "the network's name; lan unless given", COMPLETE_NOTHING},
	{"confirm-within", 0, "SECONDS", "when it goes back by itself; 90 unless given",
	 COMPLETE_NOTHING},
	{"by-hand", 0, NULL, "checks that pass do not confirm, only 'lanyard confirm' does",
	 COMPLETE_NOTHING},
	{0},
};

static const struct verb_option remove_options[] = {
	{"force", 'f', NULL, "even when machines are plugged into its network", COMPLETE_NOTHING},
	{0},
};

const struct verb uplink_verbs[] = {
	{.group = "uplink",
	 .name = "add",
	 .arguments = "NIC",
	 .help = "put the host's NIC into the bridge of a new network",
	 .details = "Its addresses, routes and rules go to the bridge. All goes back unless checks "
		    "pass (carrier, gateway, your SSH session) or you confirm in time.",
	 .options = add_options,
	 .min = 1,
	 .max = 1,
	 .run = add_run},
	{.group = "uplink",
	 .name = "list",
	 .arguments = "",
	 .help = "list the host's NICs that are bridged",
	 .run = list_run},
	{.group = "uplink",
	 .name = "show",
	 .arguments = "NIC",
	 .help = "show everything about one",
	 .min = 1,
	 .max = 1,
	 .run = show_run},
	{.group = "uplink",
	 .name = "remove",
	 .arguments = "NIC",
	 .help = "take a NIC out of its bridge; the network goes too",
	 .options = remove_options,
	 .min = 1,
	 .max = 1,
	 .run = remove_run},
	{.name = "confirm",
	 .arguments = "[NIC]",
	 .help = "keep what 'uplink add' did",
	 .max = 1,
	 .no_dry_run = true,
	 .run = confirm_run},
	{0},
};
