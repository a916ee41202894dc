/* SPDX-License-Identifier: GPL-2.0-or-later */
/* KEY=VALUE words of the command line, by the schema tables. */
#pragma once

#include <jansson.h>
#include <stddef.h>

struct error;
struct schema;

/* Reads the words into object (which holds its defaults) and gives back a map of just the keys that
 * were named, encoded; KEY= without value is null, which means back to the default, and of a map
 * KEY={...} only the keys in it are there. NULL with err. */
json_t *settings_read(const struct schema *schema, void *object, const char *const *words,
		      size_t n_words, struct error *err);
