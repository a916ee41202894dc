/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lanyard ssh: OpenSSH with the machine's host key known and the way in by `lanyard connect`. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/process.h"
#include "machine/keys.h"
#include "verbs/boot.h"
#include "verbs/verbs.h"

#define SSH_OPTIONS 8

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

int ssh_run(struct invocation *invocation, struct error *err)
{
	/* NAME or USER@NAME; the image tiny has root only. */
	const char *given = invocation->arguments[0], *at = strrchr(given, '@');
	const char *name = at ? at + 1 : given;
	/* rather than for the connection to time out */
	int result = boot_wait(invocation, name, err);
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
