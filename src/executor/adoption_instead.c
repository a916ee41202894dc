/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A NIC that cannot be bridged: the command that puts machines on its LAN all the same, by proxy
 * ARP and proxy NDP, in a part of the LAN's prefixes in which nobody was seen. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "executor/adoption.h"
#include "executor/operations.h"
#include "kern/address.h"
#include "kern/host.h"
#include "kern/neighbour.h"
#include "model/network.h"
#include "model/object_host.h"

#define TAKEN_MAX   512
#define RANGE_FIRST 0x10 /* of DHCPv6: the host answers for each address of the range */
#define RANGE_LAST  0x2f

struct segment {
	int ifindex;
	struct ip lan4, lan6;
	struct ip taken[TAKEN_MAX];
	size_t n_taken;
};

static void take(struct segment *segment, const struct ip *prefix)
{
	if (segment->n_taken < TAKEN_MAX)
		segment->taken[segment->n_taken++] = *prefix;
}

/* Prefixes of the host's other interfaces, our networks' among them. */
static int on_address(int ifindex, const struct ip *address, void *data)
{
	struct segment *segment = data;
	if (ifindex != segment->ifindex)
		take(segment, address);
	return 0;
}

static int on_neighbour(int ifindex, const struct ip *address, void *data)
{
	struct segment *segment = data;
	if (ifindex == segment->ifindex)
		take(segment, address);
	return 0;
}

static void take_own(struct segment *segment, const struct object_list *nic)
{
	struct ip ip;
	for (size_t i = 0; i < nic->count; i++) {
		if (object_host_gateway(&nic->items[i], &ip)) {
			ip = ip_host(&ip);
			take(segment, &ip);
		}
		if (!object_host_address(&nic->items[i], &ip) || ip_is_link_local(&ip))
			continue;
		struct ip own = ip_host(&ip);
		struct ip *lan = ip.family == AF_INET ? &segment->lan4 : &segment->lan6;
		take(segment, &own);
		if (!ip_is_set(lan) && ip.length < own.length)
			*lan = ip;
	}
}

static size_t add_ipv6(const struct ip *part, char *text, size_t size)
{
	char gateway[IP_TEXT_SIZE], first_text[IP_TEXT_SIZE], last_text[IP_TEXT_SIZE];
	struct ip first = ip_nth(part, RANGE_FIRST), last = ip_nth(part, RANGE_LAST);
	return (size_t)snprintf(text, size, " ipv6=%s 'dhcp={ range6: %s-%s }'",
				ip_format_prefix(part, gateway), ip_format(&first, first_text),
				ip_format(&last, last_text));
}

void adoption_instead(struct operations *operations, const char *nic, int ifindex, char *text,
		      size_t size)
{
	struct segment segment = {.ifindex = ifindex};
	struct object_list list = {0};
	char gateway[IP_TEXT_SIZE];
	address_dump(&operations->route, on_address, &segment, NULL);
	neighbour_dump(&operations->route, on_neighbour, &segment, NULL);
	if (host_dump(&operations->route, nic, NULL, &list, NULL) == 0)
		take_own(&segment, &list);
	object_list_done(&list);
	struct ip part4 = network_lan_part(&segment.lan4, segment.taken, segment.n_taken);
	struct ip part6 = network_lan_part(&segment.lan6, segment.taken, segment.n_taken);
	bool has4 = ip_is_set(&segment.lan4) && ip_is_set(&part4);
	size_t used =
		(size_t)snprintf(text, size, "lanyard net add wifi mode=routed lan=proxy ipv4=%s",
				 has4 ? ip_format_prefix(&part4, gateway) : "192.168.1.225/27");
	if (ip_is_set(&segment.lan6) && ip_is_set(&part6) && used < size)
		add_ipv6(&part6, text + used, size - used);
}
