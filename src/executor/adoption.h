/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A NIC of the host as the port of a bridge of ours, and the way back.
 *
 * Theory of operation. The broker wants OBJECT_UPLINK; the executor makes of it two lists of host
 * objects (model/object_host.h): what the host has, and the same on the bridge. Before its first
 * step it writes the first list and a deadline on CLOCK_BOOTTIME into a file on tmpfs. Then it
 * plans from what the kernel shows to the second list and runs that plan by the same operations as
 * any other. Going back is planning to the first list, by whichever executor runs when the time is
 * over; the file says all it needs. After a restart of the computer the file is gone, and nothing
 * of ours has been written that would make the host other than before.
 *
 * Confirmed means: the deadline is gone. The file stays, for the day when the NIC leaves, with what
 * stood on the bridge last, for the case that somebody deletes the bridge.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "kern/hail.h"
#include "kern/monitor.h"
#include "model/object.h"

struct error;
struct operations;
struct host_nic;

#define ADOPTION_GATEWAYS 4
#define ADOPTION_TAG_SIZE 64

struct adoption {
	char nic[IFNAMSIZ], bridge[IFNAMSIZ];
	char tag[ADOPTION_TAG_SIZE]; /* the altname */
	uint32_t network;
	bool moved, confirmed, by_hand;
	bool disturbed;		  /* somebody took it apart */
	uint64_t deadline, since; /* CLOCK_BOOTTIME, microseconds; 0: none */
	struct hail_session session;
	struct ip gateways[ADOPTION_GATEWAYS]; /* that answered before */
	size_t n_gateways;
	char report[UPLINK_REPORT_SIZE];
	struct object_list before, now;
	struct adoptions *all;
	struct adoption *next;
	sd_event_source *timer, *checks;
	int pipe; /* of the checks, -1: none run */
	pid_t child;
};

struct adoptions {
	struct operations *operations;
	sd_event *event;
	const char *folder;  /* for the files */
	const char *stop_at; /* for tests, see adoption_plan.c */
	struct adoption *first;
	bool dirty;				    /* an address on a bridge changed */
	void (*told)(const char *text, void *data); /* it went back, or was confirmed, by itself */
	void *data;
};

/* operations, event, folder, told and data are filled by the caller. Reads the files, goes back
 * where the time is over. */
void adoptions_start(struct adoptions *adoptions);
void adoptions_done(struct adoptions *adoptions);
struct adoption *adoptions_find(const struct adoptions *adoptions, const char *nic);
/* Whether the addresses on this bridge are the host's own. */
bool adoptions_is_bridge(const struct adoptions *adoptions, const char *ifname);

/* Can it be done? Appends an OBJECT_UPLINK whose report says what to know before, and everything
 * that would move. */
int adoptions_survey(struct adoptions *adoptions, const struct object *wanted,
		     struct object_list *ret, struct error *err);
/* For a NIC that cannot be bridged: the command that puts machines on its LAN without
 * (adoption_instead.c). */
void adoption_instead(struct operations *operations, const char *nic, int ifindex, char *text,
		      size_t size);
/* Everything that speaks against it, in one sentence (adoption_check.c). */
int adoption_check(struct operations *operations, const struct object_uplink *wanted,
		   struct host_nic *ret, struct error *err);

int adoptions_create(struct adoptions *adoptions, const struct object *wanted, struct error *err);
int adoptions_delete(struct adoptions *adoptions, const struct object *object, struct error *err);
/* Nothing goes back by itself any more. -ENOENT: there is no such uplink. */
int adoptions_confirm(struct adoptions *adoptions, const char *nic, struct error *err);
void adoptions_dump(struct adoptions *adoptions, struct object_list *ret);

/* Takes in a notification about links and addresses. True: it is the host's own affair, an address
 * on a bridge with a NIC. */
bool adoptions_notice(struct adoptions *adoptions, const struct monitor_event *event);
/* After the last one of a burst: true when something of ours is not as it should be. */
bool adoptions_settled(struct adoptions *adoptions);

/* By file. adoption_file.c: 0 or -errno; adoption_unlink of one that is not there is fine. */
int adoption_write(const struct adoption *adoption, struct error *err);
void adoption_unlink(const struct adoption *adoption);
void adoptions_read(struct adoptions *adoptions);
struct adoption *adoption_new(struct adoptions *adoptions, const char *nic, const char *bridge,
			      uint32_t network);
void adoption_free(struct adoption *adoption);

/* adoption_plan.c: from what the kernel shows to a list. without_bridge: the bridge goes as well.
 */
int adoption_run(struct adoption *adoption, struct object_list *wanted, bool without_bridge,
		 struct error *err);
/* What stands on an interface now; nothing when there is none. */
int adoption_look(struct adoption *adoption, const char *ifname, struct object_list *ret,
		  struct error *err);

/* adoption_watch.c: the deadline, and the checks in a process of their own. */
void adoption_watch(struct adoption *adoption);
void adoption_unwatch(struct adoption *adoption);
/* Goes back and forgets it. */
int adoption_go_back(struct adoption *adoption, bool without_bridge, struct error *err);
