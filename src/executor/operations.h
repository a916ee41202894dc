/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the executor can do: a table from the kind of object to create, change and delete, each for
 * a batch of them. Everything a record names is checked against the kernel before it is touched: an
 * interface that does not carry our label is not ours.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "executor/adoption.h"
#include "executor/links.h"
#include "executor/services.h"
#include "kern/firewall.h"
#include "kern/netlink.h"
#include "kern/permit.h"
#include "kern/tap.h"
#include "model/object.h"
#include "model/plan.h"

struct error;

#define OPERATIONS_CHUNK 1024u /* objects handled together at most */

struct task {
	enum plan_verb verb;
	int netns; /* descriptor that came with it, or -1; the caller's */
	struct object object;
};

struct operations {
	const char *instance;
	const char *const *allowed; /* glob(7) patterns of link names beside ly*, then NULL */
	bool user;		    /* a user instance: its namespace is the user's */
	const char *fail_at;	    /* a file with the number of the operation to fail, or NULL */
	struct netlink route;
	struct tap_ahead tap_ahead; /* with a name: see executor/ahead */
	struct firewall firewall;
	struct permits permits;
	struct links links;
	struct services services;
	struct adoptions adoptions;
	/* Takes the descriptors of a new tap, in the order of the operations; they stay the
	 * caller's after a failure. */
	int (*deliver)(const int *fds, size_t n_fds, void *data);
	/* Something that the caller should know and that is no failure. */
	void (*report)(const char *text, void *data);
	void *data;
	/* The failure names what is missing; for whom and by which operation is no news. */
	bool says_all;
};

/* Runs tasks in order and stops at the first failure; *ret_done: how many were done. */
int operations_run(struct operations *operations, const struct task *tasks, size_t count,
		   size_t *ret_done, struct error *err);

/* After the answer, for tasks that were done: what nobody waits for. */
void operations_settle(struct operations *operations, const struct task *tasks, size_t count);

/* Everything of ours that there is, unsorted. Also removes what a crash left without an owner. */
int operations_dump(struct operations *operations, struct object_list *ret, struct error *err);

/* Compares all links with what is known of them, after notifications were lost. */
int operations_compare(struct operations *operations, struct error *err);

/* A run of tasks of one kind and verb. */
struct run {
	const struct task *tasks;
	size_t count;
};
typedef int (*operation_function)(struct operations *operations, const struct run *run,
				  size_t *ret_done, struct error *err);
struct operation_type {
	operation_function apply[PLAN_DELETE + 1]; /* by verb */
};
extern const struct operation_type operation_bridge, operation_port, operation_route,
	operation_proxy, operation_permit;
extern const struct operation_type operation_adoption, operation_host_link, operation_host;

/* What a new port needs for its whole life. */
void operation_port_settle(struct operations *operations, const struct object_port *port);

int operation_permit_dump(struct operations *operations, struct object_list *ret,
			  struct error *err);
/* After somebody's commit: whether another firewall, or what we have in it, is another now. */
bool operation_permit_changed(struct operations *operations);
int operation_proxy_dump(struct operations *operations, struct object_list *ret, struct error *err);
int operation_route_dump(struct operations *operations, struct object_list *ret, struct error *err);

/* A bridge for ports: one of ours, or the host's own where its name is allowed (in a user instance
 * every one: it is the user's world). */
int operations_find_bridge(struct operations *operations, const char *name, int *ret_ifindex,
			   struct error *err);
/* Finds a link of ours by name and role: in the table, else in the kernel. -ENODEV: not there,
 * -EPERM: not ours, with a line in the log. */
int operations_find(struct operations *operations, const char *name, enum label_role role,
		    struct known_link **ret, struct error *err);
/* -EPERM unless links of this name may be made. */
int operations_check_name(const struct operations *operations, const char *name, struct error *err);
