/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's command line, option by option, against the files in golden/qemu: one word per line. With
 * GOLDEN_UPDATE=1 in the environment the files are written anew, for a look at the difference. Also
 * the sentence of every description that is refused, and the seed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "driver/accel.h"
#include "driver/cloud_seed.h"
#include "driver/qemu.h"
#include "driver/seed.h"

static const struct qemu_nic one_nic = {
	.id = "lab0",
	.mac = "ba:ad:ca:fe:00:0a",
	.fds = {7},
	.n_fds = 1,
};

/* What `lanyard up` makes of a machine of the image tiny. */
static const struct qemu_machine tiny = {
	.name = "web",
	.uuid = "7f7f38c4-8d1c-4d0e-9d0b-0c5b2f0d3b11",
	.memory = 256,
	.cpus = 1,
	.accel = ACCEL_TCG,
	.kernel = "/cache/tiny/kernel",
	.initrd = "/cache/tiny/initrd",
	.append = "console=ttyS0 quiet",
	.nics = &one_nic,
	.n_nics = 1,
	.n_slots = 5,
	.qmp_socket = "/run/lanyard/web/qmp",
	.console_socket = "/run/lanyard/web/console",
	.console_log = "/run/lanyard/web/console.log",
	.pid_file = "/run/lanyard/web/pid",
	.seed = "/run/lanyard/web/seed",
};

static void compare(const char *name, const char *text)
{
	AUTO_FREE char *path = text_format("%s/qemu/%s.txt", TEST_DATA, name), *wanted = NULL;

	if (getenv("GOLDEN_UPDATE"))
		assert_int_equal(file_write_atomic(path, text, strlen(text), 0644, false, NULL), 0);
	assert_true(file_read(path, 1 << 16, &wanted, NULL) >= 0);
	assert_string_equal(text, wanted);
}

static void compare_arguments(const char *name, const struct qemu_machine *machine)
{
	struct qemu_argv argv;
	struct error err = {0};
	AUTO_FREE char *text = text_copy("");

	assert_int_equal(qemu_arguments(machine, &argv, &err), 0);
	assert_null(argv.argv[argv.argc]);
	for (size_t i = 0; i < argv.argc; i++) {
		char *longer = text_format("%s%s\n", text, argv.argv[i]);

		free(text);
		text = longer;
	}
	qemu_argv_free(&argv);
	compare(name, text);
}

static void image_tiny(void **state)
{
	(void)state;
	compare_arguments("tiny", &tiny);
}

static void kvm_with_queues_and_vhost(void **state)
{
	(void)state;
	const struct qemu_nic nics[] = {
		{.mac = "ba:ad:ca:00:00:01",
		 .fds = {7, 8},
		 .n_fds = 2,
		 .vhost_fds = {9, 10},
		 .n_vhost_fds = 2},
		{.mac = "ba:ad:ca:00:00:02",
		 .fds = {11},
		 .n_fds = 1,
		 .vhost_fds = {12},
		 .n_vhost_fds = 1},
		{.mac = "ba:ad:ca:00:00:03", .model = "e1000e", .fds = {13}, .n_fds = 1},
	};
	struct qemu_machine machine = tiny;

	machine.accel = ACCEL_KVM;
	machine.cpus = 4;
	machine.nics = nics;
	machine.n_nics = 3;
	machine.n_slots = 9;
	compare_arguments("kvm-queues-vhost", &machine);
}

static void disks_and_extra_words(void **state)
{
	(void)state;
	const struct qemu_disk disks[] = {
		{.path = "/srv/a,b.qcow2", .format = "qcow2"},
		{.path = "/srv/seed.iso", .format = "raw", .read_only = true},
	};
	const char *const extra[] = {"-device", "virtio-balloon-pci", NULL};
	const struct qemu_machine machine = {
		.binary = "/opt/qemu",
		.name = "disk,master",
		.memory = 1024,
		.cpus = 2,
		.disks = disks,
		.n_disks = 2,
		.nics = &one_nic,
		.n_nics = 1,
		.cloud = "/run/a,b/cloud",
		.qmp_socket = "/run/a,b/qmp",
		.console_socket = "/run/a,b/console",
		.foreground = true,
		.extra = extra,
	};

	compare_arguments("disks-extra", &machine);
}

/* Appends the sentence that the description is refused with. */
static void refuse(char **text, const struct qemu_machine *machine)
{
	struct qemu_argv argv = {0};
	struct error err = {0};
	char *longer;

	assert_true(qemu_arguments(machine, &argv, &err) < 0);
	assert_null(argv.argv);
	longer = text_format("%s%s\n", *text, err.text);
	free(*text);
	*text = longer;
}

static void refusals(void **state)
{
	(void)state;
	AUTO_FREE char *text = text_copy("");
	struct qemu_nic nic = one_nic;
	struct qemu_disk disk = {.path = "/srv/a.img"};
	struct qemu_machine machine = tiny;
	char path[160];

	machine.name = "";
	refuse(&text, &machine);
	machine = tiny;
	machine.memory = 63;
	refuse(&text, &machine);
	machine = tiny;
	machine.cpus = 0;
	refuse(&text, &machine);
	machine = tiny;
	machine.kernel = NULL;
	refuse(&text, &machine);
	machine.disks = &disk;
	machine.n_disks = 1;
	refuse(&text, &machine);
	machine = tiny;
	machine.nics = &nic;
	nic.n_fds = 0;
	refuse(&text, &machine);
	nic = one_nic;
	nic.n_vhost_fds = 2;
	refuse(&text, &machine);
	nic = one_nic;
	nic.mac = NULL;
	refuse(&text, &machine);
	nic = one_nic;
	nic.model = "rtl8139";
	nic.n_fds = 2;
	refuse(&text, &machine);
	machine = tiny;
	machine.n_nics = QEMU_NICS_MAX + 1;
	refuse(&text, &machine);
	machine = tiny;
	machine.n_slots = QEMU_SLOTS_MAX + 1;
	refuse(&text, &machine);
	machine = tiny;
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	machine.qmp_socket = path;
	refuse(&text, &machine);
	compare("refusals", text);
}

static void seed_of_a_machine(void **state)
{
	(void)state;
	AUTO_FREE char *text = NULL;
	struct error err = {0};
	struct seed seed = {
		.hostname = "web",
		.authorized_keys = "ssh-ed25519 AAAA alice\n\nssh-rsa BBBB bob",
		.host_key = "-----BEGIN OPENSSH PRIVATE KEY-----\nCCCC\n"
			    "-----END OPENSSH PRIVATE KEY-----\n",
		.environment =
			"http_proxy=http://10.20.0.1:3128\nno_proxy=localhost,.lab.internal\n",
	};

	assert_int_equal(seed_text(&seed, &text, &err), 0);
	compare("seed", text);
	seed.hostname = "web\nauthorized_key evil";
	assert_int_equal(seed_text(&seed, &text, &err), -EINVAL);
}

/* What cloud-init of a disk reads; without a proxy it takes away what was there with one. */
static void seed_for_cloud_init(void **state)
{
	(void)state;
	struct cloud_seed seed = {
		.instance = "lanyard-default-lab-db",
		.hostname = "db.lab.internal",
		.authorized_keys = "ssh-ed25519 AAAA \"alice\"\nssh-rsa BBBB bob\n",
		.environment =
			"http_proxy=http://10.20.0.1:3128\nno_proxy=localhost,.lab.internal\n",
		.http = "http://10.20.0.1:3128",
		.https = "http://10.20.0.1:3129",
	};
	AUTO_FREE char *meta = cloud_seed_meta(&seed), *vendor = cloud_seed_vendor(&seed);
	compare("cloud-meta", meta);
	compare("cloud-vendor", vendor);
	seed.environment = seed.http = seed.https = "";
	AUTO_FREE char *without = cloud_seed_vendor(&seed);
	compare("cloud-vendor-without", without);
}

static void accel_by_request(void **state)
{
	(void)state;
	char reason[ACCEL_REASON_SIZE];
	struct error err = {0};
	enum accel accel = ACCEL_KVM;

	assert_int_equal(accel_choose("tcg", NULL, &accel, reason, &err), 0);
	assert_int_equal(accel, ACCEL_TCG);
	assert_string_equal(reason, "emulation (tcg), as accel says");
	assert_int_equal(accel_choose("kvm", "tcg", &accel, reason, &err), 0);
	assert_int_equal(accel, ACCEL_TCG);
	assert_int_equal(accel_choose("xen", NULL, &accel, reason, &err), -EINVAL);
	assert_string_equal(err.text, "accel: 'xen' is none of auto, kvm, tcg");
	/* Whatever this host has: an answer, and a reason for emulation. */
	assert_int_equal(accel_choose("auto", "", &accel, reason, &err), 0);
	assert_true(accel == ACCEL_KVM || reason[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(image_tiny),
		cmocka_unit_test(kvm_with_queues_and_vhost),
		cmocka_unit_test(disks_and_extra_words),
		cmocka_unit_test(refusals),
		cmocka_unit_test(seed_of_a_machine),
		cmocka_unit_test(seed_for_cloud_init),
		cmocka_unit_test(accel_by_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
