/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is asked of the steward has to be true of this host, whoever asks. */
#pragma once

struct error;
struct link;

/* The interface, which carries our alias. -ENODEV: there is none; -EPERM: it is somebody else's. */
int ours_find(const char *ifname, struct link *ret, struct error *err);
/* A NIC that is a port of that bridge. -EPERM: it is not. */
int ours_port(const char *nic, const struct link *bridge, struct link *ret, struct error *err);
/* One that is a port of nothing. -ENODEV, -EPERM. */
int ours_free(const char *nic, struct link *ret, struct error *err);
