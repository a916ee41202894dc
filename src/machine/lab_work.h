/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `up` and `down` share: one command at a time on a lab, which file it is of, stopping
 * machines. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

struct error;
struct invocation;
struct machine_entry;
struct machine_list;

/* SIGINT and SIGTERM end the command with a sentence and 130. */
void lab_work_catch_signals(void);

/* Waits until no other command works on the lab. Returns the lock's descriptor. */
int lab_work_lock(const struct invocation *invocation, const char *lab, struct error *err);
/* The lab is down: removes the lock's file. */
void lab_work_forget(const struct invocation *invocation, const char *lab);
/* A command failed: the same, unless the lab is up from before. */
void lab_work_leave(const struct invocation *invocation, int lock, const char *lab);

/* -EEXIST when a lab of this name is up from another file. path is absolute. */
int lab_work_check_file(const struct invocation *invocation, const char *lab, const char *path,
			struct error *err);
void lab_work_note_file(int lock, const char *path);

/* What the broker begins, while it goes on (client_said). */
void lab_work_begun(const json_t *parameters, void *data);

/* Stops and forgets machines, all at once. stop: those for which it says so; they are added to
 * told.
 */
int lab_work_stop(struct invocation *invocation, struct machine_list *list,
		  bool (*stop)(const struct machine_entry *, const void *), const void *data,
		  json_t *told, struct error *err);
