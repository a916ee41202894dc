/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "steward/keyfile.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "ipc/errand.h"

#define OURS	"lanyard"
#define PROFILE "# the profile as it was\n"

/* One line after the other, with the section that it stands in. */
struct reader {
	const char *at;
	char section[64];
	const char *line;
	size_t length;
	bool is_header;
};

static bool reader_next(struct reader *reader)
{
	if (!*reader->at)
		return false;
	reader->line = reader->at;
	reader->length = strcspn(reader->at, "\n");
	reader->at += reader->length + (reader->at[reader->length] == '\n');
	const char *end = memchr(reader->line, ']', reader->length);
	reader->is_header = reader->line[0] == '[' && end;
	if (reader->is_header)
		snprintf(reader->section, sizeof(reader->section), "%.*s",
			 (int)(end - reader->line - 1), reader->line + 1);
	return true;
}

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " \t");
}

/* Behind the = of KEY=, or NULL. */
static const char *value_at(const struct reader *reader, const char *key)
{
	const char *at = skip_blanks(reader->line);
	size_t length = strlen(key);
	if (reader->is_header || strncmp(at, key, length) != 0)
		return NULL;
	at = skip_blanks(at + length);
	return *at == '=' ? skip_blanks(at + 1) : NULL;
}

char *keyfile_value(const char *text, const char *section, const char *key)
{
	struct reader reader = {.at = text};
	char *ret = NULL;
	while (reader_next(&reader)) {
		const char *value = value_at(&reader, key);
		if (!value || strcmp(reader.section, section) != 0)
			continue;
		free(ret);
		ret = text_format("%.*s", (int)(reader.line + reader.length - value), value);
	}
	return ret;
}

/* Ours before it */

char *keyfile_remember(const char *profile, const struct keyfile_note *note)
{
	const struct {
		const char *key, *value;
	} lines[] = {{"checkpoint", note->checkpoint},
		     {"uuid", note->uuid},
		     {"file", note->file},
		     {"metric", note->metric},
		     {"token", note->token}};
	struct text text;
	text_begin(&text);
	fputs(KEYFILE_HEAD "[" OURS "]\n", text.out);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (lines[i].value)
			fprintf(text.out, "%s=%s\n", lines[i].key, lines[i].value);
	fprintf(text.out, PROFILE "%s", profile ? profile : "");
	return text_end(&text);
}

const char *keyfile_recall(const char *remembered)
{
	const char *at = strstr(remembered, PROFILE);
	return at ? at + strlen(PROFILE) : "";
}

void keyfile_uuid(bool port, const struct errand *request, char ret[KEYFILE_UUID_SIZE])
{
	uint64_t halves[2];
	for (size_t i = 0; i < 2; i++) { /* FNV-1a */
		AUTO_FREE char *text = text_format("lanyard %zu %s %s", i, request->bridge,
						   port ? request->nic : "");
		halves[i] = 0xcbf29ce484222325u;
		for (const char *at = text; *at; at++)
			halves[i] = (halves[i] ^ (uint8_t)*at) * 0x100000001b3u;
	}
	/* RFC 9562 section 5.8: version 8, of whoever makes it */
	snprintf(ret, KEYFILE_UUID_SIZE,
		 "%08" PRIx64 "-%04" PRIx64 "-8%03" PRIx64 "-a%03" PRIx64 "-%012" PRIx64,
		 halves[0] >> 32, halves[0] >> 16 & 0xffff, halves[0] & 0xfff,
		 halves[1] >> 48 & 0xfff, halves[1] & 0xffffffffffff);
}

/* The two profiles */

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

static bool is_key_of(const struct reader *reader, const char *const *keys)
{
	for (; *keys; keys++)
		if (value_at(reader, *keys))
			return true;
	return false;
}

static void copy_line(FILE *file, const struct reader *reader)
{
	fprintf(file, "%.*s\n", (int)reader->length, reader->line);
}

/* Of [connection]: what is said of the profile, not of which device or of whose port it is. */
static void copy_connection(FILE *file, const char *text)
{
	static const char *const not [] = {"id",
					   "uuid",
					   "type",
					   "interface-name",
					   "master",
					   "slave-type",
					   "controller",
					   "port-type",
					   "timestamp",
					   "multi-connect",
					   "autoconnect-priority",
					   NULL};
	struct reader reader = {.at = text};
	while (reader_next(&reader))
		if (strcmp(reader.section, "connection") == 0 && !reader.is_header &&
		    reader.length > 0 && reader.line[0] != '#' && !is_key_of(&reader, not ))
			copy_line(file, &reader);
}

/* A section of addresses: the metric as it was in effect, the IPv6 address as it was. */
static void print_kept(FILE *file, const char *section, const char *text)
{
	AUTO_FREE char *metric = keyfile_value(text, OURS, "metric");
	AUTO_FREE char *token = keyfile_value(text, OURS, "token");
	AUTO_FREE char *own = keyfile_value(text, section, "route-metric");
	if (metric && !own)
		fprintf(file, "route-metric=%s\n", metric);
	if (token && strcmp(section, "ipv6") == 0)
		fprintf(file, "addr-gen-mode=eui64\ntoken=%s\n", token);
}

static bool is_replaced(const struct reader *reader, const char *text)
{
	static const char *const keys[] = {"addr-gen-mode", "token", NULL};
	AUTO_FREE char *token = keyfile_value(text, OURS, "token");
	return token && strcmp(reader->section, "ipv6") == 0 && is_key_of(reader, keys);
}

char *keyfile_bridge(const char *remembered, const struct errand *request)
{
	static const char *const sections[] = {"ipv4", "ipv6", "proxy", NULL};
	char uuid[KEYFILE_UUID_SIZE], mac[MAC_TEXT_SIZE];
	struct text text;
	struct reader reader = {.at = remembered};
	text_begin(&text);
	keyfile_uuid(false, request, uuid);
	fprintf(text.out,
		KEYFILE_HEAD "[connection]\nid=%s\nuuid=%s\ntype=bridge\ninterface-name=%s\n",
		request->bridge, uuid, request->bridge);
	copy_connection(text.out, remembered);
	fprintf(text.out, "\n[ethernet]\ncloned-mac-address=%s\nmtu=%u\n",
		mac_format(&request->mac, mac), request->mtu);
	fputs("\n[bridge]\nstp=false\nmulticast-snooping=false\n\n", text.out);
	while (reader_next(&reader)) {
		if (!is_one_of(reader.section, sections) || is_replaced(&reader, remembered))
			continue;
		copy_line(text.out, &reader);
		if (reader.is_header && strcmp(reader.section, "proxy") != 0)
			print_kept(text.out, reader.section, remembered);
	}
	return text_end(&text);
}

char *keyfile_port(const char *remembered, const struct errand *request)
{
	static const char *const not [] = {OURS,    "connection", "ipv4", "ipv6",
					   "proxy", "user",	  "",	  NULL};
	char uuid[KEYFILE_UUID_SIZE], master[KEYFILE_UUID_SIZE];
	struct text text;
	struct reader reader = {.at = remembered};
	text_begin(&text);
	keyfile_uuid(true, request, uuid);
	keyfile_uuid(false, request, master);
	/* before the NIC's own profile, which stays as it is */
	fprintf(text.out,
		KEYFILE_HEAD
		"[connection]\nid=%s port %s\nuuid=%s\ntype=ethernet\ninterface-name=%s\n"
		"master=%s\nslave-type=bridge\nautoconnect-priority=999\n\n",
		request->bridge, request->nic, uuid, request->nic, master);
	while (reader_next(&reader))
		if (!is_one_of(reader.section, not ) && reader.section[0] != '.')
			copy_line(text.out, &reader);
	return text_end(&text);
}
