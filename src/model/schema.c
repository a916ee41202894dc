/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine behind the tables: one small decoder and one encoder per type. It knows no entity;
 * what a list or a map means is the business of the table's own functions (SCHEMA_CUSTOM).
 */
#include "model/schema.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "model/mac.h"
#include "model/name.h"

#define KEYS_MAX 64 /* of one table */

AUTO_DEFINE(node)

struct unit {
	const char *suffix;
	uint64_t factor;
};

static const struct unit byte_units[] = {
	{"", 1},	   {"K", 1u << 10},   {"M", 1u << 20},
	{"G", 1u << 30},   {"T", 1ull << 40}, {"KiB", 1u << 10},
	{"MiB", 1u << 20}, {"GiB", 1u << 30}, {"TiB", 1ull << 40},
	{NULL, 0},
};

static const struct unit second_units[] = {
	{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {NULL, 0},
};

static const struct unit rate_units[] = {
	{"kbit", 1},	{"mbit", 1000},	   {"gbit", 1000000}, {"Kbit", 1},
	{"Mbit", 1000}, {"Gbit", 1000000}, {NULL, 0},
};

/* Decoders: from a scalar's text into the member. Their sentences get the place put in front. */

typedef int decoder(const struct schema_key *key, const char *text, void *member,
		    struct error *err);

static int decode_text(const struct schema_key *key, const char *text, void *member,
		       struct error *err)
{
	size_t length = strlen(text);
	if (length >= key->size)
		return error_set(err, EINVAL, "%s '%.40s...' is too long; at most %zu bytes",
				 key->key, text, key->size - 1);
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return error_set(err, EINVAL, "%s holds a control character", key->key);
	memset(member, 0, key->size);
	memcpy(member, text, length);
	return 0;
}

static int decode_name(const struct schema_key *key, const char *text, void *member,
		       struct error *err)
{
	int r = name_check(text, strcmp(key->key, "name") != 0 ? key->key : NULL, err);
	return r < 0 ? r : decode_text(key, text, member, err);
}

static int decode_bool(const struct schema_key *key, const char *text, void *member,
		       struct error *err)
{
	static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no",
									       "off"};
	for (size_t i = 0; i < 3; i++) {
		if (!strcmp(text, yes[i]) || !strcmp(text, no[i])) {
			*(bool *)member = !strcmp(text, yes[i]);
			return 0;
		}
	}
	return error_set(err, EINVAL, "%s '%.64s' is neither true nor false", key->key, text);
}

/* Digits only: no sign, no space, no hexadecimal. Returns what follows, NULL when there is no
 * number. */
static const char *parse_number(const char *text, uint64_t *ret)
{
	size_t digits = strspn(text, "0123456789");
	if (digits == 0)
		return NULL;
	errno = 0;
	*ret = strtoull(text, NULL, 10);
	if (errno == ERANGE)
		*ret = UINT64_MAX;
	return text + digits;
}

static int check_limits(const struct schema_key *key, const char *text, uint64_t value,
			const char *least, const char *most, struct error *err)
{
	if (value < key->min)
		return error_set(err, EINVAL, "%s %.40s is too small; at least %s", key->key, text,
				 least);
	if (key->max && value > key->max)
		return error_set(err, EINVAL, "%s %.40s is too large; at most %s", key->key, text,
				 most);
	return 0;
}

static int decode_count(const struct schema_key *key, const char *text, void *member,
			struct error *err)
{
	uint64_t value;
	char least[24], most[24];
	const char *rest = parse_number(text, &value);
	if (!rest || *rest)
		return error_set(err, EINVAL, "%s '%.64s' is not a whole number", key->key, text);
	snprintf(least, sizeof(least), "%" PRIu64, key->min);
	snprintf(most, sizeof(most), "%" PRIu64, key->max ? key->max : UINT32_MAX);
	int r = check_limits(key, text, value, least, most, err);
	if (r == 0 && value > UINT32_MAX)
		r = error_set(err, EINVAL, "%s %.40s is too large", key->key, text);
	if (r == 0)
		*(uint32_t *)member = (uint32_t)value;
	return r;
}

static const char *format_units(uint64_t value, const struct unit *units, char text[24])
{
	const struct unit *best = units;
	for (const struct unit *unit = units; unit->suffix; unit++)
		if (value && value % unit->factor == 0 && unit->factor > best->factor)
			best = unit;
	snprintf(text, 24, "%" PRIu64 "%s", value / best->factor, best->suffix);
	return text;
}

static int parse_units(const struct schema_key *key, const char *text, const struct unit *units,
		       const char *example, uint64_t *ret, struct error *err)
{
	uint64_t value = 0;
	const char *rest = parse_number(text, &value);
	const struct unit *unit = units;
	while (rest && unit->suffix && strcmp(rest, unit->suffix) != 0)
		unit++;
	if (!rest || !unit->suffix)
		return error_set(err, EINVAL, "%s '%.64s' is not understood; write it like %s",
				 key->key, text, example);
	*ret = value > UINT64_MAX / unit->factor ? UINT64_MAX : value * unit->factor;
	if (!unit->suffix[0] && *ret < key->min)
		return error_set(err, EINVAL, "%s %.40s has no unit; write it like %s", key->key,
				 text, example);
	char least[24], most[24];
	return check_limits(key, text, *ret, format_units(key->min, units, least),
			    format_units(key->max, units, most), err);
}

static int decode_bytes(const struct schema_key *key, const char *text, void *member,
			struct error *err)
{
	uint64_t value;
	int r = parse_units(key, text, byte_units, "256M or 1G", &value, err);
	if (r == 0)
		*(uint64_t *)member = value;
	return r;
}

static int decode_seconds(const struct schema_key *key, const char *text, void *member,
			  struct error *err)
{
	uint64_t value;
	int r = parse_units(key, text, second_units, "90s, 30m, 1h or 2d", &value, err);
	if (r == 0 && value > UINT32_MAX)
		r = error_set(err, EINVAL, "%s %.40s is too large", key->key, text);
	if (r == 0)
		*(uint32_t *)member = (uint32_t)value;
	return r;
}

static int decode_rate(const struct schema_key *key, const char *text, void *member,
		       struct error *err)
{
	uint64_t value = 0;
	int r = strcmp(text, "none") == 0 || strcmp(text, "0") == 0
			? 0
			: parse_units(key, text, rate_units, "500kbit, 10mbit, 1gbit or none",
				      &value, err);
	if (r == 0)
		*(uint32_t *)member = (uint32_t)value;
	return r;
}

static size_t count_words(const char *const *words)
{
	size_t n = 0;
	while (words[n])
		n++;
	return n;
}

static void list_words(char *text, size_t size, const char *const *words, size_t n)
{
	size_t used = 0;
	text[0] = '\0';
	for (size_t i = 0; i < n && used < size; i++) {
		const char *gap = i == 0 ? "" : i + 1 == n ? " or " : ", ";
		used += (size_t)snprintf(text + used, size - used, "%s%s", gap, words[i]);
	}
}

static int find_word(const struct schema_key *key, const char *text, struct error *err)
{
	size_t n = count_words(key->words);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(text, key->words[i]))
			return (int)i;
	char list[256];
	const char *near = name_nearest(text, key->words, n);
	list_words(list, sizeof(list), key->words, n);
	if (near && n > 1)
		return error_set(err, EINVAL, "%s '%.64s' is unknown; did you mean '%s'? It is %s",
				 key->key, text, near, list);
	return error_set(err, EINVAL, "%s '%.64s' is unknown; it is %s", key->key, text, list);
}

static int decode_choice(const struct schema_key *key, const char *text, void *member,
			 struct error *err)
{
	int found = find_word(key, text, err);
	if (found >= 0)
		*(int *)member = found;
	return found < 0 ? found : 0;
}

static int decode_word(const struct schema_key *key, const char *text, void *member,
		       struct error *err)
{
	int found = find_word(key, text, err);
	return found < 0 ? found : decode_text(key, text, member, err);
}

static int decode_mac(const struct schema_key *key, const char *text, void *member,
		      struct error *err)
{
	(void)key;
	return mac_parse(text, member, err);
}

static int decode_address(const struct schema_key *key, const char *text, void *member,
			  struct error *err)
{
	struct ip ip;
	int r = ip_parse(text, &ip, err);
	if (r < 0)
		return r;
	/* min and max, where set, say which family: 4 or 6 */
	unsigned family = strchr(text, ':') ? 6 : 4;
	if (key->min && (family < key->min || family > key->max))
		return error_set(err, EINVAL, "%s '%s' is IPv%u; it has to be IPv%u", key->key,
				 text, family, family == 4 ? 6 : 4);
	*(struct ip *)member = ip;
	return 0;
}

/* Encoders: NULL leaves the key out. */

typedef json_t *encoder(const struct schema_key *key, const void *member);

static json_t *encode_text(const struct schema_key *key, const void *member)
{
	const char *text = member;
	(void)key;
	return text[0] ? json_string(text) : NULL;
}

static json_t *encode_bool(const struct schema_key *key, const void *member)
{
	bool value = *(const bool *)member;
	return key->read_only && !value ? NULL : json_boolean(value);
}

/* Zero, where it is below the least one, stands for "not given". */
static json_t *encode_count(const struct schema_key *key, const void *member)
{
	uint32_t value = *(const uint32_t *)member;
	return !value && (key->min > 0 || key->read_only) ? NULL : json_integer(value);
}

static json_t *encode_bytes(const struct schema_key *key, const void *member)
{
	char text[24];
	(void)key;
	return json_string(format_units(*(const uint64_t *)member, byte_units, text));
}

static json_t *encode_seconds(const struct schema_key *key, const void *member)
{
	char text[24];
	(void)key;
	return json_string(format_units(*(const uint32_t *)member, second_units, text));
}

static json_t *encode_rate(const struct schema_key *key, const void *member)
{
	char text[24];
	uint32_t rate = *(const uint32_t *)member;
	(void)key;
	return rate ? json_string(format_units(rate, rate_units, text)) : NULL;
}

static json_t *encode_choice(const struct schema_key *key, const void *member)
{
	int value = *(const int *)member;
	if (value < 0 || (size_t)value >= count_words(key->words))
		return NULL;
	return json_string(key->words[value]);
}

static json_t *encode_mac(const struct schema_key *key, const void *member)
{
	char text[MAC_TEXT_SIZE];
	(void)key;
	return mac_is_set(member) ? json_string(mac_format(member, text)) : NULL;
}

static json_t *encode_address(const struct schema_key *key, const void *member)
{
	char text[IP_TEXT_SIZE];
	(void)key;
	return ip_is_set(member) ? json_string(ip_format(member, text)) : NULL;
}

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

static const struct {
	decoder *decode;
	encoder *encode;
} types[] = {
	[SCHEMA_NAME] = {decode_name, encode_text},
	[SCHEMA_TEXT] = {decode_text, encode_text},
	[SCHEMA_BOOL] = {decode_bool, encode_bool},
	[SCHEMA_COUNT] = {decode_count, encode_count},
	[SCHEMA_BYTES] = {decode_bytes, encode_bytes},
	[SCHEMA_SECONDS] = {decode_seconds, encode_seconds},
	[SCHEMA_RATE] = {decode_rate, encode_rate},
	[SCHEMA_CHOICE] = {decode_choice, encode_choice},
	[SCHEMA_WORD] = {decode_word, encode_text},
	[SCHEMA_MAC] = {decode_mac, encode_mac},
	[SCHEMA_ADDRESS] = {decode_address, encode_address},
	[SCHEMA_LIST] = {NULL, encode_list},
	[SCHEMA_CUSTOM] = {NULL, NULL},
};

static int set_default(const struct schema_key *key, void *member, struct error *err)
{
	memset(member, 0, key->size);
	return key->fallback ? types[key->type].decode(key, key->fallback, member, err) : 0;
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
	int r = types[key->type].decode(key, node->text, member, err);
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
	list_words(list, sizeof(list), words, n);
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
		json_t *value =
			key->type == SCHEMA_CUSTOM
				? key->encode(object)
				: types[key->type].encode(key, (const char *)object + key->offset);
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
