/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest of the image `tiny` learns before its first packet: name, who may log in, SSH host
 * key, environment. One "KEY VALUE" per line, given to the guest by QEMU's firmware configuration
 * device.
 */
#pragma once

#include <stddef.h>

struct error;

struct seed {
	const char *hostname;	     /* RFC 1123 label */
	const char *authorized_keys; /* lines of authorized_keys(5); NULL or "": nobody logs in by
					SSH */
	const char *host_key;	     /* unencrypted private key as ssh-keygen -t ed25519 writes it;
				      * NULL: the guest makes one of its own */
	const char *environment;     /* lines NAME=VALUE of its sessions; NULL or "": none */
};

/* The seed file's text, the caller's. -EINVAL for a name that is none. */
int seed_text(const struct seed *seed, char **ret_text, struct error *err);
