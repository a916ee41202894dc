/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kern/firewall_guard.h"

#include <stdio.h>

#include "base/text.h"
#include "kern/firewall_text.h"

/* Among guarded ports everything goes. nftables looks for the protocol behind IPv6 extension
 * headers by itself. */
static const char *const dropped[] = {
	"meta protocol { 8021q, 8021ad } drop", /* a second tag, behind which nothing is seen */
	"ether daddr 01:80:c2:00:00:00 drop",	/* BPDUs (IEEE 802.1D 7.12.3) */
	"udp sport 67 udp dport 68 drop",
	"udp sport 547 udp dport 546 drop",
	"icmpv6 type { nd-router-advert, nd-redirect } drop",
};
#define N_DROPPED (sizeof(dropped) / sizeof(dropped[0]))

size_t firewall_guard_rules(void)
{
	return N_DROPPED + 2;
}

char *firewall_guard_text(const char *table, bool replace)
{
	struct text text;
	text_begin(&text);
	firewall_text_head(text.out, "bridge", table, replace);
	fprintf(text.out, "\tchain guard {\n");
	for (size_t i = 0; i < N_DROPPED; i++)
		fprintf(text.out, "\t\t%s\n", dropped[i]);
	fprintf(text.out, "\t}\n\tchain forward {\n"
			  "\t\ttype filter hook forward priority filter; policy accept;\n");
	fprintf(text.out, "\t\tiifgroup %u oifgroup != %u goto guard\n", GUARD_GROUP, GUARD_GROUP);
	fprintf(text.out, "\t}\n\tchain input {\n"
			  "\t\ttype filter hook input priority filter; policy accept;\n");
	fprintf(text.out, "\t\tiifgroup %u goto guard\n\t}\n}\n", GUARD_GROUP);
	return text_end(&text);
}
