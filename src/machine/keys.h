/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SSH keys: one pair of the user's own for `lanyard ssh`, one host key per machine name, and
 * known_hosts made from the latter. The machine gets its host key from us, so the first connection
 * is checked like any other.
 */
#pragma once

struct error;
struct paths;

/* Path of the private key / known_hosts file. Fresh memory. */
char *keys_identity(const struct paths *own);
char *keys_known_hosts(const struct paths *own);

/* The public keys that may log in: the user's own (~/.ssh/id_*.pub) and ours, which is made if
 * missing. */
int keys_authorized(const struct paths *own, char **ret_text, struct error *err);

/* A machine's private host key, made if missing. names: "web,web.lab.internal" for known_hosts,
 * which is written anew when they changed. */
int keys_host(const struct paths *own, const char *machine, const char *names, char **ret_text,
	      struct error *err);
/* Removes a machine's key: one that comes later under this name is another machine. */
void keys_forget(const struct paths *own, const char *machine);
