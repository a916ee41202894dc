/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/output.h"
#include "ipc/varlink_client.h"
#include "machine/machine_run.h"
#include "machine/machine_store.h"
#include "verbs/boot.h"
#include "verbs/verbs.h"

#define READY_TIMEOUT 60000 /* ms */

AUTO_DEFINE(machine_entry)

/* One that somebody has set down will not be there however long one waits. */
static int check_port(struct invocation *invocation, const char *machine, struct error *err)
{
	struct varlink_answer answer = {0};
	struct error ignored = {0};
	int result = 0;
	if (client_call(invocation, "ListPorts", json_pack("{s:s}", "port", machine), &answer,
			&ignored) == 0) {
		const json_t *ports = json_object_get(answer.parameters, "ports");
		if (strcmp(text_of(json_array_get(ports, 0), "state"), "down") == 0)
			result = error_set(err, ENXIO,
					   "the port of machine '%s' is down; 'lanyard port set %s "
					   "down=false' ends that",
					   machine, machine);
	}
	varlink_answer_done(&answer);
	return result;
}

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
	result = check_port(invocation, machine, err);
	if (result < 0)
		return result;
	if (!machine_is_ready(entry))
		output_note("waiting for %s to boot", machine);
	return machine_wait_ready(entry, READY_TIMEOUT, err);
}
