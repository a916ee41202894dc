/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The executor's socket: who may connect. */
#pragma once

#include <sys/types.h>

struct error;
struct executor;
struct paths;

/* A socket that only broker_uid may connect to. It appears under its name when it listens. */
int listener_open(const struct paths *paths, uid_t broker_uid, struct error *err);
/* Takes connections of executor->listening from the event loop on. */
int listener_watch(struct executor *executor, struct error *err);
void listener_close(struct executor *executor);
