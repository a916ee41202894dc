/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is connected to a system instance, and what the policy gives them: one entry for each user
 * for as long as they have a connection. Groups are those of the accounts' database, asked anew
 * with every connection, not those of the calling process: a membership counts without a new login.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/policy_file.h"
#include "model/policy.h"

struct callers;
struct varlink_peer;
struct varlink_server;

struct caller {
	uid_t uid;
	char name[POLICY_NAME_SIZE]; /* "uid 1234" where the account has none */
	struct policy_grant grant;
	size_t connections;
	uint64_t told;	 /* when a refusal was logged last, CLOCK_MONOTONIC */
	unsigned untold; /* refusals since */
};

/* Reads the policy at the path, now and whenever it changes. */
struct callers *callers_new(sd_event *event, const char *path);
void callers_free(struct callers *callers);

/* Makes the server hold each to as many connections as the policy gives them. NULL: nothing. */
void callers_limit(struct callers *callers, struct varlink_server *server);
/* A connection came or went. NULL: nothing. */
void callers_count(struct callers *callers, const struct varlink_peer *peer, bool connected);
/* NULL: not connected. Valid until the loop runs again. */
struct caller *callers_find(const struct callers *callers, uid_t uid);
bool caller_has_group(const struct caller *caller, gid_t group);
const struct policy_file *callers_file(const struct callers *callers);
