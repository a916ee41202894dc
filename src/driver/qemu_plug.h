/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NICs plugged into and out of a QEMU that runs, by QMP. The descriptors travel on its socket. */
#pragma once

#include <stddef.h>

struct error;
struct qemu_nic;
struct qmp;

/* Plugs the NIC in behind root port rpSLOT. Its descriptors stay the caller's. On failure the
 * machine is as before. */
int qemu_plug(struct qmp *qmp, const struct qemu_nic *nic, size_t slot, struct error *err);

/* Takes the device away, waiting for the guest to let it go, then its network back end (which
 * closes the tap). -ETIMEDOUT: the guest did not let go of the device in time, so its slot stays
 * taken; the cable is pulled all the same. */
int qemu_unplug(struct qmp *qmp, const char *id, int timeout_ms, struct error *err);
