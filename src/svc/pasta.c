/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "svc/pasta.h"

#include <stdio.h>

static void add(struct pasta_argv *argv, size_t *count, const char *const *words)
{
	for (; *words && *count + 1 < PASTA_ARGS; words++)
		argv->items[(*count)++] = *words;
}

void pasta_argv(struct pasta_argv *ret, pid_t pid, uid_t uid, int ipv4, int ipv6)
{
	*ret = (struct pasta_argv){0};
	snprintf(ret->pid, sizeof(ret->pid), "%d", (int)pid);
	size_t count = 0;
	/* No ports are forwarded into the namespace by themselves, and its loopback is not ours:
	 * publish does the first, and the second would show guests what the user runs on 127.0.0.1.
	 */
	static const char *const always[] = {
		"pasta",   "-f",	   "-q",   "-I",	  PASTA_IFNAME,
		"-t",	   "none",	   "-u",   "none",	  "-T",
		"none",	   "-U",	   "none", "--no-map-gw", "--dns-forward",
		PASTA_DNS, "--config-net", NULL};
	/* pasta gives its interface the host's own addresses unless told otherwise, and then the
	 * host itself cannot be reached from inside. These are on no link of the host: link-local
	 * by RFC 3927 (its subnet has PASTA_DNS in it), a ULA by RFC 4193. */
	static const char *const four[] = {"-a", "169.254.2.1", "-n", "16",
					   "-g", "169.254.2.2", NULL};
	static const char *const six[] = {"-a", "fd6c:616e:7961:7264::1", "-g", "fe80::1", NULL};
	static const char *const only_four[] = {"-4", NULL};
	static const char *const only_six[] = {"-6", NULL};
	/* Started as root it would become nobody, who may not enter root's namespaces. */
	static const char *const as_root[] = {"--runas", "0:0", NULL};
	add(ret, &count, always);
	if (uid == 0)
		add(ret, &count, as_root);
	if (ipv4)
		add(ret, &count, four);
	if (ipv6)
		add(ret, &count, six);
	if (ipv4 && !ipv6)
		add(ret, &count, only_four);
	if (ipv6 && !ipv4)
		add(ret, &count, only_six);
	const char *const last[] = {ret->pid, NULL};
	add(ret, &count, last);
}
