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

/* And so must its ports. */
static bool is_kept(const struct state *state, const struct port *port)
{
	const struct network *network =
		port_lasts(port) ? state_network(state, port->network) : NULL;
	return network && !network->unconfirmed;
}

static char *port_path(const struct state *state, const char *id, bool kept)
{
	return text_format("%s/ports/%s.json", kept ? state->paths->state : state->paths->runtime,
			   id);
}

static char *network_text(const struct network *network)
{
	json_t *json = schema_encode(&network_schema, network);
	char *text = node_yaml_text(json);
	json_decref(json);
	return text;
}

static char *port_text(const struct port *port)
{
	json_t *json = schema_encode(&port_schema, port);
	json_object_set_new(json, "creator", json_integer(state_port_creator(port)));
	char *text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	return text;
}

static int write_network(const struct state *state, const struct network *network, bool synced,
			 struct error *err)
{
	AUTO_FREE char *path = network_path(state, network->name, network->unconfirmed);
	AUTO_FREE char *text = network_text(network);
	return file_write_atomic(path, text, strlen(text), 0644, synced, err);
}

/* The folder of those that are kept comes with the first one: a broker must be able to start while
 * the disk is full. */
static int make_ports_folder(const struct state *state, struct error *err)
{
	AUTO_FREE char *folder = text_format("%s/ports", state->paths->state);
	return directory_make(folder, 0700, err);
}

static int write_port(const struct state *state, const struct port *port, bool synced,
		      struct error *err)
{
	bool kept = is_kept(state, port);
	AUTO_FREE char *path = port_path(state, port->id, kept);
	AUTO_FREE char *text = port_text(port);
	/* A caller waits, nobody reads it meanwhile, and load_port knows an unfinished one. */
	if (!kept && file_create(path, text, strlen(text), 0600) == 0)
		return 0;
	int r = kept ? make_ports_folder(state, err) : 0;
	return r < 0 ? r : file_write_atomic(path, text, strlen(text), 0600, kept && synced, err);
}

int state_write_port(const struct state *state, const struct port *port, struct error *err)
{
	return write_port(state, port, true, err);
}

static void remove_file(const char *path)
{
	if (unlink(path) < 0 && errno != ENOENT)
		log_warning("%s: %m", path);
}

static void unlink_port(const struct state *state, const char *id, bool kept)
{
	AUTO_FREE char *path = port_path(state, id, kept);
	remove_file(path);
}

void state_unlink_port(const struct state *state, const char *id)
{
	unlink_port(state, id, true);
	unlink_port(state, id, false);
}

static void unlink_network(const struct state *state, const char *name, bool unconfirmed)
{
	AUTO_FREE char *path = network_path(state, name, unconfirmed);
	remove_file(path);
}

static int sync_definitions(const struct state *state, struct error *err)
{
	AUTO_FREE char *path = text_format("%s/networks", state->paths->state);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || syncfs(fd) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

/* What of one state another one has not, or has otherwise, or elsewhere. */
struct difference {
	const struct state *from, *to;
	bool *networks, *ports; /* of to: which are to be written */
	size_t n_kept;		/* how many of them in the state folder */
};

static void difference_init(struct difference *ret, const struct state *from,
			    const struct state *to)
{
	*ret = (struct difference){.from = from,
				   .to = to,
				   .networks = memory_zero(to->n_networks, sizeof(bool)),
				   .ports = memory_zero(to->n_ports, sizeof(bool))};
	for (size_t i = 0; i < to->n_networks; i++) {
		const struct network *old = state_network(from, to->networks[i]->name);
		ret->networks[i] = !old || !network_equal(old, to->networks[i]);
		ret->n_kept += ret->networks[i] && !to->networks[i]->unconfirmed;
	}
	for (size_t i = 0; i < to->n_ports; i++) {
		const struct port *old = state_port(from, to->ports[i]->id);
		bool kept = is_kept(to, to->ports[i]);
		ret->ports[i] =
			!old || !port_equal(old, to->ports[i]) || is_kept(from, old) != kept;
		ret->n_kept += ret->ports[i] && kept;
	}
}

static void difference_done(struct difference *difference)
{
	free(difference->networks);
	free(difference->ports);
}

static int write_changed(const struct difference *difference, struct error *err)
{
	const struct state *to = difference->to;
	bool one_by_one = difference->n_kept <= SYNC_ONE_BY_ONE;
	int r = 0;
	for (size_t i = 0; i < to->n_networks && r == 0; i++)
		if (difference->networks[i])
			r = write_network(to, to->networks[i], one_by_one, err);
	for (size_t i = 0; i < to->n_ports && r == 0; i++)
		if (difference->ports[i])
			r = write_port(to, to->ports[i], one_by_one, err);
	return r == 0 && !one_by_one ? sync_definitions(to, err) : r;
}

/* What is no more, and what lies where it belongs no more. */
static void remove_gone(const struct difference *difference)
{
	const struct state *from = difference->from, *to = difference->to;
	for (size_t i = 0; i < from->n_networks; i++) {
		const struct network *old = from->networks[i];
		const struct network *now = state_network(to, old->name);
		if (!now || now->unconfirmed != old->unconfirmed)
			unlink_network(from, old->name, old->unconfirmed);
	}
	for (size_t i = 0; i < from->n_ports; i++) {
		const struct port *old = from->ports[i], *now = state_port(to, old->id);
		if (!now || is_kept(to, now) != is_kept(from, old))
			unlink_port(from, old->id, is_kept(from, old));
	}
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
	log_warning("%s; what goes is removed one by one", why.text);
	return 0;
}

static json_t *note_networks(const struct difference *difference)
{
	const struct state *from = difference->from, *to = difference->to;
	json_t *write = json_object(), *remove = json_array();
	for (size_t i = 0; i < to->n_networks; i++) {
		if (!difference->networks[i] || to->networks[i]->unconfirmed)
			continue;
		AUTO_FREE char *text = network_text(to->networks[i]);
		json_object_set_new(write, to->networks[i]->name, json_string(text));
	}
	for (size_t i = 0; i < from->n_networks; i++)
		if (!from->networks[i]->unconfirmed && !state_network(to, from->networks[i]->name))
			json_array_append_new(remove, json_string(from->networks[i]->name));
	return json_pack("{s:o,s:o}", "write", write, "remove", remove);
}

static json_t *note_ports(const struct difference *difference)
{
	const struct state *from = difference->from, *to = difference->to;
	json_t *write = json_object(), *remove = json_array();
	for (size_t i = 0; i < to->n_ports; i++) {
		if (!difference->ports[i] || !is_kept(to, to->ports[i]))
			continue;
		AUTO_FREE char *text = port_text(to->ports[i]);
		json_object_set_new(write, to->ports[i]->id, json_string(text));
	}
	for (size_t i = 0; i < from->n_ports; i++)
		if (is_kept(from, from->ports[i]) && !state_port(to, from->ports[i]->id))
			json_array_append_new(remove, json_string(from->ports[i]->id));
	return json_pack("{s:o,s:o}", "write", write, "remove", remove);
}

/* Notes what is about to change, unless it is one file at most, which changes as one anyway. */
static int note_changes(const struct difference *difference, struct error *err)
{
	json_t *change = note_networks(difference), *ports = note_ports(difference);
	size_t removed = json_array_size(json_object_get(change, "remove")) +
			 json_array_size(json_object_get(ports, "remove"));
	json_object_set_new(change, "ports", ports);
	if (difference->n_kept + removed > 1)
		return begin_change(difference->to->paths, change, difference->n_kept == 0, err);
	json_decref(change);
	return 0;
}

/* Removing what was new makes the room that writing back needs. */
static void put_back(const struct state *before, const struct state *after)
{
	struct difference difference;
	struct error err = {0};
	difference_init(&difference, after, before);
	remove_gone(&difference);
	if (write_changed(&difference, &err) < 0)
		log_warning("definitions could not be put back: %s", err.text);
	difference_done(&difference);
}

int state_persist(const struct state *before, const struct state *after, struct error *err)
{
	struct difference difference;
	difference_init(&difference, before, after);
	int r = note_changes(&difference, err);
	if (r == 0) {
		r = write_changed(&difference, err);
		if (r == 0)
			remove_gone(&difference);
		else
			put_back(before, after);
		journal_end(after->paths);
	}
	difference_done(&difference);
	return r;
}

typedef int load_one(struct state *state, const char *path, const char *name, struct error *err);

static bool is_in_runtime(const struct state *state, const char *path)
{
	size_t folder = strlen(state->paths->runtime);
	return strncmp(path, state->paths->runtime, folder) == 0 && path[folder] == '/';
}

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
	/* Versions before took the other word in all modes, where it meant nothing. */
	network->guard |= network->mode != NETWORK_BRIDGED;
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
	network->unconfirmed = is_in_runtime(state, path);
	state_put_network(state, network);
	return 0;
}

static int decode_port(const char *text, size_t length, struct port *ret, uid_t *ret_creator,
		       struct error *err)
{
	json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(json)) {
		json_decref(json);
		return error_set(err, EINVAL, "not a JSON object");
	}
	*ret_creator = (uid_t)json_integer_value(json_object_get(json, "creator"));
	json_object_del(json, "creator");
	struct node *node = NULL;
	int r = node_from_json("port", json, &node, err);
	json_decref(json);
	if (r < 0)
		return r;
	*ret = (struct port){.queues = 1, .owner = (uint32_t)-1, .group = (uint32_t)-1};
	r = schema_decode(&port_schema, node, ret, true, err);
	node_free(node);
	return r == 0 ? port_settle(ret, err) : r;
}

/* A port goes with its network, however that went: it shall not be there again by surprise when
 * another one gets the name. A network whose definition cannot be used may come back. */
static bool is_left_over(const struct state *state, const struct port *port)
{
	if (state_network(state, port->network))
		return false;
	for (int unconfirmed = 0; unconfirmed < 2; unconfirmed++) {
		AUTO_FREE char *path = network_path(state, port->network, unconfirmed);
		if (access(path, F_OK) == 0 || errno != ENOENT)
			return false;
	}
	return true;
}

/* An older version that was put back for a while does not see ports that are kept, and may have
 * made another one of the interface. The kept one counts. */
static const struct port *successor(const struct state *state, const struct port *port,
				    const char *path)
{
	AUTO_FREE char *place = port_path(state, port->id, false);
	const struct port *other = state_port(state, port->ifname);
	return other && is_kept(state, other) && port_lasts(port) && strcmp(place, path) == 0
		       ? other
		       : NULL;
}

static int check_network(const struct state *state, const struct port *port, struct error *err)
{
	return state_network(state, port->network)
		       ? 0
		       : error_set(err, ENOENT, "its network '%s' is not there", port->network);
}

static int check_interface(const struct state *state, const struct port *port, struct error *err)
{
	const struct port *other = state_port(state, port->ifname);
	return other ? error_set(err, EEXIST, "has the interface %s of port %s", port->ifname,
				 other->id)
		     : 0;
}

/* Where it belongs. One that lasts lay in the runtime folder in versions before, and does while its
 * network is not confirmed. */
static void settle_file(const struct state *state, const struct port *port, const char *path)
{
	AUTO_FREE char *place = port_path(state, port->id, is_kept(state, port));
	struct error err = {0};
	if (strcmp(place, path) == 0)
		return;
	if (state_write_port(state, port, &err) == 0)
		remove_file(path);
	else
		log_warning("port %s stays at %s: %s", port->id, path, err.text);
}

/* The state folder is read first: a copy of the same port elsewhere is of a move that was cut off.
 */
static int load_port(struct state *state, const char *path, const char *name, struct error *err)
{
	AUTO_FREE char *text = NULL;
	struct port port;
	uid_t creator = 0;
	ssize_t length = file_read(path, DEFINITION_MAX, &text, err);
	if (length < 0)
		return (int)length;
	if (length == 0 && is_in_runtime(state, path)) {
		remove_file(path); /* its broker was killed; nobody was given the port */
		return 0;
	}
	int r = decode_port(text, (size_t)length, &port, &creator, err);
	if (r == 0 && strcmp(port.id, name) != 0)
		r = error_set(err, EINVAL, "its id is not that of the file's name");
	if (r < 0)
		return r;
	const struct port *same = state_port(state, port.id);
	if (same && strcmp(same->id, port.id) == 0) {
		remove_file(path);
		return 0;
	}
	if (is_left_over(state, &port)) {
		log_warning("%s: removed, as its network '%s' was", path, port.network);
		remove_file(path);
		return 0;
	}
	const struct port *kept = successor(state, &port, path);
	if (kept) {
		log_warning("%s: removed: interface %s is that of port %s", path, port.ifname,
			    kept->id);
		remove_file(path);
		return 0;
	}
	r = check_network(state, &port, err);
	if (r == 0)
		r = check_interface(state, &port, err);
	if (r == 0)
		settle_file(state, state_add_port(state, &port, creator), path);
	return r;
}

static void load_file(struct state *state, const char *folder, const char *file, const char *suffix,
		      load_one *load)
{
	size_t length = strlen(file), tail = strlen(suffix);
	AUTO_FREE char *path = text_format("%s/%s", folder, file);
	if (file[0] == '.')
		return;
	if (length <= tail || strcmp(file + length - tail, suffix) != 0) {
		if (strstr(file, suffix)) /* an unfinished temporary file of ours */
			unlink(path);
		return;
	}
	AUTO_FREE char *name = strndup(file, length - tail);
	struct error why = {0};
	if (name && load(state, path, name, &why) < 0)
		log_error("%s: skipped: %s", path, why.text);
}

/* In the order of their names, so that of two which exclude each other it is always the same. A
 * folder that is not there is empty. */
static int load_folder(struct state *state, const char *folder, const char *suffix, load_one *load,
		       struct error *err)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, NULL, alphasort);
	if (count < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "%s", folder);
	for (int i = 0; i < count; i++) {
		load_file(state, folder, entries[i]->d_name, suffix, load);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

static int make_folders(const struct state *state, const char *networks, const char *unconfirmed,
			const char *ports, struct error *err)
{
	int r = directory_make(state->paths->state, 0700, err);
	if (r == 0)
		r = directory_make(networks, 0700, err);
	if (r == 0 && state->paths->system)
		r = directory_make(unconfirmed, 0700, err);
	return r == 0 ? directory_make(ports, 0700, err) : r;
}

int state_load(struct state *state, struct error *err)
{
	AUTO_FREE char *networks = text_format("%s/networks", state->paths->state);
	AUTO_FREE char *unconfirmed = text_format("%s/networks", state->paths->runtime);
	AUTO_FREE char *kept = text_format("%s/ports", state->paths->state);
	AUTO_FREE char *ports = text_format("%s/ports", state->paths->runtime);
	int r = make_folders(state, networks, unconfirmed, ports, err);
	if (r == 0)
		r = journal_finish(state->paths, err);
	if (r == 0)
		r = load_folder(state, networks, ".yaml", load_network, err);
	if (r == 0 && state->paths->system)
		r = load_folder(state, unconfirmed, ".yaml", load_network, err);
	if (r == 0)
		r = load_folder(state, kept, ".json", load_port, err);
	if (r == 0)
		r = load_folder(state, ports, ".json", load_port, err);
	return r;
}
