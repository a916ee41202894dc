/* SPDX-License-Identifier: GPL-2.0-or-later */
/* After a command's failure: the one line of doctor that matters, if there is one. */
#pragma once

struct error;
struct invocation;

/* Prints it on standard error. Fast: starts nothing and sends no probes. */
void doctor_hint(struct invocation *invocation, const struct error *err);
