/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole files and directories. Paths are the caller's business: nothing here knows any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct error;
struct passwd;

/* Reads a whole file of at most limit bytes; *ret_text is NUL-terminated, the caller frees it.
 * Returns the length or -errno (EFBIG beyond the limit). */
ssize_t file_read(const char *path, size_t limit, char **ret_text, struct error *err);

/* Makes a file that is not there yet. -EEXIST, or why not; then there is none. Whoever is killed
 * meanwhile leaves it empty, or whole when it is shorter than a page. */
int file_create(const char *path, const char *text, size_t length, mode_t mode);

/* Replaces a file in one step (temporary file beside it, rename). With durable, synced before. */
int file_write_atomic(const char *path, const char *text, size_t length, mode_t mode, bool durable,
		      struct error *err);

/* Makes a directory and its parents; the last one must belong to the caller and gets the mode. */
int directory_make(const char *path, mode_t mode, struct error *err);

/* For root: a directory that is root's or the account's already, then the account's (NULL: root's).
 * Another process may do the same this moment. */
int directory_give(const char *path, mode_t mode, const struct passwd *account, struct error *err);

/* printf into a fresh string that the caller frees; ends the program when memory is out. */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Like calloc/strdup, but end the program when memory is out (the kernel state outlives it). */
void *memory_zero(size_t count, size_t size);
/* Grows an array to hold at least count items (doubling); *room is the present capacity. */
void *memory_grow(void *array, size_t *room, size_t count, size_t size);
char *text_copy(const char *text);
