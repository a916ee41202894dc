/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading YAML and JSON into one kind of tree. YAML comes event by event, so a hostile document is
 * refused at the event that goes too far, before it costs anything; what could make a small text
 * large (anchors and aliases) or call for a type of its own (tags) is refused.
 */
#include "model/node.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

struct reader {
	const char *file;
	const char *text;
	size_t length;
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	size_t count;
	struct error *err;
};

void node_free(struct node *node)
{
	if (!node)
		return;
	for (size_t i = 0; i < node->n_children; i++)
		node_free(node->children[i]);
	free(node->children);
	free(node->text);
	free(node->key);
	free(node->place);
	free(node->key_place);
	free(node);
}
AUTO_DEFINE(node)

const struct node *node_child(const struct node *map, const char *key)
{
	if (!map || map->kind != NODE_MAP)
		return NULL;
	for (size_t i = 0; i < map->n_children; i++)
		if (!strcmp(map->children[i]->key, key))
			return map->children[i];
	return NULL;
}

int node_error(const struct node *node, struct error *err, int code, const char *format, ...)
{
	char text[ERROR_TEXT_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	error_set(err, code, "%s", text);
	node_prefix(node, err);
	return -code;
}

int node_prefix(const struct node *node, struct error *err)
{
	if (node->place[0])
		error_prefix(err, "%.200s", node->place);
	return err ? -err->code : -EINVAL;
}

const char *node_describe(const struct node *node, char *buffer)
{
	static const char *const kinds[] = {
		[NODE_NULL] = "nothing", [NODE_LIST] = "a list", [NODE_MAP] = "a map"};
	if (node->kind == NODE_SCALAR)
		snprintf(buffer, NODE_DESCRIBE_SIZE, "'%.64s'", node->text);
	else
		snprintf(buffer, NODE_DESCRIBE_SIZE, "%s", kinds[node->kind]);
	return buffer;
}

static void append(struct node *parent, struct node *child, size_t *room)
{
	parent->children = memory_grow(parent->children, room, parent->n_children + 1,
				       sizeof(*parent->children));
	parent->children[parent->n_children++] = child;
}

/* YAML */

static char *place_of(const struct reader *reader, const yaml_mark_t *mark)
{
	return text_format("%s:%zu:%zu", reader->file, mark->line + 1, mark->column + 1);
}

static int refuse(struct reader *reader, const yaml_mark_t *mark, const char *sentence)
{
	return error_set(reader->err, EINVAL, "%s:%zu:%zu: %s", reader->file, mark->line + 1,
			 mark->column + 1, sentence);
}

/* The place of a byte. */
static yaml_mark_t mark_of(const struct reader *reader, size_t offset)
{
	yaml_mark_t mark = {.index = offset};
	for (size_t i = 0; i < offset && i < reader->length; i++) {
		mark.line += reader->text[i] == '\n';
		mark.column = reader->text[i] == '\n' ? 0 : mark.column + 1;
	}
	return mark;
}

/* libyaml's own words; where a multi-byte character is broken it knows only the offset. */
static int refuse_syntax(struct reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	const char *problem = parser->problem ? parser->problem : "it ends too early";
	if (parser->error == YAML_READER_ERROR) {
		yaml_mark_t at = mark_of(reader, parser->problem_offset);
		return error_set(reader->err, EINVAL, "%s:%zu:%zu: not YAML: %s", reader->file,
				 at.line + 1, at.column + 1, problem);
	}
	const yaml_mark_t *mark = parser->problem_mark.line || parser->problem_mark.column
					  ? &parser->problem_mark
					  : &parser->mark;
	if (mark->index < reader->length && reader->text[mark->index] == '\t')
		problem = "a tab stands here; indent with spaces";
	if (mark->index > 0 && mark->index <= reader->length &&
	    reader->text[mark->index - 1] == '*')
		problem = "a * has to be in quotes: \"*\"";
	return error_set(reader->err, EINVAL, "%s:%zu:%zu: not YAML: %s", reader->file,
			 mark->line + 1, mark->column + 1, problem);
}

static int next(struct reader *reader)
{
	if (reader->has_event)
		yaml_event_delete(&reader->event);
	reader->has_event = yaml_parser_parse(&reader->parser, &reader->event) != 0;
	return reader->has_event ? 0 : refuse_syntax(reader);
}

static bool is_null_text(const char *text)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
	for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++)
		if (!strcmp(text, nulls[i]))
			return true;
	return false;
}

/* What no value of ours needs, and what makes YAML dangerous. */
static int refuse_extras(struct reader *reader)
{
	const yaml_event_t *event = &reader->event;
	const yaml_char_t *anchor = NULL, *tag = NULL;
	if (event->type == YAML_ALIAS_EVENT)
		return refuse(reader, &event->start_mark,
			      "aliases (*name) are not accepted; write the value again");
	if (event->type == YAML_SCALAR_EVENT) {
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
	} else if (event->type == YAML_SEQUENCE_START_EVENT) {
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
	} else if (event->type == YAML_MAPPING_START_EVENT) {
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
	}
	if (anchor)
		return refuse(reader, &event->start_mark,
			      "anchors (&name) are not accepted; leave it out");
	if (tag)
		return refuse(reader, &event->start_mark,
			      "tags (!name) are not accepted; leave it out");
	return 0;
}

static int read_value(struct reader *reader, unsigned depth, struct node **ret);

static int read_scalar(struct reader *reader, struct node *node)
{
	const yaml_event_t *event = &reader->event;
	const char *text = (const char *)event->data.scalar.value;
	if (strlen(text) != event->data.scalar.length)
		return refuse(reader, &event->start_mark, "a NUL character is not accepted");
	node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	if (!node->quoted && is_null_text(text))
		return 0;
	node->kind = NODE_SCALAR;
	node->text = text_copy(text);
	return 0;
}

static int read_list(struct reader *reader, unsigned depth, struct node *node)
{
	size_t room = 0;
	node->kind = NODE_LIST;
	for (;;) {
		int r = next(reader);
		if (r < 0)
			return r;
		if (reader->event.type == YAML_SEQUENCE_END_EVENT)
			return 0;
		struct node *child = NULL;
		if ((r = read_value(reader, depth + 1, &child)) < 0)
			return r;
		append(node, child, &room);
	}
}

static int read_key(struct reader *reader, const struct node *map, char **ret_key, char **ret_place)
{
	const yaml_event_t *event = &reader->event;
	int r = refuse_extras(reader);
	if (r < 0)
		return r;
	if (event->type != YAML_SCALAR_EVENT || event->data.scalar.length == 0 ||
	    strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
		return refuse(reader, &event->start_mark, "a key is a word, followed by a colon");
	const char *key = (const char *)event->data.scalar.value;
	const struct node *same = node_child(map, key);
	if (same)
		return error_set(reader->err, EEXIST,
				 "%s:%zu:%zu: '%.64s' is there twice; the first one is at %s",
				 reader->file, event->start_mark.line + 1,
				 event->start_mark.column + 1, key, same->key_place);
	*ret_key = text_copy(key);
	*ret_place = place_of(reader, &event->start_mark);
	return 0;
}

static int read_map(struct reader *reader, unsigned depth, struct node *node)
{
	size_t room = 0;
	node->kind = NODE_MAP;
	for (;;) {
		int r = next(reader);
		if (r < 0)
			return r;
		if (reader->event.type == YAML_MAPPING_END_EVENT)
			return 0;
		if (node->n_children == NODE_KEYS_MAX)
			return refuse(reader, &reader->event.start_mark,
				      "too many keys in one map");
		AUTO_FREE char *key = NULL, *place = NULL;
		if ((r = read_key(reader, node, &key, &place)) < 0 || (r = next(reader)) < 0)
			return r;
		struct node *child = NULL;
		if ((r = read_value(reader, depth + 1, &child)) < 0)
			return r;
		child->key = TAKE(key);
		child->key_place = TAKE(place);
		append(node, child, &room);
	}
}

/* The value that begins with the present event. */
static int read_value(struct reader *reader, unsigned depth, struct node **ret)
{
	int r = refuse_extras(reader);
	if (r < 0)
		return r;
	if (depth >= NODE_DEPTH_MAX)
		return refuse(reader, &reader->event.start_mark, "nested too deeply");
	if (++reader->count > NODE_COUNT_MAX)
		return refuse(reader, &reader->event.start_mark, "too many values in one file");
	AUTO(node) struct node *node = memory_zero(1, sizeof(*node));
	node->place = place_of(reader, &reader->event.start_mark);
	if (reader->event.type == YAML_SCALAR_EVENT)
		r = read_scalar(reader, node);
	else if (reader->event.type == YAML_SEQUENCE_START_EVENT)
		r = read_list(reader, depth, node);
	else
		r = read_map(reader, depth, node);
	if (r < 0)
		return r;
	*ret = TAKE(node);
	return 0;
}

/* Stream start, one document or none, stream end. */
static int read_stream(struct reader *reader, struct node **ret)
{
	int r = next(reader);
	if (r == 0)
		r = next(reader);
	if (r < 0)
		return r;
	AUTO(node) struct node *node = NULL;
	if (reader->event.type == YAML_STREAM_END_EVENT) {
		node = memory_zero(1, sizeof(*node));
		node->place = text_format("%s:1:1", reader->file);
		*ret = TAKE(node);
		return 0;
	}
	if ((r = next(reader)) < 0 || (r = read_value(reader, 0, &node)) < 0 ||
	    (r = next(reader)) < 0 || (r = next(reader)) < 0)
		return r;
	if (reader->event.type != YAML_STREAM_END_EVENT)
		return refuse(reader, &reader->event.start_mark,
			      "a second document begins here; write one per file");
	*ret = TAKE(node);
	return 0;
}

int node_from_yaml(const char *file, const char *text, size_t length, struct node **ret,
		   struct error *err)
{
	struct reader reader = {.file = file, .text = text, .length = length, .err = err};
	if (!yaml_parser_initialize(&reader.parser))
		return error_set(err, ENOMEM, "%s: out of memory", file);
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, length);
	int r = read_stream(&reader, ret);
	if (reader.has_event)
		yaml_event_delete(&reader.event);
	yaml_parser_delete(&reader.parser);
	return r;
}

/* JSON */

static char *json_scalar_text(const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_STRING:
		return text_copy(json_string_value(json));
	case JSON_INTEGER:
		return text_format("%" JSON_INTEGER_FORMAT, json_integer_value(json));
	case JSON_REAL:
		return text_format("%.17g", json_real_value(json));
	case JSON_TRUE:
		return text_copy("true");
	case JSON_FALSE:
		return text_copy("false");
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	return NULL;
}

static int from_json(const char *path, const json_t *json, unsigned depth, size_t *count,
		     struct node **ret, struct error *err);

static int list_from_json(const json_t *json, unsigned depth, size_t *count, struct node *node,
			  struct error *err)
{
	size_t room = 0;
	node->kind = NODE_LIST;
	for (size_t i = 0; i < json_array_size(json); i++) {
		AUTO_FREE char *place = text_format("%s[%zu]", node->place, i);
		struct node *child = NULL;
		int r = from_json(place, json_array_get(json, i), depth + 1, count, &child, err);
		if (r < 0)
			return r;
		append(node, child, &room);
	}
	return 0;
}

static int map_from_json(const json_t *json, unsigned depth, size_t *count, struct node *node,
			 struct error *err)
{
	size_t room = 0;
	const char *key;
	json_t *value;
	node->kind = NODE_MAP;
	json_object_foreach ((json_t *)json, key, value) {
		AUTO_FREE char *place =
			text_format("%s%s%.200s", node->place, node->place[0] ? "." : "", key);
		struct node *child = NULL;
		int r = from_json(place, value, depth + 1, count, &child, err);
		if (r < 0)
			return r;
		child->key = text_copy(key);
		child->key_place = TAKE(place);
		append(node, child, &room);
	}
	return 0;
}

static int from_json(const char *path, const json_t *json, unsigned depth, size_t *count,
		     struct node **ret, struct error *err)
{
	if (depth >= NODE_DEPTH_MAX)
		return error_set(err, EINVAL, "%.200s: nested too deeply", path);
	if (++*count > NODE_COUNT_MAX)
		return error_set(err, EINVAL, "%.200s: too many values in one message", path);
	AUTO(node) struct node *node = memory_zero(1, sizeof(*node));
	node->place = text_copy(path);
	int r = 0;
	if (json_is_array(json)) {
		r = list_from_json(json, depth, count, node, err);
	} else if (json_is_object(json)) {
		r = map_from_json(json, depth, count, node, err);
	} else if (!json_is_null(json)) {
		node->kind = NODE_SCALAR;
		node->text = json_scalar_text(json);
		node->quoted = json_is_string(json);
	}
	if (r < 0)
		return r;
	*ret = TAKE(node);
	return 0;
}

int node_from_json(const char *path, const json_t *json, struct node **ret, struct error *err)
{
	size_t count = 0;
	return from_json(path, json, 0, &count, ret, err);
}
