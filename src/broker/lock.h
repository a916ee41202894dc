/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One broker per instance: a lock on a file of the runtime folder, held for the broker's life. */
#pragma once

#include "base/paths.h"

struct error;

/* Makes the runtime folder and takes the lock. Returns its descriptor, -EALREADY when another
 * broker answers on its socket, or -errno. Waits while another one is starting or ending. */
int lock_take(const struct paths *paths, struct error *err);
