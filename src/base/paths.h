/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where an instance keeps its things, and where our programs are. Every program of ours computes
 * the same paths from (kind, instance, uid), so nothing has to be passed around.
 */
#pragma once

#include <stdbool.h>

struct error;

#define INSTANCE_SIZE 32

/* The system instance's accounts, as packages make them. */
#define BROKER_USER   "lanyard"
#define EXECUTOR_USER "lanyard-net"

struct paths {
	bool system;
	char instance[INSTANCE_SIZE]; /* "default" unless named */
	char *runtime;	/* system: /run/lanyard/INSTANCE; user: RUN/lanyard/INSTANCE, where RUN is
			 * $XDG_RUNTIME_DIR if it is  ours, else /run/user/UID if it is there, else
			 * /tmp/lanyard-UID. $LANYARD_RUNTIME_DIR/INSTANCE  where that is set. 0700
			 * (system: 0755). */
	char *state;	/* system: /var/lib/lanyard/INSTANCE; user: $XDG_STATE_HOME/lanyard/INSTANCE
			 * (or ~/.local/state).    $LANYARD_STATE_DIR/INSTANCE where that is set. */
	char *cache;	/* $XDG_CACHE_HOME/lanyard (or ~/.cache): images */
	char *broker;	/* RUNTIME/broker.sock   Varlink */
	char *executor; /* RUNTIME/executor.sock SOCK_SEQPACKET, 0600 */
	char *holder;	/* RUNTIME/holder.sock   its listener's SO_PEERCRED names the holder */
	char *services; /* RUNTIME/services      the executor's: a folder per network with dnsmasq's
			   files and leases */
	char *machines; /* RUNTIME/machines      the caller's: qmp and console sockets, pid files */
	char *policy;	/* /etc/lanyard/policy.yaml; in $LANYARD_CONFIG_DIR where that is set */
	char *lock;	/* RUNTIME/lock          flock: one broker, one starter at a time */
};

/* instance NULL or "": "default". Makes no directory but /tmp/lanyard-UID where that is the choice
 * (-EPERM: somebody else's). -EINVAL: a bad instance name (letters, digits, - only). paths_done is
 * fine after a failure. */
int paths_init(struct paths *paths, bool system, const char *instance, struct error *err);
void paths_done(struct paths *paths);

/* Full path of one of our programs ("lanyard-executor"): beside the running program if it is there
 * (a build folder), else in the sbin or libexec folder of the installation. The caller frees it. */
char *paths_program(const char *name);
/* A file of ours ("image/tiny/build"): $LANYARD_SHARE, the source tree's share/ when run from a
 * build folder, else the installed one. The caller frees it. */
char *paths_share(const char *name);
