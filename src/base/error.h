/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one way an error travels: a negative errno and a sentence for the user.
 * Filled on failure only; every caller on the way up may put its object in front.
 */
#pragma once

#define ERROR_TEXT_SIZE 512

struct error {
	int code; /* positive errno, 0 while nothing failed */
	char text[ERROR_TEXT_SIZE];
};

/* Sets the sentence and returns -code, so that `return error_set(err, EINVAL, ...)` reads well.
 * err may be NULL. code may be given positive or negative. No full stop, no newline. */
int error_set(struct error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Like error_set, followed by ": " and the system's text for the code. */
int error_errno(struct error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "PREFIX: " in front of the sentence ("network 'lab'"). Returns -err->code; err may be
 * NULL. */
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
