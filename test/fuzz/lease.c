/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dnsmasq's lease file: whatever is in it, names are labels and addresses have a family. */
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "model/lease.h"
#include "model/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE struct lease *leases = NULL;
	size_t bad = 0;
	size_t n = lease_parse((const char *)data, size, &leases, &bad);
	if (n + bad > size)
		abort();
	for (size_t i = 0; i < n; i++)
		if (!ip_is_set(&leases[i].address) ||
		    (leases[i].name[0] && !name_is_label(leases[i].name)))
			abort();
	return 0;
}
