/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who changed what in a system instance, and who was refused: one line for each, with fields that
 * the journal can be asked for (USER, CALLER_UID, CALLER_PID, CALLER_FROM, METHOD, NETWORK, PORT,
 * RESULT). Every change has its line; of a user's refusals at most one a second is told.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "model/network.h"
#include "model/policy.h"
#include "model/port.h"

struct broker;
struct error;
struct varlink_peer;

/* Whose connection the last told one was: looked up once for a connection, not for each call. */
struct audit_speaker {
	uint64_t connection; /* 0: none yet */
	char name[POLICY_NAME_SIZE];
	char from[128];
};

/* The present call's, in struct broker. */
struct audit {
	char network[NAME_SIZE];
	char port[PORT_ID_SIZE];
	char what[300]; /* "network 'lab', port abc123", for people */
	struct audit_speaker speaker;
};

/* What a call is about, as its parameters say; the port may become known later. */
void audit_begin(struct broker *broker, const json_t *parameters);
void audit_port(struct broker *broker, const struct port *port);
/* The call has ended: result is 0, or -errno with err. is_change: it would have changed something.
 */
void audit_end(struct broker *broker, const struct varlink_peer *peer, const char *method,
	       bool is_change, int result, const struct error *err);
