/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts lanyard-capture for a CAPTURE record: with a packet socket of one interface of ours. */
#pragma once

struct error;
struct operations;
struct record;

/* pipe: the write end of somebody's, stays the caller's. Returns the socket from which the report
 * comes and whose end stops it (ipc/capture_order.h), the caller's. -EPERM: the interface is not
 * ours. */
int recording_start(struct operations *operations, const struct record *request, int pipe,
		    struct error *err);
