/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lanyard exec: a command inside the instance's network world. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/process.h"
#include "ipc/varlink_client.h"
#include "verbs/verbs.h"
#include "verbs/world_names.h"

/* The user namespace first: only in it have we the right to enter the network namespace. The uid
 * maps to itself, so that entering changes neither who we are nor the current folder, and exec
 * drops the rights. */
static int enter(pid_t holder, struct error *err)
{
	AUTO_FREE char *user_path = text_format("/proc/%d/ns/user", (int)holder);
	AUTO_FREE char *net_path = text_format("/proc/%d/ns/net", (int)holder);
	AUTO_CLOSE int user = open(user_path, O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int net = open(net_path, O_RDONLY | O_CLOEXEC);
	if (user < 0 || net < 0)
		return error_errno(err, errno, "the instance's namespaces (process %d)",
				   (int)holder);
	if (setns(user, CLONE_NEWUSER) < 0)
		return error_errno(err, errno, "entering the instance's user namespace");
	if (setns(net, CLONE_NEWNET) < 0)
		return error_errno(err, errno, "entering the instance's network namespace");
	return 0;
}

/* A world of one's own may be changed by hand, too: these rights are over it alone and survive exec
 * as ambient ones (capabilities(7)). */
static int keep_rights(struct error *err)
{
	static const unsigned rights[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE};
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	if (syscall(SYS_capget, &header, data) < 0)
		return error_errno(err, errno, "capabilities");
	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++)
		data[0].inheritable |= 1u << rights[i];
	if (syscall(SYS_capset, &header, data) < 0)
		return error_errno(err, errno, "capabilities");
	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, rights[i], 0, 0) < 0)
			return error_errno(err, errno, "capabilities");
	return 0;
}

/* Names are a convenience: where they cannot be had the command runs all the same. */
static void take_names(const struct invocation *invocation, const json_t *network)
{
	struct error err = {0};
	if (!network)
		output_detail("no network answers names: they are looked up as on the host");
	else if (world_names_mount(network, invocation->paths.runtime, &err) < 0)
		output_detail("%s: names are looked up as on the host", err.text);
	else
		output_detail("names are those of network %s",
			      json_string_value(json_object_get(network, "name")));
}

/* Sees the same files in the same folder, but for the names. */
static int enter_with_names(struct invocation *invocation, pid_t holder, struct error *err)
{
	struct varlink_answer answer = {0};
	const char *chosen = verb_value(invocation, "network");
	int result = client_call(invocation, "ListNetworks", NULL, &answer, err);
	const json_t *network =
		world_names_network(json_object_get(answer.parameters, "networks"), chosen);
	if (result == 0 && chosen && !network)
		result = error_set(err, ENOENT, "there is no network '%s' that answers names",
				   chosen);
	if (result == 0)
		result = enter(holder, err);
	if (result == 0)
		take_names(invocation, network);
	varlink_answer_done(&answer);
	return result;
}

int exec_run(struct invocation *invocation, struct error *err)
{
	if (invocation->n_rest == 0)
		return error_set(err, EINVAL, "what to run is missing: lanyard exec -- COMMAND");
	struct varlink_answer answer = {0};
	int result = client_call(invocation, "GetNamespace", NULL, &answer, err);
	/* A system instance has the host's own namespace. */
	const json_t *pid = result < 0 ? NULL : json_object_get(answer.parameters, "pid");
	if (result == 0 && !pid && verb_given(invocation, "network"))
		result = error_set(err, EINVAL,
				   "--network is for your own instance; in the system instance "
				   "names are the host's");
	if (json_is_integer(pid))
		result = enter_with_names(invocation, (pid_t)json_integer_value(pid), err);
	if (json_is_integer(pid) && result == 0 && verb_given(invocation, "admin"))
		result = keep_rights(err);
	varlink_answer_done(&answer);
	if (result == 0)
		result = process_become((const char *const *)invocation->rest, err);
	return result;
}
