/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the broker's parts share: one broker serves one instance. */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/paths.h"
#include "broker/audit.h"
#include "broker/executor_client.h"
#include "broker/state.h"

struct caller;
struct callers;
struct error;
struct host_names;
struct instance;
struct publications;
struct uplink;
struct varlink_server;

struct broker {
	struct paths paths;
	sd_event *event;
	struct varlink_server *server;
	struct state state;
	const char *first_network;	    /* to make in a fresh state folder, or NULL */
	const struct object_uplink *adding; /* what AddUplink knows beyond the model */
	struct executor_client *executor;
	struct instance *instance; /* NULL in a system instance */
	struct uplink *uplink;	   /* NULL in a system instance */
	struct publications *publications;
	struct host_names *host_names; /* NULL in a user instance */
	struct callers *callers;       /* and the policy; NULL in a user instance */
	struct caller *caller;	       /* whose call is served, see authorise.h */
	struct state sight;	       /* what they see of the model; borrows it */
	struct audit audit;	       /* of the call that is served */
	char next_port[PORT_ID_SIZE];  /* the id that the next one gets, "": not drawn yet */
	sd_event_source *runtime;      /* tells of a new executor; NULL in a user instance */
	sd_event_source *repair;       /* runs after the executor has told of a change */
	sd_event_source *retry;	       /* of ports that could not be made */
	sd_event_source *grace;	       /* ends an instance in which nothing is left */
	sd_event_source *leaving;      /* when the next replaced prefix goes */
	uint64_t repair_wait;	       /* microseconds until the next try; 0: none has failed */
	uint64_t retry_wait;	       /* microseconds until they are tried again */
	bool ending;		       /* was told to stop */
	bool finished;		       /* nothing is left */
};

#define BROKER_REFUSED 4 /* as lanyard(1) ends when something is refused */

/* A broker's whole life; the exit code. first_network: to make in a fresh state folder, or NULL.
 * going: only takes a system instance's traces away. report: a pipe (taken) on which the starter
 * waits for "\n" or the sentence that says why not, or -1. */
int broker_run(const struct paths *paths, const char *first_network, bool going, int report);
/* Makes sure that the executor answers; starts what is missing of a user instance. */
int broker_ensure(struct broker *broker, struct error *err);
/* Compares soon, from the event loop. */
void broker_repair_soon(struct broker *broker);
/* To be called when something went: ends the instance after a moment when nothing is left in it. */
void broker_consider_end(struct broker *broker);
/* Ends the user instance after the present call's reply has left. */
void broker_end(struct broker *broker);
