/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of cloud-init's NoCloud. JSON is YAML too. The vendor data is a boot hook, not the keys
 * `apt` and `write_files`: these work at a machine's first start only, and a user's own
 * `write_files` would replace ours. A hook comes before cloud-init's other work at every start, and
 * what a user's data says of apt or the environment comes behind ours and wins.
 */
#include "driver/cloud_seed.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const char hook_begin[] = "#cloud-boothook\n"
				 "#!/bin/sh\n"
				 "# Lanyard: the web proxy of this machine, anew at every start.\n"
				 "file=/etc/environment\n"
				 "touch $file\n"
				 "new=$(mktemp $file.XXXXXX) || exit 1\n"
				 "cat >$new <<'LANYARD'\n";
static const char hook_middle[] =
	"LANYARD\n"
	"sed '/^# lanyard: begin$/,/^# lanyard: end$/d' $file >>$new && cat $new >$file\n"
	"rm $new\n"
	"[ -d /etc/apt/apt.conf.d ] || exit 0\n"
	"file=/etc/apt/apt.conf.d/80lanyard-proxy\n";

/* Words with the line's end taken off. */
static json_t *lines_of(const char *text)
{
	json_t *list = json_array();
	while (text && *text) {
		size_t length = strcspn(text, "\r\n");
		if (length)
			json_array_append_new(list, json_stringn(text, length));
		text += length;
		text += strspn(text, "\r\n");
	}
	return list;
}

char *cloud_seed_meta(const struct cloud_seed *seed)
{
	json_t *meta = json_pack("{s:s,s:s,s:o}", "instance-id", seed->instance, "local-hostname",
				 seed->hostname, "public-keys", lines_of(seed->authorized_keys));
	char *text = json_dumps(meta, JSON_INDENT(2));
	json_decref(meta);
	return text;
}

static void put_apt(FILE *out, const struct cloud_seed *seed)
{
	if (!seed->http[0] && !seed->https[0]) {
		fputs("rm -f $file\n", out);
		return;
	}
	fputs("cat >$file <<'LANYARD'\n", out);
	if (seed->http[0])
		fprintf(out, "Acquire::http::Proxy \"%s\";\n", seed->http);
	if (seed->https[0])
		fprintf(out, "Acquire::https::Proxy \"%s\";\n", seed->https);
	fputs("LANYARD\n", out);
}

char *cloud_seed_vendor(const struct cloud_seed *seed)
{
	struct text text;
	text_begin(&text);
	fputs(hook_begin, text.out);
	if (seed->environment[0])
		fprintf(text.out, "# lanyard: begin\n%s# lanyard: end\n", seed->environment);
	fputs(hook_middle, text.out);
	put_apt(text.out, seed);
	return text_end(&text);
}
