/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/audit.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <systemd/sd-login.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/callers.h"
#include "ipc/varlink_server.h"

#define USEC_PER_REFUSAL 1000000ull
#define VALUE_MAX	 80 /* of what a message claims */

static const char *text_of(const json_t *map, const char *key)
{
	const char *text = json_string_value(json_object_get(map, key));
	return text ? text : "";
}

static void describe(struct audit *audit, const char *kind, const char *value)
{
	size_t used = strlen(audit->what);
	if (value[0])
		snprintf(audit->what + used, sizeof(audit->what) - used, "%s%s %.*s",
			 used ? ", " : "", kind, VALUE_MAX, value);
}

/* Parameters that say what a call is about. */
static const struct {
	const char *key, *inside; /* inside: a member of this object */
	const char *kind;
} subjects[] = {
	{"lab", NULL, "lab"},
	{"name", "network", "network"},
	{"network", "port", "network"},
	{"machine", "port", "machine"},
	{"id", NULL, "port"},
	{"interface", NULL, "interface"},
	{"of", NULL, "of"},
	{"name", "reservation", "name"},
	{"method", NULL, "method"},
};

void audit_begin(struct broker *broker, const json_t *parameters)
{
	struct audit *audit = &broker->audit;
	audit->network[0] = audit->port[0] = audit->what[0] = '\0';
	if (!broker->paths.system) /* nothing is told: there is one user */
		return;
	const char *network = text_of(parameters, "network");
	const json_t *host_port = json_object_get(parameters, "host_port");
	if (!network[0])
		network = text_of(json_object_get(parameters, "network"), "name");
	if (!network[0])
		network = text_of(json_object_get(parameters, "port"), "network");
	if (!network[0])
		network =
			text_of(json_array_get(json_object_get(parameters, "ports"), 0), "network");
	if (!network[0] && !host_port)
		network = text_of(parameters, "name");
	snprintf(audit->network, sizeof(audit->network), "%s", network);
	snprintf(audit->port, sizeof(audit->port), "%s", text_of(parameters, "id"));
	describe(audit, "network", network);
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		const char *inside = subjects[i].inside;
		const json_t *map = inside ? json_object_get(parameters, inside) : parameters;
		const char *value = text_of(map, subjects[i].key);
		if (strcmp(value, network) != 0)
			describe(audit, subjects[i].kind, value);
	}
	char number[24];
	snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(host_port));
	describe(audit, "host port", host_port ? number : "");
}

void audit_port(struct broker *broker, const struct port *port)
{
	struct audit *audit = &broker->audit;
	snprintf(audit->network, sizeof(audit->network), "%s", port->network);
	if (strcmp(audit->port, port->id) != 0)
		describe(audit, "port", port->id);
	snprintf(audit->port, sizeof(audit->port), "%s", port->id);
}

static void add_session(struct audit_speaker *speaker, const char *session)
{
	AUTO_FREE char *where = NULL;
	size_t used = strlen(speaker->from);
	if (sd_session_get_remote_host(session, &where) < 0 || !where)
		(void)sd_session_get_tty(session, &where);
	snprintf(speaker->from + used, sizeof(speaker->from) - used, "%s%s%.60s",
		 used ? " or " : "", where ? "" : "session ", where ? where : session);
}

/* Where the caller's session came from: "192.0.2.9", "tty1"; of all the user's sessions where the
 * service manager hides the process from the broker. Nothing for a service. */
static void look_from(struct audit_speaker *speaker, const struct varlink_peer *peer)
{
	AUTO_FREE char *session = NULL;
	char **sessions = NULL;
	if (sd_pid_get_session(peer->pid, &session) >= 0) {
		add_session(speaker, session);
		return;
	}
	if (sd_uid_get_sessions(peer->uid, 0, &sessions) < 0)
		return;
	for (size_t i = 0; sessions && sessions[i]; i++) {
		add_session(speaker, sessions[i]);
		free(sessions[i]);
	}
	free(sessions);
}

static const struct audit_speaker *find_speaker(struct broker *broker,
						const struct varlink_peer *peer)
{
	struct audit_speaker *speaker = &broker->audit.speaker;
	if (speaker->connection == peer->connection)
		return speaker;
	*speaker = (struct audit_speaker){.connection = peer->connection};
	const struct passwd *account = broker->caller ? NULL : getpwuid(peer->uid);
	snprintf(speaker->name, sizeof(speaker->name), "%s",
		 broker->caller ? broker->caller->name
		 : account	? account->pw_name
				: "");
	look_from(speaker, peer);
	return speaker;
}

/* Whoever knocks a thousand times a second does not fill the log. */
static bool is_too_much(struct broker *broker, unsigned *ret_untold)
{
	uint64_t now = 0;
	struct caller *caller = broker->caller;
	*ret_untold = 0;
	if (!caller)
		return false;
	sd_event_now(broker->event, CLOCK_MONOTONIC, &now);
	if (caller->told && now - caller->told < USEC_PER_REFUSAL) {
		caller->untold++;
		return true;
	}
	*ret_untold = caller->untold;
	caller->told = now;
	caller->untold = 0;
	return false;
}

/* What a message claims may hold anything: no line of ours is to be forged with it. */
static void make_plain(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static void tell(struct broker *broker, const struct varlink_peer *peer, const char *method,
		 const char *result, char *sentence)
{
	struct audit *audit = &broker->audit;
	const struct audit_speaker *speaker = find_speaker(broker, peer);
	char uid[16], pid[16];
	snprintf(uid, sizeof(uid), "%u", (unsigned)peer->uid);
	snprintf(pid, sizeof(pid), "%d", (int)peer->pid);
	make_plain(audit->network);
	make_plain(audit->port);
	make_plain(audit->what);
	make_plain(sentence);
	const struct log_field fields[] = {
		{"USER", speaker->name},	{"CALLER_UID", uid}, {"CALLER_PID", pid},
		{"CALLER_FROM", speaker->from}, {"METHOD", method},  {"NETWORK", audit->network},
		{"PORT", audit->port},		{"RESULT", result},
	};
	log_fields(LOG_LEVEL_NOTICE, fields, sizeof(fields) / sizeof(fields[0]),
		   "audit: %s (uid %s, pid %s%s%s): %s%s%s: %s%s%s", speaker->name, uid, pid,
		   speaker->from[0] ? ", from " : "", speaker->from, method,
		   audit->what[0] ? " " : "", audit->what, result, sentence[0] ? ": " : "",
		   sentence);
}

void audit_end(struct broker *broker, const struct varlink_peer *peer, const char *method,
	       bool is_change, int result, const struct error *err)
{
	bool refused = result == -EACCES || result == -EPERM;
	unsigned untold = 0;
	if (!broker->paths.system || (!is_change && !refused) ||
	    (refused && is_too_much(broker, &untold)))
		return;
	char sentence[ERROR_TEXT_SIZE + 64] = "";
	if (result < 0)
		snprintf(sentence, sizeof(sentence), "%s", err->text);
	if (untold > 0) {
		size_t used = strlen(sentence);
		snprintf(sentence + used, sizeof(sentence) - used, " (and %u more refusals before)",
			 untold);
	}
	tell(broker, peer, method, result == 0 ? "done" : refused ? "refused" : "failed", sentence);
}
