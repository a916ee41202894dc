/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A machine's NIC: a port of its network, the descriptors of its tap, and what QEMU calls it. */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "driver/qemu.h"
#include "model/machine.h"

struct error;
struct invocation;

struct machine_nic {
	struct qemu_nic device; /* points into this struct, which therefore stays where it is */
	char mac[MAC_TEXT_SIZE];
	char id[24];
};

/* Adds the port of NIC `index`, that QEMU has in slot `slot`, and appends {network, mac, id,
 * ifname, device} to ports. vhost is used where its device really opens. */
int machine_nic_open(struct invocation *invocation, const struct machine *machine, size_t index,
		     size_t slot, struct machine_nic *ret, json_t *ports, struct error *err);
/* Closes the descriptors: QEMU has its own copies. Fine for one that was never opened. */
void machine_nic_done(struct machine_nic *nic);

/* All descriptors, for inheritance; ret has room for 2 * QEMU_QUEUES_MAX. Their number. */
size_t machine_nic_fds(const struct machine_nic *nic, int *ret);
