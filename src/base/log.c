/* SPDX-License-Identifier: GPL-2.0-or-later */
#define SD_JOURNAL_SUPPRESS_LOCATION 1 /* where in the code is of no use to an administrator */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#define LINE_SIZE  1024
#define FIELD_SIZE 512

static const char *log_program = "lanyard";
static enum log_level log_max = LOG_LEVEL_INFO;

void log_init(const char *program, enum log_level max)
{
	log_program = program;
	log_max = max;
}

static void print(enum log_level level, const char *text)
{
	/* The <N> prefix is a syslog level for the journal, noise for a person at a terminal. */
	if (getenv("JOURNAL_STREAM"))
		dprintf(STDERR_FILENO, "<%d>%s\n", (int)level, text);
	else
		dprintf(STDERR_FILENO, "%s: %s\n", log_program, text);
}

void log_line(enum log_level level, const char *format, ...)
{
	if (level > log_max)
		return;
	char text[LINE_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	print(level, text);
}

/* The variable is inherited by those whose standard error leads elsewhere: it names device and
 * inode of the stream (systemd.exec(5)). */
static int leads_to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device = 0, inode = 0;
	struct stat status;
	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

void log_fields(enum log_level level, const struct log_field *fields, size_t n_fields,
		const char *format, ...)
{
	if (level > log_max)
		return;
	char text[LINE_SIZE], lines[LOG_FIELDS_MAX + 3][FIELD_SIZE];
	struct iovec parts[LOG_FIELDS_MAX + 3];
	size_t n = 0;
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!leads_to_journal()) {
		print(level, text);
		return;
	}
	snprintf(lines[n++], FIELD_SIZE, "PRIORITY=%d", (int)level);
	snprintf(lines[n++], FIELD_SIZE, "SYSLOG_IDENTIFIER=%s", log_program);
	for (size_t i = 0; i < n_fields && i < LOG_FIELDS_MAX; i++)
		if (fields[i].value && fields[i].value[0])
			snprintf(lines[n++], FIELD_SIZE, "%s=%s", fields[i].name, fields[i].value);
	char message[LINE_SIZE + 8];
	snprintf(message, sizeof(message), "MESSAGE=%s", text);
	for (size_t i = 0; i < n; i++)
		parts[i] = (struct iovec){lines[i], strlen(lines[i])};
	parts[n++] = (struct iovec){message, strlen(message)};
	if (sd_journal_sendv(parts, (int)n) < 0)
		print(level, text);
}
