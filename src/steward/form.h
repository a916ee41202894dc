/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who else configures the host's NICs, one struct of functions each. Each writes a bridge in its
 * owner's own form, so that it is there after a restart of the computer whether Lanyard runs or
 * not, and takes every byte of that away again.
 */
#pragma once

#include <stdbool.h>

#include "ipc/errand.h"

struct error;

struct form {
	enum errand_manager manager;
	/* Does it configure this NIC, or has it a form of ours for it? */
	bool (*manages)(const char *nic);
	/* Both may be called twice. *ret_text (ERRAND_TEXT_SIZE): what to know, "" without. */
	int (*keep)(const struct errand *request, char *ret_text, struct error *err);
	int (*forget)(const struct errand *request, char *ret_text, struct error *err);
	/* Around the move, for one that would act upon what it sees; may be NULL. */
	int (*hold)(const struct errand *request, char *ret_text, struct error *err);
	int (*release)(const struct errand *request, char *ret_text, struct error *err);
};
extern const struct form form_networkd, form_ifupdown, form_networkmanager;

/* One of our own interfaces, which NetworkManager shall leave alone again. */
int form_networkmanager_unclaim(const struct errand *request, struct error *err);

/* Pure, for tests. interfaces(5): the text with the NIC's stanzas turned into the bridge's, each
 * change beside what it replaces; and back, exactly. NULL: nothing of this NIC (of ours) in it. */
char *form_ifupdown_onto(const char *text, const struct errand *request);
char *form_ifupdown_off(const char *text, const char *bridge);
/* systemd.network(5): the settings of the NIC's file for the bridge. */
char *form_networkd_settings(const char *text, const char *bridge, const char *more);
