/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/output.h"
#include "machine/machine_run.h"
#include "machine/machine_store.h"
#include "verbs/boot.h"
#include "verbs/verbs.h"

#define READY_TIMEOUT 60000 /* ms */

AUTO_DEFINE(machine_entry)

int boot_wait(struct invocation *invocation, const char *name, struct error *err)
{
	AUTO(machine_entry) struct machine_entry *entry = NULL;
	AUTO_FREE char *machine = text_format("%.*s", (int)strcspn(name, "."), name);
	int result = client_paths(invocation, err);
	if (result == 0)
		result = machine_store_load(&invocation->own, machine, &entry, err);
	if (result < 0)
		return result;
	if (!machine_entry_pid(entry))
		return machine_store_stopped(machine, ENXIO, err);
	if (!machine_is_ready(entry))
		output_note("waiting for %s to boot", machine);
	return machine_wait_ready(entry, READY_TIMEOUT, err);
}
