/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The model on disk: what state.h says of its files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "broker/journal.h"
#include "broker/state.h"
#include "model/schema.h"

#define DEFINITION_MAX	(4u << 20)
#define SYNC_ONE_BY_ONE 4 /* beyond that one syncfs(2) is cheaper than an fsync(2) for each */

/* One whose uplink is not confirmed must be gone after a restart of the computer. */
static char *network_path(const struct state *state, const char *name, bool unconfirmed)
{
	return text_format("%s/networks/%s.yaml",
			   unconfirmed ? state->paths->runtime : state->paths->state, name);
}

static char *port_path(const struct state *state, const char *id)
{
	return text_format("%s/ports/%s.json", state->paths->runtime, id);
}

static char *network_text(const struct network *network)
{
	json_t *json = schema_encode(&network_schema, network);
	char *text = node_yaml_text(json);
	json_decref(json);
	return text;
}

static int write_network(const struct state *state, const struct network *network, bool durable,
			 struct error *err)
{
	AUTO_FREE char *path = network_path(state, network->name, network->unconfirmed);
	AUTO_FREE char *text = network_text(network);
	return file_write_atomic(path, text, strlen(text), 0644, durable, err);
}

int state_write_port(const struct state *state, const struct port *port, struct error *err)
{
	AUTO_FREE char *path = port_path(state, port->id);
	json_t *json = schema_encode(&port_schema, port);
	json_object_set_new(json, "creator", json_integer(state_port_creator(port)));
	AUTO_FREE char *text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	return file_write_atomic(path, text, strlen(text), 0600, false, err);
}

void state_unlink_port(const struct state *state, const char *id)
{
	AUTO_FREE char *path = port_path(state, id);
	if (unlink(path) < 0 && errno != ENOENT)
		log_warning("%s: %m", path);
}

static void unlink_unconfirmed(const struct state *state, const char *name)
{
	AUTO_FREE char *path = network_path(state, name, true);
	if (unlink(path) < 0 && errno != ENOENT)
		log_warning("%s: %m", path);
}

static void unlink_network(const struct state *state, const char *name)
{
	AUTO_FREE char *path = network_path(state, name, false);
	if (unlink(path) < 0 && errno != ENOENT)
		log_warning("%s: %m", path);
	unlink_unconfirmed(state, name);
}

static int sync_networks(const struct state *state, struct error *err)
{
	AUTO_FREE char *path = text_format("%s/networks", state->paths->state);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || syncfs(fd) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

static int persist_networks(const struct state *before, const struct state *after,
			    struct error *err)
{
	size_t n_changed = 0;
	bool *changed = memory_zero(after->n_networks, sizeof(bool));
	for (size_t i = 0; i < after->n_networks; i++) {
		const struct network *old = state_network(before, after->networks[i]->name);
		changed[i] = !old || !network_equal(old, after->networks[i]);
		n_changed += changed[i];
	}
	bool one_by_one = n_changed <= SYNC_ONE_BY_ONE;
	int r = 0;
	for (size_t i = 0; i < after->n_networks && r == 0; i++)
		if (changed[i])
			r = write_network(after, after->networks[i], one_by_one, err);
	if (r == 0 && !one_by_one)
		r = sync_networks(after, err);
	free(changed);
	for (size_t i = 0; i < before->n_networks && r == 0; i++)
		if (!state_network(after, before->networks[i]->name))
			unlink_network(after, before->networks[i]->name);
		else if (before->networks[i]->unconfirmed &&
			 !state_network(after, before->networks[i]->name)->unconfirmed)
			unlink_unconfirmed(after, before->networks[i]->name);
	return r;
}

static int persist_ports(const struct state *before, const struct state *after, struct error *err)
{
	int r = 0;
	for (size_t i = 0; i < after->n_ports && r == 0; i++) {
		const struct port *old = state_port(before, after->ports[i]->id);
		/* Different padding writes once too often, no more.
		 * NOLINTNEXTLINE(*-memory-comparison,cert-exp42-c,cert-flp37-c) */
		if (!old || memcmp(old, after->ports[i], sizeof(*old)) != 0)
			r = state_write_port(after, after->ports[i], err);
	}
	for (size_t i = 0; i < before->n_ports && r == 0; i++)
		if (!state_port(after, before->ports[i]->id))
			state_unlink_port(after, before->ports[i]->id);
	return r;
}

/* On a full disk it must still be possible to remove things. */
static int begin_change(const struct paths *paths, json_t *change, bool only_removes,
			struct error *err)
{
	struct error why = {0};
	int r = journal_begin(paths, change, &why);
	if (r == 0)
		return 0;
	if (!only_removes)
		return error_set(err, why.code, "%s", why.text);
	log_warning("%s; the networks are removed one by one", why.text);
	return 0;
}

/* Notes what is about to change, unless it is one file at most, which changes as one anyway. */
static int note_changes(const struct state *before, const struct state *after, struct error *err)
{
	json_t *write = json_object(), *remove = json_array();
	for (size_t i = 0; i < after->n_networks; i++) {
		const struct network *network = after->networks[i];
		const struct network *old = state_network(before, network->name);
		if (network->unconfirmed || (old && network_equal(old, network)))
			continue;
		AUTO_FREE char *text = network_text(network);
		json_object_set_new(write, network->name, json_string(text));
	}
	for (size_t i = 0; i < before->n_networks; i++)
		if (!state_network(after, before->networks[i]->name))
			json_array_append_new(remove, json_string(before->networks[i]->name));
	size_t written = json_object_size(write), removed = json_array_size(remove);
	json_t *change = json_pack("{s:o,s:o}", "write", write, "remove", remove);
	if (written + removed > 1)
		return begin_change(after->paths, change, written == 0, err);
	json_decref(change);
	return 0;
}

int state_persist(const struct state *before, const struct state *after, struct error *err)
{
	int r = note_changes(before, after, err);
	if (r < 0)
		return r;
	r = persist_networks(before, after, err);
	journal_end(after->paths);
	if (r == 0)
		r = persist_ports(before, after, err);
	if (r < 0) { /* removing what was new makes the room that writing back needs */
		struct error second = {0};
		for (size_t i = 0; i < after->n_networks; i++)
			if (!state_network(before, after->networks[i]->name))
				unlink_network(after, after->networks[i]->name);
		for (size_t i = 0; i < after->n_ports; i++)
			if (!state_port(before, after->ports[i]->id))
				state_unlink_port(after, after->ports[i]->id);
		struct state none;
		state_init(&none, before->paths);
		if (persist_networks(&none, before, &second) < 0)
			log_warning("definitions could not be put back: %s", second.text);
	}
	return r;
}

typedef int load_one(struct state *state, const char *path, const char *name, struct error *err);

static int load_network(struct state *state, const char *path, const char *name, struct error *err)
{
	AUTO_FREE char *text = NULL;
	ssize_t length = file_read(path, DEFINITION_MAX, &text, err);
	if (length < 0)
		return (int)length;
	struct node *node = NULL;
	int r = node_from_yaml(path, text, (size_t)length, &node, err);
	if (r < 0)
		return r;
	struct network *network = network_new();
	r = schema_decode(&network_schema, node, network, true, err);
	node_free(node);
	if (r == 0)
		r = network_settle(network, err);
	if (r == 0 && (strcmp(network->name, name) != 0 || network->id == 0))
		r = error_set(err, EINVAL, "name and id do not belong to this file");
	for (size_t i = 0; r == 0 && i < state->n_networks; i++)
		if (state->networks[i]->id == network->id)
			r = error_set(err, EINVAL, "has the id of network '%s'",
				      state->networks[i]->name);
	if (r < 0) {
		network_free(network);
		return r;
	}
	size_t folder = strlen(state->paths->runtime);
	network->unconfirmed =
		strncmp(path, state->paths->runtime, folder) == 0 && path[folder] == '/';
	state_put_network(state, network);
	return 0;
}

static int load_port(struct state *state, const char *path, const char *name, struct error *err)
{
	AUTO_FREE char *text = NULL;
	ssize_t length = file_read(path, DEFINITION_MAX, &text, err);
	if (length < 0)
		return (int)length;
	json_t *json = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(json)) {
		json_decref(json);
		return error_set(err, EINVAL, "not a JSON object");
	}
	uid_t creator = (uid_t)json_integer_value(json_object_get(json, "creator"));
	json_object_del(json, "creator");
	struct node *node = NULL;
	int r = node_from_json("port", json, &node, err);
	json_decref(json);
	if (r < 0)
		return r;
	struct port port = {.queues = 1, .owner = (uint32_t)-1, .group = (uint32_t)-1};
	r = schema_decode(&port_schema, node, &port, true, err);
	node_free(node);
	if (r == 0)
		r = port_settle(&port, err);
	if (r == 0 && strcmp(port.id, name) != 0)
		r = error_set(err, EINVAL, "its id is not that of the file's name");
	if (r == 0 && !state_network(state, port.network))
		r = error_set(err, ENOENT, "its network '%s' is not there", port.network);
	if (r == 0)
		state_add_port(state, &port, creator);
	return r;
}

static int load_folder(struct state *state, const char *folder, const char *suffix, load_one *load,
		       struct error *err)
{
	int r = directory_make(folder, 0700, err);
	if (r < 0)
		return r;
	DIR *directory = opendir(folder);
	if (!directory)
		return error_errno(err, errno, "%s", folder);
	for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
		size_t length = strlen(entry->d_name), tail = strlen(suffix);
		if (entry->d_name[0] == '.')
			continue;
		AUTO_FREE char *path = text_format("%s/%s", folder, entry->d_name);
		if (length <= tail || strcmp(entry->d_name + length - tail, suffix) != 0) {
			if (strstr(entry->d_name,
				   suffix)) /* an unfinished temporary file of ours */
				unlink(path);
			continue;
		}
		AUTO_FREE char *name = strndup(entry->d_name, length - tail);
		struct error why = {0};
		if (name && load(state, path, name, &why) < 0)
			log_error("%s: skipped: %s", path, why.text);
	}
	closedir(directory);
	return 0;
}

int state_load(struct state *state, struct error *err)
{
	AUTO_FREE char *networks = text_format("%s/networks", state->paths->state);
	AUTO_FREE char *unconfirmed = text_format("%s/networks", state->paths->runtime);
	AUTO_FREE char *ports = text_format("%s/ports", state->paths->runtime);
	int r = directory_make(state->paths->state, 0700, err);
	if (r == 0)
		r = directory_make(networks, 0700, err);
	if (r == 0)
		r = journal_finish(state->paths, err);
	if (r == 0)
		r = load_folder(state, networks, ".yaml", load_network, err);
	if (r == 0 && state->paths->system)
		r = load_folder(state, unconfirmed, ".yaml", load_network, err);
	if (r == 0)
		r = load_folder(state, ports, ".json", load_port, err);
	return r;
}
