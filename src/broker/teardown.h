/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of a user instance in which nothing is left: its processes and its runtime files. */
#pragma once

struct broker;

/* The caller still holds the lock, whose file goes last. */
void teardown_instance(struct broker *broker);
