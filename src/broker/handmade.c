/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/handmade.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "model/schema.h"

#define RECORD_MAX (4u << 20)

/* Labs of several users may have the same name; no name of a lab has an '@'. */
static char *record_path(const struct state *state, const char *lab, uid_t owner)
{
	if (owner == 0)
		return text_format("%s/labs/%s.json", state->paths->state, lab);
	return text_format("%s/labs/%s@%u.json", state->paths->state, lab, (unsigned)owner);
}

json_t *handmade_read(const struct state *state, const char *lab, uid_t owner)
{
	AUTO_FREE char *path = record_path(state, lab, owner), *text = NULL;
	struct error err = {0};
	ssize_t length = file_read(path, RECORD_MAX, &text, &err);
	json_t *record = length < 0 ? NULL : json_loadb(text, (size_t)length, 0, NULL);
	if (length < 0 && length != -ENOENT)
		log_warning("%s", err.text);
	if (json_is_object(record))
		return record;
	json_decref(record);
	return json_object();
}

void handmade_write(const struct state *state, const char *lab, uid_t owner, const json_t *record)
{
	AUTO_FREE char *path = record_path(state, lab, owner);
	AUTO_FREE char *folder = text_format("%s/labs", state->paths->state);
	struct error err = {0};
	if (json_object_size(record) == 0) {
		if (unlink(path) < 0 && errno != ENOENT)
			log_warning("%s: %m", path);
		return;
	}
	AUTO_FREE char *text = json_dumps(record, JSON_COMPACT | JSON_SORT_KEYS);
	if (!text || directory_make(folder, 0700, &err) < 0 ||
	    file_write_atomic(path, text, strlen(text), 0600, false, &err) < 0)
		log_warning("what was made by hand in lab '%s' will be forgotten: %s", lab,
			    err.text);
}

static const char *text_of(const json_t *map, const char *key)
{
	return json_string_value(json_object_get(map, key));
}

static json_t *find_reservation(const json_t *network, const char *name)
{
	size_t index;
	json_t *item;
	json_array_foreach (json_object_get(network, "reservations"), index, item) {
		const char *other = text_of(item, "name");
		if (other && strcmp(other, name) == 0)
			return item;
	}
	return NULL;
}

static bool is_same(const json_t *a, const json_t *b)
{
	return a && b ? json_equal(a, b) : a == b;
}

static void remove_reservation(json_t *network, const json_t *reservation)
{
	json_t *list = json_object_get(network, "reservations");
	for (size_t i = json_array_size(list); i-- > 0;)
		if (json_array_get(list, i) == reservation)
			json_array_remove(list, i);
}

/* A machine's reservation stays with the machine, with the address that was given by hand. */
static bool merge_reservation(json_t *merged, const char *name, const json_t *by_hand)
{
	json_t *of_file = find_reservation(merged, name);
	bool automatic = json_is_true(json_object_get(of_file, "automatic"));
	if (json_is_null(by_hand) && (!of_file || automatic))
		return false;
	if (of_file && automatic) {
		static const char *const keys[] = {"address", "ipv6"};
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			if (json_object_get(by_hand, keys[i]))
				json_object_set(of_file, keys[i],
						json_object_get(by_hand, keys[i]));
		return true;
	}
	if (of_file)
		remove_reservation(merged, of_file);
	if (json_is_null(by_hand))
		return true;
	json_t *list = json_object_get(merged, "reservations");
	if (!list)
		json_object_set_new(merged, "reservations", list = json_array());
	json_array_append_new(list, json_deep_copy(by_hand));
	return true;
}

/* Where the file says the same as at the last `up`, what was made by hand goes on. */
static json_t *merge_settings(const json_t *old, const json_t *file, json_t *merged, json_t *words)
{
	json_t *stays = json_object(), *value;
	const char *key;
	json_object_foreach (json_object_get(old, "settings"), key, value) {
		if (!is_same(json_object_get(json_object_get(old, "file"), key),
			     json_object_get(file, key)))
			continue;
		json_object_set(merged, key, value);
		json_object_set(stays, key, value);
		json_array_append_new(words, json_string(key));
	}
	return stays;
}

static json_t *merge_reservations(const json_t *old, const json_t *file, json_t *merged,
				  json_t *words)
{
	json_t *stays = json_object(), *value;
	const char *name;
	json_object_foreach (json_object_get(old, "reservations"), name, value) {
		if (!is_same(find_reservation(json_object_get(old, "file"), name),
			     find_reservation(file, name)) ||
		    !merge_reservation(merged, name, value))
			continue;
		json_object_set(stays, name, value);
		json_array_append_new(words, json_sprintf("reservation %s", name));
	}
	return stays;
}

static json_t *sentence(const char *network, const json_t *words)
{
	AUTO_FREE char *text = text_format("network %s", network);
	size_t index;
	json_t *word;
	json_array_foreach (words, index, word) {
		char *longer =
			text_format("%s%s %s", text, index ? "," : ":", json_string_value(word));
		free(text);
		text = longer;
	}
	return json_string(text);
}

json_t *handmade_merge(const json_t *record, const json_t *file, json_t *next, json_t *kept)
{
	const char *name = text_of(file, "name");
	json_t *merged = json_deep_copy(file);
	if (!name)
		return merged;
	const json_t *old = json_object_get(record, name);
	json_t *words = json_array(), *entry = json_object();
	json_object_set_new(entry, "file", json_deep_copy(file));
	json_object_set_new(entry, "settings", merge_settings(old, file, merged, words));
	json_object_set_new(entry, "reservations", merge_reservations(old, file, merged, words));
	json_object_set_new(next, name, entry);
	if (json_array_size(words) > 0)
		json_array_append_new(kept, sentence(name, words));
	json_decref(words);
	return merged;
}

/* The record of a network's lab for one more note; *ret_part: its map of settings or reservations.
 * NULL for a network by hand. */
static json_t *open_record(const struct state *state, const struct network *network,
			   const char *part, json_t **ret_part)
{
	json_t *record =
		network->lab[0] ? handmade_read(state, network->lab, network->owner) : NULL;
	json_t *entry = json_object_get(record, network->name);
	*ret_part = json_object_get(entry, part);
	if (*ret_part)
		return record;
	json_decref(record);
	return NULL;
}

static void note_setting(const json_t *entry, const json_t *before, const json_t *after,
			 const char *key, json_t *value)
{
	json_t *part = json_object_get(entry, "settings"), *now = json_object_get(after, key);
	if (is_same(now, json_object_get(json_object_get(entry, "file"), key)))
		json_object_del(part, key);
	else if (json_object_get(part, key) || !is_same(now, json_object_get(before, key)))
		json_object_set(part, key, value);
}

void handmade_note_settings(const struct state *state, const struct network *network,
			    const json_t *before, const json_t *settings)
{
	json_t *part;
	json_t *record = open_record(state, network, "settings", &part);
	if (!record)
		return;
	json_t *after = schema_encode(&network_schema, network), *value;
	const char *key;
	json_object_foreach ((json_t *)settings, key, value)
		if (strcmp(key, "reservations") != 0)
			note_setting(json_object_get(record, network->name), before, after, key,
				     value);
	json_decref(after);
	handmade_write(state, network->lab, network->owner, record);
	json_decref(record);
	size_t index;
	json_t *reservation;
	json_array_foreach (json_object_get(settings, "reservations"), index, reservation) {
		const char *name = text_of(reservation, "name");
		if (name)
			handmade_note_reservation(state, network, name, reservation);
	}
}

void handmade_note_reservation(const struct state *state, const struct network *network,
			       const char *name, const json_t *reservation)
{
	json_t *part;
	json_t *record = open_record(state, network, "reservations", &part);
	if (!record)
		return;
	if (!reservation && json_object_get(part, name) &&
	    !find_reservation(json_object_get(json_object_get(record, network->name), "file"),
			      name))
		json_object_del(part, name); /* made by hand and ended by hand */
	else
		json_object_set_new(part, name,
				    reservation ? json_deep_copy(reservation) : json_null());
	handmade_write(state, network->lab, network->owner, record);
	json_decref(record);
}
