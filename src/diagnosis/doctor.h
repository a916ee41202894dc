/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor: a table of checks by area. A check looks at facts that were gathered once, and says what
 * it found, each time with a verdict, the evidence, and one remedy. What could not be looked at is
 * unknown, never ok.
 *
 * There are two worlds: the instance's (asked of the broker, whose executor has the rights) and the
 * host's (read with the caller's rights). In a system instance they are the same.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "cli/output.h"

struct error;
struct invocation;

enum verdict { VERDICT_OK, VERDICT_UNKNOWN, VERDICT_WARNING, VERDICT_ERROR, VERDICTS };
extern const char *const verdict_names[VERDICTS];

struct examination {
	struct invocation *invocation;
	bool system;	 /* the instance is the host's own */
	bool runs;	 /* the instance answers */
	bool quick;	 /* nothing that takes time: no probes */
	json_t *status;	 /* of Status, NULL where it does not run */
	json_t *version; /* of GetVersion */
	json_t *plan;	 /* of Plan: a list */
	json_t *world;	 /* facts of the instance's world, NULL: it does not run, or refuses */
	json_t *host;	 /* facts of the host, NULL: they could not be read */
	json_t *servers; /* who serves each network: {NAME: answer}, asked when first needed */
	bool servers_asked;
	char world_error[256], host_error[256];
	json_t *focus;		   /* the networks that are looked at, NULL: all */
	int family;		   /* 4 or 6 where only that one matters, 0: both */
	const struct check *check; /* the present one */
	json_t *findings;
};

struct check {
	const char *id;
	const char *title; /* what is looked for */
	const char *fine;  /* the evidence when nothing was found */
	bool mendable;	   /* --fix may run its remedy's commands */
	bool slow;	   /* sends probes: not after another command's failure */
	void (*look)(struct examination *examination);
};

/* By area, each ended by one without id. */
extern const struct check doctor_firewall[], doctor_address[], doctor_bridge[], doctor_nic[],
	doctor_names[], doctor_hypervisors[], doctor_permissions[], doctor_self[];
extern const struct check *const doctor_areas[]; /* ended by NULL */

/* Gathers what runs without starting anything; examination_done is fine after a failure. */
int examination_open(struct examination *examination, struct invocation *invocation, bool quick,
		     struct error *err);
void examination_done(struct examination *examination);
/* Runs one check; adds at least one finding. */
void examination_run(struct examination *examination, const struct check *check);
/* One of Diagnose's questions but "facts"; NULL when it could not be asked. */
json_t *examination_ask(struct examination *examination, const char *question, const char *network,
			const char *address, int port);

/* What a network's bridge, which is somebody's, says of its ports (ListBridgePorts); NULL. */
json_t *examination_bridge_ports(struct examination *examination, const char *network,
				 struct error *err);

/* Findings {id, title, verdict, evidence, remedy, commands, mendable}. */
void found(struct examination *examination, enum verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The last finding's remedy in words. */
void remedy(struct examination *examination, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* One more command of the last finding's remedy, its words ended by NULL. In the world's namespace
 * where it is another one; by sudo where it takes root. */
enum remedy_place { IN_WORLD, ON_HOST_AS_ROOT, AS_CALLER };
void remedy_command(struct examination *examination, enum remedy_place place, ...)
	__attribute__((sentinel));

/* A member of facts; where it is missing the check is said to be unknown and NULL returned. */
const json_t *need_world(struct examination *examination, const char *key);
const json_t *need_host(struct examination *examination, const char *key);
/* For what is asked of the broker alone: false, and unknown, while it does not run. */
bool need_instance(struct examination *examination);

/* Small questions to JSON, as text_of (cli/output.h). Numbers are -1 where there is none. */
long long number_of(const json_t *json, const char *key);
bool flag_of(const json_t *json, const char *key);
/* The item of a list of maps that has this text, in any case, under key; NULL for "" too. */
const json_t *item_of(const json_t *list, const char *key, const char *value);
const json_t *link_by_name(const json_t *facts, const char *name);
const json_t *link_by_index(const json_t *facts, long long index);
long long setting_of(const json_t *facts, const char *key, const char *ifname);
/* The interface of the default route; NULL without one. family 4 or 6. */
const json_t *uplink_of(const json_t *facts, int family);
/* The networks of the instance: an empty list where it does not run. */
const json_t *networks_of(const struct examination *examination);
const json_t *ports_of(const struct examination *examination);
/* Does a network forward into the world? */
bool is_forwarding_network(const json_t *network);
/* "NAME's port ID", whoever it is; from the link's name. Static memory. */
const char *owner_of_link(const struct examination *examination, const char *ifname);
/* The answers about a network's servers; NULL. */
const json_t *servers_of(struct examination *examination, const char *network);
/* Contents of a small file, or NULL. The caller frees it. */
char *read_text(const char *path);
/* The value of KEY=VALUE in such a text, without quotes; false: not there. */
bool assignment_of(const char *text, const char *key, char *ret, size_t size);
