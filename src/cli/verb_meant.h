/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which verb somebody meant who typed another word. */
#pragma once

/* " (did you mean 'net remove'?)" or "". group: NULL where the word is the first. Static memory. */
const char *verb_meant(const char *group, const char *word);
