/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts lanyard-probe for a PROBE record: in our namespace, with our rights, for a short time. */
#pragma once

struct error;
struct record;

/* The descriptor from which its answer comes, the caller's. */
int inquiry_start(const struct record *request, struct error *err);
