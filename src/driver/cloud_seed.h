/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What cloud-init in a guest of a disk learns (data source NoCloud): the machine's name, who may
 * log in, its proxy. The proxy is vendor data, so that nothing of a user's own user data is
 * replaced by it. The files are shown to the guest as a small disk named CIDATA.
 */
#pragma once

#define CLOUD_SEED_LABEL  "CIDATA"
#define CLOUD_SEED_META	  "meta-data"
#define CLOUD_SEED_VENDOR "vendor-data"
#define CLOUD_SEED_USER	  "user-data"

struct cloud_seed {
	const char *instance;	     /* stays the same for the machine's life */
	const char *hostname;	     /* with its domain, where there is one */
	const char *authorized_keys; /* lines of authorized_keys(5), for the disk's usual account */
	const char *environment;     /* lines NAME=VALUE without quotes; "": none */
	const char *http, *https;    /* the proxy for apt; "": none */
};

/* The file meta-data. The caller's. */
char *cloud_seed_meta(const struct cloud_seed *seed);
/* The file vendor-data: what sets, at every start, the environment of sessions and apt's proxy. */
char *cloud_seed_vendor(const struct cloud_seed *seed);
