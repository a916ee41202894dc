/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports of the host that lead to machines: one lanyard-publish each (publisher.h), started again
 * when it dies. It asks for the machine's address at each connection. When the broker ends it stops
 * listening, unless the service manager keeps it for the next broker, and ends with its last
 * connection. What is published is kept in the runtime folder, for the next broker.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "model/ip.h"
#include "model/network.h"

struct broker;
struct error;
struct publications;

struct publication {
	struct ip host;
	uint16_t host_port;
	char name[256];
	uint16_t port;
	char network[NAME_SIZE]; /* "": any */
	uid_t owner;
};

struct publications *publications_new(struct broker *broker);
/* Those that nobody keeps stop listening. */
void publications_free(struct publications *publications);
/* Starts what the broker before had published. */
void publications_load(struct publications *publications);

/* Waits until it listens. -EADDRINUSE, -ENOENT (no such machine). dry: tries whether it could. */
int publications_add(struct publications *publications, const struct publication *publication,
		     bool dry, struct error *err);
/* -EACCES where the caller whose call is served may not end it. */
int publications_remove(struct publications *publications, const struct ip *host, uint16_t port,
			bool dry, struct error *err);
/* The namespaces are others now: those that are in the old ones are replaced. */
void publications_restart(struct publications *publications);
/* Drops all, on disk too, and their connections. */
void publications_clear(struct publications *publications);
size_t publications_count(const struct publications *publications);
size_t publications_count_of(const struct publications *publications, uid_t owner);
json_t *publication_json(const struct publication *publication);
/* Those that the caller may see. */
json_t *publications_json(const struct publications *publications);
