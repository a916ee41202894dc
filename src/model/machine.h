/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtual machine as a lab file defines it. What it needs of the network are its NICs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/network.h"
#include "model/proxy.h"
#include "model/vlan.h"

#define MACHINE_NICS	   16
#define MACHINE_CLOUD_INIT "true" /* without user data of one's own */

struct nic {
	char network[NAME_SIZE];
	struct mac mac; /* unset: hashed from instance, machine and index, then stored */
	struct ip ipv4; /* unset: reserved automatically */
	struct ip ipv6;
	uint32_t queues;	    /* pairs, 1..8 */
	uint32_t rate_in, rate_out; /* kbit/s; 0: unlimited */
	struct vlans vlans;
	char model[32]; /* virtio | e1000e | rtl8139 */
};

struct machine {
	char name[NAME_SIZE];
	char lab[NAME_SIZE];
	char driver[16]; /* qemu */
	char image[256]; /* "tiny", or a path to a disk */
	uint64_t memory; /* bytes, at least 64 MiB */
	uint32_t cpus;
	char accel[8]; /* auto | kvm | tcg */
	struct proxy proxy;
	char cloud_init[256]; /* "": no seed for it; "true", or a path to its user data */
	struct nic *nics;
	size_t n_nics;
	char **arguments; /* what goes to the hypervisor unchanged */
	size_t n_arguments;
};

struct machine *machine_new(void); /* with the defaults */
void machine_free(struct machine *machine);
void machine_done(struct machine *machine);
bool machine_has_user_data(const struct machine *machine); /* cloud_init is a path */
int machine_settle(struct machine *machine, struct error *err);
