/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy as its file says it, live: read at the start, on SIGHUP, and whenever the file
 * changes. A file that cannot be used leaves in force what was before; at the start, when nothing
 * was before, nobody but root may do anything.
 */
#pragma once

#include <systemd/sd-event.h>

#include "model/policy.h"

struct policy_file;

/* changed is called from the event loop after another policy is in force. SIGHUP is blocked from
 * now on, for the loop. */
struct policy_file *policy_file_new(sd_event *event, const char *path, void (*changed)(void *data),
				    void *data);
void policy_file_free(struct policy_file *file);

/* What is in force. Valid until the loop runs again. */
const struct policy *policy_file_policy(const struct policy_file *file);
const char *policy_file_path(const struct policy_file *file);
/* Why the file is not what is in force; NULL: it is, or there is none. */
const char *policy_file_problem(const struct policy_file *file);
/* A rule for a user or a group that is not there, as a sentence; fresh memory, NULL: there is
 * none. Looked up again only where one was unknown when the file was read. */
char *policy_file_unknown(const struct policy_file *file);
/* Nothing was ever in force: root alone. */
bool policy_file_is_closed(const struct policy_file *file);
