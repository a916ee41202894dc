/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What broker and executor say to each other: one record per SOCK_SEQPACKET message, fixed in size,
 * of machine byte order (both ends come from the same build; the hello proves it).
 *
 * Both say HELLO {RECORD_VERSION, sizeof(struct record), instance, boot id} first. Then the broker
 * asks, and the executor answers:
 *
 * - DUMP: OBJECT*, END.
 * - APPLY*, COMMIT: RESULT. Each is one operation of a batch; COMMIT is the last one, so that a
 *   batch of one is one message. Each may carry one descriptor: a netns port's network namespace.
 *   The executor runs the batch in order and stops at the first failure; RESULT.index says how many
 *   were done. If all were, it carries the queues of the batch's taps, in order.
 * - COMMIT_TO {the name of a tap that may follow}: as COMMIT, of a batch whose taps somebody waits
 *   for. The message after it is no record: what that one is to be told, with the socket to say it
 * on (record_send_reply). The executor hands over the taps itself; RESULT carries those that it
 * could not.
 * - CONNECT {ip, port}: RESULT with a TCP socket that is connecting.
 * - PROBE {question, bridge, address, port}: RESULT with the end of a pipe from which the answer
 *   comes as JSON; a short-lived program of its own writes it.
 * - CAPTURE {interface, bytes of a frame, how many frames}, with the write end of a pipe: RESULT
 *   with the socket of the program that writes pcap into that pipe (ipc/capture_order.h).
 * - ROUTES: OBJECT* (kind ADDRESS, ifname and prefix: every route), END.
 * - UPLINK {wanted}: OBJECT* (all of the host's that would move), END.
 * - CONFIRM {uplink}: RESULT; it stays from now on.
 * - STOP: RESULT, then it exits (services die with it).
 *
 * DUMP, ROUTES and UPLINK that fail are answered by RESULT. EVENT comes from the executor at any
 * time between answers: something of ours was changed by somebody else.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "model/object.h"

struct error;

#define RECORD_VERSION	 12u
#define RECORD_TEXT_SIZE 512 /* as ERROR_TEXT_SIZE: a sentence may end in a command */
#define RECORD_BATCH_MAX 65536u
#define RECORD_REPLY_MAX 16384
#define RECORD_SNAP_MAX	 262144 /* bytes of a captured frame, as tcpdump */

enum record_type {
	RECORD_HELLO = 1,
	RECORD_DUMP,
	RECORD_APPLY,
	RECORD_COMMIT,
	RECORD_COMMIT_TO,
	RECORD_CONNECT,
	RECORD_ROUTES,
	RECORD_UPLINK,
	RECORD_CONFIRM,
	RECORD_STOP,
	RECORD_PROBE,
	RECORD_CAPTURE,
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
	uint32_t index;	  /* APPLY, COMMIT: number in the batch; RESULT: how many were done;
			   * CAPTURE: how many frames, 0 for no limit */
	int32_t code;	  /* RESULT: 0 or -errno; APPLY, COMMIT: enum plan_verb; EVENT: enum
			   * record_event; CONNECT: TCP port; PROBE: enum record_question;
			   * CAPTURE: bytes of a frame */
	uint32_t version; /* HELLO */
	uint32_t size;	  /* HELLO: sizeof(struct record) */
	char text[RECORD_TEXT_SIZE]; /* RESULT, EVENT: a sentence; HELLO: instance name;
				      * COMMIT_TO: an interface's name or "" */
	char boot_id[40];	     /* HELLO: /proc/sys/kernel/random/boot_id */
	struct object object; /* APPLY, COMMIT, OBJECT; CONNECT, PROBE, CAPTURE: kind ADDRESS */
};

/* Sends one record with up to DESCRIPTORS_MAX descriptors. Blocking; returns 0 or -errno. */
int record_send(int socket, const struct record *record, const int *fds, size_t n_fds);

/* Receives and checks one: exact size, known type, terminated texts, object_check where one is
 * meant. Returns 1, 0 when the peer closed, -EAGAIN, -EBADMSG with the reason, -errno. */
int record_receive(int socket, struct record *ret, int *fds, size_t *n_fds, int flags,
		   struct error *err);
int record_check(const struct record *record, struct error *err);

/* What follows COMMIT_TO: a connected stream socket (-1: nobody is to be told) and at most
 * RECORD_REPLY_MAX bytes for it. The socket stays the caller's. */
int record_send_reply(int socket, int to, const char *data, size_t length);
/* Receives it into RECORD_REPLY_MAX bytes; *ret_to is the caller's. Returns how many bytes, 0 when
 * nobody is to be told, -EPROTO, -EAGAIN, -errno. */
ssize_t record_receive_reply(int socket, char *data, int *ret_to);

/* Says hello and checks the other's: -EPROTO when versions or instances differ. */
int record_hello(int socket, const char *instance, struct error *err);

/* Its two halves, for a side that must not wait for the other. */
int record_hello_send(int socket, const char *instance, struct error *err);
int record_hello_check(const struct record *hello, const char *instance, struct error *err);
