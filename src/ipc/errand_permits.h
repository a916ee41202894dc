/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steward's errand about other firewalls of the host, on the same socket as the others
 * (errand.h) and told from them by its verb: a list of what is to be changed there, and back comes
 * what is there then. Of each message only as many rows are sent as count.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/paths.h"
#include "model/object.h"

struct error;

#define ERRAND_PERMITS	    100u /* a verb beside enum errand_verb */
#define ERRAND_PERMITS_MAX  1024
#define ERRAND_PERMITS_TEXT 256

enum permit_verb {
	PERMIT_IS_THERE, /* in an answer */
	PERMIT_SET,
	PERMIT_REMOVE,
};

struct errand_permit {
	uint32_t network;
	uint16_t verb; /* enum permit_verb */
	uint16_t reserved;
	struct object_permit permit;
};

struct errand_permits {
	uint32_t version; /* ERRAND_VERSION */
	uint32_t verb;	  /* ERRAND_PERMITS */
	char instance[INSTANCE_SIZE];
	int32_t code;	 /* answer: 0 or -errno */
	uint32_t owners; /* answer: bits 1 << PERMIT_UFW and so on of those that are active */
	char text[ERRAND_PERMITS_TEXT]; /* answer: of a failure */
	uint32_t count;
	struct errand_permit rows[ERRAND_PERMITS_MAX];
};

size_t errand_permits_size(const struct errand_permits *errand);
/* Of a message of this size: -EBADMSG. */
int errand_permits_check(const struct errand_permits *errand, size_t size, struct error *err);
/* One call; the errand becomes the answer. -ENOENT: no steward is there. */
int errand_permits_call(const struct paths *paths, struct errand_permits *errand,
			struct error *err);
