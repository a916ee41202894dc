/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names: what is one, which one was meant, and a stable hash of it. */
#include "model/name.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define LABEL_MAX     63  /* RFC 1035 2.3.4 */
#define DOMAIN_MAX    253 /* 255 octets on the wire */
#define INTERFACE_MAX 15  /* IFNAMSIZ - 1 */
#define WORD_MAX      32  /* longer words are not compared */

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_label_part(const char *text, size_t length)
{
	if (length == 0 || length > LABEL_MAX || text[0] == '-' || text[length - 1] == '-')
		return false;
	for (size_t i = 0; i < length; i++)
		if (!is_lower_alnum(text[i]) && text[i] != '-')
			return false;
	return true;
}

bool name_is_label(const char *text)
{
	return is_label_part(text, strnlen(text, LABEL_MAX + 1));
}

bool name_is_domain(const char *text)
{
	if (strnlen(text, DOMAIN_MAX + 1) > DOMAIN_MAX)
		return false;
	for (;;) {
		size_t length = strcspn(text, ".");
		if (!is_label_part(text, length))
			return false;
		if (!text[length])
			return true;
		text += length + 1;
	}
}

bool name_is_private(const char *domain)
{
	static const char *const tops[] = {"internal", "test",	   "home.arpa", "lan",
					   "home",     "intranet", "private",	"corp"};
	size_t length = strnlen(domain, DOMAIN_MAX + 1);
	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
		size_t top = strlen(tops[i]);
		if (length >= top && strcmp(domain + length - top, tops[i]) == 0 &&
		    (length == top || domain[length - top - 1] == '.'))
			return true;
	}
	return false;
}

bool name_is_interface(const char *text)
{
	size_t length = strnlen(text, INTERFACE_MAX + 1);
	if (length == 0 || length > INTERFACE_MAX || text[0] == '-' || text[0] == '.')
		return false;
	for (size_t i = 0; i < length; i++) {
		char c = text[i];
		if (!is_lower_alnum(c) && !(c >= 'A' && c <= 'Z') && !strchr("-_.", c))
			return false;
	}
	return true;
}

int name_check(const char *text, const char *what, struct error *err)
{
	if (name_is_label(text))
		return 0;
	return error_set(err, EINVAL,
			 "'%.64s' is no name%s%s; write lowercase letters, digits and hyphens, at "
			 "most %d, with a letter or digit at both ends",
			 text, what ? " for a " : "", what ? what : "", LABEL_MAX);
}

static bool is_part(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_';
}

static bool is_whole(const char *text, const char *at, size_t length)
{
	const char *end = at + length;
	bool begins = at == text || !(is_part(at[-1]) || at[-1] == '.');
	return begins && !is_part(*end) && !(*end == '.' && is_part(end[1]));
}

char *name_replace(const char *text, const char *name, const char *other)
{
	size_t length = strlen(name);
	const char *from = text, *at = text;
	struct text replaced;
	text_begin(&replaced);
	while (length > 0 && (at = strstr(at, name))) {
		if (!is_whole(text, at, length)) {
			at++;
			continue;
		}
		fprintf(replaced.out, "%.*s%s", (int)(at - from), from, other);
		from = at += length;
	}
	fputs(from, replaced.out);
	return text_end(&replaced);
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned low = a < b ? a : b;
	return low < c ? low : c;
}

/* Edits between two words, neighbours swapped counting as one (optimal string alignment). */
static unsigned distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
	unsigned rows[3][WORD_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];
	for (size_t j = 0; j <= n_b; j++)
		last[j] = (unsigned)j;
	memset(rows[0], 0, sizeof(rows[0]));
	for (size_t i = 1; i <= n_a; i++) {
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= n_b; j++) {
			unsigned differs = a[i - 1] != b[j - 1];
			row[j] = least(last[j] + 1, row[j - 1] + 1, last[j - 1] + differs);
			bool swapped =
				i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
			if (swapped && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		unsigned *oldest = before;
		before = last;
		last = row;
		row = oldest;
	}
	return last[n_b];
}

const char *name_nearest(const char *text, const char *const *words, size_t n_words)
{
	size_t length = strnlen(text, WORD_MAX + 1);
	if (length == 0 || length > WORD_MAX)
		return NULL;
	const char *best = NULL;
	unsigned best_distance = (unsigned)(length <= 3 ? 1 : length / 3) + 1;
	for (size_t i = 0; i < n_words; i++) {
		size_t other = words[i] ? strnlen(words[i], WORD_MAX + 1) : 0;
		if (other == 0 || other > WORD_MAX)
			continue;
		unsigned found = distance(text, length, words[i], other);
		/* "net" for "network", "addr" for "address" */
		if (length >= 3 && other > length && !strncmp(text, words[i], length))
			found = 1;
		if (found < best_distance && found < other) {
			best_distance = found;
			best = words[i];
		}
	}
	return best;
}

void name_list(char *text, size_t size, const char *const *words, size_t n_words)
{
	size_t used = 0;
	text[0] = '\0';
	for (size_t i = 0; i < n_words && used < size; i++) {
		const char *gap = i == 0 ? "" : i + 1 == n_words ? " or " : ", ";
		used += (size_t)snprintf(text + used, size - used, "%s%s", gap, words[i]);
	}
}

/* FNV-1a for the bytes, then the finaliser of MurmurHash3, so that all bits depend on all bytes. */
uint64_t name_hash(const char *text, uint64_t seed)
{
	uint64_t hash = 0xcbf29ce484222325u ^ (seed * 0x9e3779b97f4a7c15u);
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3u;
	hash ^= hash >> 33;
	hash *= 0xff51afd7ed558ccdu;
	hash ^= hash >> 33;
	hash *= 0xc4ceb9fe1a85ec53u;
	hash ^= hash >> 33;
	return hash;
}
