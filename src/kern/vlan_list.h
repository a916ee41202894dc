/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What VLANs the ports of a Linux bridge carry; anybody may ask. */
#pragma once

#include <stddef.h>

#include "model/vlan.h"

struct error;

/* 1, and its ports (the caller frees them); 0: it does not filter VLANs; -errno. */
int vlan_list(const char *bridge, struct vlan_port **ret, size_t *ret_count, struct error *err);
