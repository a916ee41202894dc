/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's notifications in the executor's event loop: when to read them, and whom to tell. */
#pragma once

struct error;
struct executor;

/* Tells the broker (EVENT_CHANGED) when somebody else has changed something of ours. */
int notices_watch(struct executor *executor, struct error *err);
void notices_done(struct executor *executor);
