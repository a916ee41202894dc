/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/descriptor.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int) * DESCRIPTORS_MAX)];
};

void descriptor_close_all(const int *fds, size_t n_fds)
{
	for (size_t i = 0; i < n_fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

ssize_t descriptor_send(int socket, const void *data, size_t length, const int *fds, size_t n_fds,
			int flags)
{
	union control control = {0};
	struct iovec part = {.iov_base = (void *)data, .iov_len = length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	if (n_fds > DESCRIPTORS_MAX)
		return -E2BIG;
	if (n_fds > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(head), fds, sizeof(int) * n_fds);
	}
	ssize_t done;
	do {
		done = sendmsg(socket, &message, MSG_NOSIGNAL | flags);
	} while (done < 0 && errno == EINTR);
	return done < 0 ? -errno : done;
}

ssize_t descriptor_receive(int socket, void *data, size_t size, int *fds, size_t *n_fds, int flags)
{
	union control control = {0};
	struct iovec part = {.iov_base = data, .iov_len = size};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	size_t room = n_fds && fds ? *n_fds : 0, got = 0;
	ssize_t done;
	do {
		done = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
	} while (done < 0 && errno == EINTR);
	int code = errno;
	if (n_fds)
		*n_fds = 0;
	if (done < 0)
		return -code;
	for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head;
	     head = CMSG_NXTHDR(&message, head)) {
		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(fd));
			if (got < room)
				fds[got++] = fd;
			else
				close(fd);
		}
	}
	if (n_fds)
		*n_fds = got;
	if (message.msg_flags & MSG_TRUNC) {
		descriptor_close_all(fds, got);
		if (n_fds)
			*n_fds = 0;
		return -EMSGSIZE;
	}
	return done;
}

int descriptor_peer(int socket, pid_t *ret_pid, uid_t *ret_uid, gid_t *ret_gid)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);
	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
		return -errno;
	if (ret_pid)
		*ret_pid = peer.pid;
	if (ret_uid)
		*ret_uid = peer.uid;
	if (ret_gid)
		*ret_gid = peer.gid;
	return 0;
}

void descriptor_raise_limit(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}
