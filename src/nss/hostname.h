/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of the machines of the system instances, from the files that the executor and dnsmasq keep
 * below ROOT/INSTANCE/services/NETWORK: dnsmasq.conf (interface and domain), hosts (records and
 * reservations), leases. Runs inside of any program of the host, with whatever rights that has: it
 * allocates nothing but what opendir does, keeps nothing, waits for nobody, and takes no file for
 * granted.
 */
#pragma once

#include <stddef.h>

#include "model/ip.h"
#include "model/network.h"

#define HOSTNAME_ADDRESSES 16

struct hostname {
	char name[NAME_SIZE + DOMAIN_SIZE]; /* with the domain */
	char alias[NAME_SIZE];		    /* without */
	struct ip addresses[HOSTNAME_ADDRESSES];
	size_t count;
};

/* 0, -ENOENT, or another -errno when it could not be found out (-EMFILE, -ENOMEM). A name with dots
 * is looked for in the network of that domain. Where several networks know a bare name, records go
 * before leases (whose names the machines choose), then the first by the network's name. */
int hostname_by_name(const char *root, const char *name, struct hostname *ret);
int hostname_by_address(const char *root, const struct ip *address, struct hostname *ret);
