/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The network that an installation starts with. */
#pragma once

struct broker;
struct error;

/* Makes it once in the life of the state folder: not again after somebody has removed it, and not
 * where networks are already. */
int first_network_make(struct broker *broker, const char *name, struct error *err);
