/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One small file per setting; the table says where. */
#include "kern/sysctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

#define PATH_SIZE 128
#define CONF6	  "/proc/sys/net/ipv6/conf"

static const struct {
	const char *family, *name;
} keys[] = {
	[SYSCTL_FORWARDING_IPV4] = {"ipv4", "forwarding"},
	[SYSCTL_FORWARDING_IPV6] = {"ipv6", "forwarding"},
	[SYSCTL_FORCE_FORWARDING_IPV6] = {"ipv6", "force_forwarding"},
	[SYSCTL_DISABLE_IPV6] = {"ipv6", "disable_ipv6"},
	[SYSCTL_ACCEPT_RA] = {"ipv6", "accept_ra"},
	[SYSCTL_ACCEPT_DAD] = {"ipv6", "accept_dad"},
	[SYSCTL_AUTOCONF] = {"ipv6", "autoconf"},
	[SYSCTL_ARP_IGNORE] = {"ipv4", "arp_ignore"},
	[SYSCTL_ROUTE_LOCALNET] = {"ipv4", "route_localnet"},
	[SYSCTL_PROMOTE_SECONDARIES] = {"ipv4", "promote_secondaries"},
	[SYSCTL_PROXY_NDP] = {"ipv6", "proxy_ndp"},
};
_Static_assert(sizeof(keys) / sizeof(keys[0]) == SYSCTL_KEYS, "one row per key");

static int path_of(enum sysctl_key key, const char *ifname, char path[PATH_SIZE], struct error *err)
{
	if (!*ifname || strlen(ifname) > 15 || strchr(ifname, '/') || strcmp(ifname, ".") == 0 ||
	    strcmp(ifname, "..") == 0)
		return error_set(err, EINVAL, "'%.20s' is no name of an interface", ifname);
	snprintf(path, PATH_SIZE, "/proc/sys/net/%s/conf/%s/%s", keys[key].family, ifname,
		 keys[key].name);
	return 0;
}

int sysctl_get(enum sysctl_key key, const char *ifname, int *ret, struct error *err)
{
	char path[PATH_SIZE], text[16] = "";
	int code = path_of(key, ifname, path, err);
	if (code < 0)
		return code;
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return error_errno(err, errno, "%s", path);
	*ret = atoi(text);
	return 0;
}

int sysctl_set(enum sysctl_key key, const char *ifname, int value, struct error *err)
{
	char path[PATH_SIZE], text[16];
	int code = path_of(key, ifname, path, err);
	if (code < 0)
		return code;
	int length = snprintf(text, sizeof(text), "%d\n", value);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, (size_t)length) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

int sysctl_let_ping(gid_t group, struct error *err)
{
	static const char path[] = "/proc/sys/net/ipv4/ping_group_range";
	char text[32];
	int length = snprintf(text, sizeof(text), "%u %u\n", group, group);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, (size_t)length) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

static int set_different(enum sysctl_key key, const char *ifname, int value, struct error *err)
{
	int now;
	int code = sysctl_get(key, ifname, &now, err);
	if (code < 0 || now == value)
		return code;
	return sysctl_set(key, ifname, value, err);
}

struct saved {
	char ifname[16];
	int value;
};

static size_t forwarding_save(struct saved **ret)
{
	DIR *folder = opendir(CONF6);
	size_t count = 0, room = 0;
	struct dirent *entry;
	while (folder && (entry = readdir(folder))) {
		int value;
		if (entry->d_name[0] == '.' || strcmp(entry->d_name, "all") == 0 ||
		    sysctl_get(SYSCTL_FORWARDING_IPV6, entry->d_name, &value, NULL) < 0)
			continue;
		*ret = memory_grow(*ret, &room, count + 1, sizeof(**ret));
		snprintf((*ret)[count].ifname, sizeof((*ret)[count].ifname), "%.15s",
			 entry->d_name);
		(*ret)[count++].value = value;
	}
	if (folder)
		closedir(folder);
	return count;
}

/* Before Linux 6.17 only conf/all/forwarding lets IPv6 packets through, and writing it writes it
 * into every interface, which makes the kernel forget what router advertisements taught it. So the
 * others get back what they had; "default" too. Interfaces that have it on are left in peace. */
static int forward_all(struct error *err)
{
	int now;
	int code = sysctl_get(SYSCTL_FORWARDING_IPV6, "all", &now, err);
	if (code < 0 || now)
		return code;
	AUTO_FREE struct saved *saved = NULL;
	size_t count = forwarding_save(&saved);
	code = sysctl_set(SYSCTL_FORWARDING_IPV6, "all", 1, err);
	for (size_t i = 0; i < count && code == 0; i++)
		if (!saved[i].value)
			sysctl_set(SYSCTL_FORWARDING_IPV6, saved[i].ifname, 0, NULL);
	return code;
}

static int forward_ipv6(const char *ifname, bool on, struct error *err)
{
	int code = set_different(SYSCTL_FORWARDING_IPV6, ifname, on, err);
	if (code < 0)
		return code;
	code = set_different(SYSCTL_FORCE_FORWARDING_IPV6, ifname, on, NULL);
	if (code != -ENOENT)
		return code < 0 ? error_errno(err, code, "interface %s: force_forwarding", ifname)
				: 0;
	return on ? forward_all(err) : 0;
}

/* "all" on while every interface and "default" are off is what forward_all leaves and nobody else
 * makes, and switching it off then changes nothing for anybody. */
void sysctl_forward_rest(void)
{
	int now = 0;
	if (access(CONF6 "/all/force_forwarding", F_OK) == 0 ||
	    sysctl_get(SYSCTL_FORWARDING_IPV6, "all", &now, NULL) < 0 || !now)
		return;
	AUTO_FREE struct saved *saved = NULL;
	size_t count = forwarding_save(&saved);
	for (size_t i = 0; i < count; i++)
		if (saved[i].value)
			return;
	sysctl_set(SYSCTL_FORWARDING_IPV6, "all", 0, NULL);
}

int sysctl_forward(const char *ifname, int family, bool on, struct error *err)
{
	if (family == AF_INET)
		return set_different(SYSCTL_FORWARDING_IPV4, ifname, on, err);
	/* a kernel without IPv6 forwards none of it */
	if (!on && access(CONF6, F_OK) < 0)
		return 0;
	return forward_ipv6(ifname, on, err);
}

int sysctl_is_forwarding(const char *ifname, int family, bool *ret, struct error *err)
{
	int value = 0, other = 0;
	*ret = false;
	if (family == AF_INET6 && access(CONF6, F_OK) < 0)
		return 0;
	int code = sysctl_get(family == AF_INET ? SYSCTL_FORWARDING_IPV4 : SYSCTL_FORWARDING_IPV6,
			      ifname, &value, err);
	if (code < 0)
		return code;
	if (family == AF_INET6 && value) {
		if (sysctl_get(SYSCTL_FORCE_FORWARDING_IPV6, ifname, &other, NULL) < 0)
			sysctl_get(SYSCTL_FORWARDING_IPV6, "all", &other, NULL);
		value = other;
	}
	*ret = value != 0;
	return 0;
}
