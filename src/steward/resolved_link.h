/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What systemd-resolved knows of a NIC, when that becomes the port of a bridge of ours: the bridge
 * gets the same, and the NIC again when it leaves. It has to be kept meanwhile: leaving a bridge,
 * the kernel announces the end of a link (RTM_DELLINK of AF_BRIDGE), which the resolver (252) takes
 * for the NIC's.
 */
#pragma once

#include <systemd/sd-bus.h>

struct link;

#define RESOLVED_SERVICE "org.freedesktop.resolve1"
#define RESOLVED_OBJECT	 "/org/freedesktop/resolve1"
#define RESOLVED_MANAGER RESOLVED_SERVICE, RESOLVED_OBJECT, "org.freedesktop.resolve1.Manager"
#define RESOLVED_USEC	 10000000u

/* Once: servers that the bridge has already stay. */
int resolved_link_copy(sd_bus *bus, const struct link *nic, int bridge, sd_bus_error *failure);
/* 0 when nothing was kept. */
int resolved_link_return(sd_bus *bus, const struct link *nic, sd_bus_error *failure);
