/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RTM_NEWNEIGH and RTM_DELNEIGH, with NTF_PROXY and without; RTM_SETNEIGHTBL. */
#include "kern/neighbour.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "kern/netlink.h"

#define PROTOCOL 108 /* as of our routes, see kern/address */
#define ANSWERED (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)

static size_t size_of(const struct ip *ip)
{
	return ip->family == AF_INET ? 4 : 16;
}

int neighbour_proxy_set(struct netlink *netlink, int ifindex, const struct ip *address, bool there,
			struct error *err)
{
	struct ndmsg header = {.ndm_family = (uint8_t)address->family,
			       .ndm_ifindex = ifindex,
			       .ndm_state = NUD_PERMANENT,
			       .ndm_flags = NTF_PROXY};
	struct nlmsghdr *message =
		netlink_add(netlink, there ? RTM_NEWNEIGH : RTM_DELNEIGH,
			    there ? NLM_F_CREATE | NLM_F_REPLACE : 0, &header, sizeof(header));
	mnl_attr_put(message, NDA_DST, size_of(address), address->bytes);
	mnl_attr_put_u8(message, NDA_PROTOCOL, PROTOCOL);
	int code = netlink_run(netlink, NULL, NULL, NULL, err);
	char text[IP_TEXT_SIZE];
	return code < 0 ? error_prefix(err, "proxy for %s", ip_format(address, text)) : 0;
}

struct dump {
	neighbour_callback callback;
	void *data;
	uint8_t flags;
};

static bool is_sought(const struct ndmsg *header, uint8_t protocol, uint8_t flags)
{
	if (flags & NTF_PROXY)
		return header->ndm_flags & NTF_PROXY && protocol == PROTOCOL;
	return !(header->ndm_flags & NTF_PROXY) && header->ndm_state & ANSWERED;
}

static int take(const struct nlmsghdr *message, void *data)
{
	const struct dump *dump = data;
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute, *target = NULL;
	uint8_t protocol = 0;
	if (message->nlmsg_type != RTM_NEWNEIGH ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return 0;
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		if (mnl_attr_get_type(attribute) == NDA_DST)
			target = attribute;
		else if (mnl_attr_get_type(attribute) == NDA_PROTOCOL)
			protocol = mnl_attr_get_u8(attribute);
	}
	struct ip ip = {.family = header->ndm_family,
			.length = header->ndm_family == AF_INET ? 32 : 128};
	if (!is_sought(header, protocol, dump->flags) || !target ||
	    mnl_attr_get_payload_len(target) != size_of(&ip))
		return 0;
	memcpy(ip.bytes, mnl_attr_get_payload(target), size_of(&ip));
	return dump->callback(header->ndm_ifindex, &ip, dump->data);
}

static int run(struct netlink *netlink, struct dump *dump, struct error *err)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	int code = 0;
	for (size_t i = 0; i < 2 && code == 0; i++) {
		struct ndmsg header = {.ndm_family = families[i], .ndm_flags = dump->flags};
		code = netlink_dump(netlink, RTM_GETNEIGH, &header, sizeof(header), NULL, take,
				    dump, err);
		if (code == -EAFNOSUPPORT)
			code = 0;
	}
	return code;
}

int neighbour_proxy_dump(struct netlink *netlink, neighbour_callback callback, void *data,
			 struct error *err)
{
	struct dump dump = {callback, data, NTF_PROXY};
	return run(netlink, &dump, err) < 0 ? error_prefix(err, "proxies") : 0;
}

int neighbour_dump(struct netlink *netlink, neighbour_callback callback, void *data,
		   struct error *err)
{
	struct dump dump = {callback, data, 0};
	return run(netlink, &dump, err) < 0 ? error_prefix(err, "neighbours") : 0;
}

int neighbour_probes_set(struct netlink *netlink, int ifindex, uint32_t probes, struct error *err)
{
	struct ndtmsg header = {.ndtm_family = AF_INET6};
	struct nlmsghdr *message =
		netlink_add(netlink, RTM_SETNEIGHTBL, NLM_F_REPLACE, &header, sizeof(header));
	mnl_attr_put_strz(message, NDTA_NAME, "ndisc_cache");
	struct nlattr *parms = mnl_attr_nest_start(message, NDTA_PARMS);
	mnl_attr_put_u32(message, NDTPA_IFINDEX, (uint32_t)ifindex);
	mnl_attr_put_u32(message, NDTPA_MCAST_PROBES, probes);
	mnl_attr_nest_end(message, parms);
	if (netlink_run(netlink, NULL, NULL, NULL, err) < 0)
		return error_prefix(err, "neighbour table of interface %d", ifindex);
	return 0;
}
