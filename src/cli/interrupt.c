/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>

static unsigned n_holds;
static sigset_t before;

void interrupt_hold(void)
{
	sigset_t held;
	if (n_holds++ > 0)
		return;
	sigemptyset(&held);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGHUP);
	sigprocmask(SIG_BLOCK, &held, &before);
}

void interrupt_release(void)
{
	if (--n_holds == 0)
		sigprocmask(SIG_SETMASK, &before, NULL);
}
