/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Varlink messages (varlink.org): JSON objects ended by a NUL byte on a unix stream socket,
 * descriptors as systemd sends them (SCM_RIGHTS on the first bytes of the message; parameters
 * carry indexes into them). Bounds every message before the JSON parser sees it. Knows neither
 * methods nor connections.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/descriptor.h"

struct error;

#define VARLINK_CALL_MAX   (1024u * 1024)      /* bytes of one call, its NUL included */
#define VARLINK_REPLY_MAX  (16u * 1024 * 1024) /* bytes of one reply (a thousand ports' status) */
#define VARLINK_DEPTH_MAX  64		       /* nested objects and arrays */
#define VARLINK_VALUES_MAX 131072	       /* values of one call; of a reply 16 times */
#define VARLINK_NAME_MAX   255		       /* bytes of a method's or error's full name */

/* One message, decoded. varlink_message_done closes the descriptors that were not taken. */
struct varlink_message {
	char *method;	    /* set in a call, NULL in a reply */
	char *error;	    /* set in an error reply */
	json_t *parameters; /* always an object */
	bool more, oneway, upgrade, continues;
	int fds[DESCRIPTORS_MAX]; /* -1 once taken */
	size_t n_fds;
};

void varlink_message_done(struct varlink_message *message);

/* The descriptor at an index; the caller's from now on. -ENOENT when there is none or it was
 * taken. */
int varlink_message_take_fd(struct varlink_message *message, int64_t index);

/* Decodes one message of length bytes without its NUL. -EBADMSG with the reason: no JSON
 * object, a key twice, an unknown or ill-typed key, neither call nor reply. The depth is
 * bounded by the reader, not here. */
int varlink_message_decode(const char *text, size_t length, struct varlink_message *ret,
			   struct error *err);

/* Encoders: the bytes with their NUL, which *ret_length counts; the caller frees. parameters
 * may be NULL (empty) and stay the caller's. -EMSGSIZE beyond the maximum. */
enum varlink_flag {
	VARLINK_MORE = 1 << 0,
	VARLINK_ONEWAY = 1 << 1,
	VARLINK_CONTINUES = 1 << 2,
};
int varlink_encode_call(const char *method, json_t *parameters, unsigned flags, char **ret,
			size_t *ret_length, struct error *err);
int varlink_encode_reply(json_t *parameters, unsigned flags, char **ret, size_t *ret_length,
			 struct error *err);
int varlink_encode_error(const char *name, json_t *parameters, char **ret, size_t *ret_length,
			 struct error *err);

/*
 * The incremental reader. Length, depth and number of values are counted byte by byte as they
 * come, so that a hostile message is refused at the first byte too many and never reaches the
 * parser. Descriptors belong to the message whose bytes they came with: varlink_reader_receive
 * peeks for the end of the message and never reads beyond it, so that the pairing is exact and
 * nothing is read ahead.
 */
struct varlink_reader {
	char *buffer;
	size_t used, room;
	size_t max_bytes, max_values;
	size_t depth, values;
	bool in_string, escaped, complete;
	int fds[DESCRIPTORS_MAX];
	size_t n_fds;
};

/* max_bytes: VARLINK_CALL_MAX or VARLINK_REPLY_MAX. */
void varlink_reader_init(struct varlink_reader *reader, size_t max_bytes);
void varlink_reader_done(struct varlink_reader *reader);

/* Takes bytes up to the end of one message and, always, the descriptors (closed on failure).
 * Returns how many bytes it took; 0 when a complete message waits for varlink_reader_next.
 * -EBADMSG (too deep, too many values, too many descriptors) or -EMSGSIZE: the stream is
 * unusable from then on. */
ssize_t varlink_reader_feed(struct varlink_reader *reader, const char *data, size_t length,
			    const int *fds, size_t n_fds, struct error *err);

/* One non-blocking receive of at most the rest of one message. 1 progress, 0 end of stream,
 * -EAGAIN, other -errno as feed and recvmsg(2). */
int varlink_reader_receive(struct varlink_reader *reader, int socket, struct error *err);

/* 1 and a message, 0 when none is complete, -EBADMSG from decoding (the message is consumed:
 * the stream itself is still in step). */
int varlink_reader_next(struct varlink_reader *reader, struct varlink_message *ret,
			struct error *err);

/* Fills a sockaddr_un for a path of any length (long ones by way of /proc/self/fd).
 * *ret_directory is a descriptor that must stay open until bind or connect is done, or -1. */
struct sockaddr_un;
int varlink_address(const char *path, struct sockaddr_un *ret, int *ret_directory,
		    struct error *err);

/* A JSON string of any text: bytes that are no UTF-8 and control characters become '?'. */
json_t *varlink_string(const char *text);
