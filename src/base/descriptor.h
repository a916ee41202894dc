/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors over unix sockets (SCM_RIGHTS, unix(7)), and who is at the other end. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#define DESCRIPTORS_MAX 16

/* Sends one message with up to DESCRIPTORS_MAX descriptors (they stay the caller's); flags as of
 * send(2). Returns bytes or -errno. */
ssize_t descriptor_send(int socket, const void *data, size_t length, const int *fds, size_t n_fds,
			int flags);

/* Receives; the descriptors are close-on-exec and the caller's. *n_fds: in room, out received;
 * descriptors beyond the room are closed. fds may be NULL. Returns bytes, 0 at the end,
 * -EMSGSIZE when cut. */
ssize_t descriptor_receive(int socket, void *data, size_t size, int *fds, size_t *n_fds, int flags);

/* Closes those that are (a place that holds -1 is empty). */
void descriptor_close_all(const int *fds, size_t n_fds);

/* As many open files as the administrator allows: each port is one. */
void descriptor_raise_limit(void);

/* The credentials that the kernel recorded for the peer (SO_PEERCRED). */
int descriptor_peer(int socket, pid_t *ret_pid, uid_t *ret_uid, gid_t *ret_gid);
