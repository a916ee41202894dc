/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bridge that goes in so many seconds unless somebody says that it stays: a timer of the service
 * manager, which outlives everything of ours. A host without one has no guard.
 */
#pragma once

#include <stdint.h>

void guard_start(const char *nic, const char *bridge, uint32_t seconds);
void guard_stop(const char *nic);
