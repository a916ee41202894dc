/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A text that is written piece by piece (open_memstream(3)). Ends the program when memory is out,
 * as memory_zero does: half a text must never be taken for a whole one. */
#pragma once

#include <stddef.h>
#include <stdio.h>

struct text {
	FILE *out;    /* to be written to between begin and end */
	char *bytes;  /* after the end: NUL-terminated, the caller's */
	size_t count; /* without the NUL */
};

void text_begin(struct text *text);
/* The bytes. */
char *text_end(struct text *text);
