/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An interrupt (SIGINT, SIGTERM, SIGHUP) that waits until what was begun is whole. Holds may lie in
 * one another; with the last release it comes. */
#pragma once

void interrupt_hold(void);
void interrupt_release(void);
