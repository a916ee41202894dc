/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ipc/errand.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "model/name.h"

#define ANSWER_SECONDS 20

static const char *const names[MANAGERS] = {
	[MANAGER_NONE] = "nobody",
	[MANAGER_NETWORKD] = "systemd-networkd",
	[MANAGER_IFUPDOWN] = "ifupdown",
	[MANAGER_NETWORKMANAGER] = "NetworkManager",
};

const char *errand_manager_name(uint32_t manager)
{
	return manager < MANAGERS ? names[manager] : "?";
}

char *errand_path(const struct paths *paths)
{
	return text_format("%s/steward.sock", paths->runtime);
}

static int check_name(const char name[IFNAMSIZ], struct error *err)
{
	if (!memchr(name, '\0', IFNAMSIZ) || !name_is_interface(name))
		return error_set(err, EBADMSG, "no name of an interface");
	return 0;
}

int errand_check(const struct errand *request, struct error *err)
{
	if (request->version != ERRAND_VERSION)
		return error_set(err, EBADMSG, "version %u instead of %u", request->version,
				 ERRAND_VERSION);
	if (request->verb < ERRAND_WHO || request->verb >= ERRAND_VERBS)
		return error_set(err, EBADMSG, "unknown verb %u", request->verb);
	bool has_bridge = request->verb != ERRAND_WHO && request->verb != ERRAND_UNCLAIM;
	int r = check_name(request->nic, err);
	if (r == 0 && has_bridge)
		r = check_name(request->bridge, err);
	if (r == 0 && has_bridge && strncmp(request->bridge, "ly", 2) != 0)
		r = error_set(err, EBADMSG, "'%s' is no bridge of ours", request->bridge);
	if (r == 0 && request->verb == ERRAND_KEEP &&
	    (!mac_is_set(&request->mac) || request->mac.bytes[0] & 1 || request->mtu < 68))
		r = error_set(err, EBADMSG, "bad MAC or MTU");
	return r;
}

int errand_connect(const struct paths *paths, struct error *err)
{
	AUTO_FREE char *path = errand_path(paths);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = ANSWER_SECONDS};
	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ENAMETOOLONG, "%s: too long for a socket", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(err, errno, "socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(err, ENOENT, "no lanyard-steward is running (%s)",
				 strerror(errno));
	return TAKE_FD(fd);
}

bool errand_is_instance(const char name[INSTANCE_SIZE])
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
	size_t length = strnlen(name, INSTANCE_SIZE);
	return length > 0 && length < INSTANCE_SIZE && strspn(name, allowed) == length;
}

int errand_exchange(const struct paths *paths, void *errand, size_t size, size_t room,
		    size_t *ret_size, struct error *err)
{
	AUTO_CLOSE int fd = errand_connect(paths, err);
	if (fd < 0)
		return fd;
	if (send(fd, errand, size, MSG_NOSIGNAL) != (ssize_t)size)
		return error_set(err, EPROTO, "lanyard-steward does not listen");
	ssize_t got = recv(fd, errand, room, 0);
	*ret_size = got > 0 ? (size_t)got : 0;
	return 0;
}

int errand_call(const struct paths *paths, const struct errand *request, struct errand_answer *ret,
		struct error *err)
{
	AUTO_CLOSE int fd = errand_connect(paths, err);
	if (fd < 0)
		return fd;
	if (send(fd, request, sizeof(*request), MSG_NOSIGNAL) != (ssize_t)sizeof(*request) ||
	    recv(fd, ret, sizeof(*ret), 0) != (ssize_t)sizeof(*ret))
		return error_set(err, EPROTO, "lanyard-steward does not answer");
	ret->text[sizeof(ret->text) - 1] = '\0';
	return ret->code < 0 ? error_set(err, ret->code, "%s", ret->text) : 0;
}
