/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's command line. Every option is checked against QEMU 7.2 (Debian 12) and later ones. */
#include "driver/qemu.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/file.h"
#include "driver/cloud_seed.h"

#define MEMORY_MIN 64 /* MiB; less does not carry a kernel of today */

void qemu_argv_free(struct qemu_argv *argv)
{
	if (!argv)
		return;
	for (size_t i = 0; i < argv->argc; i++)
		free(argv->argv[i]);
	free(argv->argv);
	*argv = (struct qemu_argv){0};
}

/* Takes over word. */
static void append_word(struct qemu_argv *argv, char *word)
{
	argv->argv = memory_grow(argv->argv, &argv->room, argv->argc + 2, sizeof(char *));
	argv->argv[argv->argc++] = word;
	argv->argv[argv->argc] = NULL;
}

static void append_text(struct qemu_argv *argv, const char *text)
{
	append_word(argv, text_copy(text));
}

static void append_pair(struct qemu_argv *argv, const char *option, char *value)
{
	append_text(argv, option);
	append_word(argv, value);
}

/* QEMU's option parser takes a doubled comma for a comma in a value. The caller frees. */
static char *escape(const char *value)
{
	char *result = memory_zero(strlen(value) * 2 + 1, 1), *out = result;

	for (; *value; value++) {
		if (*value == ',')
			*out++ = ',';
		*out++ = *value;
	}
	return result;
}

/* The option with the escaped value between two texts. */
static void append_value(struct qemu_argv *argv, const char *option, const char *before,
			 const char *value, const char *after)
{
	char *escaped = escape(value);

	append_pair(argv, option, text_format("%s%s%s", before, escaped, after));
	free(escaped);
}

static int check_socket(const char *what, const char *path, struct error *err)
{
	const size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path);

	if (path && strlen(path) >= room)
		return error_set(err, ENAMETOOLONG,
				 "%s socket %s: the path has %zu bytes, a unix socket takes %zu",
				 what, path, strlen(path), room - 1);
	return 0;
}

static int check_nic(const struct qemu_nic *nic, size_t number, struct error *err)
{
	if (nic->n_fds < 1 || nic->n_fds > QEMU_QUEUES_MAX)
		return error_set(err, EINVAL, "NIC %zu has %zu queues, 1 to %d are possible",
				 number, nic->n_fds, QEMU_QUEUES_MAX);
	if (nic->n_vhost_fds && nic->n_vhost_fds != nic->n_fds)
		return error_set(
			err, EINVAL,
			"NIC %zu has %zu vhost descriptors for %zu queues, one each is needed",
			number, nic->n_vhost_fds, nic->n_fds);
	if (!nic->mac || strlen(nic->mac) != 17)
		return error_set(err, EINVAL, "NIC %zu has no MAC address", number);
	if (nic->model && strncmp(nic->model, "virtio-", 7) && nic->n_fds > 1)
		return error_set(err, EINVAL, "NIC %zu: model %s has one queue, not %zu", number,
				 nic->model, nic->n_fds);
	return 0;
}

static int check(const struct qemu_machine *machine, struct error *err)
{
	int r;

	if (!machine->name || !machine->name[0])
		return error_set(err, EINVAL, "the machine has no name");
	if (machine->memory < MEMORY_MIN)
		return error_set(err, EINVAL,
				 "%u MiB of memory are too little, at least %d MiB are needed",
				 machine->memory, MEMORY_MIN);
	if (machine->cpus < 1)
		return error_set(err, EINVAL, "the machine has no processor, at least 1 is needed");
	if (!machine->kernel && !machine->n_disks)
		return error_set(err, EINVAL,
				 "nothing to boot from: neither a kernel nor a disk is given");
	if (machine->n_nics > QEMU_NICS_MAX)
		return error_set(err, EINVAL, "%zu NICs are too many, %d fit on the bus",
				 machine->n_nics, QEMU_NICS_MAX);
	if (machine->n_slots &&
	    (machine->n_slots < machine->n_nics || machine->n_slots > QEMU_SLOTS_MAX))
		return error_set(err, EINVAL, "%zu slots for %zu NICs, %zu to %d are possible",
				 machine->n_slots, machine->n_nics, machine->n_nics,
				 QEMU_SLOTS_MAX);
	for (size_t i = 0; i < machine->n_disks; i++)
		if (!machine->disks[i].path || !machine->disks[i].format)
			return error_set(err, EINVAL,
					 "disk %zu lacks its path or format (raw or qcow2)", i + 1);
	for (size_t i = 0; i < machine->n_nics; i++) {
		r = check_nic(&machine->nics[i], i + 1, err);
		if (r < 0)
			return r;
	}
	r = check_socket("QMP", machine->qmp_socket, err);
	return r < 0 ? r : check_socket("console", machine->console_socket, err);
}

/* "3:4:5"; the caller frees. */
static char *descriptors(const int *fds, size_t n)
{
	char text[QEMU_QUEUES_MAX * 12] = "";
	size_t length = 0;

	for (size_t i = 0; i < n; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%d",
					   i ? ":" : "", fds[i]);
	return text_copy(text);
}

static void append_netdev(struct qemu_argv *argv, const struct qemu_nic *nic, const char *id)
{
	const char *many = nic->n_fds > 1 ? "s" : "";
	char *fds = descriptors(nic->fds, nic->n_fds);
	char *vhost = descriptors(nic->vhost_fds, nic->n_vhost_fds);

	if (nic->n_vhost_fds)
		append_pair(argv, "-netdev",
			    text_format("tap,id=%s,fd%s=%s,vhost=on,vhostfd%s=%s", id, many, fds,
					many, vhost));
	else
		append_pair(argv, "-netdev", text_format("tap,id=%s,fd%s=%s", id, many, fds));
	free(fds);
	free(vhost);
}

/* Where NICs are plugged in. They cost an emulated guest no time that could be measured. */
static void append_slots(struct qemu_argv *argv, size_t n)
{
	for (size_t i = 0; i < n; i++)
		append_pair(
			argv, "-device",
			text_format("pcie-root-port,id=rp%zu,chassis=%zu,slot=%zu,addr=%#zx.%zu%s",
				    i, i + 1, i + 1, 0x10 + i / 8, i % 8,
				    i % 8 == 0 ? ",multifunction=on" : ""));
}

static void append_nic(struct qemu_argv *argv, const struct qemu_nic *nic, size_t number,
		       const struct qemu_machine *machine)
{
	bool is_direct = machine->kernel != NULL;
	char queues[32] = "", bus[16] = "", *id;
	/* No option ROM where nobody boots from it: each costs the firmware time. */
	const char *rom = is_direct ? ",romfile=" : "";
	const char *model = nic->model ? nic->model : "virtio-net-pci";

	id = nic->id ? escape(nic->id) : text_format("nic%zu", number);
	append_netdev(argv, nic, id);
	/* One interrupt vector per queue, one for the configuration, one for the control queue. */
	if (nic->n_fds > 1)
		snprintf(queues, sizeof(queues), ",mq=on,vectors=%zu", nic->n_fds * 2 + 2);
	if (machine->n_slots)
		snprintf(bus, sizeof(bus), ",bus=rp%zu", number);
	append_pair(argv, "-device",
		    text_format("%s,id=%s-device,netdev=%s,mac=%s%s%s%s", model, id, id, nic->mac,
				queues, bus, rom));
	free(id);
}

static void append_disk(struct qemu_argv *argv, const struct qemu_disk *disk, size_t number)
{
	char *path = escape(disk->path);

	append_pair(argv, "-drive",
		    text_format("if=none,id=disk%zu,file=%s,format=%s,discard=unmap%s", number,
				path, disk->format, disk->read_only ? ",readonly=on" : ""));
	append_pair(argv, "-device",
		    text_format("virtio-blk-pci,drive=disk%zu,bootindex=%zu", number, number + 1));
	free(path);
}

static void append_processor(struct qemu_argv *argv, const struct qemu_machine *machine)
{
	static const char *const CPU[] = {[ACCEL_TCG] = "max", [ACCEL_KVM] = "host,l3-cache=on"};
	/* QEMU 7.2 emulates cmpxchg16b with wrong flags, of which kernels die now and then. Ours
	 * does without; a system on a disk may insist on it (x86-64-v2). */
	bool without = machine->accel == ACCEL_TCG && machine->kernel;
	static const char *const ACCEL[] = {[ACCEL_TCG] = "tcg,thread=multi", [ACCEL_KVM] = "kvm"};

	/* Without system management mode: nothing here needs it, and emulating it takes 0.1 s. */
	append_pair(argv, "-machine", text_copy("q35,smm=off,vmport=off"));
	append_pair(argv, "-accel", text_copy(ACCEL[machine->accel]));
	append_pair(argv, "-cpu",
		    text_format("%s%s", CPU[machine->accel], without ? ",-cx16" : ""));
	append_pair(argv, "-smp", text_format("%u", machine->cpus));
	append_pair(argv, "-m", text_format("%uM", machine->memory));
}

/* As a file system that QEMU makes of the folder: read only, and gone with it. */
static void append_cloud(struct qemu_argv *argv, const char *folder)
{
	append_value(argv, "-blockdev",
		     "driver=vvfat,node-name=cloud,read-only=on,label=" CLOUD_SEED_LABEL ",dir=",
		     folder, "");
	append_pair(argv, "-device", text_copy("virtio-blk-pci,drive=cloud"));
}

static void append_boot(struct qemu_argv *argv, const struct qemu_machine *machine)
{
	if (machine->kernel)
		append_pair(argv, "-kernel", text_copy(machine->kernel));
	if (machine->kernel && machine->initrd)
		append_pair(argv, "-initrd", text_copy(machine->initrd));
	if (machine->kernel && machine->append)
		append_pair(argv, "-append", text_copy(machine->append));
	for (size_t i = 0; i < machine->n_disks; i++)
		append_disk(argv, &machine->disks[i], i);
	if (machine->seed)
		append_value(argv, "-fw_cfg", "name=opt/lanyard/seed,file=", machine->seed, "");
	if (machine->cloud)
		append_cloud(argv, machine->cloud);
}

static void append_console(struct qemu_argv *argv, const struct qemu_machine *machine)
{
	char *path, *log;

	if (!machine->console_socket)
		return;
	path = escape(machine->console_socket);
	log = machine->console_log ? escape(machine->console_log) : NULL;
	append_pair(argv, "-chardev",
		    text_format("socket,id=console,path=%s,server=on,wait=off%s%s", path,
				log ? ",logfile=" : "", log ? log : ""));
	append_pair(argv, "-serial", text_copy("chardev:console"));
	free(path);
	free(log);
}

/*
 * A guest that breaks out of the emulation finds fewer system calls. QEMU 7.2 installs the filter
 * before it goes to the background by itself, for which it needs fork and setsid, and would be
 * killed there if spawn or elevateprivileges were denied: whoever starts it so sets no_new_privs
 * (prctl(2)) instead.
 */
static const char *const SANDBOX[] = {
	[false] = "on,obsolete=deny,resourcecontrol=deny",
	[true] = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
};

int qemu_arguments(const struct qemu_machine *machine, struct qemu_argv *ret, struct error *err)
{
	struct qemu_argv argv = {0};
	int r = check(machine, err);

	if (r < 0)
		return r;
	append_text(&argv, machine->binary ? machine->binary : "qemu-system-x86_64");
	append_value(&argv, "-name", "guest=", machine->name, "");
	if (machine->uuid)
		append_pair(&argv, "-uuid", text_copy(machine->uuid));
	append_text(&argv, "-no-user-config");
	append_text(&argv, "-nodefaults");
	append_processor(&argv, machine);
	append_boot(&argv, machine);
	append_pair(&argv, "-object", text_copy("rng-random,id=rng,filename=/dev/urandom"));
	append_pair(&argv, "-device", text_copy("virtio-rng-pci,rng=rng"));
	append_slots(&argv, machine->n_slots);
	for (size_t i = 0; i < machine->n_nics; i++)
		append_nic(&argv, &machine->nics[i], i, machine);
	append_pair(&argv, "-display", text_copy("none"));
	append_console(&argv, machine);
	if (machine->qmp_socket)
		append_value(&argv, "-qmp", "unix:", machine->qmp_socket, ",server=on,wait=off");
	append_pair(&argv, "-sandbox", text_copy(SANDBOX[machine->foreground]));
	if (machine->pid_file)
		append_pair(&argv, "-pidfile", text_copy(machine->pid_file));
	if (!machine->foreground)
		append_text(&argv, "-daemonize");
	for (size_t i = 0; machine->extra && machine->extra[i]; i++)
		append_text(&argv, machine->extra[i]);
	*ret = argv;
	return 0;
}
