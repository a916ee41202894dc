/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection to the host's ovsdb-server: one call after the other (JSON-RPC over its unix
 * socket, which is root's). What is said is svc/openvswitch's business. A library would be
 * libopenvswitch, which Debian has for static linking only, event loop and all.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

struct error;

#define OVSDB_SOCKET "/run/openvswitch/db.sock"

struct ovsdb {
	int fd;
	char *text; /* received and not read yet */
	size_t used, room;
};

/* -ENOTCONN with one sentence and its remedy when nobody answers. */
int ovsdb_open(struct ovsdb *ovsdb, struct error *err);
void ovsdb_close(struct ovsdb *ovsdb);

/* Runs operations (taken) as one transaction. *ret_answer is the caller's, results are within it.
 */
int ovsdb_transact(struct ovsdb *ovsdb, json_t *operations, json_t **ret_answer,
		   const json_t **ret_results, struct error *err);

/* Asks to be told; then ovsdb_next waits for one message, or for the end of the connection. */
int ovsdb_monitor(struct ovsdb *ovsdb, json_t *parameters, struct error *err);
int ovsdb_next(struct ovsdb *ovsdb, json_t **ret, struct error *err);
/* Whether ovsdb_next would not have to wait. */
int ovsdb_has_message(const struct ovsdb *ovsdb);
