/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a running machine's NICs are against what they are to be. A NIC is its MAC address: one of
 * another model or number of queues is another NIC. What was done is written down at once, so that
 * an interrupted command leaves a true account.
 */
#include "machine/machine_live.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/client.h"
#include "cli/output.h"
#include "driver/qemu_plug.h"
#include "driver/qmp.h"
#include "ipc/varlink_client.h"
#include "machine/machine_nic.h"
#include "machine/machine_renew.h"
#include "machine/machine_store.h"

#define QMP_TIMEOUT    3000 /* ms */
#define UNPLUG_TIMEOUT 5000 /* ms; a guest that has booted needs a tenth of a second */

struct live {
	struct invocation *invocation;
	const struct machine_entry *entry;
	json_t *running; /* running.json */
	json_t *nics;	 /* of it: what the machine has now */
	json_t *ports;
	const json_t *known; /* ports that the instance has; NULL: it does not say */
	json_t *pulled;	     /* devices whose guest is to ask for its address anew */
	struct qmp *qmp;     /* NULL until needed */
};

static bool is_equal(const json_t *a, const json_t *b, const char *key)
{
	const json_t *of_a = json_object_get(a, key), *of_b = json_object_get(b, key);
	return of_a == of_b || json_equal(of_a, of_b);
}

static ssize_t index_of(const json_t *list, const char *mac)
{
	size_t index;
	json_t *item;
	json_array_foreach (list, index, item)
		if (strcmp(text_of(item, "mac"), mac) == 0)
			return (ssize_t)index;
	return -1;
}

static json_t *find(const json_t *list, const char *mac)
{
	ssize_t index = index_of(list, mac);
	return index < 0 ? NULL : json_array_get(list, (size_t)index);
}

static void forget(json_t *list, const char *mac)
{
	ssize_t index = index_of(list, mac);
	if (index >= 0)
		json_array_remove(list, (size_t)index);
}

static bool is_same_device(const json_t *a, const json_t *b)
{
	return is_equal(a, b, "mac") && is_equal(a, b, "model") && is_equal(a, b, "queues");
}

/* The ports of the instance when the command began, asked for once; NULL when it does not say. */
static const json_t *known_ports(struct invocation *invocation)
{
	static json_t *ports;
	static bool is_asked;
	struct varlink_answer answer = {0};
	struct error ignored;
	if (!is_asked && client_call(invocation, "ListPorts", NULL, &answer, &ignored) == 0)
		ports = json_incref(json_object_get(answer.parameters, "ports"));
	if (!is_asked)
		varlink_answer_done(&answer);
	is_asked = true;
	return ports;
}

/* The network world that the port was in is gone (all of the instance was killed, the last process
 * that held its namespace too), or somebody has taken the port away. */
static bool is_lost(const json_t *known, const json_t *port)
{
	size_t index;
	json_t *item;
	if (!known || !port)
		return false;
	json_array_foreach (known, index, item)
		if (is_equal(item, port, "id"))
			return false;
	return true;
}

bool machine_live_is_lost(struct invocation *invocation, const json_t *running)
{
	const json_t *known = known_ports(invocation);
	json_t *port;
	bool result = false;
	size_t index;
	json_array_foreach (json_object_get(running, "ports"), index, port)
		result = result || is_lost(known, port);
	return result;
}

static int connect_qemu(struct live *live, struct error *err)
{
	return live->qmp ? 0 : qmp_connect(live->entry->qmp, QMP_TIMEOUT, &live->qmp, err);
}

static int write_down(const struct live *live, struct error *err)
{
	return machine_entry_set_running(live->entry, live->running, err);
}

static void bounce_links(struct live *live)
{
	if (json_array_size(live->pulled) > 0 && connect_qemu(live, NULL) == 0)
		machine_renew_devices(live->qmp, live->pulled);
}

/* What a port is told while its machine runs; the first two make it another segment. */
static const char *const settings[] = {"network", "vlan", "trunk", "rate_in", "rate_out"};
#define N_SEGMENT  2u
#define N_SETTINGS (sizeof(settings) / sizeof(settings[0]))

/* Those that differ; none left: NULL. *ret_moved: among them is the segment. */
static json_t *differences(const json_t *old, const json_t *new, bool *ret_moved)
{
	json_t *differing = json_object();
	*ret_moved = false;
	for (size_t i = 0; i < N_SETTINGS; i++) {
		json_t *value = json_object_get(new, settings[i]);
		if (is_equal(old, new, settings[i]))
			continue;
		json_object_set(differing, settings[i], value ? value : json_null());
		*ret_moved |= i < N_SEGMENT;
	}
	if (json_object_size(differing) > 0)
		return differing;
	json_decref(differing);
	return NULL;
}

static int set_port(struct live *live, const json_t *port, json_t *differing, struct error *err)
{
	struct varlink_answer answer = {0};
	int result = client_call(
		live->invocation, "SetPort",
		json_pack("{s:O,s:O}", "id", json_object_get(port, "id"), "settings", differing),
		&answer, err);
	varlink_answer_done(&answer);
	return result;
}

static bool has_other_address(const json_t *old, const json_t *new)
{
	return !is_equal(old, new, "address") || !is_equal(old, new, "ipv6");
}

/* Same device; on another segment or with another address it is to ask anew. */
static int change_nic(struct live *live, json_t *old, const json_t *new, struct error *err)
{
	json_t *port = find(live->ports, text_of(new, "mac"));
	const char *network = text_of(new, "network");
	bool is_moved, is_other = has_other_address(old, new);
	if (!port)
		return 0;
	json_t *differing = differences(old, new, &is_moved);
	int result = differing ? set_port(live, port, differing, err) : 0;
	json_decref(differing);
	if (result < 0)
		return result;
	json_object_set_new(port, "network", json_string(network));
	json_object_clear(old);
	json_object_update(old, (json_t *)new);
	output_line("machine %s: NIC %s %s network %s", live->entry->machine->name,
		    text_of(new, "mac"),
		    is_moved   ? "moved to"
		    : is_other ? "has another address on"
			       : "has other settings on",
		    network);
	if (is_moved || is_other)
		json_array_append(live->pulled, json_object_get(port, "device"));
	return write_down(live, err);
}

/* Slots that a guest has not let go of are never used again in this run. */
static void occupy(struct live *live, const char *device)
{
	json_t *occupied = json_object_get(live->running, "occupied");
	if (!occupied) {
		occupied = json_array();
		json_object_set_new(live->running, "occupied", occupied);
	}
	json_array_append_new(occupied, json_string(device));
}

static bool is_taken(const struct live *live, const char *device)
{
	size_t index;
	json_t *item;
	json_array_foreach (live->ports, index, item)
		if (strcmp(text_of(item, "device"), device) == 0)
			return true;
	json_array_foreach (json_object_get(live->running, "occupied"), index, item)
		if (strcmp(json_string_value(item), device) == 0)
			return true;
	return false;
}

/* A root port that nothing sits behind; -1: there is none. */
static int free_slot(const struct live *live)
{
	json_int_t slots = json_integer_value(json_object_get(live->running, "slots"));
	for (int slot = 0; slot < slots; slot++) {
		char device[24];
		snprintf(device, sizeof(device), "nic%d", slot);
		if (!is_taken(live, device))
			return slot;
	}
	return -1;
}

static int unplug_nic(struct live *live, const json_t *nic, struct error *err)
{
	const char *name = live->entry->machine->name;
	json_t *port = json_incref(find(live->ports, text_of(nic, "mac")));
	/* Started by a version that had no slots: only a restart can take it away. */
	if (!port || !*text_of(port, "device") || !json_object_get(live->running, "slots")) {
		json_decref(port);
		return 0;
	}
	struct varlink_answer answer = {0};
	json_t *copy = json_deep_copy(nic); /* nic leaves its list below */
	int result = connect_qemu(live, err);
	if (result == 0)
		result = qemu_unplug(live->qmp, text_of(port, "device"), UNPLUG_TIMEOUT, err);
	if (result == -ETIMEDOUT) {
		output_note("machine %s: the guest does not let go of NIC %s; its cable is pulled",
			    name, text_of(copy, "mac"));
		occupy(live, text_of(port, "device"));
		result = 0;
	}
	if (result == 0) {
		output_line("machine %s: NIC %s unplugged from network %s", name,
			    text_of(copy, "mac"), text_of(copy, "network"));
		/* The port went with its tap; this only makes sure that it has. */
		client_call(live->invocation, "RemovePort",
			    json_pack("{s:O}", "id", json_object_get(port, "id")), &answer,
			    &(struct error){0});
		varlink_answer_done(&answer);
		forget(live->ports, text_of(copy, "mac"));
		forget(live->nics, text_of(copy, "mac"));
		result = write_down(live, err);
	}
	json_decref(copy);
	json_decref(port);
	return result;
}

static int plug_nic(struct live *live, size_t index, const json_t *new, struct error *err)
{
	int slot = free_slot(live);
	if (slot < 0)
		return 0;
	struct machine_nic nic;
	int result = connect_qemu(live, err);
	if (result < 0)
		return result;
	result = machine_nic_open(live->invocation, live->entry->machine, index, (size_t)slot, &nic,
				  live->ports, err);
	if (result < 0)
		return result;
	result = qemu_plug(live->qmp, &nic.device, (size_t)slot, err);
	machine_nic_done(&nic);
	if (result < 0) {
		forget(live->ports, text_of(new, "mac"));
		return result;
	}
	json_array_append_new(live->nics, json_deep_copy(new));
	output_line("machine %s: NIC %s plugged into network %s", live->entry->machine->name,
		    text_of(new, "mac"), text_of(new, "network"));
	return write_down(live, err);
}

/* What goes, first: it may leave a slot, or a MAC address, for what comes. */
static int unplug_nics(struct live *live, const json_t *wanted, struct error *err)
{
	int result = 0;
	for (size_t i = json_array_size(live->nics); result == 0 && i-- > 0;) {
		const json_t *old = json_array_get(live->nics, i);
		const json_t *new = find(wanted, text_of(old, "mac"));
		bool lost = is_lost(live->known, find(live->ports, text_of(old, "mac")));
		if (lost)
			output_note("machine %s: the port of NIC %s is gone; it is plugged in anew",
				    live->entry->machine->name, text_of(old, "mac"));
		if (!new || lost || !is_same_device(old, new))
			result = unplug_nic(live, old, err);
	}
	return result;
}

static int settle_nics(struct live *live, const json_t *wanted, struct error *err)
{
	int result = unplug_nics(live, wanted, err);
	size_t index;
	json_t *new;
	json_array_foreach (wanted, index, new) {
		json_t *old = find(live->nics, text_of(new, "mac"));
		if (result < 0)
			break;
		if (!old)
			result = plug_nic(live, index, new, err);
		else if (is_same_device(old, new) && !json_equal(old, new))
			result = change_nic(live, old, new, err);
	}
	return result;
}

/* Same NICs in another order: the definition's order counts from now on. */
static int settle_order(struct live *live, json_t *definition, const json_t *wanted,
			struct error *err)
{
	size_t index;
	json_t *new;
	if (json_equal(live->nics, wanted) ||
	    json_array_size(live->nics) != json_array_size(wanted))
		return 0;
	json_array_foreach (wanted, index, new)
		if (!json_equal(find(live->nics, text_of(new, "mac")), new))
			return 0;
	json_object_set_new(definition, "nics", json_deep_copy(wanted));
	return write_down(live, err);
}

int machine_live_change(struct invocation *invocation, const struct machine_entry *entry,
			json_t *running, struct error *err)
{
	json_t *definition = json_deep_copy(json_object_get(running, "definition"));
	const json_t *wanted = json_object_get(entry->definition, "nics");
	json_object_set_new(running, "definition", definition);
	if (!json_object_get(definition, "nics"))
		json_object_set_new(definition, "nics", json_array());
	if (!json_object_get(running, "ports"))
		json_object_set_new(running, "ports", json_array());
	struct live live = {
		.invocation = invocation,
		.entry = entry,
		.running = running,
		.nics = json_object_get(definition, "nics"),
		.ports = json_object_get(running, "ports"),
		.known = known_ports(invocation),
		.pulled = json_array(),
	};
	int result = settle_nics(&live, wanted, err);
	if (result == 0)
		result = settle_order(&live, definition, wanted, err);
	bounce_links(&live);
	json_decref(live.pulled);
	qmp_free(live.qmp);
	return result < 0 ? error_prefix(err, "machine '%s'", entry->machine->name) : 0;
}
