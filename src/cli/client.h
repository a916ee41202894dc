/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way to the broker: which instance is meant, starting a user instance on first use, calls. */
#pragma once

#include <jansson.h>
#include <stddef.h>

struct error;
struct invocation;
struct varlink_answer;

/* Computes the paths of the instance that is meant: --user, --system, else the system instance
 * where its socket is and the caller is root or in group lanyard, else (not for root) the user's
 * own. */
int client_paths(struct invocation *invocation, struct error *err);

/* Connects, and starts the user instance if nobody answers. Does nothing when connected already. */
int client_open(struct invocation *invocation, struct error *err);
/* Connects to what runs, else -ENOENT. */
int client_open_running(struct invocation *invocation, struct error *err);
/* Connects to what runs, and starts what ought to: a broker whose instance lives on without it, an
 * instance that has definitions; else -ENOENT. */
int client_open_existing(struct invocation *invocation, struct error *err);
void client_close(struct invocation *invocation);

/* One call of io.lanyard, connecting first. parameters (NULL: none) are taken; answer may be NULL.
 * fds stay the caller's. Calls once more when the broker went away (it ends when idle) and that
 * cannot do anything twice: it never read the call, or the call changes nothing. A user instance
 * that does not run and has no definitions is started to make something, and for nothing else: its
 * lists are empty, for what is there it is -ENOENT. */
int client_call(struct invocation *invocation, const char *method, json_t *parameters,
		struct varlink_answer *answer, struct error *err);
int client_call_fds(struct invocation *invocation, const char *method, json_t *parameters,
		    const int *fds, size_t n_fds, struct varlink_answer *answer, struct error *err);

/* A call with more: said (may be NULL) is told each reply before the last one. */
typedef void client_said(const json_t *parameters, void *data);
int client_call_more(struct invocation *invocation, const char *method, json_t *parameters,
		     client_said *said, void *data, struct varlink_answer *answer,
		     struct error *err);
/* The same with one descriptor. */
int client_call_more_fd(struct invocation *invocation, const char *method, json_t *parameters,
			int fd, client_said *said, void *data, struct varlink_answer *answer,
			struct error *err);

/* A call that changes something: adds dry_run, prints the answer's changes for --dry-run and -v. */
int client_change(struct invocation *invocation, const char *method, json_t *parameters,
		  struct varlink_answer *answer, struct error *err);
/* Prints the operations of a "changes" list, one a line; empty_text instead when there are none. */
void client_print_changes(const json_t *changes, const char *empty_text);
