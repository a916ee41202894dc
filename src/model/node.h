/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A neutral tree that YAML files and JSON messages are read into before a schema decodes them, each
 * value with the place it came from: FILE:LINE:COLUMN, or the message's field
 * ("parameters.network.mtu").
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct error;

#define NODE_DEPTH_MAX 16
#define NODE_COUNT_MAX 100000
#define NODE_KEYS_MAX  10000 /* of one map */

enum node_kind { NODE_NULL, NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
	enum node_kind kind;
	char *text;  /* NODE_SCALAR: its text */
	bool quoted; /* NODE_SCALAR: was written in quotes, or is a JSON string */
	char *key;   /* the key under which it stands in a map */
	struct node **children;
	size_t n_children;
	char *place; /* "lab.yaml:3:9" or "network.mtu" */
	char *key_place;
};

/* Refuses anchors, aliases, tags, duplicate keys, several documents, depth and count beyond the
 * limits. */
int node_from_yaml(const char *file, const char *text, size_t length, struct node **ret,
		   struct error *err);
int node_from_json(const char *path, const json_t *json, struct node **ret, struct error *err);
void node_free(struct node *node);
const struct node *node_child(const struct node *map, const char *key);

/* Sets "PLACE: sentence"; returns -code. node_prefix puts the place in front of what err says;
 * returns -err->code. */
int node_error(const struct node *node, struct error *err, int code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int node_prefix(const struct node *node, struct error *err);
#define NODE_DESCRIBE_SIZE 80
/* For a message: a scalar's text in quotes (cut), else what it is ("a list"). */
const char *node_describe(const struct node *node, char *buffer);

/* Emits a JSON value as a YAML document (for definitions on disk); the caller frees it. */
char *node_yaml_text(const json_t *json);
