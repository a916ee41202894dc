/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of dnsmasq's lease file:
 *   EXPIRES MAC IPV4 NAME CLIENT-ID      EXPIRES IAID IPV6 NAME DUID      duid SERVER-DUID
 * NAME is * when there is none. Guests choose their names and client ids, so every field is
 * checked.
 */
#include "model/lease.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "model/name.h"

#define FIELDS	   4
#define FIELD_SIZE 256

/* The first words of a line; false when there are fewer or one is too long. */
static bool split(const char *line, size_t length, char fields[FIELDS][FIELD_SIZE])
{
	size_t at = 0;
	for (size_t i = 0; i < FIELDS; i++) {
		size_t n = 0;
		while (at + n < length && line[at + n] != ' ')
			n++;
		if (n == 0 || n >= FIELD_SIZE || memchr(line + at, '\0', n))
			return false;
		memcpy(fields[i], line + at, n);
		fields[i][n] = '\0';
		at += n;
		if (at < length)
			at++;
	}
	return true;
}

static bool parse_expiry(const char *text, uint64_t *ret)
{
	size_t digits = strspn(text, "0123456789");
	if (digits == 0 || digits > 18 || text[digits])
		return false;
	*ret = strtoull(text, NULL, 10);
	return true;
}

/* The first label, in lower case; what is no name is as good as none. */
static void parse_name(const char *text, char name[NAME_SIZE])
{
	size_t length = strcspn(text, ".");
	memset(name, 0, NAME_SIZE);
	if (length >= NAME_SIZE)
		return;
	for (size_t i = 0; i < length; i++)
		name[i] = (char)tolower((unsigned char)text[i]);
	if (!name_is_label(name))
		memset(name, 0, NAME_SIZE);
}

/* IAID of DHCPv6: a number, with T in front for a temporary address. */
static bool is_iaid(const char *text)
{
	if (text[0] == 'T')
		text++;
	size_t digits = strspn(text, "0123456789");
	return digits > 0 && digits <= 10 && !text[digits];
}

bool lease_parse_line(const char *line, size_t length, struct lease *lease)
{
	char fields[FIELDS][FIELD_SIZE];
	*lease = (struct lease){0};
	if (!split(line, length, fields) || !parse_expiry(fields[0], &lease->expires) ||
	    ip_parse(fields[2], &lease->address, NULL) < 0)
		return false;
	if (lease->address.family == AF_INET6 ? !is_iaid(fields[1])
					      : mac_parse(fields[1], &lease->mac, NULL) < 0)
		return false;
	parse_name(fields[3], lease->name);
	return true;
}

static bool is_silent(const char *line, size_t length)
{
	return length == 0 || (length >= 5 && !memcmp(line, "duid ", 5));
}

size_t lease_parse(const char *text, size_t length, struct lease **ret, size_t *ret_bad)
{
	struct lease *leases = NULL;
	size_t count = 0, room = 0, bad = 0;
	for (size_t at = 0; at < length;) {
		const char *line = text + at;
		const char *end = memchr(line, '\n', length - at);
		size_t n = end ? (size_t)(end - line) : length - at;
		struct lease lease;
		at += n + 1;
		if (is_silent(line, n))
			continue;
		if (!lease_parse_line(line, n, &lease)) {
			bad++;
			continue;
		}
		leases = memory_grow(leases, &room, count + 1, sizeof(*leases));
		leases[count++] = lease;
	}
	*ret = leases;
	if (ret_bad)
		*ret_bad = bad;
	return count;
}
