/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers in the caller's buffer, as glibc lays them out. Each returns false when it is too short,
 * which the caller tells as NSS_STATUS_TRYAGAIN with ERANGE and NETDB_INTERNAL.
 */
#pragma once

#include <netdb.h>
#include <nss.h>
#include <stdbool.h>
#include <stddef.h>

#include "nss/hostname.h"

struct reply {
	char *at;
	size_t left;
};

/* Addresses of one family only. */
bool reply_host(struct reply *reply, const struct hostname *hostname, int family,
		struct hostent *ret);
/* All addresses; *tuples may be one of the caller's to begin with (glibc's getaddrinfo). */
bool reply_tuples(struct reply *reply, const struct hostname *hostname,
		  struct gaih_addrtuple **tuples);
