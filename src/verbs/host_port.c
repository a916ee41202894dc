/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "verbs/host_port.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "model/ip.h"

int host_port_parse(const char *text, int *ret, struct error *err)
{
	char *end;
	long value = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : 0;
	if (value < 1 || value > 65535 || *end)
		return error_set(err, EINVAL, "'%s' is no port; write a number from 1 to 65535",
				 text);
	*ret = (int)value;
	return 0;
}

int host_port_split(const char *text, char **ret_host, int *ret_port, struct error *err)
{
	const char *colon = strrchr(text, ':');
	*ret_host = NULL;
	int result = host_port_parse(colon ? colon + 1 : text, ret_port, err);
	if (result < 0 || !colon)
		return result;
	if (colon == text)
		return error_set(err, EINVAL, "'%s': the name in front of ':' is missing", text);
	bool has_brackets = text[0] == '[' && colon[-1] == ']' && colon - text > 2;
	*ret_host = text_format("%.*s", (int)(colon - text) - (has_brackets ? 2 : 0),
				text + (has_brackets ? 1 : 0));
	return 0;
}

int host_port_split_address(const char *text, char **ret_host, int *ret_port, struct error *err)
{
	struct ip address;
	int result = host_port_split(text, ret_host, ret_port, err);
	if (result == 0 && *ret_host)
		result = ip_parse(*ret_host, &address, err);
	return result;
}

char *host_port_text(const char *host, int port)
{
	bool has_brackets = host && strchr(host, ':');
	return text_format("%s%s%s:%d", has_brackets ? "[" : "", host ? host : "127.0.0.1",
			   has_brackets ? "]" : "", port);
}
