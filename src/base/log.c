/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *log_program = "lanyard";
static enum log_level log_max = LOG_LEVEL_INFO;

void log_init(const char *program, enum log_level max)
{
	log_program = program;
	log_max = max;
}

void log_line(enum log_level level, const char *format, ...)
{
	if (level > log_max)
		return;
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* The <N> prefix is a syslog level for the journal, noise for a person at a terminal. */
	if (getenv("JOURNAL_STREAM"))
		dprintf(STDERR_FILENO, "<%d>%s\n", (int)level, text);
	else
		dprintf(STDERR_FILENO, "%s: %s\n", log_program, text);
}
