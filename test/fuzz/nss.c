/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files that the NSS module reads: whatever is in them, answers are of the name asked for, and
 * of addresses that a machine may have. The input is cut at its first bytes 0xff into hosts and
 * leases.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/name.h"
#include "nss/hostname.h"
#include "nss/reply.h"

static char root[] = "/dev/shm/lanyard-fuzz.XXXXXX";

static void put(const char *name, const void *bytes, size_t length)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/i/services/1/%s", root, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, bytes, length) != (ssize_t)length)
		abort();
	close(fd);
}

static void clean(void)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	if (system(command) != 0)
		abort();
}

static void prepare(void)
{
	static const char *const folders[] = {"", "/i", "/i/services", "/i/services/1"};
	static const char conf[] = "interface=ly-lab\ndomain=lab.internal\n";
	char path[128];
	umask(022);
	if (!mkdtemp(root))
		abort();
	chmod(root, 0755);
	atexit(clean);
	for (size_t i = 1; i < 4; i++) {
		snprintf(path, sizeof(path), "%s%s", root, folders[i]);
		mkdir(path, 0755);
	}
	put("dnsmasq.conf", conf, sizeof(conf) - 1);
}

static void check(const struct hostname *hostname, const char *alias)
{
	char buffer[4096];
	struct hostent host;
	struct reply reply = {buffer, sizeof(buffer)};
	if (hostname->count == 0 || hostname->count > HOSTNAME_ADDRESSES ||
	    !name_is_domain(hostname->name) || !name_is_label(hostname->alias) ||
	    (alias && strcmp(hostname->alias, alias) != 0))
		abort();
	for (size_t i = 0; i < hostname->count; i++)
		if (!ip_is_set(&hostname->addresses[i]) ||
		    ip_is_link_local(&hostname->addresses[i]))
			abort();
	reply_host(&reply, hostname, AF_INET6, &host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hostname hostname;
	struct ip address;
	if (strstr(root, "XXXXXX"))
		prepare();
	const uint8_t *cut = memchr(data, 0xff, size);
	size_t first = cut ? (size_t)(cut - data) : size;
	put("hosts", data, first);
	put("leases", cut ? cut + 1 : data, cut ? size - first - 1 : size);
	if (hostname_by_name(root, "web", &hostname) == 0)
		check(&hostname, "web");
	ip_parse("10.20.0.10", &address, NULL);
	if (hostname_by_address(root, &address, &hostname) == 0)
		check(&hostname, NULL);
	return 0;
}
