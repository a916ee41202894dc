/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lanyard ssh: OpenSSH with the machine's host key known and the way in by `lanyard connect`. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/process.h"
#include "ipc/varlink_client.h"
#include "machine/keys.h"
#include "machine/machine_run.h"
#include "machine/machine_store.h"
#include "verbs/verbs.h"

#define READY_SECONDS 60
#define SSH_OPTIONS   8

AUTO_DEFINE(machine_entry)

/* ProxyCommand goes through the user's shell: quoted, and % is ssh's own. Fresh memory. */
static char *quote(const char *text)
{
	char *quoted = memory_zero(strlen(text) * 4 + 3, 1), *to = quoted;
	*to++ = '\'';
	for (; *text; text++) {
		const char *part = *text == '\'' ? "'\\''" : *text == '%' ? "%%" : NULL;
		if (part)
			to = stpcpy(to, part);
		else
			*to++ = *text;
	}
	*to++ = '\'';
	return quoted;
}

static char *proxy_command(const struct invocation *invocation, struct error *err)
{
	char self[4096];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (length <= 0) {
		error_errno(err, errno, "/proc/self/exe");
		return NULL;
	}
	self[length] = '\0';
	AUTO_FREE char *quoted = quote(self);
	return text_format("ProxyCommand=%s %s --instance %s connect %%h %%p", quoted,
			   invocation->paths.system ? "--system" : "--user",
			   invocation->paths.instance);
}

/* A machine of ours may still be booting: wait for it, rather than for the connection to time out.
 */
static int wait_for_machine(struct invocation *invocation, const char *name, struct error *err)
{
	AUTO(machine_entry) struct machine_entry *entry = NULL;
	int result = machine_store_load(&invocation->own, name, &entry, err);
	if (result < 0)
		return result;
	if (!machine_entry_pid(entry))
		return machine_store_stopped(name, ENOENT, err);
	if (!machine_is_ready(entry))
		output_note("waiting for %s to boot", name);
	return machine_wait_ready(entry, READY_SECONDS * 1000, err);
}

int ssh_run(struct invocation *invocation, struct error *err)
{
	/* NAME or USER@NAME; the image tiny has root only. */
	const char *given = invocation->arguments[0], *at = strrchr(given, '@');
	const char *name = at ? at + 1 : given;
	int result = client_paths(invocation, err);
	if (result == 0)
		result = wait_for_machine(invocation, name, err);
	AUTO_FREE char *proxy = result < 0 ? NULL : proxy_command(invocation, err);
	if (!proxy)
		return result < 0 ? result : -EIO;
	AUTO_FREE char *identity_file = keys_identity(&invocation->own);
	AUTO_FREE char *known_hosts_file = keys_known_hosts(&invocation->own);
	AUTO_FREE char *identity = text_format("IdentityFile=\"%s\"", identity_file);
	AUTO_FREE char *known_hosts = text_format("UserKnownHostsFile=\"%s\"", known_hosts_file);
	AUTO_FREE char *alias = text_format("HostKeyAlias=%s", name);
	AUTO_FREE char *target = at ? text_copy(given) : text_format("root@%s", name);
	const char *const options[SSH_OPTIONS] = {
		proxy,
		"ProxyUseFdpass=yes",
		known_hosts,
		"StrictHostKeyChecking=yes",
		"CheckHostIP=no",
		alias,
		identity,
		"IdentitiesOnly=yes",
	};
	AUTO_FREE const char **argv =
		memory_zero(SSH_OPTIONS * 2 + invocation->n_rest + 6, sizeof(const char *));
	size_t count = 0;
	argv[count++] = "ssh";
	/* no configuration of the caller's: there 'web' may be another computer; nor the host's,
	 * which ssh refuses to read where root is not mapped (a user namespace) */
	argv[count++] = "-F";
	argv[count++] = "none";
	for (size_t i = 0; i < SSH_OPTIONS; i++) {
		argv[count++] = "-o";
		argv[count++] = options[i];
	}
	argv[count++] = target;
	for (size_t i = 0; i < invocation->n_rest; i++)
		argv[count++] = invocation->rest[i];
	result = process_become(argv, err);
	return result == -ENOENT
		       ? error_set(err, ENOENT, "ssh is not installed (package openssh-client)")
		       : result;
}
