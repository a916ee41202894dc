/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Definitions are a file each; several that change together change as one, by a note of what is to
 * be written and removed. Whoever finds the note (the broker before was killed) goes on by it.
 */
#pragma once

#include <jansson.h>

#include "base/paths.h"

struct error;

/* change: {"write": {NAME: TEXT}, "remove": [NAME]} of networks, and beside these "ports": the same
 * of ports that are kept, by their ids; taken. Synced when it returns. */
int journal_begin(const struct paths *paths, json_t *change, struct error *err);
/* All of it is done, or taken back. */
void journal_end(const struct paths *paths);
/* Finishes what the note of a killed broker says, if there is one. */
int journal_finish(const struct paths *paths, struct error *err);
