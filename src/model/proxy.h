/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The web proxy that a machine is told of: of a lab, or the machine's own. Not to be confused with
 * `lan: proxy` of a network. */
#pragma once

#include <stdbool.h>

#include "model/network.h"
#include "model/node.h"

#define PROXY_URL_SIZE	 256
#define PROXY_EXCEPTIONS 16

struct proxy {
	char http[PROXY_URL_SIZE]; /* "http://10.20.0.1:3128"; "": none */
	char https[PROXY_URL_SIZE];
	char no_proxy[PROXY_EXCEPTIONS][DOMAIN_SIZE]; /* besides those that follow by themselves */
};

bool proxy_is_set(const struct proxy *proxy);

/* One URL for both, a map of proxy_schema, or `none`. */
int proxy_decode(const struct node *node, struct proxy *ret, struct error *err);
/* NULL: there is none. */
json_t *proxy_encode(const struct proxy *proxy);

/* Lines NAME=VALUE for a machine on these networks, whose domains, prefixes and machines it reaches
 * without the proxy; "" where there is none. No value needs quotes. The caller's. */
char *proxy_environment(const struct proxy *proxy, struct network *const *networks, size_t n);
