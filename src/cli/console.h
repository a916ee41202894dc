/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes between the terminal and a socket. */
#pragma once

#include <stdbool.h>

struct error;

/* The serial console on its unix socket. A terminal is put in raw mode, and back on every way out;
 * it sees the log's last lines first; Ctrl-] leaves. -EBUSY: somebody else has it open. */
int console_attach(const char *name, const char *path, const char *log, struct error *err);

/* Copies standard input to the socket and the socket to standard output until the socket ends.
 * The end of input is passed on (shutdown). escape: a byte that ends it, -1 none. */
int stream_pump(int socket, int escape, struct error *err);
