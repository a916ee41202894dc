/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A web proxy: its keys, and what of it stands in a machine's environment. The values end in shell
 * files and apt's configuration of guests, hence the few characters that they may have.
 */
#include "model/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "model/schema.h"

#define LETTERS	      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define URL_CHARS     LETTERS "-._~%:/@[]+=,!"
#define HOST_CHARS    LETTERS "-._"
#define ADDRESS_CHARS "0123456789abcdefABCDEF:."
#define EXCEPTION     LETTERS "-._*:/"
#define FORM	      "http://proxy.example:3128"

bool proxy_is_set(const struct proxy *proxy)
{
	return proxy->http[0] || proxy->https[0];
}

static int refuse_url(const char *text, struct error *err)
{
	return error_set(err, EINVAL, "proxy '%.64s' is not understood; write it like " FORM, text);
}

/* What follows the scheme; NULL without one. */
static const char *after_scheme(const char *text)
{
	static const char *const schemes[] = {"http://", "https://"};
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (!strncmp(text, schemes[i], strlen(schemes[i])))
			return text + strlen(schemes[i]);
	return NULL;
}

/* A port, and one slash at most. */
static bool is_tail(const char *tail)
{
	if (*tail == ':') {
		char *end;
		if (!strspn(tail + 1, "0123456789"))
			return false;
		unsigned long port = strtoul(tail + 1, &end, 10);
		if (port < 1 || port > 65535)
			return false;
		tail = end;
	}
	return !*tail || !strcmp(tail, "/");
}

/* The host begins behind the password, if there is one; *ret_length is 0 when there is none. */
static const char *find_host(const char *rest, size_t *ret_length, const char **ret_tail)
{
	const char *at = strrchr(rest, '@'), *host = at ? at + 1 : rest;
	bool is_ipv6 = *host == '[';
	host += is_ipv6;
	*ret_length = strspn(host, is_ipv6 ? ADDRESS_CHARS : HOST_CHARS);
	*ret_tail = host + *ret_length;
	if (is_ipv6 && *(*ret_tail)++ != ']')
		*ret_length = 0;
	return host;
}

static bool is_own(const char *host, size_t length)
{
	return (length == 9 && !strncmp(host, "localhost", length)) ||
	       (length == 3 && !strncmp(host, "::1", length)) || !strncmp(host, "127.", 4);
}

static int check_url(const char *text, struct error *err)
{
	const char *rest = after_scheme(text), *tail;
	size_t length;
	if (strlen(text) >= PROXY_URL_SIZE)
		return error_set(err, EINVAL, "proxy '%.40s...' is too long; at most %d bytes",
				 text, PROXY_URL_SIZE - 1);
	if (!rest)
		return refuse_url(text, err);
	if (text[strspn(text, URL_CHARS)])
		return error_set(err, EINVAL,
				 "proxy '%.64s' has a character that may not stand in a URL so; "
				 "write %%%02X for it",
				 text, (unsigned char)text[strspn(text, URL_CHARS)]);
	const char *host = find_host(rest, &length, &tail);
	if (!length || !is_tail(tail))
		return refuse_url(text, err);
	if (is_own(host, length))
		return error_set(err, EINVAL,
				 "proxy '%.64s': in a machine this is the machine itself; write "
				 "the proxy's address as the machine reaches it",
				 text);
	return 0;
}

static int decode_url(const struct node *node, char url[PROXY_URL_SIZE], struct error *err)
{
	char text[NODE_DESCRIBE_SIZE];
	memset(url, 0, PROXY_URL_SIZE);
	if (node->kind == NODE_NULL || (node->kind == NODE_SCALAR && !strcmp(node->text, "none")))
		return 0;
	if (node->kind != NODE_SCALAR)
		return node_error(node, err, EINVAL, "%s is no proxy; write one like " FORM,
				  node_describe(node, text));
	if (check_url(node->text, err) < 0)
		return node_prefix(node, err);
	memcpy(url, node->text, strlen(node->text));
	return 0;
}

static int decode_http(const struct node *node, void *object, struct error *err)
{
	return decode_url(node, ((struct proxy *)object)->http, err);
}

static int decode_https(const struct node *node, void *object, struct error *err)
{
	return decode_url(node, ((struct proxy *)object)->https, err);
}

static json_t *encode_text(const void *item)
{
	const char *text = item;
	return text[0] ? json_string(text) : NULL;
}

static json_t *encode_http(const void *object)
{
	return encode_text(((const struct proxy *)object)->http);
}

static json_t *encode_https(const void *object)
{
	return encode_text(((const struct proxy *)object)->https);
}

static int decode_exception(const char *text, void *item, struct error *err)
{
	size_t length = strlen(text);
	if (!length || length >= DOMAIN_SIZE || text[strspn(text, EXCEPTION)])
		return error_set(err, EINVAL,
				 "no_proxy '%.64s' is neither a name, a domain, an address nor a "
				 "prefix",
				 text);
	memcpy(item, text, length + 1);
	return 0;
}

static const struct schema_list exceptions = {"a name, a domain, an address or a prefix",
					      DOMAIN_SIZE, decode_exception, encode_text};

static const struct schema_key proxy_keys[] = {
	{.key = "http",
	 .type = SCHEMA_CUSTOM,
	 .decode = decode_http,
	 .encode = encode_http,
	 .help = "for http, like " FORM},
	{.key = "https",
	 .type = SCHEMA_CUSTOM,
	 .decode = decode_https,
	 .encode = encode_https,
	 .help = "for https, which goes without one when left out"},
	{.key = "no_proxy",
	 .type = SCHEMA_LIST,
	 .offset = offsetof(struct proxy, no_proxy),
	 .size = sizeof(((struct proxy *)0)->no_proxy),
	 .list = &exceptions,
	 .help = "who is reached without it, besides the machine's networks"},
};

const struct schema proxy_schema = {
	.entity = "proxy",
	.help = "A web proxy that machines are told of.",
	.keys = proxy_keys,
	.n_keys = sizeof(proxy_keys) / sizeof(proxy_keys[0]),
};

int proxy_decode(const struct node *node, struct proxy *ret, struct error *err)
{
	struct proxy found = {0};
	int r = 0;
	if (node->kind == NODE_SCALAR) {
		r = decode_url(node, found.http, err);
		memcpy(found.https, found.http, sizeof(found.https));
	} else if (node->kind != NODE_NULL) {
		r = schema_decode(&proxy_schema, node, &found, false, err);
		if (r == 0 && !proxy_is_set(&found))
			r = node_error(node, err, EINVAL,
				       "a proxy needs http or https; no proxy is written none");
	}
	if (r == 0)
		*ret = found;
	return r;
}

json_t *proxy_encode(const struct proxy *proxy)
{
	return proxy_is_set(proxy) ? schema_encode(&proxy_schema, proxy) : NULL;
}

static void put_prefixes(FILE *out, const struct ip *subnets)
{
	char text[IP_TEXT_SIZE];
	for (size_t i = 0; i < NETWORK_SUBNETS && ip_is_set(&subnets[i]); i++) {
		struct ip prefix = ip_network(&subnets[i]);
		fprintf(out, ",%s", ip_format_prefix(&prefix, text));
	}
}

/* A bare name is in nobody's domain, so each stands for itself. */
static void put_network(FILE *out, const struct network *network)
{
	if (network->domain[0])
		fprintf(out, ",.%s", network->domain);
	put_prefixes(out, network->ipv4);
	put_prefixes(out, network->ipv6);
	for (size_t i = 0; i < network->n_reservations; i++)
		fprintf(out, ",%s", network->reservations[i].name);
}

static char *list_exceptions(const struct proxy *proxy, struct network *const *networks, size_t n)
{
	struct text text;
	text_begin(&text);
	fputs("localhost,127.0.0.1,::1", text.out);
	for (size_t i = 0; i < n; i++)
		put_network(text.out, networks[i]);
	for (size_t i = 0; i < PROXY_EXCEPTIONS && proxy->no_proxy[i][0]; i++)
		fprintf(text.out, ",%s", proxy->no_proxy[i]);
	return text_end(&text);
}

/* Programs disagree about which of the two spellings they look at. */
static void put_variable(FILE *out, const char *small, const char *capital, const char *value)
{
	if (value[0])
		fprintf(out, "%s=%s\n%s=%s\n", small, value, capital, value);
}

char *proxy_environment(const struct proxy *proxy, struct network *const *networks, size_t n)
{
	struct text text;
	text_begin(&text);
	if (proxy_is_set(proxy)) {
		AUTO_FREE char *none = list_exceptions(proxy, networks, n);
		put_variable(text.out, "http_proxy", "HTTP_PROXY", proxy->http);
		put_variable(text.out, "https_proxy", "HTTPS_PROXY", proxy->https);
		put_variable(text.out, "no_proxy", "NO_PROXY", none);
	}
	return text_end(&text);
}
