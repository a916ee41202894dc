/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of verbs, one per entity, each beside its code. */
#pragma once

#include "cli/verb.h"

extern const struct verb lab_verbs[];	/* verb_lab.c: up down */
extern const struct verb net_verbs[];	/* verb_net.c */
extern const struct verb port_verbs[];	/* verb_port.c */
extern const struct verb vm_verbs[];	/* verb_vm.c */
extern const struct verb reach_verbs[]; /* verb_reach.c: ssh exec connect publish unpublish */
extern const struct verb about_verbs[]; /* help.c: help version completion */

/* The verbs that lie in files of their own. */
verb_function status_run;
verb_function plan_run;
verb_function ssh_run;
verb_function exec_run;
verb_function connect_run;
verb_function publish_run;
verb_function unpublish_run;
verb_function published_run;
verb_function complete_run;
verb_function completion_run;
