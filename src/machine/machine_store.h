/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machines of a user: a folder each in the runtime directory with the definition as wanted,
 * what it runs with, and QEMU's sockets. The folder's files say everything, so any command can go
 * on where another ended.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "model/machine.h"

struct error;
struct paths;

struct machine_entry {
	struct machine *machine; /* as wanted */
	json_t *definition;	 /* the same, encoded */
	char *folder;
	char *definition_file;
	char *running_file; /* {"definition", "accel", "ports": [{"id", "ifname", "mac",
			       "network"}]} */
	char *pid_file;	    /* written and locked by QEMU */
	char *qmp;
	char *console;
	char *console_log;
	char *seed;
	char *cloud; /* the folder with the seed for cloud-init */
	int lock;    /* -1 unless machine_entry_lock */
};

struct machine_list {
	struct machine_entry **items;
	size_t count, room;
};

/* An entry for a machine that a lab defines; takes it. Nothing is written yet. */
struct machine_entry *machine_entry_new(const struct paths *own, struct machine *machine);
void machine_entry_free(struct machine_entry *entry);

/* All that are stored, by name. */
int machine_store_list(const struct paths *own, struct machine_list *ret, struct error *err);
void machine_list_done(struct machine_list *list);
void machine_list_add(struct machine_list *list, struct machine_entry *entry);
struct machine_entry *machine_list_find(const struct machine_list *list, const char *name);
/* One by name. -ENOENT with a suggestion. */
int machine_store_load(const struct paths *own, const char *name, struct machine_entry **ret,
		       struct error *err);

/* Writes the definition. */
int machine_entry_save(const struct machine_entry *entry, struct error *err);
/* Removes the folder of a machine that does not run, and the folders above when they are empty. */
void machine_entry_forget(const struct machine_entry *entry);

/* The sentence for a machine that would have to run. Returns -code. */
int machine_store_stopped(const char *name, int code, struct error *err);
/* After a lookup elsewhere that failed: where the name is that of a machine that does not run, err
 * says so. Returns the result. */
int machine_store_explain(const struct paths *own, const char *name, int result, struct error *err);

/* One command at a time works on a machine. */
int machine_entry_lock(struct machine_entry *entry, struct error *err);

/* QEMU's pid; 0 when it does not run (the lock on the pid file tells). */
pid_t machine_entry_pid(const struct machine_entry *entry);
/* What it was started with; NULL when it does not run. The caller's. */
json_t *machine_entry_running(const struct machine_entry *entry);
/* What the last start left, whether it runs or not; NULL when there is none. The caller's. */
json_t *machine_entry_last(const struct machine_entry *entry);
int machine_entry_set_running(const struct machine_entry *entry, json_t *running,
			      struct error *err);

/* Waits for a lock file (flock), saying so once: "waiting for ... WHAT". Returns a descriptor. */
int lock_take(const char *path, const char *what, struct error *err);
