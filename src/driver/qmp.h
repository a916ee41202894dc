/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of QEMU's machine protocol (QMP) over its unix socket: one command at a time, each with
 * a deadline. Events that arrive meanwhile are kept for qmp_wait.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

struct error;
struct qmp;

/* Connects, reads the greeting, negotiates. -ENOENT/-ECONNREFUSED: nobody listens (the machine does
 * not run); -ETIMEDOUT: QEMU serves one client at a time, another one may hold it. */
int qmp_connect(const char *path, int timeout_ms, struct qmp **ret, struct error *err);
void qmp_free(struct qmp *qmp);

/* Executes a command. arguments: an object, whose reference is taken (also on failure), or NULL.
 * *ret_value (may be NULL) is the "return" member, the caller's. QEMU's own error is -EIO with its
 * text; -EPIPE: QEMU went away; -ETIMEDOUT. */
int qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, int timeout_ms,
		json_t **ret_value, struct error *err);

/* The same with a descriptor beside it, for "getfd". It stays the caller's. */
int qmp_execute_fd(struct qmp *qmp, const char *command, json_t *arguments, int fd, int timeout_ms,
		   json_t **ret_value, struct error *err);

/* Waits for an event ("SHUTDOWN", "DEVICE_DELETED"; "" is any), also one that came before and was
 * not yet taken. *ret_event (may be NULL): the whole event, the caller's. -EPIPE: QEMU went away.
 */
int qmp_wait(struct qmp *qmp, const char *event, int timeout_ms, json_t **ret_event,
	     struct error *err);

/* Waits until QEMU closes the connection, that is until the process has ended or is about to. */
int qmp_wait_end(struct qmp *qmp, int timeout_ms, struct error *err);
