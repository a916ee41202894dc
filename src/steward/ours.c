/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "steward/ours.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#include "base/error.h"
#include "kern/link.h"
#include "kern/netlink.h"

static void close_netlink(struct netlink *netlink)
{
	netlink_close(netlink);
}

static int find(const char *ifname, struct link *ret, struct error *err)
{
	__attribute__((cleanup(close_netlink))) struct netlink netlink = {0};
	int r = netlink_open(&netlink, NETLINK_ROUTE, err);
	return r == 0 ? link_get(&netlink, ifname, ret, err) : r;
}

int ours_find(const char *ifname, struct link *ret, struct error *err)
{
	int r = find(ifname, ret, err);
	if (r == 0 && strncmp(ret->alias, "lanyard:", 8) != 0)
		r = error_set(err, EPERM, "'%s' is no interface of ours", ifname);
	return r;
}

int ours_port(const char *nic, const struct link *bridge, struct link *ret, struct error *err)
{
	int r = find(nic, ret, err);
	if (r == 0 && ret->master != bridge->ifindex)
		r = error_set(err, EPERM, "'%s' is no port of '%s'", nic, bridge->name);
	return r;
}

int ours_free(const char *nic, struct link *ret, struct error *err)
{
	int r = find(nic, ret, err);
	if (r == 0 && ret->master)
		r = error_set(err, EPERM, "'%s' is a port of something", nic);
	return r;
}
