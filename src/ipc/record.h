/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What broker and executor say to each other: one record per SOCK_SEQPACKET message, fixed in size,
 * of machine byte order (both ends come from the same build; the hello proves it).
 *
 * A conversation:
 *   both      HELLO {RECORD_VERSION, sizeof(struct record), instance, boot id}   first of each side
 *   broker    DUMP            executor  OBJECT* END
 *   broker    APPLY* COMMIT   executor  RESULT
 *             Each is one operation of a batch; COMMIT is the last one, so that a batch of one is
 * one message. Each may carry one descriptor: a netns port's network namespace. The executor runs
 * the batch in order, stops at the first failure; RESULT.index says how many were done. If all
 * were, it carries the queues of the batch's taps, in order. broker    CONNECT {ip, port} executor
 * RESULT with a TCP socket, connecting broker    PROBE {question, bridge, address, port}   executor
 * RESULT with the end of a pipe from which the answer comes as JSON: a short-lived program of its
 * own writes it broker    ROUTES          executor  OBJECT* (kind ADDRESS, ifname and prefix: every
 * route) END broker    UPLINK {wanted}          executor  OBJECT* (all of the host's that would
 * move) END broker    CONFIRM {uplink}         executor  RESULT; it stays from now on executor
 * EVENT, at any time between answers: something of ours was changed by somebody else broker    STOP
 * executor  RESULT, then it exits (services die with it) DUMP, ROUTES and UPLINK that fail are
 * answered by RESULT.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "model/object.h"

struct error;

#define RECORD_VERSION	 5u
#define RECORD_TEXT_SIZE 256
#define RECORD_BATCH_MAX 65536u

enum record_type {
	RECORD_HELLO = 1,
	RECORD_DUMP,
	RECORD_APPLY,
	RECORD_COMMIT,
	RECORD_CONNECT,
	RECORD_ROUTES,
	RECORD_UPLINK,
	RECORD_CONFIRM,
	RECORD_STOP,
	RECORD_PROBE,
	RECORD_OBJECT,
	RECORD_END,
	RECORD_RESULT,
	RECORD_EVENT,
	RECORD_TYPES,
};

enum record_event {
	EVENT_CHANGED = 1, /* something of ours differs: dump and plan again */
	EVENT_SERVICE_DIED,
};

/* What lanyard-probe can be asked. */
enum record_question {
	QUESTION_FACTS,
	QUESTION_SERVERS,   /* of a bridge */
	QUESTION_NEIGHBOUR, /* of a bridge and an address */
	QUESTION_GUEST,	    /* of a bridge, an address and a port */
	QUESTION_HOST,	    /* of an address and a port */
	QUESTIONS,
};

struct record {
	uint32_t type;	  /* enum record_type */
	uint32_t index;	  /* APPLY, COMMIT: number in the batch; RESULT: how many were done */
	int32_t code;	  /* RESULT: 0 or -errno; APPLY, COMMIT: enum plan_verb; EVENT: enum
			   * record_event;     CONNECT: TCP port; PROBE: enum record_question */
	uint32_t version; /* HELLO */
	uint32_t size;	  /* HELLO: sizeof(struct record) */
	char text[RECORD_TEXT_SIZE]; /* RESULT, EVENT: a sentence; HELLO: instance name */
	char boot_id[40];	     /* HELLO: /proc/sys/kernel/random/boot_id */
	struct object object;	     /* APPLY, COMMIT, OBJECT; CONNECT, PROBE: kind ADDRESS */
};

/* Sends one record with up to DESCRIPTORS_MAX descriptors. Blocking; returns 0 or -errno. */
int record_send(int socket, const struct record *record, const int *fds, size_t n_fds);

/* Receives and checks one: exact size, known type, terminated texts, object_check where one is
 * meant. Returns 1, 0 when the peer closed, -EAGAIN, -EBADMSG with the reason, -errno. */
int record_receive(int socket, struct record *ret, int *fds, size_t *n_fds, int flags,
		   struct error *err);
int record_check(const struct record *record, struct error *err);

/* Says hello and checks the other's: -EPROTO when versions or instances differ. */
int record_hello(int socket, const char *instance, struct error *err);

/* Its two halves, for a side that must not wait for the other. */
int record_hello_send(int socket, const char *instance, struct error *err);
int record_hello_check(const struct record *hello, const char *instance, struct error *err);
