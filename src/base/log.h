/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line per event on standard error, in the form that systemd's journal reads (sd-daemon(3)).
 * What is said with fields goes to the journal itself where standard error leads there, so that
 * `journalctl NETWORK=lab` finds it; else it is the same line.
 */
#pragma once

#include <stddef.h>

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/* A field of the journal (systemd.journal-fields(7)): a capital name of our own ("NETWORK"). */
struct log_field {
	const char *name;
	const char *value; /* NULL or "": the field is left out */
};

/* Names the program in front of each line; lines above max are dropped. Static text only. */
void log_init(const char *program, enum log_level max);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* At most LOG_FIELDS_MAX fields. */
#define LOG_FIELDS_MAX 16
void log_fields(enum log_level level, const struct log_field *fields, size_t n_fields,
		const char *format, ...) __attribute__((format(printf, 4, 5)));

#define log_error(...)	 log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
