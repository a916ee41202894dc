/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files that one network's dnsmasq reads, as pure functions of its objects. dnsmasq reads the
 * configuration once; the other three again on SIGHUP, so that a name or a forwarder restarts
 * nothing. The texts are rendered from checked fields only: dnsmasq.conf could name a script to
 * run.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/object.h"

#define DNSMASQ_CONF	 "dnsmasq.conf"
#define DNSMASQ_RESERVED "reserved" /* dhcp-hostsfile */
#define DNSMASQ_HOSTS	 "hosts"    /* addn-hosts */
#define DNSMASQ_SERVERS	 "servers"  /* servers-file */
#define DNSMASQ_LEASES	 "leases"   /* written by dnsmasq */

/* Where an instance's services live and whom they ask. */
struct dnsmasq_place {
	const char *folder;	/* of this network's files, absolute */
	char *const *upstreams; /* whom to ask for other names: addresses, perhaps with %INTERFACE;
				 * NULL at the end, or altogether */
	bool is_root;		/* uid 0 (without the right to become somebody else) */
};

/* The caller frees the texts. names: objects of kind OBJECT_NAME, in any order. */
char *dnsmasq_conf(const struct object_service *service, const struct dnsmasq_place *place);
char *dnsmasq_servers(const struct object_service *service, const struct dnsmasq_place *place);
char *dnsmasq_reserved(const struct object_name *names, size_t n_names);
char *dnsmasq_hosts(const struct object_service *service, const struct object_name *names,
		    size_t n_names);
