/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whom the networks' name servers ask for names that are not theirs: one address that is given, or
 * what the host's resolv.conf says. That file is watched here, once for all networks; dnsmasq would
 * take an inotify instance each, of which a user has 128.
 */
#pragma once

#include <stddef.h>
#include <systemd/sd-event.h>

struct error;
struct ip;

#define RESOLVERS_MAX 8

struct resolvers {
	const char *path; /* resolv.conf, or NULL: the given one */
	sd_event *event;
	sd_event_source *sources[2]; /* the folders of the file and of what it links to */
	char *target;		     /* the file without symbolic links */
	char *items[RESOLVERS_MAX + 1];
	void (*changed)(void *data);
	void *data;
};

/* The one that is given. */
void resolvers_set(struct resolvers *resolvers, const struct ip *address);
/* Reads path and watches it. changed is called from the event loop. A file that is not there counts
 * as empty. */
void resolvers_watch(struct resolvers *resolvers, sd_event *event, const char *path,
		     void (*changed)(void *data), void *data);
void resolvers_done(struct resolvers *resolvers);
