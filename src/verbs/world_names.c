/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "verbs/world_names.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

#define RESOLV_CONF "/etc/resolv.conf"

/* These of the host would be asked before the file: a connection that is refused makes the C
 * library go on to it. */
static const char *const host_answers[] = {
	"/run/systemd/resolve/io.systemd.Resolve", /* nss-resolve */
	"/run/nscd/socket",
};

/* The gateway's address without its length, NULL: there is none in this family. */
static char *gateway_of(const json_t *network, const char *family)
{
	const json_t *value = json_object_get(network, family);
	const char *text =
		json_string_value(json_is_array(value) ? json_array_get(value, 0) : value);
	const char *slash = text ? strchr(text, '/') : NULL;
	return slash ? text_format("%.*s", (int)(slash - text), text) : NULL;
}

static bool is_server(const json_t *network)
{
	AUTO_FREE char *ipv4 = gateway_of(network, "ipv4");
	AUTO_FREE char *ipv6 = gateway_of(network, "ipv6");
	return json_is_true(json_object_get(network, "dns")) && (ipv4 || ipv6);
}

const json_t *world_names_network(const json_t *networks, const char *chosen)
{
	const json_t *first = NULL;
	size_t index;
	json_t *network;
	json_array_foreach (networks, index, network) {
		const char *name = json_string_value(json_object_get(network, "name"));
		const char *mode = json_string_value(json_object_get(network, "mode"));
		if (!name || !mode || (chosen && strcmp(name, chosen) != 0) || !is_server(network))
			continue;
		if (chosen || strcmp(mode, "isolated") != 0)
			return network;
		first = first ? first : network;
	}
	return first;
}

static char *resolv_conf(const json_t *network)
{
	static const char *const families[] = {"ipv4", "ipv6"};
	const char *domain = json_string_value(json_object_get(network, "domain"));
	char *text = text_format("# names of network %s\nsearch %s\n",
				 json_string_value(json_object_get(network, "name")),
				 domain ? domain : ".");
	for (size_t i = 0; i < 2; i++) {
		AUTO_FREE char *server = gateway_of(network, families[i]);
		AUTO_FREE char *before = server ? text : NULL;
		if (server)
			text = text_format("%snameserver %s\n", before, server);
	}
	return text;
}

/* By a file system in memory over the scratch folder, which nobody else sees and which is gone
 * with the command. */
static int mount_text(const char *scratch, const char *text, const char *target, struct error *err)
{
	AUTO_FREE char *file = text_format("%s/resolv.conf", scratch);
	if (mount("lanyard", scratch, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "size=64k,mode=755") < 0)
		return error_errno(err, errno, "a private %s", RESOLV_CONF);
	int result = file_write_atomic(file, text, strlen(text), 0644, false, err);
	if (result == 0 && mount(file, target, NULL, MS_BIND, NULL) < 0)
		result = error_errno(err, errno, "a private %s", RESOLV_CONF);
	umount2(scratch, MNT_DETACH);
	return result;
}

int world_names_mount(const json_t *network, const char *scratch, struct error *err)
{
	AUTO_FREE char *target = realpath(RESOLV_CONF, NULL);
	AUTO_FREE char *text = resolv_conf(network);
	if (!target)
		return error_errno(err, errno, "%s", RESOLV_CONF);
	/* What others mount later is still seen; what we mount is not told to them. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return error_errno(err, errno, "a private mount namespace");
	int result = mount_text(scratch, text, target, err);
	for (size_t i = 0; result == 0 && i < sizeof(host_answers) / sizeof(host_answers[0]); i++)
		if (mount("/dev/null", host_answers[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
			result = error_errno(err, errno, "%s", host_answers[i]);
	return result;
}
