/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * systemd-resolved, by its D-Bus interface (org.freedesktop.resolve1(5)): it keeps a name server
 * and the domains that are asked of it per interface, and forgets them with the interface.
 */
#pragma once

struct errand_answer;
struct errand_names;
struct error;

/* In the steward: a checked request. 0 when it is so (or when no systemd-resolved runs), or
 * -errno. */
int resolved_serve(const struct errand_names *request, struct error *err);
