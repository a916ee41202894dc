/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steward's errands about Open vSwitch, on the same socket as the others (errand.h) and told
 * from them by their verbs. ERRAND_MEMBERS: what of our ports is to be put in or taken out of its
 * bridges, and back comes which of them are there then. ERRAND_WATCH (the same without rows): an
 * answer (struct errand_answer) now, and one each time that somebody has changed one of ours, until
 * either side closes. ERRAND_SWITCH: the ports of one bridge.
 */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/paths.h"
#include "model/object.h"
#include "model/vlan.h"

struct error;

#define ERRAND_MEMBERS	    102u /* verbs beside enum errand_verb */
#define ERRAND_SWITCH	    103u
#define ERRAND_WATCH	    104u
#define ERRAND_MEMBERS_MAX  1800 /* see below */
#define ERRAND_MEMBERS_TEXT 512
#define ERRAND_SWITCH_MAX   256

enum member_verb {
	MEMBER_IS_THERE, /* in an answer */
	MEMBER_MAKE,	 /* its interface is new: plugged in anew where it is there already */
	MEMBER_SET,
	MEMBER_REMOVE,
};

struct errand_member {
	uint32_t network;
	uint16_t verb; /* enum member_verb */
	uint16_t reserved;
	struct object_member member;
};

struct errand_members {
	uint32_t version; /* ERRAND_VERSION */
	uint32_t verb;	  /* ERRAND_MEMBERS, ERRAND_WATCH */
	char instance[INSTANCE_SIZE];
	int32_t code;			/* answer: 0 or -errno */
	char text[ERRAND_MEMBERS_TEXT]; /* answer: of a failure */
	uint32_t count;
	struct errand_member rows[ERRAND_MEMBERS_MAX];
};

/* What one message of a unix socket takes (net.core.wmem_default). */
static_assert(sizeof(struct errand_members) < 212992 - 1024, "ERRAND_MEMBERS_MAX is too large");

struct errand_switch {
	uint32_t version;
	uint32_t verb; /* ERRAND_SWITCH */
	char bridge[IFNAMSIZ];
	int32_t code; /* answer: 0 or -errno; -ENODEV: there is no such bridge */
	char text[ERRAND_MEMBERS_TEXT];
	uint32_t more; /* answer: ports beyond those below */
	uint32_t count;
	struct vlan_port rows[ERRAND_SWITCH_MAX];
};

size_t errand_members_size(const struct errand_members *errand);
size_t errand_switch_size(const struct errand_switch *errand);
/* Of a message of this size: -EBADMSG. */
int errand_members_check(const struct errand_members *errand, size_t size, struct error *err);
int errand_switch_check(const struct errand_switch *errand, size_t size, struct error *err);
/* One call; the errand becomes the answer, a failure in which is the result. -ENOENT: no steward
 * is there. */
int errand_members_call(const struct paths *paths, struct errand_members *errand,
			struct error *err);
int errand_switch_call(const struct paths *paths, struct errand_switch *errand, struct error *err);
