/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors that outlive this broker: the service manager hands over the listening socket
 * (sd_listen_fds(3)) and keeps others for the next broker (FDSTORE in sd_notify(3)). Kept is only
 * what the kernel does not remember by itself: the way to each lanyard-publish, whose end ends the
 * listening. Without a manager nothing is handed over and nothing kept.
 */
#pragma once

#include <stdbool.h>

/* The descriptor of this name, the caller's from now on (close-on-exec); -1: there is none. */
int store_take(const char *name);
/* The next broker gets it, also when this one is killed; the manager forgets it when its other end
 * is closed. Whether somebody keeps it. */
bool store_keep(const char *name, int fd);
/* What nobody has taken is told the end. */
void store_close(void);
