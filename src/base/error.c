/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int error_set(struct error *err, int code, const char *format, ...)
{
	code = abs(code);
	if (!err)
		return -code;
	va_list args;
	va_start(args, format);
	err->code = code;
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return -code;
}

int error_errno(struct error *err, int code, const char *format, ...)
{
	code = abs(code);
	if (!err)
		return -code;
	va_list args;
	va_start(args, format);
	err->code = code;
	int used = vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	if (used >= 0 && (size_t)used < sizeof(err->text))
		snprintf(err->text + used, sizeof(err->text) - (size_t)used, ": %s",
			 strerror(code));
	return -code;
}

int error_prefix(struct error *err, const char *format, ...)
{
	if (!err)
		return -1;
	char rest[ERROR_TEXT_SIZE];
	memcpy(rest, err->text, sizeof(rest));
	va_list args;
	va_start(args, format);
	int used = vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	if (used < 0 || (size_t)used + 2 >= sizeof(err->text))
		return -err->code;
	/* The end of a sentence that no longer fits is lost; its beginning says what failed. */
	size_t room = sizeof(err->text) - (size_t)used - 3;
	snprintf(err->text + used, sizeof(err->text) - (size_t)used, ": %.*s", (int)room, rest);
	return -err->code;
}
