/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A synchronous Varlink client for the command line. Waits in poll, so that a signal is noticed. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/descriptor.h"

struct error;
struct varlink_client;

/* What came back. All zero before its first use; varlink_answer_done may be called at any time. */
struct varlink_answer {
	json_t *parameters; /* of the reply or of the error; an object, NULL when nothing came */
	char *error;	    /* full name ("io.lanyard.NotFound"), NULL in a good reply */
	bool continues;
	int fds[DESCRIPTORS_MAX]; /* -1 once taken */
	size_t n_fds;
};

void varlink_answer_done(struct varlink_answer *answer);
/* The descriptor at an index that the parameters named; the caller's from now on. -EPROTO with
 * err. */
int varlink_answer_take_fd(struct varlink_answer *answer, int64_t index, struct error *err);

/* -ENOENT or -ECONNREFUSED when nobody listens there. Other users' sockets: compare the peer of
 * varlink_client_fd (descriptor_peer) where it matters. */
int varlink_client_connect(const char *path, struct varlink_client **ret, struct error *err);
/* Takes a connected stream socket. */
struct varlink_client *varlink_client_new(int fd);
void varlink_client_free(struct varlink_client *client);
int varlink_client_fd(const struct varlink_client *client);

/* How long each wait may be without any progress; -1 (the default) for ever. Then -ETIMEDOUT. */
void varlink_client_set_timeout(struct varlink_client *client, int milliseconds);
/* A descriptor (signalfd, pipe; stays the caller's) that makes every wait return -EINTR once
 * readable, free of the race that a plain signal handler has. -1 for none. */
void varlink_client_set_cancel(struct varlink_client *client, int fd);

/* One call and its reply. parameters (NULL: empty) are taken, descriptors stay the caller's.
 * Returns 0; -errno with the sentence for the user in err: an error of the server gives the
 * errno of varlink_error_code and its message, its name and parameters are in the answer;
 * -EINTR when a signal came (the call goes on there; varlink_client_next waits again);
 * -ECONNRESET when the server went away. ret may be NULL. */
int varlink_client_call(struct varlink_client *client, const char *method, json_t *parameters,
			const int *fds, size_t n_fds, struct varlink_answer *ret,
			struct error *err);

/* After -ECONNRESET: did the server certainly not get the whole call? Then nothing of it was done.
 */
bool varlink_client_is_unheard(const struct varlink_client *client);

/* A call that is not answered. */
int varlink_client_oneway(struct varlink_client *client, const char *method, json_t *parameters,
			  struct error *err);

/* A call with several replies: start, then next until it returns 0. next: 1 a reply and more to
 * come, 0 the last one, -errno as varlink_client_call. It empties ret first. */
int varlink_client_start(struct varlink_client *client, const char *method, json_t *parameters,
			 struct error *err);
int varlink_client_start_fds(struct varlink_client *client, const char *method, json_t *parameters,
			     const int *fds, size_t n_fds, struct error *err);
int varlink_client_next(struct varlink_client *client, struct varlink_answer *ret,
			struct error *err);
