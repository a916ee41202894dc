/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/machine_run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "driver/qemu.h"
#include "driver/qmp.h"
#include "ipc/varlink_client.h"
#include "machine/image.h"
#include "machine/machine_nic.h"
#include "machine/machine_seed.h"
#include "machine/machine_store.h"

#define QMP_TIMEOUT 3000 /* ms; a QEMU that does not answer for longer hangs */
#define KILL_WAIT   5000 /* ms */
#define PRESS_EVERY 1000 /* ms */
#define CONSOLE_MAX (1024u * 1024)
#define SPARE_SLOTS 4 /* NICs more than the machine began with */

static const char ready_line[] = "lanyard: ready ";

static int choose_accel(const struct machine_entry *entry, enum accel *ret, char *reason,
			struct error *err)
{
	return accel_choose(entry->machine->accel, getenv(ACCEL_ENVIRONMENT), ret, reason, err);
}

/* Root ports for the NICs that it has, and for some that it may get while it runs. */
static size_t machine_slots(const struct machine *machine)
{
	return machine->n_nics + SPARE_SLOTS;
}

int machine_start_check(const struct machine_entry *entry, struct error *err)
{
	const struct machine *machine = entry->machine;
	char reason[ACCEL_REASON_SIZE];
	enum accel accel;
	int result = 0;
	if (strcmp(machine->driver, "qemu") != 0)
		result = error_set(err, EINVAL, "driver '%s' is unknown; write qemu",
				   machine->driver);
	if (result == 0)
		result = image_check(machine->image, err);
	if (result == 0)
		result = machine_seed_check(entry, err);
	if (result == 0)
		result = choose_accel(entry, &accel, reason, err);
	return result < 0 ? error_prefix(err, "machine '%s'", machine->name) : 0;
}

/* Everything that QEMU's description points to. */
struct parts {
	struct image image;
	struct machine_nic nics[MACHINE_NICS];
	struct machine_seed seed;
	char reason[ACCEL_REASON_SIZE];
	enum accel accel;
};

static void parts_done(struct parts *parts)
{
	image_done(&parts->image);
	machine_seed_done(&parts->seed);
	for (size_t i = 0; i < MACHINE_NICS; i++)
		machine_nic_done(&parts->nics[i]);
}

/* The taps of the run before went with its QEMU, but the broker may not have heard of it yet. */
static void drop_last_ports(struct invocation *invocation, const struct machine_entry *entry)
{
	json_t *last = machine_entry_last(entry), *port;
	size_t index;
	json_array_foreach (json_object_get(last, "ports"), index, port) {
		struct error ignored;
		struct varlink_answer answer = {0};
		const char *id = json_string_value(json_object_get(port, "id"));
		if (id)
			client_call(invocation, "RemovePort", json_pack("{s:s}", "id", id), &answer,
				    &ignored);
		varlink_answer_done(&answer);
	}
	json_decref(last);
	unlink(entry->running_file);
}

static int start_qemu(const struct machine_entry *entry, const struct parts *parts,
		      struct process *ret, struct error *err)
{
	const struct machine *machine = entry->machine;
	struct qemu_disk disk = {.path = parts->image.disk, .format = parts->image.format};
	struct qemu_nic nics[MACHINE_NICS];
	int fds[MACHINE_NICS * QEMU_QUEUES_MAX * 2];
	size_t n_fds = 0;
	for (size_t i = 0; i < machine->n_nics; i++) {
		nics[i] = parts->nics[i].device;
		n_fds += machine_nic_fds(&parts->nics[i], fds + n_fds);
	}
	AUTO_FREE const char **extra = memory_zero(machine->n_arguments + 1, sizeof(char *));
	for (size_t i = 0; i < machine->n_arguments; i++)
		extra[i] = machine->arguments[i];
	struct qemu_machine description = {
		.name = machine->name,
		.memory = (unsigned)(machine->memory >> 20),
		.cpus = machine->cpus,
		.accel = parts->accel,
		.kernel = parts->image.kernel,
		.initrd = parts->image.initrd,
		.append = parts->image.append,
		.disks = &disk,
		.n_disks = disk.path ? 1 : 0,
		.nics = nics,
		.n_nics = machine->n_nics,
		.n_slots = machine_slots(machine),
		.qmp_socket = entry->qmp,
		.console_socket = entry->console,
		.console_log = entry->console_log,
		.pid_file = entry->pid_file,
		.seed = parts->image.kernel ? entry->seed : NULL,
		.cloud = machine->cloud_init[0] ? entry->cloud : NULL,
		.extra = extra,
	};
	struct qemu_argv argv;
	int result = qemu_arguments(&description, &argv, err);
	if (result < 0)
		return result;
	unlink(entry->console_log);
	result = process_start((const char *const *)argv.argv, PROCESS_RIGHTS_FIXED, fds, n_fds,
			       ret, err);
	if (result == -ENOENT)
		error_set(err, ENOENT, "%s is not installed (package qemu-system-x86)",
			  argv.argv[0]);
	qemu_argv_free(&argv);
	return result;
}

/* QEMU goes on by itself, and only after its start its pid file tells that it runs: an interrupt
 * waits for that. */
static int start_seen_out(const struct machine_entry *entry, const struct parts *parts,
			  struct process *ret, struct error *err)
{
	interrupt_hold();
	int result = start_qemu(entry, parts, ret, err);
	if (result < 0)
		interrupt_release();
	return result;
}

static int begin(struct invocation *invocation, struct machine_entry *entry, struct parts *parts,
		 struct machine_start *start, struct error *err)
{
	const struct machine *machine = entry->machine;
	if (machine_entry_pid(entry))
		return error_set(err, EBUSY, "it runs already");
	int result = image_prepare(&invocation->own, machine->image, &parts->image, err);
	if (result == 0)
		result = choose_accel(entry, &parts->accel, parts->reason, err);
	if (result == 0)
		result = machine_seed_prepare(invocation, entry, &parts->seed, err);
	if (result == 0 && parts->image.kernel)
		result = machine_seed_write(invocation, entry, &parts->seed, err);
	if (result == 0 && machine->cloud_init[0])
		result = machine_seed_write_cloud(invocation, entry, &parts->seed, err);
	json_t *ports = json_array();
	if (result == 0)
		drop_last_ports(invocation, entry);
	for (size_t i = 0; result == 0 && i < machine->n_nics; i++)
		result = machine_nic_open(invocation, machine, i, i, &parts->nics[i], ports, err);
	start->entry = entry;
	json_t *running =
		json_pack("{s:O,s:s,s:s,s:s,s:i,s:o}", "definition", entry->definition, "accel",
			  accel_name(parts->accel), "reason", parts->reason, "domain",
			  parts->seed.domain, "slots", (int)machine_slots(machine), "ports", ports);
	/* Before QEMU: a command that is interrupted here leaves no machine of which nothing is
	 * known. */
	if (result == 0)
		result = machine_entry_set_running(entry, running, err);
	if (result == 0)
		result = start_seen_out(entry, parts, &start->process, err);
	json_decref(running);
	if (result < 0)
		unlink(entry->running_file);
	return result;
}

int machine_start_begin(struct invocation *invocation, struct machine_entry *entry,
			struct machine_start *ret, struct error *err)
{
	struct parts parts = {0};
	*ret = (struct machine_start){0};
	int result = begin(invocation, entry, &parts, ret, err);
	parts_done(&parts); /* QEMU has its own copies */
	return result < 0 ? error_prefix(err, "machine '%s'", entry->machine->name) : 0;
}

int machine_start_end(struct machine_start *start, struct error *err)
{
	AUTO_FREE char *words = NULL;
	int result = process_finish(&start->process, &words, err);
	interrupt_release();
	if (result > 0)
		result = error_set(err, EIO, "QEMU: %s",
				   *words ? process_sentence(words, "qemu-system-x86_64")
					  : "ended at once");
	if (result < 0)
		unlink(start->entry->running_file);
	return result < 0 ? error_prefix(err, "machine '%s'", start->entry->machine->name) : 0;
}

static int remaining(long long deadline)
{
	long long rest = deadline - clock_ms(CLOCK_MONOTONIC);
	return rest < 0 ? 0 : rest > 3600000 ? 3600000 : (int)rest;
}

/* Waits for the process; 0, or -ETIMEDOUT. */
static int wait_process(int process, long long deadline)
{
	struct pollfd poller = {.fd = process, .events = POLLIN};
	int result;
	do {
		result = poll(&poller, 1, remaining(deadline));
	} while (result < 0 && errno == EINTR);
	return result > 0 ? 0 : -ETIMEDOUT;
}

int machine_stop_begin(struct machine_entry *entry, bool force, struct machine_stop *ret,
		       struct error *err)
{
	*ret = (struct machine_stop){.entry = entry, .process = -1};
	pid_t pid = machine_entry_pid(entry);
	if (pid <= 0)
		return 0;
	ret->process = (int)syscall(SYS_pidfd_open, pid, 0);
	if (ret->process < 0 && errno != ESRCH)
		return error_errno(err, errno, "machine '%s': process %d", entry->machine->name,
				   (int)pid);
	if (ret->process < 0)
		return 0;
	/* The pid may have been given to another process between the two calls. */
	if (machine_entry_pid(entry) != pid) {
		close(TAKE_FD(ret->process));
		return 0;
	}
	struct error trouble = {0};
	int result = qmp_connect(entry->qmp, QMP_TIMEOUT, &ret->qmp, &trouble);
	bool can_hear = !force && machine_is_ready(entry);
	if (result == 0)
		result = qmp_execute(ret->qmp, can_hear ? "system_powerdown" : "quit", NULL,
				     QMP_TIMEOUT, NULL, &trouble);
	/* QEMU may hang up before it answers quit. Whatever it was, the end kills it. */
	ret->asked = result == 0 && can_hear;
	if (result < 0)
		output_detail("machine '%s': %s", entry->machine->name, trouble.text);
	return 0;
}

/* A guest whose kernel has not come far enough does not hear the power button, and nobody tells
 * when it would: it is pressed again and again. Who shuts down already does not mind. */
static int wait_power_off(const struct machine_stop *stop, long long deadline)
{
	for (;;) {
		long long next = clock_ms(CLOCK_MONOTONIC) + PRESS_EVERY;
		int result = wait_process(stop->process, next < deadline ? next : deadline);
		if (result == 0 || clock_ms(CLOCK_MONOTONIC) >= deadline)
			return result;
		qmp_execute(stop->qmp, "system_powerdown", NULL, QMP_TIMEOUT, NULL, NULL);
	}
}

int machine_stop_end(struct machine_stop *stop, long long deadline, struct error *err)
{
	int result = 0;
	if (stop->process >= 0) {
		result = stop->asked ? wait_power_off(stop, deadline) : -ETIMEDOUT;
		if (result < 0 && stop->asked)
			output_note("machine '%s' did not power off in time and is ended",
				    stop->entry->machine->name);
		if (result < 0 && stop->asked && stop->qmp)
			qmp_execute(stop->qmp, "quit", NULL, QMP_TIMEOUT, NULL, NULL);
		if (result < 0)
			result = wait_process(stop->process, clock_ms(CLOCK_MONOTONIC) + KILL_WAIT);
		if (result < 0) {
			syscall(SYS_pidfd_send_signal, stop->process, SIGKILL, NULL, 0);
			result = wait_process(stop->process, clock_ms(CLOCK_MONOTONIC) + KILL_WAIT);
		}
		close(stop->process);
	}
	qmp_free(stop->qmp);
	*stop = (struct machine_stop){.entry = stop->entry, .process = -1};
	if (result < 0)
		return error_set(err, ETIMEDOUT, "machine '%s' does not end, not even killed",
				 stop->entry->machine->name);
	return 0;
}

static bool says_when_ready(const struct machine_entry *entry)
{
	return strcmp(entry->machine->image, "tiny") == 0;
}

bool machine_is_ready(const struct machine_entry *entry)
{
	AUTO_FREE char *text = NULL;
	if (!says_when_ready(entry))
		return true;
	ssize_t length = file_read(entry->console_log, CONSOLE_MAX, &text, NULL);
	/* A console that said a megabyte is past its start. */
	return length == -EFBIG ||
	       (length > 0 && memmem(text, (size_t)length, ready_line, strlen(ready_line)));
}

/* Between two looks at the console's log: its next change, or QEMU's end. */
static int wait_change(int watch, int process, long long deadline)
{
	struct pollfd pollers[] = {{.fd = watch, .events = POLLIN},
				   {.fd = process, .events = POLLIN}};
	char events[4096];
	int result = poll(pollers, 2, remaining(deadline));
	if (result < 0 && errno != EINTR)
		return -errno;
	if (result == 0)
		return -ETIMEDOUT;
	if (pollers[1].revents)
		return -ESRCH;
	return read(watch, events, sizeof(events)) < 0 && errno != EAGAIN ? -errno : 0;
}

int machine_wait_ready(const struct machine_entry *entry, int timeout_ms, struct error *err)
{
	const char *name = entry->machine->name;
	long long deadline = clock_ms(CLOCK_MONOTONIC) + timeout_ms;
	if (!says_when_ready(entry))
		return 0;
	pid_t pid = machine_entry_pid(entry);
	if (pid <= 0)
		return machine_store_stopped(name, ESRCH, err);
	AUTO_CLOSE int process = (int)syscall(SYS_pidfd_open, pid, 0);
	AUTO_CLOSE int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (process < 0 || watch < 0 || inotify_add_watch(watch, entry->folder, IN_MODIFY) < 0)
		return error_errno(err, errno, "machine '%s'", name);
	int result = 0;
	while (result == 0 && !machine_is_ready(entry))
		result = wait_change(watch, process, deadline);
	if (result == -ETIMEDOUT)
		return error_set(
			err, ETIMEDOUT,
			"machine '%s' was not ready in %d s; 'lanyard vm console %s' shows why",
			name, timeout_ms / 1000, name);
	if (result < 0)
		return error_set(err, -result, "machine '%s' ended before it was ready; see %s",
				 name, entry->console_log);
	return 0;
}
