/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "executor/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/paths.h"
#include "base/spawn.h"
#include "executor/operations.h"
#include "ipc/capture_order.h"
#include "ipc/record.h"
#include "kern/capability.h"
#include "kern/packet.h"

/* For writing alone: its end without a reader would not be noticed else. */
static int check_pipe(int fd, struct error *err)
{
	struct stat status;
	if (fd < 0 || fstat(fd, &status) < 0 || !S_ISFIFO(status.st_mode) ||
	    (fcntl(fd, F_GETFL) & O_ACCMODE) != O_WRONLY)
		return error_set(err, EINVAL, "the descriptor is not the write end of a pipe");
	return 0;
}

/* A port of ours, or a bridge into which ours may be plugged. */
static int find(struct operations *operations, const char *name, int *ret_ifindex,
		bool *ret_is_bridge, struct error *err)
{
	struct link link;
	struct label label;
	int result = link_get(&operations->route, name, &link, err);
	if (result < 0)
		return result;
	*ret_is_bridge =
		!label_parse(link.alias, operations->instance, &label) || label.role != LABEL_PORT;
	if (*ret_is_bridge)
		return operations_find_bridge(operations, name, ret_ifindex, err);
	*ret_ifindex = link.ifindex;
	return 0;
}

static int give_up_rights(void *data, struct error *err)
{
	(void)data;
	return capability_keep(0, err);
}

int recording_start(struct operations *operations, const struct record *request, int pipe,
		    struct error *err)
{
	AUTO_FREE char *program = paths_program("lanyard-capture");
	const char *argv[] = {program, NULL};
	const struct capture_order order = {.snap = (uint32_t)request->code,
					    .count = request->index};
	bool is_bridge = false;
	int ifindex = 0, ends[2];
	int result = check_pipe(pipe, err);
	if (result == 0)
		result =
			find(operations, request->object.address.ifname, &ifindex, &is_bridge, err);
	if (result < 0)
		return result;
	AUTO_CLOSE int packets = packet_open_tap(ifindex, is_bridge, err);
	if (packets < 0)
		return packets;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return error_errno(err, errno, "socketpair");
	AUTO_CLOSE int report = ends[0];
	AUTO_CLOSE int theirs = ends[1];
	const int fds[] = {packets, pipe};
	ssize_t sent = descriptor_send(report, &order, sizeof(order), fds, 2, 0);
	if (sent < 0)
		return error_errno(err, (int)sent, "lanyard-capture");
	pid_t pid =
		spawn_start(program, argv, SPAWN_DIE_WITH_US, theirs, give_up_rights, NULL, err);
	return pid < 0 ? (int)pid : TAKE_FD(report);
}
