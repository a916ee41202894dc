/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NetworkManager's profiles (nm-settings-keyfile(5)): from the one that stands on a NIC those of a
 * bridge and of the NIC as its port. Pure.
 */
#pragma once

#include <stdbool.h>

struct errand;

#define KEYFILE_UUID_SIZE 37
#define KEYFILE_HEAD                                                                               \
	"# Written by Lanyard (lanyard uplink add), removed by lanyard uplink remove.\n"

/* The value of the last KEY= in [SECTION]; the caller frees it. NULL: there is none. */
char *keyfile_value(const char *text, const char *section, const char *key);

/* What our own section says beside the profile itself. NULL: not known, or not needed. */
struct keyfile_note {
	const char *checkpoint, *uuid, *file;
	const char *metric; /* of its routes, where the profile leaves that to NetworkManager */
	const char *token;  /* what its SLAAC address has after the prefix */
};
/* The section [lanyard], then the profile. */
char *keyfile_remember(const char *profile, const struct keyfile_note *note);
/* ... and the profile alone, as it was. */
const char *keyfile_recall(const char *remembered);

/* Which of two: the same on every host. */
void keyfile_uuid(bool port, const struct errand *request, char ret[KEYFILE_UUID_SIZE]);

/* Of what keyfile_remember() made. The bridge has all that is about addresses, routes and names,
 * and the NIC's MAC; the port all that is about the wire. */
char *keyfile_bridge(const char *remembered, const struct errand *request);
char *keyfile_port(const char *remembered, const struct errand *request);
