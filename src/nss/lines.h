/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of a file that may be anything: no allocation, an end to how much is read, and what is too
 * long for a line is skipped. The last line counts only when it is complete: its writer may be at
 * it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define LINES_SIZE 2048

struct lines {
	int fd;
	bool skipping, ended;
	size_t at, used;
	size_t budget; /* bytes that are still read */
	char bytes[LINES_SIZE];
};

/* Opens a regular file in a folder: no link, nobody else's than the folder's owner or root, never
 * waiting. 0 or -errno. */
int lines_open(struct lines *lines, int folder, const char *name);
void lines_close(struct lines *lines);
/* The next line without its end; NULL: there is none. *ret_length: NULs inside are possible. */
char *lines_next(struct lines *lines, size_t *ret_length);
