/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steward's errand about the host's resolver, on the same socket as the others (errand.h) and
 * told from them by its verb: which name server knows the names of one network, or whose name
 * servers a bridge has with the host's NIC in it. The answer is a struct errand_answer.
 */
#pragma once

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "model/ip.h"
#include "model/network.h"

struct error;

#define ERRAND_NAMES	     101u /* a verb beside enum errand_verb */
#define ERRAND_NAMES_SERVERS 2

struct errand_names {
	uint32_t version; /* ERRAND_VERSION */
	uint32_t verb;	  /* ERRAND_NAMES */
	char ifname[IFNAMSIZ];
	struct ip servers[ERRAND_NAMES_SERVERS]; /* gateways with prefix length; unset ones last:
						  * without any, the resolver forgets the network */
	char domain[DOMAIN_SIZE];
	char nic[IFNAMSIZ]; /* a port of ifname, whose servers and domains that has too; "": none */
	uint8_t back;	    /* it is a port of that no more: as it was */
	uint8_t reserved;
};

/* Of a message of this size, as far as can be seen without looking at the system: -EBADMSG. */
int errand_names_check(const struct errand_names *errand, size_t size, struct error *err);
