/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What broker and lanyard-publish say to each other; see publish.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "model/ip.h"

/* The broker's first message: listen here, lead to that port. */
struct publish_order {
	struct ip host;
	uint16_t host_port, port;
	pid_t holder; /* whose network namespace has the machines; 0: ours */
	bool dry;     /* only say whether it could */
};
