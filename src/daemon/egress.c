/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/egress.h"

#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "kern/address.h"
#include "kern/netlink.h"

static void add(struct object_list *list, int ifindex, bool ipv4, bool ipv6)
{
	char ifname[IFNAMSIZ] = "";
	if (ifindex <= 0 || !if_indextoname((unsigned)ifindex, ifname))
		return;
	struct object_forwarding *forwarding = NULL;
	for (size_t i = 0; i < list->count && !forwarding; i++)
		if (list->items[i].kind == OBJECT_FORWARDING &&
		    strcmp(list->items[i].forwarding.ifname, ifname) == 0)
			forwarding = &list->items[i].forwarding;
	if (!forwarding)
		forwarding = &object_list_add(list, OBJECT_FORWARDING, 0)->forwarding;
	memcpy(forwarding->ifname, ifname, strlen(ifname));
	forwarding->ipv4 |= ipv4;
	forwarding->ipv6 |= ipv6;
}

void egress_expand(struct object_list *list)
{
	bool ipv4 = false, ipv6 = false;
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].kind != OBJECT_FORWARDING)
			continue;
		ipv4 |= list->items[i].forwarding.ipv4;
		ipv6 |= list->items[i].forwarding.ipv6;
	}
	struct netlink netlink;
	if ((!ipv4 && !ipv6) || netlink_open(&netlink, NETLINK_ROUTE, NULL) < 0)
		return;
	int ifindex = 0;
	if (ipv4 && route_default(&netlink, AF_INET, &ifindex, NULL) == 0)
		add(list, ifindex, true, false);
	ifindex = 0;
	if (ipv6 && route_default(&netlink, AF_INET6, &ifindex, NULL) == 0)
		add(list, ifindex, false, true);
	netlink_close(&netlink);
}
