/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON values written as YAML, for definitions on disk: what node_from_yaml reads back as the same
 * tree. */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/file.h"
#include "model/node.h"

struct text {
	char *bytes;
	size_t length, room;
};

static int write_text(void *data, unsigned char *buffer, size_t size)
{
	struct text *text = data;
	text->bytes = memory_grow(text->bytes, &text->room, text->length + size + 1, 1);
	memcpy(text->bytes + text->length, buffer, size);
	text->length += size;
	text->bytes[text->length] = '\0';
	return 1;
}

/* A plain word could be read as something else: only what cannot is left without quotes. */
static bool is_plain(const char *text)
{
	static const char *const words[] = {"null", "Null", "NULL", "true", "false",
					    "yes",  "no",   "on",   "off"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(text, words[i]))
			return false;
	size_t length = strlen(text);
	return length > 0 && (text[0] != '-') &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") ==
		       length;
}

static void emit_scalar(yaml_emitter_t *emitter, const char *text, bool quoted)
{
	yaml_event_t event;
	yaml_scalar_event_initialize(
		&event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text), 1, 1,
		quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE);
	yaml_emitter_emit(emitter, &event);
}

static void emit(yaml_emitter_t *emitter, const json_t *json)
{
	yaml_event_t event;
	if (json_is_array(json)) {
		yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
						     YAML_BLOCK_SEQUENCE_STYLE);
		yaml_emitter_emit(emitter, &event);
		for (size_t i = 0; i < json_array_size(json); i++)
			emit(emitter, json_array_get(json, i));
		yaml_sequence_end_event_initialize(&event);
		yaml_emitter_emit(emitter, &event);
	} else if (json_is_object(json)) {
		const char *key;
		json_t *value;
		yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
						    YAML_BLOCK_MAPPING_STYLE);
		yaml_emitter_emit(emitter, &event);
		json_object_foreach ((json_t *)json, key, value) {
			emit_scalar(emitter, key, !is_plain(key));
			emit(emitter, value);
		}
		yaml_mapping_end_event_initialize(&event);
		yaml_emitter_emit(emitter, &event);
	} else if (json_is_string(json)) {
		emit_scalar(emitter, json_string_value(json), !is_plain(json_string_value(json)));
	} else {
		char *text = json_dumps(json, JSON_ENCODE_ANY);
		emit_scalar(emitter, text ? text : "null", false);
		free(text);
	}
}

char *node_yaml_text(const json_t *json)
{
	struct text text = {0};
	yaml_emitter_t emitter;
	yaml_event_t event;
	if (!yaml_emitter_initialize(&emitter))
		return text_copy("");
	yaml_emitter_set_output(&emitter, write_text, &text);
	yaml_emitter_set_unicode(&emitter, 1);
	yaml_emitter_set_width(&emitter, -1);
	yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
	yaml_emitter_emit(&emitter, &event);
	yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1);
	yaml_emitter_emit(&emitter, &event);
	emit(&emitter, json);
	yaml_document_end_event_initialize(&event, 1);
	yaml_emitter_emit(&emitter, &event);
	yaml_stream_end_event_initialize(&event);
	yaml_emitter_emit(&emitter, &event);
	yaml_emitter_delete(&emitter);
	return text.bytes ? text.bytes : text_copy("");
}
