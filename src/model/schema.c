/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine behind the tables: maps with their keys, and lists. It knows no entity; what a list or
 * a map means is the business of the table's own functions (SCHEMA_CUSTOM).
 */
#include "model/schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "model/name.h"
#include "model/schema_value.h"

#define KEYS_MAX 64 /* of one table */

AUTO_DEFINE(node)

static json_t *encode_list(const struct schema_key *key, const void *member)
{
	json_t *list = json_array();
	for (size_t i = 0; i < key->size; i += key->list->size) {
		json_t *item = key->list->encode((const char *)member + i);
		if (item)
			json_array_append_new(list, item);
	}
	if (json_array_size(list) > 0)
		return list;
	json_decref(list);
	return NULL;
}

static int set_default(const struct schema_key *key, void *member, struct error *err)
{
	memset(member, 0, key->size);
	return key->fallback ? schema_value_decode(key, key->fallback, member, err) : 0;
}

/* The member stays as it was unless all of the list is good. */
static int decode_list(const struct schema_key *key, const struct node *node, void *member,
		       struct error *err)
{
	const struct schema_list *list = key->list;
	const struct node *one[] = {node}, *const *items = one;
	size_t n = node->kind == NODE_SCALAR, room = key->size / list->size;
	if (node->kind == NODE_LIST) {
		items = (const struct node *const *)node->children;
		n = node->n_children;
	}
	if (node->kind == NODE_MAP || n > room)
		return node_error(node, err, EINVAL, "%s: a list of up to %zu, each %s", key->key,
				  room, list->what);
	AUTO_FREE char *found = memory_zero(room, list->size);
	for (size_t i = 0; i < n; i++) {
		char text[NODE_DESCRIBE_SIZE];
		if (items[i]->kind != NODE_SCALAR)
			return node_error(items[i], err, EINVAL, "%s is not %s",
					  node_describe(items[i], text), list->what);
		if (list->decode(items[i]->text, found + i * list->size, err) < 0)
			return node_prefix(items[i], err);
	}
	memcpy(member, found, key->size);
	return 0;
}

static int decode_key(const struct schema_key *key, const struct node *node, void *object,
		      struct error *err)
{
	if (key->type == SCHEMA_CUSTOM)
		return key->decode(node, object, err);
	void *member = (char *)object + key->offset;
	char text[NODE_DESCRIBE_SIZE];
	if (key->type == SCHEMA_LIST)
		return decode_list(key, node, member, err);
	if (node->kind == NODE_NULL)
		return set_default(key, member, err);
	if (node->kind != NODE_SCALAR)
		return node_error(node, err, EINVAL, "%s is %s; it has to be one value", key->key,
				  node_describe(node, text));
	int r = schema_value_decode(key, node->text, member, err);
	if (r < 0)
		node_prefix(node, err);
	return r;
}

static const struct schema_key *find_key(const struct schema *schema, const char *key)
{
	for (size_t i = 0; i < schema->n_keys; i++)
		if (!strcmp(schema->keys[i].key, key))
			return &schema->keys[i];
	return NULL;
}

/* Those that a user may write. */
static size_t list_keys(const struct schema *schema, const char *words[KEYS_MAX])
{
	size_t n = 0;
	for (size_t i = 0; i < schema->n_keys && n < KEYS_MAX; i++)
		if (!schema->keys[i].read_only)
			words[n++] = schema->keys[i].key;
	return n;
}

static int refuse_unknown(const struct schema *schema, const char *key, struct error *err)
{
	const char *words[KEYS_MAX] = {NULL};
	size_t n = list_keys(schema, words);
	const char *near = name_nearest(key, words, n);
	if (near)
		return error_set(err, EINVAL, "unknown key '%.64s' of a %s; did you mean '%s'?",
				 key, schema->entity, near);
	char list[256];
	name_list(list, sizeof(list), words, n);
	return error_set(err, EINVAL, "unknown key '%.64s' of a %s; it is %s", key, schema->entity,
			 list);
}

static int check_keys(const struct schema *schema, const struct node *map, bool trusted,
		      struct error *err)
{
	for (size_t i = 0; i < map->n_children; i++) {
		const struct node *child = map->children[i];
		const struct schema_key *key = find_key(schema, child->key);
		int r = 0;
		if (!key)
			r = refuse_unknown(schema, child->key, err);
		else if (key->read_only && !trusted)
			r = error_set(err, EINVAL, "'%s' of a %s is not yours to set; leave it out",
				      key->key, schema->entity);
		if (r < 0)
			return child->key_place[0] ? error_prefix(err, "%.200s", child->key_place)
						   : r;
	}
	return 0;
}

int schema_decode(const struct schema *schema, const struct node *map, void *object, bool trusted,
		  struct error *err)
{
	char text[NODE_DESCRIBE_SIZE];
	if (map->kind != NODE_MAP && map->kind != NODE_NULL)
		return node_error(map, err, EINVAL, "%s is no %s; it has to be a map of KEY: VALUE",
				  node_describe(map, text), schema->entity);
	int r = check_keys(schema, map, trusted, err);
	for (size_t i = 0; r == 0 && i < schema->n_keys; i++) {
		const struct schema_key *key = &schema->keys[i];
		const struct node *node = node_child(map, key->key);
		if (node && (node->kind != NODE_NULL || !key->required))
			r = decode_key(key, node, object, err);
		else if (key->required)
			r = node_error(map, err, EINVAL, "a %s needs the key '%s'", schema->entity,
				       key->key);
	}
	return r;
}

json_t *schema_encode(const struct schema *schema, const void *object)
{
	json_t *json = json_object();
	for (size_t i = 0; i < schema->n_keys; i++) {
		const struct schema_key *key = &schema->keys[i];
		const void *member = (const char *)object + key->offset;
		json_t *value = key->type == SCHEMA_CUSTOM ? key->encode(object)
				: key->type == SCHEMA_LIST ? encode_list(key, member)
							   : schema_value_encode(key, member);
		if (value)
			json_object_set_new(json, key->key, value);
	}
	return json;
}

static struct node *scalar_node(const char *place, const char *text, size_t length)
{
	struct node *node = memory_zero(1, sizeof(*node));
	node->place = text_copy(place);
	if (length > 0 && !(length == 4 && !strncmp(text, "null", 4))) {
		node->kind = NODE_SCALAR;
		node->text = text_format("%.*s", (int)length, text);
	}
	return node;
}

static struct node *comma_node(const char *place, const char *text)
{
	struct node *node = memory_zero(1, sizeof(*node));
	size_t room = 0;
	node->place = text_copy(place);
	node->kind = NODE_LIST;
	while (true) {
		size_t length = strcspn(text, ",");
		node->children = memory_grow(node->children, &room, node->n_children + 1,
					     sizeof(*node->children));
		node->children[node->n_children++] = scalar_node(place, text, length);
		if (!text[length])
			return node;
		text += length + 1;
	}
}

int schema_set(const struct schema *schema, void *object, const char *key, const char *value,
	       struct error *err)
{
	const struct schema_key *found = find_key(schema, key);
	if (!found)
		return refuse_unknown(schema, key, err);
	if (found->read_only)
		return error_set(err, EINVAL, "'%s' of a %s is not yours to set", key,
				 schema->entity);
	AUTO(node) struct node *node = NULL;
	if (value[0] == '[' || value[0] == '{') {
		int r = node_from_yaml(key, value, strlen(value), &node, err);
		if (r < 0)
			return r;
	} else if (found->type >= SCHEMA_LIST && strchr(value, ',')) {
		node = comma_node(key, value);
	} else {
		node = scalar_node(key, value, strnlen(value, ERROR_TEXT_SIZE * 8));
	}
	return decode_key(found, node, object, err);
}
