/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all checks of doctor share: gathering the facts once, adding findings, small questions. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/paths.h"
#include "cli/client.h"
#include "cli/process.h"
#include "cli/verb.h"
#include "diagnosis/doctor.h"
#include "ipc/varlink_client.h"

#define TEXT_MAX      65536
#define COMMAND_WORDS 24

const char *const verdict_names[VERDICTS] = {"ok", "unknown", "warning", "error"};

/* Small questions */

long long number_of(const json_t *json, const char *key)
{
	const json_t *value = json_object_get(json, key);
	return json_is_integer(value) ? json_integer_value(value) : -1;
}

const json_t *item_of(const json_t *list, const char *key, const char *value)
{
	const json_t *item;
	size_t index;
	json_array_foreach (list, index, item)
		if (*value && strcasecmp(text_of(item, key), value) == 0)
			return item;
	return NULL;
}

bool flag_of(const json_t *json, const char *key)
{
	return json_is_true(json_object_get(json, key));
}

const json_t *link_by_name(const json_t *facts, const char *name)
{
	const json_t *link;
	size_t index;
	json_array_foreach (json_object_get(facts, "links"), index, link)
		if (strcmp(text_of(link, "name"), name) == 0)
			return link;
	return NULL;
}

const json_t *link_by_index(const json_t *facts, long long wanted)
{
	const json_t *link;
	size_t index;
	json_array_foreach (json_object_get(facts, "links"), index, link)
		if (number_of(link, "index") == wanted)
			return link;
	return NULL;
}

long long setting_of(const json_t *facts, const char *key, const char *ifname)
{
	const json_t *settings = json_object_get(facts, "settings");
	return ifname ? number_of(json_object_get(settings, key), ifname)
		      : number_of(settings, key);
}

const json_t *uplink_of(const json_t *facts, int family)
{
	const json_t *route, *best = NULL;
	size_t index;
	json_array_foreach (json_object_get(facts, "routes"), index, route) {
		bool is_default =
			strcmp(text_of(route, "to"), family == 4 ? "0.0.0.0/0" : "::/0") == 0 &&
			number_of(route, "table") == 254 && number_of(route, "index") > 0;
		if (is_default && (!best || number_of(route, "metric") < number_of(best, "metric")))
			best = route;
	}
	return best ? link_by_index(facts, number_of(best, "index")) : NULL;
}

const json_t *networks_of(const struct examination *examination)
{
	return examination->focus ? examination->focus
				  : json_object_get(examination->status, "networks");
}

const json_t *ports_of(const struct examination *examination)
{
	return json_object_get(examination->status, "ports");
}

bool is_forwarding_network(const json_t *network)
{
	const char *mode = text_of(network, "mode");
	return strcmp(mode, "nat") == 0 || strcmp(mode, "routed") == 0 || strcmp(mode, "open") == 0;
}

const char *owner_of_link(const struct examination *examination, const char *ifname)
{
	static char text[160];
	const json_t *port;
	size_t index;
	snprintf(text, sizeof(text), "interface %s", ifname);
	json_array_foreach (ports_of(examination), index, port) {
		if (strcmp(text_of(port, "ifname"), ifname) != 0)
			continue;
		const char *machine = text_of(port, "machine");
		snprintf(text, sizeof(text), "%s%s%sport %s (%s)", *machine ? "machine " : "",
			 machine, *machine ? ", " : "", text_of(port, "id"), ifname);
	}
	return text;
}

char *read_text(const char *path)
{
	char *text = NULL;
	return file_read(path, TEXT_MAX, &text, NULL) < 0 ? NULL : text;
}

bool assignment_of(const char *text, const char *key, char *ret, size_t size)
{
	size_t length = strlen(key);
	*ret = '\0';
	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) != 0 || line[length] != '=')
			continue;
		const char *value = line + length + 1;
		value += *value == '"';
		snprintf(ret, size, "%.*s", (int)strcspn(value, "\"\n"), value);
		return true;
	}
	return false;
}

/* Findings */

void found(struct examination *examination, enum verdict verdict, const char *format, ...)
{
	char text[512];
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	json_array_append_new(examination->findings,
			      json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "id",
					examination->check->id, "title", examination->check->title,
					"verdict", verdict_names[verdict], "evidence", text,
					"remedy", "", "mendable", 0));
}

static json_t *last_finding(const struct examination *examination)
{
	size_t count = json_array_size(examination->findings);
	return count ? json_array_get(examination->findings, count - 1) : NULL;
}

void remedy(struct examination *examination, const char *format, ...)
{
	char text[512];
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	json_object_set_new(last_finding(examination), "remedy", json_string(text));
}

/* As a shell would have to read it. */
static char *quoted(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_-+=.,:/@%";
	if (*word && strspn(word, plain) == strlen(word))
		return text_copy(word);
	return text_format("'%s'", word); /* none of ours has a quote in it */
}

static json_t *command_prefix(const struct examination *examination, enum remedy_place place)
{
	json_t *words = json_array();
	if (place == IN_WORLD && !examination->system) {
		static const char *const enter[] = {"lanyard", "--user",  "--instance", NULL,
						    "exec",    "--admin", "--"};
		const char *instance = examination->invocation->paths.instance;
		for (size_t i = 0; i < sizeof(enter) / sizeof(enter[0]); i++)
			json_array_append_new(words, json_string(enter[i] ? enter[i] : instance));
	} else if (place != AS_CALLER && geteuid() != 0) {
		json_array_append_new(words, json_string("sudo"));
	}
	return words;
}

static void show_command(json_t *finding, const json_t *words)
{
	AUTO_FREE char *line = text_copy(text_of(finding, "remedy"));
	const json_t *word;
	size_t index;
	json_array_foreach (words, index, word) {
		AUTO_FREE char *one = quoted(json_string_value(word));
		char *longer = text_format("%s%s%s", line, index ? " " : *line ? " && " : "", one);
		free(line);
		line = longer;
	}
	json_object_set_new(finding, "remedy", json_string(line));
}

void remedy_command(struct examination *examination, enum remedy_place place, ...)
{
	json_t *finding = last_finding(examination);
	json_t *words = command_prefix(examination, place), *commands;
	va_list list;
	va_start(list, place);
	for (const char *word; (word = va_arg(list, const char *));)
		json_array_append_new(words, json_string(word));
	va_end(list);
	show_command(finding, words);
	commands = json_object_get(finding, "commands");
	if (!commands) {
		commands = json_array();
		json_object_set_new(finding, "commands", commands);
	}
	json_array_append_new(commands, words);
	json_object_set_new(finding, "mendable", json_boolean(examination->check->mendable));
}

static const json_t *need(struct examination *examination, const json_t *facts, const char *error,
			  const char *key)
{
	const json_t *value = json_object_get(facts, key);
	if (value && !json_is_null(value))
		return value;
	if (!facts)
		found(examination, VERDICT_UNKNOWN, "%s", error);
	else
		found(examination, VERDICT_UNKNOWN, "%s may not be read%s", key,
		      geteuid() == 0 ? "" : " by an ordinary user while no instance runs here");
	return NULL;
}

const json_t *need_world(struct examination *examination, const char *key)
{
	return need(examination, examination->world, examination->world_error, key);
}

const json_t *need_host(struct examination *examination, const char *key)
{
	return need(examination, examination->host, examination->host_error, key);
}

bool need_instance(struct examination *examination)
{
	if (!examination->status)
		found(examination, VERDICT_UNKNOWN, "%s", examination->world_error);
	return examination->status;
}

void examination_run(struct examination *examination, const struct check *check)
{
	size_t before = json_array_size(examination->findings);
	if (examination->quick && check->slow)
		return;
	examination->check = check;
	check->look(examination);
	if (json_array_size(examination->findings) == before)
		found(examination, VERDICT_OK, "%s", check->fine);
}

/* Gathering */

static json_t *call(struct examination *examination, const char *method, json_t *parameters,
		    struct error *err)
{
	struct varlink_answer answer = {0};
	json_t *result = NULL;
	if (client_call(examination->invocation, method, parameters, &answer, err) == 0)
		result = json_incref(answer.parameters);
	varlink_answer_done(&answer);
	return result;
}

json_t *examination_bridge_ports(struct examination *examination, const char *network,
				 struct error *err)
{
	json_t *reply =
		call(examination, "ListBridgePorts", json_pack("{s:s}", "network", network), err);
	json_t *ports = json_incref(json_object_get(reply, "ports"));
	json_decref(reply);
	return ports;
}

json_t *examination_ask(struct examination *examination, const char *question, const char *network,
			const char *address, int port)
{
	struct error err = {0};
	json_t *parameters = json_pack("{s:s}", "question", question);
	if (network)
		json_object_set_new(parameters, "network", json_string(network));
	if (address)
		json_object_set_new(parameters, "address", json_string(address));
	if (port)
		json_object_set_new(parameters, "port", json_integer(port));
	json_t *reply = call(examination, "Diagnose", parameters, &err);
	json_t *answer = json_incref(json_object_get(reply, "answer"));
	json_decref(reply);
	if (!answer)
		snprintf(examination->world_error, sizeof(examination->world_error), "%s",
			 err.text);
	return answer;
}

/* The probes of a batch of networks wait at the same time, each by a connection of its own. */
#define BATCH 8
struct batch {
	struct varlink_client *clients[BATCH];
	const char *networks[BATCH];
	size_t count;
};

static void batch_start(struct examination *examination, struct batch *batch, const char *network)
{
	struct varlink_client **client = &batch->clients[batch->count];
	struct error err = {0};
	if (varlink_client_connect(examination->invocation->paths.broker, client, &err) < 0)
		return;
	json_t *parameters = json_pack("{s:s, s:s}", "question", "servers", "network", network);
	batch->networks[batch->count++] = network;
	varlink_client_start(*client, "io.lanyard.Diagnose", parameters, &err);
}

static void batch_finish(struct examination *examination, struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct varlink_answer answer = {0};
		struct error err = {0};
		json_t *found_there = NULL;
		if (varlink_client_next(batch->clients[i], &answer, &err) >= 0)
			found_there = json_object_get(answer.parameters, "answer");
		else
			snprintf(examination->world_error, sizeof(examination->world_error), "%s",
				 err.text);
		if (found_there)
			json_object_set(examination->servers, batch->networks[i], found_there);
		varlink_answer_done(&answer);
		varlink_client_free(batch->clients[i]);
	}
	batch->count = 0;
}

const json_t *servers_of(struct examination *examination, const char *wanted)
{
	struct batch batch = {0};
	const json_t *network;
	size_t index;
	json_array_foreach (networks_of(examination), index, network) {
		const char *name = text_of(network, "name");
		if (!examination->servers_asked && !flag_of(network, "openvswitch"))
			batch_start(examination, &batch, name);
		if (batch.count == BATCH)
			batch_finish(examination, &batch);
	}
	batch_finish(examination, &batch);
	examination->servers_asked = true;
	return json_object_get(examination->servers, wanted);
}

/* Facts of the namespace that we are in ourselves, with our own rights. */
static json_t *own_facts(char *ret_error, size_t size)
{
	AUTO_FREE char *program = paths_program("lanyard-probe"), *text = NULL;
	const char *argv[] = {program, "facts", NULL};
	struct error err = {0};
	int code = process_run(argv, &text, &err);
	json_t *facts = code == 0 ? json_loads(text, 0, NULL) : NULL;
	if (!facts)
		snprintf(ret_error, size, "the host cannot be looked at: %s",
			 code < 0 ? err.text : "lanyard-probe failed");
	return facts;
}

static void gather_instance(struct examination *examination)
{
	struct error err = {0};
	int code = examination->quick ? client_open_running(examination->invocation, &err)
				      : client_open_existing(examination->invocation, &err);
	if (code == 0)
		examination->version = call(examination, "GetVersion", NULL, &err);
	if (!examination->version) {
		snprintf(examination->world_error, sizeof(examination->world_error), "%s",
			 err.text);
		return;
	}
	examination->runs = true;
	examination->status = call(examination, "Status", NULL, &err);
	json_t *plan = call(examination, "Plan", NULL, &err);
	examination->plan = json_incref(json_object_get(plan, "changes"));
	json_decref(plan);
	examination->world = examination_ask(examination, "facts", NULL, NULL, 0);
}

int examination_open(struct examination *examination, struct invocation *invocation, bool quick,
		     struct error *err)
{
	*examination = (struct examination){.invocation = invocation, .quick = quick};
	examination->findings = json_array();
	examination->servers = json_object();
	int code = client_paths(invocation, err);
	if (code < 0)
		return code;
	examination->system = invocation->paths.system;
	gather_instance(examination);
	if (examination->system && examination->world)
		examination->host = json_incref(examination->world);
	else
		examination->host =
			own_facts(examination->host_error, sizeof(examination->host_error));
	if (examination->system && !examination->world)
		examination->world = json_incref(examination->host);
	return 0;
}

void examination_done(struct examination *examination)
{
	json_decref(examination->status);
	json_decref(examination->version);
	json_decref(examination->plan);
	json_decref(examination->world);
	json_decref(examination->host);
	json_decref(examination->servers);
	json_decref(examination->findings);
}
