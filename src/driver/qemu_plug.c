/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "driver/qemu_plug.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "driver/qemu.h"
#include "driver/qmp.h"

#define TIMEOUT	    5000 /* ms for what QEMU does by itself */
#define FDNAME_SIZE 40

/* "nic1-tap0": what QEMU is to call a descriptor until it is used. */
static const char *name_of(const char *id, const char *kind, size_t number, char ret[FDNAME_SIZE])
{
	snprintf(ret, FDNAME_SIZE, "%.20s-%.8s%zu", id, kind, number);
	return ret;
}

static int send_fds(struct qmp *qmp, const char *id, const char *kind, const int *fds, size_t n,
		    struct error *err)
{
	char name[FDNAME_SIZE];
	int result = 0;
	for (size_t i = 0; result == 0 && i < n; i++)
		result = qmp_execute_fd(qmp, "getfd",
					json_pack("{s:s}", "fdname", name_of(id, kind, i, name)),
					fds[i], TIMEOUT, NULL, err);
	return result;
}

/* Those that were used are not there any more, which QEMU says and nobody needs to hear. */
static void close_fds(struct qmp *qmp, const char *id, const char *kind, size_t n)
{
	char name[FDNAME_SIZE];
	for (size_t i = 0; i < n; i++)
		qmp_execute(qmp, "closefd",
			    json_pack("{s:s}", "fdname", name_of(id, kind, i, name)), TIMEOUT, NULL,
			    NULL);
}

/* One descriptor is called "fd", several are "fds": "a:b:c". */
static void set_names(json_t *arguments, const char *key, const char *id, const char *kind,
		      size_t n)
{
	AUTO_FREE char *text = memory_zero(n * FDNAME_SIZE + 1, 1);
	AUTO_FREE char *many = text_format("%ss", key);
	char name[FDNAME_SIZE], *end = text;
	for (size_t i = 0; i < n; i++) {
		end = stpcpy(end, i ? ":" : "");
		end = stpcpy(end, name_of(id, kind, i, name));
	}
	json_object_set_new(arguments, n > 1 ? many : key, json_string(text));
}

static int add_netdev(struct qmp *qmp, const struct qemu_nic *nic, struct error *err)
{
	json_t *arguments = json_pack("{s:s,s:s}", "type", "tap", "id", nic->id);
	set_names(arguments, "fd", nic->id, "tap", nic->n_fds);
	if (nic->n_vhost_fds) {
		json_object_set_new(arguments, "vhost", json_true());
		set_names(arguments, "vhostfd", nic->id, "vhost", nic->n_vhost_fds);
	}
	return qmp_execute(qmp, "netdev_add", arguments, TIMEOUT, NULL, err);
}

static int add_device(struct qmp *qmp, const struct qemu_nic *nic, size_t slot, struct error *err)
{
	AUTO_FREE char *id = text_format("%s-device", nic->id);
	AUTO_FREE char *bus = text_format("rp%zu", slot);
	json_t *arguments = json_pack("{s:s,s:s,s:s,s:s,s:s}", "driver",
				      nic->model ? nic->model : "virtio-net-pci", "id", id,
				      "netdev", nic->id, "mac", nic->mac, "bus", bus);
	if (nic->n_fds > 1) {
		json_object_set_new(arguments, "mq", json_true());
		json_object_set_new(arguments, "vectors",
				    json_integer((json_int_t)nic->n_fds * 2 + 2));
	}
	return qmp_execute(qmp, "device_add", arguments, TIMEOUT, NULL, err);
}

static int remove_netdev(struct qmp *qmp, const char *id, struct error *err)
{
	return qmp_execute(qmp, "netdev_del", json_pack("{s:s}", "id", id), TIMEOUT, NULL, err);
}

int qemu_plug(struct qmp *qmp, const struct qemu_nic *nic, size_t slot, struct error *err)
{
	int result = send_fds(qmp, nic->id, "tap", nic->fds, nic->n_fds, err);
	if (result == 0)
		result = send_fds(qmp, nic->id, "vhost", nic->vhost_fds, nic->n_vhost_fds, err);
	if (result == 0)
		result = add_netdev(qmp, nic, err);
	if (result < 0) {
		close_fds(qmp, nic->id, "tap", nic->n_fds);
		close_fds(qmp, nic->id, "vhost", nic->n_vhost_fds);
		return result;
	}
	result = add_device(qmp, nic, slot, err);
	if (result < 0)
		remove_netdev(qmp, nic->id, NULL);
	return result;
}

static int wait_deleted(struct qmp *qmp, const char *device, int timeout_ms, struct error *err)
{
	for (;;) {
		json_t *event;
		int result = qmp_wait(qmp, "DEVICE_DELETED", timeout_ms, &event, err);
		if (result < 0)
			return result;
		const char *name = json_string_value(
			json_object_get(json_object_get(event, "data"), "device"));
		bool is_ours = name && strcmp(name, device) == 0;
		json_decref(event);
		if (is_ours)
			return 0;
	}
}

int qemu_unplug(struct qmp *qmp, const char *id, int timeout_ms, struct error *err)
{
	AUTO_FREE char *device = text_format("%s-device", id);
	int result = qmp_execute(qmp, "device_del", json_pack("{s:s}", "id", device), TIMEOUT, NULL,
				 err);
	if (result == 0)
		result = wait_deleted(qmp, device, timeout_ms, err);
	if (result < 0 && result != -ETIMEDOUT)
		return result;
	int removed = remove_netdev(qmp, id, err);
	return removed < 0 ? removed : result;
}
