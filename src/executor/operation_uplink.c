/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "executor/operation_uplink.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "executor/operations.h"
#include "kern/sysctl.h"

/* SERVICES/uplink-IFNAME: what was there before us (IPv4, IPv6, accept_ra), then what we asked for.
 */
#define PREFIX "uplink-"
#define FORMAT "%d %d %d %d %d %d %d %d"

struct record_of_uplink {
	int ipv4, ipv6, accept_ra;
	int asked4, asked6, asked_ra;
	int proxy_ndp, asked_ndp;
};

static char *path_of(const struct operations *operations, const char *ifname)
{
	return text_format("%s/" PREFIX "%s", operations->services.folder, ifname);
}

static int read_before(const char *path, struct record_of_uplink *ret, struct error *err)
{
	AUTO_FREE char *text = NULL;
	ssize_t length = file_read(path, 64, &text, err);
	if (length < 0)
		return (int)length;
	if (sscanf(text, FORMAT, &ret->ipv4, &ret->ipv6, &ret->accept_ra, &ret->asked4,
		   &ret->asked6, &ret->asked_ra, &ret->proxy_ndp, &ret->asked_ndp) != 8)
		return error_set(err, EBADMSG, "%s: damaged", path);
	return 0;
}

static int look(const char *ifname, struct record_of_uplink *ret, struct error *err)
{
	bool ipv4 = false, ipv6 = false;
	int result = sysctl_is_forwarding(ifname, AF_INET, &ipv4, err);
	if (result == 0)
		result = sysctl_is_forwarding(ifname, AF_INET6, &ipv6, err);
	*ret = (struct record_of_uplink){.ipv4 = ipv4, .ipv6 = ipv6, .accept_ra = -1};
	sysctl_get(SYSCTL_ACCEPT_RA, ifname, &ret->accept_ra, NULL); /* -1: no IPv6 here */
	sysctl_get(SYSCTL_PROXY_NDP, ifname, &ret->proxy_ndp, NULL);
	return result;
}

static int write_down(const char *path, const struct record_of_uplink *was, struct error *err)
{
	AUTO_FREE char *text =
		text_format(FORMAT "\n", was->ipv4, was->ipv6, was->accept_ra, was->asked4,
			    was->asked6, was->asked_ra, was->proxy_ndp, was->asked_ndp);
	return file_write_atomic(path, text, strlen(text), 0644, false, err);
}

/* What was there, with what is asked for now, written down; then accept_ra. */
static int begin(const struct operations *operations, const struct object_forwarding *forwarding,
		 struct record_of_uplink *was, struct error *err)
{
	const char *ifname = forwarding->ifname;
	AUTO_FREE char *path = path_of(operations, ifname);
	int result = read_before(path, was, NULL);
	if (result < 0)
		result = look(ifname, was, err);
	was->asked4 = forwarding->ipv4;
	was->asked6 = forwarding->ipv6;
	was->asked_ra = forwarding->learns;
	was->asked_ndp = forwarding->proxies;
	if (result == 0)
		result = write_down(path, was, err);
	if (result == 0 && forwarding->learns && was->accept_ra == 1)
		result = sysctl_set(SYSCTL_ACCEPT_RA, ifname, 2, err);
	return result;
}

/* Switching forwarding on, on whatever interface, makes the kernel forget the default routes that
 * it has learnt on all those whose accept_ra is not 2 (rt6_purge_dflt_routers). So this is first.
 */
int operation_uplink_protect(const struct operations *operations, const struct task *tasks,
			     size_t count, struct error *err)
{
	int result = 0;
	for (size_t i = 0; i < count && result == 0; i++) {
		const struct object *object = &tasks[i].object;
		struct record_of_uplink was;
		if (object->kind == OBJECT_FORWARDING && object->network == 0 &&
		    tasks[i].verb != PLAN_DELETE && object->forwarding.learns)
			result = begin(operations, &object->forwarding, &was, err);
	}
	return result;
}

int operation_uplink_set(const struct operations *operations,
			 const struct object_forwarding *forwarding, struct error *err)
{
	const char *ifname = forwarding->ifname;
	struct record_of_uplink was;
	int result = begin(operations, forwarding, &was, err);
	if (result == 0)
		result = sysctl_forward(ifname, AF_INET, forwarding->ipv4 || was.ipv4, err);
	if (result == 0)
		result = sysctl_forward(ifname, AF_INET6, forwarding->ipv6 || was.ipv6, err);
	if (result == 0 && was.accept_ra >= 0)
		result = sysctl_set(SYSCTL_PROXY_NDP, ifname, forwarding->proxies || was.proxy_ndp,
				    err);
	return result;
}

bool operation_uplink_is_set(const struct operations *operations, const char *ifname,
			     int *ret_accept_ra)
{
	AUTO_FREE char *path = path_of(operations, ifname);
	struct record_of_uplink was;
	if (read_before(path, &was, NULL) < 0)
		return false;
	*ret_accept_ra = was.accept_ra;
	return true;
}

int operation_uplink_restore(const struct operations *operations, const char *ifname,
			     struct error *err)
{
	AUTO_FREE char *path = path_of(operations, ifname);
	struct record_of_uplink was;
	int result = read_before(path, &was, err);
	if (result < 0)
		return result == -ENOENT ? 0 : result;
	result = sysctl_forward(ifname, AF_INET, was.ipv4, err);
	if (result == 0)
		result = sysctl_forward(ifname, AF_INET6, was.ipv6, err);
	if (result == 0 && was.accept_ra >= 0)
		result = sysctl_set(SYSCTL_ACCEPT_RA, ifname, was.accept_ra, err);
	if (result == 0 && was.accept_ra >= 0)
		result = sysctl_set(SYSCTL_PROXY_NDP, ifname, was.proxy_ndp, err);
	if (result < 0 && result != -ENOENT)
		return result;
	unlink(path);
	return 0;
}

int operation_uplink_dump(const struct operations *operations, struct object_list *ret,
			  struct error *err)
{
	DIR *folder = opendir(operations->services.folder);
	const struct dirent *entry;
	int result = 0;
	while (folder && result == 0 && (entry = readdir(folder))) {
		const char *ifname = entry->d_name + strlen(PREFIX);
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0 ||
		    strlen(ifname) >= IFNAMSIZ)
			continue;
		AUTO_FREE char *path = path_of(operations, ifname);
		struct record_of_uplink was, now;
		if (read_before(path, &was, NULL) < 0)
			continue;
		result = look(ifname, &now, err);
		if (result == -ENOENT) { /* unplugged: nothing to put back */
			result = 0;
			continue;
		}
		struct object_forwarding *forwarding =
			&object_list_add(ret, OBJECT_FORWARDING, 0)->forwarding;
		memcpy(forwarding->ifname, ifname, strlen(ifname));
		forwarding->ipv4 = was.asked4 && now.ipv4;
		forwarding->ipv6 = was.asked6 && now.ipv6;
		forwarding->learns = was.asked_ra && now.accept_ra != 1;
		forwarding->proxies = was.asked_ndp && now.proxy_ndp;
	}
	if (folder)
		closedir(folder);
	return result;
}
