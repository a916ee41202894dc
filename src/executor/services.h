/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dnsmasq processes of the executor: one per network, children in the foreground that die with
 * it, started again when they die. Keeps the names of every network in memory, because dnsmasq
 * reads them from files that are written whole.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "model/object.h"
#include "svc/dnsmasq.h"

struct error;
struct service;

struct services {
	sd_event *event;
	sd_event_source *children;		    /* SIGCHLD */
	const char *folder;			    /* a folder per network below it */
	char *const *upstreams;			    /* see struct dnsmasq_place */
	void (*died)(const char *text, void *data); /* one sentence; called from the event loop */
	void *data;
	struct service **items; /* sorted by network */
	size_t count, room;
	pid_t *ending; /* killed and not yet waited for */
	size_t n_ending, ending_room;
};

/* event, folder, upstreams, died and data are filled by the caller. SIGCHLD must be
 * blocked. */
int services_init(struct services *services, struct error *err);
void services_done(struct services *services); /* the processes go on until their parent ends */

/* Starts (or changes: reload where files suffice, else restart) the services of several networks
 * side by side and waits until each has said that it listens. *ret_done: how many are right, in
 * order, before the failed one. A service that cannot be changed goes on as it was. */
int services_start(struct services *services, const struct object *const *objects, size_t count,
		   size_t *ret_done, struct error *err);

/* Ends them and removes their folders, leases included; services_wait must follow. Those that are
 * not there are right. */
int services_stop(struct services *services, const struct object *const *objects, size_t count,
		  size_t *ret_done, struct error *err);

/* Waits for the processes that services_stop has killed: an end takes the kernel some time (their
 * packet sockets), which other work may fill. */
void services_wait(struct services *services);

/* Sets or removes names (OBJECT_NAME); each network concerned writes its files once and reloads
 * once. After a failure a network's names are as before. */
int services_name(struct services *services, const struct object *const *objects, size_t count,
		  bool remove, size_t *ret_done, struct error *err);

/* The upstreams are others now. */
void services_ask_others(struct services *services);

/* Appends OBJECT_NAME and OBJECT_SERVICE. */
void services_dump(const struct services *services, struct object_list *ret);

/* Removes the folders of networks that no longer exist (left by a crash): those without a bridge in
 * the list. */
void services_remove_stale(const char *folder, const struct object_list *list);
