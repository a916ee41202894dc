/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What broker and steward say to each other: one request and one answer per connection, fixed in
 * size, over RUNTIME/steward.sock (SOCK_SEQPACKET). The steward is root, so the list of what it
 * does is closed, and everything here is checked again by it.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/paths.h"
#include "model/mac.h"

struct error;

#define ERRAND_VERSION	 3u
#define ERRAND_TEXT_SIZE 256

enum errand_verb {
	ERRAND_WHO = 1, /* who configures this NIC? */
	ERRAND_KEEP,	/* write the bridge in that one's own form, and let it take over */
	ERRAND_FORGET,	/* take that away again: the NIC is as its owner had it */
	ERRAND_HOLD, /* before it moves: let go of it, take it back in `seconds` if we are dead */
	ERRAND_RELEASE, /* it is where it was: go on as before */
	ERRAND_UNCLAIM, /* nic: one of our own, which somebody has put under NetworkManager */
	ERRAND_VERBS,
};

enum errand_manager {
	MANAGER_NONE,
	MANAGER_NETWORKD,
	MANAGER_IFUPDOWN,
	MANAGER_NETWORKMANAGER,
	MANAGERS,
};

struct errand {
	uint32_t version;
	uint32_t verb; /* enum errand_verb */
	char nic[IFNAMSIZ], bridge[IFNAMSIZ];
	struct mac mac;	  /* the NIC's, which the bridge has too */
	uint16_t seconds; /* to hold; 0: a moment */
	uint32_t mtu;
};

struct errand_answer {
	int32_t code;		     /* 0 or -errno */
	uint32_t manager;	     /* enum errand_manager */
	char text[ERRAND_TEXT_SIZE]; /* of a failure; else what to know, or "" */
};

const char *errand_manager_name(uint32_t manager);

/* Checks a request as far as it can be without looking at the system: -EBADMSG. */
int errand_check(const struct errand *request, struct error *err);

/* A connection for one call; its owner closes it. -ENOENT: no steward is there. */
int errand_connect(const struct paths *paths, struct error *err);
/* One call. -ENOENT: no steward is there. A failure of the steward's is the result. */
int errand_call(const struct paths *paths, const struct errand *request, struct errand_answer *ret,
		struct error *err);

/* For errands that are answered by themselves: sends size bytes and receives at most room in their
 * place; *ret_size is 0 for no answer. -ENOENT: no steward is there. */
int errand_exchange(const struct paths *paths, void *errand, size_t size, size_t room,
		    size_t *ret_size, struct error *err);
/* A name of an instance as an errand may have it. */
bool errand_is_instance(const char name[INSTANCE_SIZE]);

/* RUNTIME/steward.sock; the caller frees it. */
char *errand_path(const struct paths *paths);
