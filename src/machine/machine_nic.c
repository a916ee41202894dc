/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/machine_nic.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "cli/client.h"
#include "driver/accel.h"
#include "ipc/varlink_client.h"
#include "model/port.h"
#include "model/schema.h"

/* What the definition calls a NIC, and QEMU its device. */
static const struct {
	const char *model, *device;
} nic_devices[] = {
	{"virtio", "virtio-net-pci"},
	{"e1000e", "e1000e"},
	{"rtl8139", "rtl8139"},
};

static const char *device_of(const char *model)
{
	for (size_t i = 0; i < sizeof(nic_devices) / sizeof(nic_devices[0]); i++)
		if (strcmp(nic_devices[i].model, model) == 0)
			return nic_devices[i].device;
	return NULL;
}

static int take_queues(struct varlink_answer *answer, struct qemu_nic *device, struct error *err)
{
	size_t index;
	json_t *number;
	json_array_foreach (json_object_get(answer->parameters, "descriptors"), index, number) {
		if (device->n_fds == QEMU_QUEUES_MAX)
			break;
		int fd = varlink_answer_take_fd(answer, json_integer_value(number), err);
		if (fd < 0)
			return fd;
		device->fds[device->n_fds++] = fd;
	}
	return device->n_fds ? 0 : error_set(err, EPROTO, "the broker handed over no descriptor");
}

/* vhost only when its device really opens; without it the guest runs all the same. */
static void add_vhost(struct qemu_nic *device)
{
	if (accel_vhost_open(device->vhost_fds, device->n_fds) == 0)
		device->n_vhost_fds = device->n_fds;
}

static json_t *describe(const struct machine_nic *nic, const char *network, const json_t *made)
{
	return json_pack("{s:s,s:s,s:O?,s:O?,s:s}", "network", network, "mac", nic->mac, "id",
			 json_object_get(made, "id"), "ifname", json_object_get(made, "ifname"),
			 "device", nic->id);
}

/* These are the port's as well, of the same names. */
static void add_same(json_t *port, const struct nic *nic)
{
	static const char *const keys[] = {"rate_in", "rate_out", "vlan", "trunk"};
	json_t *all = schema_encode(&nic_schema, nic);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_object_get(all, keys[i]))
			json_object_set(port, keys[i], json_object_get(all, keys[i]));
	json_decref(all);
}

int machine_nic_open(struct invocation *invocation, const struct machine *machine, size_t index,
		     size_t slot, struct machine_nic *ret, json_t *ports, struct error *err)
{
	const struct nic *nic = &machine->nics[index];
	struct qemu_nic *device = &ret->device;
	*ret = (struct machine_nic){0};
	mac_format(&nic->mac, ret->mac);
	snprintf(ret->id, sizeof(ret->id), "nic%zu", slot);
	device->id = ret->id;
	device->mac = ret->mac;
	device->model = device_of(nic->model);
	json_t *port = json_pack("{s:s,s:s,s:s,s:s,s:i}", "kind", port_kind_name(PORT_TAP),
				 "network", nic->network, "machine", machine->name, "mac", ret->mac,
				 "queues", (int)(nic->queues ? nic->queues : 1));
	add_same(port, nic);
	struct varlink_answer answer = {0};
	int result =
		client_call(invocation, "AddPort", json_pack("{s:o}", "port", port), &answer, err);
	if (result == 0)
		result = take_queues(&answer, device, err);
	if (result == 0) {
		const json_t *made = json_object_get(answer.parameters, "port");
		json_array_append_new(ports, describe(ret, nic->network, made));
		if (strcmp(nic->model, "virtio") == 0)
			add_vhost(device);
	}
	varlink_answer_done(&answer);
	return result < 0 ? error_prefix(err, "NIC %zu on network '%s'", index + 1, nic->network)
			  : 0;
}

void machine_nic_done(struct machine_nic *nic)
{
	int fds[2 * QEMU_QUEUES_MAX];
	descriptor_close_all(fds, machine_nic_fds(nic, fds));
	nic->device.n_fds = nic->device.n_vhost_fds = 0;
}

size_t machine_nic_fds(const struct machine_nic *nic, int *ret)
{
	const struct qemu_nic *device = &nic->device;
	size_t n = 0;
	for (size_t i = 0; i < device->n_fds; i++)
		ret[n++] = device->fds[i];
	for (size_t i = 0; i < device->n_vhost_fds; i++)
		ret[n++] = device->vhost_fds[i];
	return n;
}
