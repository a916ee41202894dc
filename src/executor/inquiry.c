/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "executor/inquiry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/paths.h"
#include "base/spawn.h"
#include "ipc/record.h"

int inquiry_start(const struct record *request, struct error *err)
{
	static const char *const names[QUESTIONS] = {"facts", "servers", "neighbour", "guest",
						     "host"};
	const struct object_address *target = &request->object.address;
	char address[IP_TEXT_SIZE], port[8];
	AUTO_FREE char *program = paths_program("lanyard-probe");
	const char *argv[8] = {program, "--answer", "3", names[request->code]};
	size_t n = 4;
	int ends[2];
	snprintf(port, sizeof(port), "%u", request->index);
	if (target->ifname[0])
		argv[n++] = target->ifname;
	if (ip_is_set(&target->address))
		argv[n++] = ip_format(&target->address, address);
	if (request->code == QUESTION_GUEST || request->code == QUESTION_HOST)
		argv[n] = port;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "pipe");
	AUTO_CLOSE int answer = ends[0];
	AUTO_CLOSE int words = ends[1];
	pid_t pid = spawn_start(program, argv, SPAWN_DIE_WITH_US, words, NULL, NULL, err);
	return pid < 0 ? (int)pid : TAKE_FD(answer);
}
