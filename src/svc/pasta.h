/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of pasta(1), the uplink of a user instance. Starts nothing. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#define PASTA_IFNAME "ly-up"
#define PASTA_DNS    "169.254.1.1" /* what inside asks, answered by the host's resolver */
#define PASTA_ARGS   32

struct pasta_argv {
	char pid[16];
	const char *items[PASTA_ARGS]; /* ends with NULL; valid as long as the struct */
};

/* For the namespaces of a process; uid: who starts it. Without IPv4 or IPv6 on the host that family
 * is left out. */
void pasta_argv(struct pasta_argv *ret, pid_t pid, uid_t uid, int ipv4, int ipv6);
