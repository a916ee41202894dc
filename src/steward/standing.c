/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "steward/standing.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/log.h"
#include "kern/host.h"
#include "kern/netlink.h"
#include "model/object_host.h"

void standing_take(const char *ifname, struct object_list *ret)
{
	struct netlink netlink;
	struct error err = {0};
	if (netlink_open(&netlink, NETLINK_ROUTE, &err) < 0)
		return;
	if (host_dump(&netlink, ifname, NULL, ret, &err) < 0)
		log_info("%s", err.text);
	netlink_close(&netlink);
}

static unsigned families(const struct object_list *list)
{
	unsigned ret = 0;
	struct ip ip;
	for (size_t i = 0; i < list->count; i++)
		if (object_host_address(&list->items[i], &ip) && !ip_is_link_local(&ip))
			ret |= ip.family == AF_INET ? 1 : 2;
	return ret;
}

bool standing_is_matched(const char *ifname, const struct object_list *list)
{
	struct object_list now = {0};
	standing_take(ifname, &now);
	bool ret = (families(list) & ~families(&now)) == 0;
	object_list_done(&now);
	return ret;
}

/* Twice: a route by a gateway needs the one to the gateway. */
void standing_put(const struct object_list *list)
{
	struct netlink netlink;
	struct error err = {0};
	if (netlink_open(&netlink, NETLINK_ROUTE, &err) < 0)
		return;
	for (int kind = OBJECT_HOST_ADDRESS; kind <= OBJECT_HOST_RULE; kind++)
		for (size_t i = 0; i < 2 * list->count; i++) {
			const struct object *object = &list->items[i % list->count];
			if ((int)object->kind == kind)
				host_create(&netlink, object, NULL);
		}
	netlink_close(&netlink);
}
