/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of our nftables table. Pure functions: no system call, same input same bytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "model/object.h"

/* How a mode's networks are looked up: the chains that packets from them and to them go through. */
struct firewall_mode {
	const char *from, *to; /* chains */
	bool jumps;	       /* comes back (the other end decides too), else goto */
	bool ours; /* separate from the other networks, and what stays among them is not masqueraded
		    */
};
extern const struct firewall_mode firewall_modes[FILTER_MODES];

/* The whole table with its sets, maps, chains and rules, without elements. replace: one that is
 * there is deleted in the same transaction (not otherwise: that costs 15 ms). The caller frees it.
 */
char *firewall_text_base(const char *table, bool replace);

/* The first line of a table's text, after the deletion of the one that it replaces. */
void firewall_text_head(FILE *out, const char *family, const char *table, bool replace);

/* "add element ..." lines for one network; the caller frees it. */
char *firewall_text_elements(const char *table, const struct object *filter);

/* How many rules the base has. */
size_t firewall_text_rules(void);
