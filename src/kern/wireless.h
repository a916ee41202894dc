/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an interface is to Wi-Fi, by nl80211. The kernel decides by the same table whether a bridge
 * takes it as a port (net/wireless/core.c, IFF_DONT_BRIDGE).
 */
#pragma once

#include <stdbool.h>

/* "access point", "client without 4-address mode", "Wi-Fi of an unknown kind"; NULL: it is none.
 * *ret_bridgeable: it can be the port of a bridge, and machines behind it are heard. */
const char *wireless_kind(const char *ifname, bool *ret_bridgeable);
