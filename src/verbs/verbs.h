/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of verbs, one per entity, each beside its code. */
#pragma once

#include "cli/verb.h"

extern const struct verb lab_verbs[];	 /* verb_lab.c: up down status plan */
extern const struct verb net_verbs[];	 /* verb_net.c */
extern const struct verb port_verbs[];	 /* verb_port.c */
extern const struct verb seat_verbs[];	 /* verb_seat.c */
extern const struct verb uplink_verbs[]; /* verb_uplink.c: uplink, confirm */
extern const struct verb uplink_verbs[]; /* verb_uplink.c: uplink, confirm */
extern const struct verb vm_verbs[];	 /* verb_vm.c */
extern const struct verb reach_verbs[];	 /* verb_reach.c: ssh exec connect publish unpublish */
extern const struct verb doctor_verbs[]; /* verb_doctor.c: doctor why capture */
extern const struct verb setup_verbs[];	 /* verb_setup.c */
extern const struct verb can_verbs[];	 /* verb_can.c: can-i */
extern const struct verb about_verbs[];	 /* help.c: help version completion */

#include <jansson.h>

/* The shells of `lanyard completion`, ended by NULL. */
#define COMPLETION_SHELLS 3
extern const char *const completion_shells[COMPLETION_SHELLS + 1];

/* The table of `port list`, without a word where it is empty and note is NULL. */
void port_print_table(const json_t *ports, const char *note);
/* "HOST:PORT leads to NAME:PORT", one a line. */
void publish_print_list(const json_t *published);
/* One end of a published port, by the keys of its two parts; fresh memory. */
char *publish_end(const json_t *published, const char *host, const char *port);

/* The verbs that lie in files of their own. */
verb_function up_run;
verb_function down_run;
verb_function status_run;
verb_function plan_run;
verb_function ssh_run;
verb_function exec_run;
verb_function connect_run;
verb_function publish_run;
verb_function unpublish_run;
verb_function published_run;
verb_function doctor_run;
verb_function why_run;
verb_function capture_run;
verb_function can_run;
verb_function complete_run;
verb_function completion_run;
