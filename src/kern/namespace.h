/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * User and network namespaces: making a pair, giving it its id maps, entering it. All need a
 * process with a single thread.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct error;

/* The calling process moves into a new user and network namespace; it has no ids until somebody
 * writes its maps. Where the system forbids it the sentence names the setting or the
 * profile of AppArmor, and in parentheses the remedy. */
int namespace_unshare(struct error *err);

/* Called by the parent, outside, for a process after its namespace_unshare: maps the caller's uid
 * and gid to themselves, and the range of /etc/subuid and /etc/subgid where there is one and
 * newuidmap and newgidmap are installed (*ret_range). Maps are written once. Waits for the two
 * programs. */
int namespace_map(pid_t pid, bool *ret_range, struct error *err);
/* The process writes its own maps: uid and gid (as they were before namespace_unshare) to
 * themselves. */
int namespace_map_self(uid_t uid, gid_t gid, struct error *err);

/* Enters the user namespace, then the network namespace of a process. */
int namespace_enter(pid_t pid, struct error *err);

/* The network namespace of a process or of a file (/run/netns/NAME, /proc/PID/ns/net),
 * close-on-exec. -EINVAL when the file is something else. */
int namespace_open_net(const char *path, struct error *err);
int namespace_open_net_pid(pid_t pid, struct error *err);
