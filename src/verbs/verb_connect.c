/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lanyard connect: a byte stream to a machine's TCP port, as a descriptor to ssh or copied to and
 * fro. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "cli/client.h"
#include "cli/console.h"
#include "ipc/varlink_client.h"
#include "verbs/boot.h"
#include "verbs/host_port.h"
#include "verbs/verbs.h"

#define CONNECT_TIMEOUT 30000 /* ms */

/* The executor starts the connection; it is ours to see it through. */
static int wait_connected(int fd, const char *name, int port, struct error *err)
{
	struct pollfd poller = {.fd = fd, .events = POLLOUT};
	int code = 0, ready;
	socklen_t length = sizeof(code);
	do {
		ready = poll(&poller, 1, CONNECT_TIMEOUT);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0)
		code = ETIMEDOUT;
	else if (ready < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) < 0)
		code = errno;
	if (code)
		return error_errno(err, code, "%s, port %d", name, port);
	int flags = fcntl(fd, F_GETFL);
	fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	return 0;
}

static bool is_unix_socket(int fd)
{
	int domain = 0;
	socklen_t length = sizeof(domain);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX;
}

/* One byte and the descriptor, as ssh's ProxyUseFdpass wants it (ssh_config(5)). */
static int hand_over(int fd, struct error *err)
{
	ssize_t result = descriptor_send(STDOUT_FILENO, "", 1, &fd, 1, 0);
	return result < 0 ? error_errno(err, (int)result, "handing over the connection") : 0;
}

int connect_run(struct invocation *invocation, struct error *err)
{
	const char *name = invocation->arguments[0];
	int port;
	int result = host_port_parse(invocation->arguments[1], &port, err);
	if (result < 0)
		return result;
	/* What is no machine of the caller's may still have the name; with a domain, also beside
	 * one of the caller's that does not run. */
	result = boot_wait(invocation, name, err);
	if (result < 0 && result != -ENOENT && !(result == -ENXIO && strchr(name, '.')))
		return result;
	json_t *parameters = json_pack("{s:s,s:i}", "name", name, "port", port);
	if (verb_given(invocation, "network"))
		json_object_set_new(parameters, "network",
				    json_string(verb_value(invocation, "network")));
	struct varlink_answer answer = {0};
	AUTO_CLOSE int fd = -1;
	result = client_call(invocation, "Connect", parameters, &answer, err);
	if (result == 0) {
		json_int_t index =
			json_integer_value(json_object_get(answer.parameters, "descriptor"));
		fd = varlink_answer_take_fd(&answer, index, err);
		result = fd < 0 ? fd : wait_connected(fd, name, port, err);
	}
	varlink_answer_done(&answer);
	if (result < 0)
		return result;
	if (is_unix_socket(STDOUT_FILENO) && !verb_given(invocation, "copy"))
		return hand_over(fd, err);
	return stream_pump(fd, -1, err);
}
