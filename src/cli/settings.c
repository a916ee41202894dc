/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/settings.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/verb.h"
#include "model/schema.h"

AUTO_DEFINE(node)

/* "dhcp.lease", as others have it; and where the keys are listed. */
static void unknown_key(const struct schema *schema, const char *name, const char *near,
			struct error *err)
{
	int length = (int)strcspn(name, ".");
	for (size_t i = 0; name[length] && i < schema->n_keys; i++)
		if (strlen(schema->keys[i].key) == (size_t)length &&
		    strncmp(schema->keys[i].key, name, (size_t)length) == 0) {
			error_set(err, EINVAL,
				  "unknown key '%s' of a %s: what is inside a key is written "
				  "'%.*s={%s: VALUE}'",
				  name, schema->entity, length, name, name + length + 1);
			return;
		}
	AUTO_FREE char *list =
		text_format("; 'lanyard help %s add' lists the keys",
			    strcmp(schema->entity, "network") == 0 ? "net" : schema->entity);
	error_set(err, EINVAL, "unknown key '%s' of a %s%s", name, schema->entity,
		  *near ? near : list);
}

static const struct schema_key *find_key(const struct schema *schema, const char *name,
					 struct error *err)
{
	struct nearest nearest = {.typed = name};
	for (size_t i = 0; i < schema->n_keys; i++) {
		const struct schema_key *key = &schema->keys[i];
		if (strcmp(key->key, name) == 0 && !key->read_only)
			return key;
		if (!key->read_only)
			nearest_feed(&nearest, key->key);
	}
	const char *near = nearest_text(&nearest);
	for (size_t i = 0; i < schema->n_keys; i++)
		if (strcmp(schema->keys[i].key, name) == 0) {
			error_set(err, EINVAL, "'%s' of a %s cannot be set", name, schema->entity);
			return NULL;
		}
	unknown_key(schema, name, near, err);
	return NULL;
}

/* "mtu: mtu 1 is too small": the key is the place and the subject. */
static void say_once(const char *key, struct error *err)
{
	size_t length = strlen(key);
	const char *text = err->text;
	bool is_twice = strncmp(text, key, length) == 0 && strncmp(text + length, ": ", 2) == 0 &&
			strncmp(text + length + 2, key, length) == 0 && text[2 * length + 2] == ' ';
	if (is_twice)
		memmove(err->text, text + length + 2, strlen(text + length + 2) + 1);
}

static int read_word(const struct schema *schema, void *object, const char *word, json_t *named,
		     struct error *err)
{
	const char *equals = strchr(word, '=');
	if (!equals || equals == word)
		return error_set(err, EINVAL, "'%s' is not of the form KEY=VALUE", word);
	AUTO_FREE char *name = strndup(word, (size_t)(equals - word));
	if (!find_key(schema, name, err))
		return -EINVAL;
	if (json_object_get(named, name))
		return error_set(err, EINVAL, "key '%s' is given twice", name);
	json_object_set_new(named, name, json_null());
	int result = equals[1] ? schema_set(schema, object, name, equals + 1, err) : 0;
	if (result < 0)
		say_once(name, err);
	return result;
}

/* Of a map that was written out the keys in it alone, so that the others stay; null where it says
 * so. */
static json_t *as_written(const char *name, const char *text, json_t *value)
{
	AUTO(node) struct node *node = NULL;
	if (text[0] != '{' || !json_is_object(value) ||
	    node_from_yaml(name, text, strlen(text), &node, NULL) < 0)
		return json_incref(value);
	json_t *map = json_object();
	for (size_t i = 0; i < node->n_children; i++) {
		const char *key = node->children[i]->key;
		json_t *one = json_object_get(value, key);
		json_object_set_new(map, key, one ? json_incref(one) : json_null());
	}
	return map;
}

json_t *settings_read(const struct schema *schema, void *object, const char *const *words,
		      size_t n_words, struct error *err)
{
	json_t *named = json_object();
	for (size_t i = 0; i < n_words; i++) {
		if (read_word(schema, object, words[i], named, err) < 0) {
			json_decref(named);
			return NULL;
		}
	}
	json_t *encoded = schema_encode(schema, object);
	for (size_t i = 0; i < n_words; i++) {
		AUTO_FREE char *name = strndup(words[i], strcspn(words[i], "="));
		json_t *value = json_object_get(encoded, name);
		const char *text = words[i] + strlen(name) + 1;
		if (value && *text)
			json_object_set_new(named, name, as_written(name, text, value));
	}
	json_decref(encoded);
	return named;
}
