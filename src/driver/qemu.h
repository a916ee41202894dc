/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's command line as a pure function of a description: no file is opened, nothing is started.
 * Descriptors are named by their numbers; whoever starts QEMU keeps them open across exec.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "driver/accel.h"

struct error;

#define QEMU_QUEUES_MAX 16 /* queue pairs of one NIC */
#define QEMU_NICS_MAX	28 /* free slots of q35's root bus, the other devices and SATA left out */
#define QEMU_SLOTS_MAX	32 /* PCI Express root ports, eight to a slot of the root bus */

struct qemu_nic {
	const char *id;		  /* netdev's name; NULL: "nicN". The device is called ID-device */
	const char *mac;	  /* "ba:ad:ca:fe:00:0a" */
	const char *model;	  /* QEMU's device name; NULL: virtio-net-pci */
	int fds[QEMU_QUEUES_MAX]; /* open queues of one tap */
	size_t n_fds;		  /* at least 1 */
	int vhost_fds[QEMU_QUEUES_MAX]; /* open descriptors of /dev/vhost-net (accel_vhost_open) */
	size_t n_vhost_fds;		/* 0: no vhost; otherwise n_fds */
};

struct qemu_disk {
	const char *path;
	const char *format; /* "raw", "qcow2": never probed, so never NULL */
	bool read_only;
};

struct qemu_machine {
	const char *binary; /* NULL: qemu-system-x86_64 */
	const char *name;
	const char *uuid; /* NULL: left out */
	unsigned memory;  /* MiB */
	unsigned cpus;
	enum accel accel; /* ACCEL_KVM or ACCEL_TCG */

	const char *kernel, *initrd, *append; /* direct boot; kernel NULL: from the first disk */
	const struct qemu_disk *disks;
	size_t n_disks;
	const struct qemu_nic *nics;
	size_t n_nics;
	/* Root ports rp0, rp1, ...: NIC i sits behind port i, the others are free for NICs that are
	 * plugged in while the machine runs (driver/qemu_plug.h). 0: NICs on the root bus, fixed.
	 */
	size_t n_slots;

	const char *qmp_socket;	    /* listens; removed by QEMU at its end */
	const char *console_socket; /* serial port 0; NULL: none */
	const char *console_log;    /* copy of what the serial port says; NULL: none */
	const char *pid_file;	    /* written and locked by QEMU once it runs; NULL: none */
	const char *seed;	    /* file given to the guest as opt/lanyard/seed; NULL: none */
	const char *cloud;	    /* folder given to the guest as a disk CIDATA; NULL: none */
	bool foreground; /* stay in the foreground, otherwise -daemonize: errors of the start
			  * are on standard error and exit code 1, sockets listen at exit 0 */
	const char *const *extra; /* what followed "--", at the end; NULL-terminated, or NULL */
};

/* An argument vector of its own memory: argv[argc] is NULL. */
struct qemu_argv {
	char **argv;
	size_t argc;
	size_t room;
};

/* Builds the vector that starts the machine. -EINVAL with a sentence for a description that
 * QEMU would not take (memory, socket path too long, queues); then nothing is to be freed. */
int qemu_arguments(const struct qemu_machine *machine, struct qemu_argv *ret, struct error *err);

/* Frees the vector and empties it; NULL and an empty one are fine. */
void qemu_argv_free(struct qemu_argv *argv);
