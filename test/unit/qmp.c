/* SPDX-License-Identifier: GPL-2.0-or-later */
/* driver/qmp against a real QEMU without a machine: answers, refusals, events, the end, a second
 * client. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "driver/qemu.h"
#include "driver/qemu_plug.h"
#include "driver/qmp.h"

#define TIMEOUT 10000 /* ms; loaded machines are slow */

static char folder[] = "/tmp/lanyard-qmp.XXXXXX";
static char *socket_path, *pid_path;

static int start(void **state)
{
	(void)state;
	AUTO_FREE char *option = text_format("unix:%s,server=on,wait=off", socket_path);
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execlp("qemu-system-x86_64", "qemu-system-x86_64", "-machine", "none",
		       "-nodefaults", "-display", "none", "-qmp", option, "-pidfile", pid_path,
		       "-daemonize", NULL);
		_exit(127);
	}
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	AUTO_FREE char *text = NULL;

	/* Gone already where the test has ended it: then there is no file. */
	if (file_read(pid_path, 32, &text, NULL) > 0)
		kill(atoi(text), SIGKILL);
	unlink(pid_path);
	unlink(socket_path);
	return 0;
}

static void answers_and_refusals(void **state)
{
	(void)state;
	struct error err = {0};
	struct qmp *qmp;
	json_t *value;
	int pair[2];

	assert_int_equal(qmp_connect(socket_path, TIMEOUT, &qmp, &err), 0);
	assert_int_equal(qmp_execute(qmp, "query-status", NULL, TIMEOUT, &value, &err), 0);
	assert_string_equal(json_string_value(json_object_get(value, "status")), "running");
	json_decref(value);
	/* The largest answer there is arrives in many pieces. */
	assert_int_equal(qmp_execute(qmp, "query-qmp-schema", NULL, TIMEOUT, &value, &err), 0);
	assert_true(json_array_size(value) > 100);
	json_decref(value);
	assert_int_equal(qmp_execute(qmp, "nonsense", NULL, TIMEOUT, NULL, &err), -EIO);
	assert_string_equal(err.text,
			    "QEMU refuses nonsense: The command nonsense has not been found");

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(qmp_execute_fd(qmp, "getfd", json_pack("{s:s}", "fdname", "one"), pair[0],
					TIMEOUT, NULL, &err),
			 0);
	assert_int_equal(
		qmp_execute(qmp, "getfd", json_pack("{s:s}", "fdname", "two"), TIMEOUT, NULL, &err),
		-EIO);
	close(pair[0]);
	close(pair[1]);
	qmp_free(qmp);
}

/* A NIC that cannot be plugged in leaves nothing: the second try fails as the first. */
static void plugs(void **state)
{
	(void)state;
	struct error err = {0};
	struct qmp *qmp;
	struct qemu_nic nic = {.id = "nic0", .mac = "ba:ad:ca:00:00:01", .n_fds = 2};
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	memcpy(nic.fds, pair, sizeof(pair));
	assert_int_equal(qmp_connect(socket_path, TIMEOUT, &qmp, &err), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(qemu_plug(qmp, &nic, 0, &err), -EIO);
		assert_non_null(strstr(err.text, "QEMU refuses netdev_add: "));
	}
	assert_int_equal(qmp_execute(qmp, "closefd", json_pack("{s:s}", "fdname", "nic0-tap1"),
				     TIMEOUT, NULL, &err),
			 -EIO);
	assert_int_equal(qemu_unplug(qmp, "nic0", 100, &err), -EIO);
	assert_non_null(strstr(err.text, "QEMU refuses device_del: "));
	close(pair[0]);
	close(pair[1]);
	qmp_free(qmp);
}

static void deadlines(void **state)
{
	(void)state;
	struct error err = {0};
	struct qmp *first, *second;

	assert_int_equal(qmp_connect(socket_path, TIMEOUT, &first, &err), 0);
	assert_int_equal(qmp_connect(socket_path, 100, &second, &err), -ETIMEDOUT);
	assert_int_equal(qmp_wait(first, "SHUTDOWN", 50, NULL, &err), -ETIMEDOUT);
	assert_int_equal(qmp_wait_end(first, 50, &err), -ETIMEDOUT);
	qmp_free(first);
	assert_int_equal(qmp_connect(socket_path, TIMEOUT, &second, &err), 0);
	qmp_free(second);
}

static void events_and_the_end(void **state)
{
	(void)state;
	struct error err = {0};
	struct qmp *qmp;
	json_t *event;

	assert_int_equal(qmp_connect(socket_path, TIMEOUT, &qmp, &err), 0);
	assert_int_equal(qmp_execute(qmp, "stop", NULL, TIMEOUT, NULL, &err), 0);
	assert_int_equal(qmp_execute(qmp, "cont", NULL, TIMEOUT, NULL, &err), 0);
	/* Both came before their turn; the other order finds both. */
	assert_int_equal(qmp_wait(qmp, "RESUME", TIMEOUT, NULL, &err), 0);
	assert_int_equal(qmp_wait(qmp, "STOP", TIMEOUT, NULL, &err), 0);
	assert_int_equal(qmp_execute(qmp, "quit", NULL, TIMEOUT, NULL, &err), 0);
	assert_int_equal(qmp_wait(qmp, "", TIMEOUT, &event, &err), 0);
	assert_string_equal(json_string_value(json_object_get(event, "event")), "SHUTDOWN");
	json_decref(event);
	assert_int_equal(qmp_wait_end(qmp, TIMEOUT, &err), 0);
	assert_int_equal(qmp_execute(qmp, "query-status", NULL, TIMEOUT, NULL, &err), -EPIPE);
	qmp_free(qmp);
}

static void nobody_listens(void **state)
{
	(void)state;
	struct error err = {0};
	struct qmp *qmp;

	assert_int_equal(qmp_connect("/nonexistent/qmp", TIMEOUT, &qmp, &err), -ENOENT);
	assert_string_equal(err.text, "/nonexistent/qmp: No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_and_refusals, start, stop),
		cmocka_unit_test_setup_teardown(plugs, start, stop),
		cmocka_unit_test_setup_teardown(deadlines, start, stop),
		cmocka_unit_test_setup_teardown(events_and_the_end, start, stop),
		cmocka_unit_test(nobody_listens),
	};
	int failed;

	if (system("command -v qemu-system-x86_64 >/dev/null") != 0) {
		puts("qemu-system-x86_64 is not installed");
		return 77;
	}
	if (!mkdtemp(folder))
		return 1;
	socket_path = text_format("%s/qmp", folder);
	pid_path = text_format("%s/pid", folder);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	free(socket_path);
	free(pid_path);
	return failed;
}
