/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of the tables' keys, one small decoder and one encoder per type: names, numbers with
 * units, words, addresses. SCHEMA_LIST and SCHEMA_CUSTOM are no values. */
#pragma once

#include "model/schema.h"

/* From its text into the member. -EINVAL with what would be right; the place is put in front by who
 * knows it. */
int schema_value_decode(const struct schema_key *key, const char *text, void *member,
			struct error *err);
/* NULL: there is none, the key is left out. */
json_t *schema_value_encode(const struct schema_key *key, const void *member);
