/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/machine_renew.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/process.h"
#include "cli/verb.h"
#include "driver/qmp.h"
#include "ipc/varlink_client.h"
#include "machine/machine_store.h"

#define QMP_TIMEOUT 3000 /* ms */
/* QEMU shows a guest the present state, not that there was another; and Linux's link watch speaks
 * once a second (net/core/link_watch.c). */
#define BOUNCE_MS 1200

/* A machine whose cables are out. */
struct pulled {
	struct qmp *qmp;
	json_t *devices;
};

static void set_links(struct qmp *qmp, const json_t *devices, bool up)
{
	size_t index;
	json_t *device;
	json_array_foreach (devices, index, device)
		qmp_execute(qmp, "set_link", json_pack("{s:O,s:b}", "name", device, "up", (int)up),
			    QMP_TIMEOUT, NULL, NULL);
}

/* A guest that misses it keeps its address until it renews its lease: no reason to fail. */
static void wait_bounce(void)
{
	const struct timespec pause = {BOUNCE_MS / 1000, BOUNCE_MS % 1000 * 1000000L};
	nanosleep(&pause, NULL);
}

void machine_renew_devices(struct qmp *qmp, const json_t *devices)
{
	interrupt_hold(); /* until the cables are in again */
	set_links(qmp, devices, false);
	wait_bounce();
	set_links(qmp, devices, true);
	interrupt_release();
}

static ssize_t index_of(const json_t *ids, const json_t *id)
{
	size_t index;
	json_t *item;
	json_array_foreach (ids, index, item)
		if (json_equal(item, id))
			return (ssize_t)index;
	return -1;
}

/* What QEMU calls the NICs behind these ports (NULL: all); the ports are taken off the list. */
static json_t *devices_of(const struct machine_entry *entry, json_t *ids)
{
	json_t *running = machine_entry_running(entry), *devices = json_array(), *port;
	size_t index;
	json_array_foreach (json_object_get(running, "ports"), index, port) {
		ssize_t at = ids ? index_of(ids, json_object_get(port, "id")) : 0;
		json_t *device = json_object_get(port, "device");
		if (at < 0 || !json_is_string(device))
			continue;
		json_array_append(devices, device);
		if (ids)
			json_array_remove(ids, (size_t)at);
	}
	json_decref(running);
	return devices;
}

/* Takes the devices. */
static int pull(struct machine_renewal *renewal, const struct machine_entry *entry, json_t *devices,
		struct error *err)
{
	struct qmp *qmp = NULL;
	int result = qmp_connect(entry->qmp, QMP_TIMEOUT, &qmp, err);
	if (result < 0) {
		json_decref(devices);
		return error_prefix(err, "machine '%s'", entry->machine->name);
	}
	if (renewal->count == 0)
		interrupt_hold(); /* until the cables are in again */
	set_links(qmp, devices, false);
	renewal->items = memory_grow(renewal->items, &renewal->room, renewal->count + 1,
				     sizeof(struct pulled));
	renewal->items[renewal->count++] = (struct pulled){qmp, devices};
	return 0;
}

int machine_renewal_add(struct machine_renewal *renewal, const struct machine_entry *entry,
			struct error *err)
{
	if (!machine_entry_pid(entry))
		return error_set(err, ENOENT, "machine '%s' does not run", entry->machine->name);
	return pull(renewal, entry, devices_of(entry, NULL), err);
}

void machine_renewal_end(struct machine_renewal *renewal)
{
	if (renewal->count == 0)
		return;
	wait_bounce();
	for (size_t i = 0; i < renewal->count; i++) {
		set_links(renewal->items[i].qmp, renewal->items[i].devices, true);
		json_decref(renewal->items[i].devices);
		qmp_free(renewal->items[i].qmp);
	}
	free(renewal->items);
	interrupt_release();
	*renewal = (struct machine_renewal){0};
}

/* Those of the caller's own. */
static void renew_own(const struct invocation *invocation, json_t *ids)
{
	struct machine_renewal renewal = {0};
	struct machine_list list = {0};
	if (machine_store_list(&invocation->own, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.count; i++) {
		struct error err = {0};
		json_t *devices = devices_of(list.items[i], ids);
		if (json_array_size(devices) == 0)
			json_decref(devices);
		else if (pull(&renewal, list.items[i], devices, &err) < 0)
			output_note("%s", err.text);
		else
			output_note("machine %s asks for its addresses anew",
				    list.items[i]->machine->name);
	}
	machine_renewal_end(&renewal);
	machine_list_done(&list);
}

/* One account's machines, which root's process of that account renews. */
struct owner {
	uid_t uid;
	json_t *machines, *ports; /* names; ids */
	struct process process;
};

static struct owner *find_owner(struct owner **owners, size_t *n, size_t *room, uid_t uid)
{
	for (size_t i = 0; i < *n; i++)
		if ((*owners)[i].uid == uid)
			return &(*owners)[i];
	*owners = memory_grow(*owners, room, *n + 1, sizeof(struct owner));
	(*owners)[*n] = (struct owner){
		.uid = uid, .machines = json_object(), .ports = json_array(), .process.pid = -1};
	return &(*owners)[(*n)++];
}

/* Root does it as the machines' owner, whose files lead to the sockets: in a process with nothing
 * of root's, not even the environment. */
static int start_as(const struct invocation *invocation, struct owner *owner, struct error *err)
{
	const struct passwd *entry = getpwuid(owner->uid);
	if (!entry)
		return error_set(err, ENOENT, "uid %u has no account", (unsigned)owner->uid);
	AUTO_FREE char *program = paths_program("lanyard");
	AUTO_FREE char *user = text_format("--reuid=%u", (unsigned)owner->uid);
	AUTO_FREE char *group = text_format("--regid=%u", (unsigned)entry->pw_gid);
	const char *const begin[] = {"setpriv",
				     "--init-groups",
				     user,
				     group,
				     "--reset-env",
				     "--no-new-privs",
				     "--",
				     program,
				     "--system",
				     "--instance",
				     invocation->paths.instance,
				     "vm",
				     "renew"};
	const size_t fixed = sizeof(begin) / sizeof(begin[0]);
	AUTO_FREE const char **argv =
		memory_zero(fixed + json_object_size(owner->machines) + 1, sizeof(*argv));
	size_t n = fixed;
	const char *name;
	json_t *value;
	memcpy(argv, begin, sizeof(begin));
	json_object_foreach (owner->machines, name, value)
		argv[n++] = name;
	return process_start(argv, PROCESS_RIGHTS_FIXED, NULL, 0, &owner->process, err);
}

/* Their ports leave the list when all went well. */
static void end_as(struct owner *owner, json_t *ids)
{
	AUTO_FREE char *text = NULL;
	struct error err = {0};
	size_t index;
	json_t *id;
	int result = process_finish(&owner->process, &text, &err);
	if (result != 0) {
		output_detail("uid %u: %s", (unsigned)owner->uid,
			      result < 0 ? err.text : process_sentence(text, "lanyard"));
		return;
	}
	json_array_foreach (owner->ports, index, id)
		json_array_remove(ids, (size_t)index_of(ids, id));
}

/* All owners at the same time; what cannot be done is told by tell_left. */
static void renew_others(const struct invocation *invocation, const json_t *ports, json_t *ids)
{
	struct owner *owners = NULL;
	size_t n = 0, room = 0, index;
	json_t *port;
	json_array_foreach (ports, index, port) {
		const char *machine = json_string_value(json_object_get(port, "machine"));
		uid_t uid = (uid_t)json_integer_value(json_object_get(port, "creator"));
		if (!machine || !*machine || uid == 0 ||
		    index_of(ids, json_object_get(port, "id")) < 0)
			continue;
		struct owner *owner = find_owner(&owners, &n, &room, uid);
		json_object_set_new(owner->machines, machine, json_true());
		json_array_append(owner->ports, json_object_get(port, "id"));
	}
	for (size_t i = 0; i < n; i++) {
		struct error err = {0};
		if (start_as(invocation, &owners[i], &err) < 0)
			output_detail("uid %u: %s", (unsigned)owners[i].uid, err.text);
	}
	for (size_t i = 0; i < n; i++) {
		if (owners[i].process.pid > 0)
			end_as(&owners[i], ids);
		json_decref(owners[i].machines);
		json_decref(owners[i].ports);
	}
	free(owners);
}

static void tell_left(const json_t *ports, const json_t *ids)
{
	AUTO_FREE char *names = text_copy("");
	size_t index;
	json_t *port;
	json_array_foreach (ports, index, port) {
		if (index_of(ids, json_object_get(port, "id")) < 0)
			continue;
		AUTO_FREE char *machine = output_member(port, "machine");
		AUTO_FREE char *ifname = output_member(port, "ifname");
		char *more = text_format("%s%s%s", names, *names ? ", " : "",
					 *machine ? machine : ifname);
		free(names);
		names = more;
	}
	if (*names)
		output_note("nobody here can pull the cable of %s: a machine asks anew when half "
			    "of its "
			    "lease is over, or when its owner says 'lanyard vm renew'",
			    names);
}

void machine_renew_ports(struct invocation *invocation, const json_t *ids)
{
	struct varlink_answer answer = {0};
	struct error ignored;
	if (json_array_size(ids) == 0)
		return;
	json_t *left = json_copy((json_t *)ids);
	renew_own(invocation, left);
	if (json_array_size(left) > 0 &&
	    client_call(invocation, "ListPorts", NULL, &answer, &ignored) == 0) {
		const json_t *ports = json_object_get(answer.parameters, "ports");
		if (invocation->paths.system && geteuid() == 0)
			renew_others(invocation, ports, left);
		tell_left(ports, left);
	}
	varlink_answer_done(&answer);
	json_decref(left);
}
