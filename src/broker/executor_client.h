/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The broker's end of the conversation with the executor (ipc/record.h). Requests wait for their
 * answer: changes are served one after the other anyway. Events that come between are told from the
 * event loop.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/descriptor.h"
#include "ipc/record.h"
#include "model/plan.h"

struct capture_order;
struct error;
struct executor_client;

/* What it tells without being asked. Neither may free the client. */
struct executor_watch {
	void (*event)(enum record_event event, const char *text, void *data);
	void (*lost)(void *data); /* once, from the event loop */
	void *data;
};

/* Connects and says hello. -ENOENT, -ECONNREFUSED: nobody is there. */
int executor_client_connect(sd_event *event, const char *path, const char *instance, bool same_uid,
			    const struct executor_watch *watch, struct executor_client **ret,
			    struct error *err);
void executor_client_free(struct executor_client *client);
bool executor_client_is_lost(const struct executor_client *client);
pid_t executor_client_pid(const struct executor_client *client);

int executor_client_dump(struct executor_client *client, struct object_list *ret,
			 struct error *err);

/* Descriptors of taps, in the order of the operations and queues; the caller's. */
struct executor_taps {
	int fds[DESCRIPTORS_MAX];
	size_t count;
};

/* Runs a batch. netns: a descriptor for its first operation, or -1. taps NULL: descriptors are
 * closed. */
int executor_client_apply(struct executor_client *client, const struct operation *operations,
			  size_t count, int netns, struct executor_taps *taps, struct error *err);

/* The operation at which the last executor_client_apply ended; NULL: none, or it is not known. */
const struct operation *executor_client_failed(const struct executor_client *client);

/* Its two halves: the caller may work while the executor does. After a begin that succeeded finish
 * must be called before anything else. With next, the name of the tap that may be asked for after
 * this one, the executor hands the taps over itself: executor_client_reply must come in between. */
int executor_client_begin(struct executor_client *client, const struct operation *operations,
			  size_t count, int netns, const char *next, struct error *err);
/* Whom (a connected stream socket, the caller's; -1: nobody) to tell what, together with the taps;
 * those that finish gives were not handed over. */
int executor_client_reply(struct executor_client *client, int to, const char *data, size_t length,
			  struct error *err);
int executor_client_finish(struct executor_client *client, struct executor_taps *taps,
			   struct error *err);

/* A TCP socket from inside that is connecting (non-blocking); the caller's. */
int executor_client_open(struct executor_client *client, const struct ip *address, uint16_t port,
			 struct error *err);
/* Starts a question (ipc/record.h); returns the descriptor from which the answer comes, the
 * caller's. bridge "" and address NULL where the question has none. */
int executor_client_probe(struct executor_client *client, enum record_question question,
			  const char *bridge, const struct ip *address, uint16_t port,
			  struct error *err);
/* Starts lanyard-capture, which writes into the pipe (the caller's); returns the socket of its
 * report, whose end stops it (ipc/capture_order.h), the caller's. */
int executor_client_capture(struct executor_client *client, const char *ifname,
			    const struct capture_order *order, int pipe, struct error *err);
int executor_client_stop(struct executor_client *client, struct error *err);

/* What would move to a bridge with this uplink (an OBJECT_UPLINK with a report, then the host's
 * objects), or why it cannot. */
int executor_client_survey(struct executor_client *client, const struct object *uplink,
			   struct object_list *ret, struct error *err);
/* It stays. -ENOENT: there is no such uplink. */
int executor_client_confirm(struct executor_client *client, const struct object *uplink,
			    struct error *err);
