/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base/: errors keep their reason on the way up, files are replaced whole, descriptors travel. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"

static void error_gains_context(void **state)
{
	(void)state;
	struct error err = {0};
	assert_int_equal(error_set(&err, -EEXIST, "name '%s' is taken", "lab"), -EEXIST);
	assert_int_equal(error_prefix(&err, "network '%s'", "lab"), -EEXIST);
	assert_string_equal(err.text, "network 'lab': name 'lab' is taken");
	error_errno(&err, EPERM, "bridge ly-lab");
	assert_string_equal(err.text, "bridge ly-lab: Operation not permitted");
}

static void error_is_bounded(void **state)
{
	(void)state;
	char big[2000];
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	struct error err = {0};
	error_set(&err, EINVAL, "%s", big);
	error_prefix(&err, "prefix");
	assert_memory_equal(err.text, "prefix: xxx", 11);
	assert_true(strlen(err.text) < ERROR_TEXT_SIZE);
	error_prefix(&err, "%s", big);
	assert_true(strlen(err.text) < ERROR_TEXT_SIZE);
}

static void file_is_replaced_whole(void **state)
{
	(void)state;
	char folder[] = "/tmp/lanyard-base.XXXXXX";
	assert_non_null(mkdtemp(folder));
	AUTO_FREE char *path = text_format("%s/file", folder);
	struct error err = {0};
	AUTO_FREE char *big = memory_zero(10000, 1);
	memset(big, 'y', 9999);
	assert_int_equal(file_write_atomic(path, "old", 3, 0600, false, &err), 0);
	assert_int_equal(file_write_atomic(path, big, 9999, 0640, true, &err), 0);
	AUTO_FREE char *back = NULL;
	assert_int_equal(file_read(path, 9999, &back, &err), 9999);
	assert_string_equal(back, big);
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	AUTO_FREE char *none = NULL;
	assert_int_equal(file_read(path, 9998, &none, &err), -EFBIG);
	assert_null(none);
	unlink(path);
	assert_int_equal(rmdir(folder), 0); /* no temporary file is left */
	assert_int_equal(file_write_atomic(path, "x", 1, 0600, false, &err), -ENOENT);
}

static void descriptors_travel(void **state)
{
	(void)state;
	int pair[2], pipe_ends[2], got[1];
	size_t n_got = 1;
	char byte;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
	int two[2] = {pipe_ends[0], pipe_ends[1]};
	assert_int_equal(descriptor_send(pair[0], "a", 1, two, 2, 0), 1);
	assert_int_equal(descriptor_receive(pair[1], &byte, 1, got, &n_got, 0), 1);
	assert_int_equal(n_got, 1); /* the one beyond the room was closed */
	assert_int_equal(fcntl(got[0], F_GETFD), FD_CLOEXEC);
	close(got[0]);
	assert_int_equal(descriptor_send(pair[0], "long", 4, NULL, 0, 0), 4);
	assert_int_equal(descriptor_receive(pair[1], &byte, 1, NULL, NULL, 0), -EMSGSIZE);
	uid_t uid;
	assert_int_equal(descriptor_peer(pair[0], NULL, &uid, NULL), 0);
	assert_int_equal(uid, getuid());
	for (int i = 0; i < 2; i++) {
		close(pair[i]);
		close(pipe_ends[i]);
	}
}

static void waits_grow(void **state)
{
	(void)state;
	static const uint64_t expected[] = {500, 1000, 2000, 4000, 5000, 5000};
	uint64_t wait = 0;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		wait = clock_backoff(wait, 500, 5000);
		assert_int_equal(wait, expected[i]);
	}
	assert_int_equal(clock_backoff(UINT64_MAX, 1, UINT64_MAX), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_gains_context),
		cmocka_unit_test(error_is_bounded),
		cmocka_unit_test(file_is_replaced_whole),
		cmocka_unit_test(descriptors_travel),
		cmocka_unit_test(waits_grow),
	};
	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
