/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The seed's text. The reader is share/image/tiny/init. */
#include "driver/seed.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define LABEL_MAX 63 /* RFC 1035 2.3.4 */

static bool is_label(const char *name)
{
	size_t length = name ? strlen(name) : 0;

	if (!length || length > LABEL_MAX || name[0] == '-' || name[length - 1] == '-')
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && *name != '-')
			return false;
	return true;
}

/* Each line of text that is not empty, after its key. */
static void put_lines(FILE *out, const char *key, const char *text)
{
	while (text && *text) {
		size_t length = strcspn(text, "\r\n");

		if (length)
			fprintf(out, "%s %.*s\n", key, (int)length, text);
		text += length;
		text += strspn(text, "\r\n");
	}
}

int seed_text(const struct seed *seed, char **ret_text, struct error *err)
{
	struct text text;
	if (!is_label(seed->hostname))
		return error_set(
			err, EINVAL,
			"'%.80s' is no host name: letters, digits and inner dashes, at most %d",
			seed->hostname ? seed->hostname : "", LABEL_MAX);
	text_begin(&text);
	fprintf(text.out, "hostname %s\n", seed->hostname);
	put_lines(text.out, "authorized_key", seed->authorized_keys);
	put_lines(text.out, "host_key", seed->host_key);
	put_lines(text.out, "environment", seed->environment);
	*ret_text = text_end(&text);
	return 0;
}
