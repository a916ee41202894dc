/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the executor share: the process (executor.c), who may speak to it (listener.c),
 * the conversation with the broker (conversation.c), what the kernel tells (notices.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/descriptor.h"
#include "base/paths.h"
#include "executor/ahead.h"
#include "executor/operations.h"
#include "executor/resolvers.h"
#include "kern/monitor.h"

struct conversation;

#define CONVERSATIONS_MAX 8

struct executor {
	struct paths paths;
	struct operations operations;
	struct resolvers resolvers;
	struct monitor monitor;
	sd_event *event;
	sd_event_source *listener, *accept_again; /* of listener */
	int listening;
	uid_t broker_uid;
	sd_event_source *notices, *settle; /* of notices */
	bool foreign_firewall, routes_changed;
	uint64_t first_notice, last_request; /* CLOCK_MONOTONIC microseconds */
	struct conversation *conversations[CONVERSATIONS_MAX];
	struct conversation *broker; /* the one that has greeted last */
	struct task *tasks;	     /* the batch that is being received */
	size_t n_tasks, tasks_room;
	struct ahead ahead;
	int taps[DESCRIPTORS_MAX]; /* made by the batch that runs, not yet handed over */
	size_t n_taps;
};
