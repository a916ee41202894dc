/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Self-repair against NetworkManager (system instance): the packages tell it to leave our
 * interfaces alone, but a file that overrules ours and `nmcli device set ly-lab managed yes` put
 * one under it. The broker hears of that on the bus; the steward looks at it, takes the interface
 * away again and says so in the log.
 */
#pragma once

#include <systemd/sd-bus.h>

struct broker;

/* For as long as the bus is open. Nothing waits. 0 or -errno. */
int host_claims_watch(sd_bus *bus, struct broker *broker);
