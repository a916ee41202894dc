/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links with what only bridges and their ports have, addresses, neighbours, learnt MACs. */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "kern/facts.h"
#include "kern/link.h"
#include "kern/netlink.h"
#include "kern/wireless.h"
#include "model/ip.h"

struct gathering {
	json_t *list;
	int socket; /* for ethtool */
};

static void begin(void *data)
{
	json_array_clear(((struct gathering *)data)->list);
}

/* Numbers that a link's data may have, by attribute. */
struct number {
	uint16_t type;
	const char *key;
};
static const struct number bridge_numbers[] = {
	{IFLA_BR_STP_STATE, "stp"},
	{IFLA_BR_FORWARD_DELAY, "delay"},
	{IFLA_BR_VLAN_FILTERING, "vlan_filtering"},
	{IFLA_BR_NF_CALL_IPTABLES, "nf4"},
	{IFLA_BR_NF_CALL_IP6TABLES, "nf6"},
	{0, NULL},
};
static const struct number port_numbers[] = {
	{IFLA_BRPORT_STATE, "state"},
	{IFLA_BRPORT_ISOLATED, "isolated"},
	{IFLA_BRPORT_GUARD, "bpdu_guard"},
	{0, NULL},
};

static long long number_of(const struct nlattr *attribute)
{
	switch (mnl_attr_get_payload_len(attribute)) {
	case 1:
		return mnl_attr_get_u8(attribute);
	case 2:
		return mnl_attr_get_u16(attribute);
	case 4:
		return mnl_attr_get_u32(attribute);
	default:
		return -1;
	}
}

static void add_numbers(json_t *link, const struct nlattr *data, const struct number *numbers)
{
	const struct nlattr *attribute;
	mnl_attr_for_each_nested (attribute, data)
		for (size_t i = 0; numbers[i].key; i++)
			if (mnl_attr_get_type(attribute) == numbers[i].type)
				json_object_set_new(link, numbers[i].key,
						    json_integer(number_of(attribute)));
}

static const char *kind_of(const struct nlattr *attribute)
{
	return mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0 ? ""
								     : mnl_attr_get_str(attribute);
}

static void add_info(json_t *link, const struct nlattr *info)
{
	const char *kind = "", *slave = "";
	const struct nlattr *attribute;
	mnl_attr_for_each_nested (attribute, info) {
		uint16_t type = mnl_attr_get_type(attribute);
		if (type == IFLA_INFO_KIND)
			kind = kind_of(attribute);
		else if (type == IFLA_INFO_SLAVE_KIND)
			slave = kind_of(attribute);
		else if (type == IFLA_INFO_DATA && strcmp(kind, "bridge") == 0)
			add_numbers(link, attribute, bridge_numbers);
		else if (type == IFLA_INFO_SLAVE_DATA && strcmp(slave, "bridge") == 0)
			add_numbers(link, attribute, port_numbers);
	}
}

/* Large receive offload: merged packets cannot be forwarded. */
static bool has_lro(int socket, const char *name)
{
	struct ethtool_value value = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq request = {0};
	memcpy(request.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	request.ifr_data = (void *)&value;
	return ioctl(socket, SIOCETHTOOL, &request) == 0 && (value.data & ETH_FLAG_LRO);
}

static int link_message(const struct nlmsghdr *message, void *data)
{
	struct gathering *gathering = data;
	struct link link;
	char mac[MAC_TEXT_SIZE];
	if (message->nlmsg_type != RTM_NEWLINK || !link_parse(message, &link))
		return 0;
	json_t *json =
		json_pack("{s:i, s:s, s:s, s:s, s:s, s:i, s:i, s:b, s:b, s:b, s:b}", "index",
			  link.ifindex, "name", link.name, "kind", link.kind, "alias", link.alias,
			  "mac", mac_format(&link.mac, mac), "mtu", (int)link.mtu, "master",
			  link.master, "up", link.up, "carrier", link.carrier, "persistent",
			  link.persistent, "lro", has_lro(gathering->socket, link.name));
	bool bridgeable;
	const char *wireless = wireless_kind(link.name, &bridgeable);
	if (wireless)
		json_object_update_new(json, json_pack("{s:s, s:b}", "wireless", wireless,
						       "bridgeable", bridgeable));
	const struct nlattr *attribute;
	mnl_attr_for_each (attribute, message, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(attribute) == IFLA_LINKINFO)
			add_info(json, attribute);
		else if (mnl_attr_get_type(attribute) == IFLA_LINK &&
			 mnl_attr_get_payload_len(attribute) >= 4)
			json_object_set_new(json, "lower",
					    json_integer(mnl_attr_get_u32(attribute)));
		else if (mnl_attr_get_type(attribute) == IFLA_MASTER && link.openvswitch &&
			 mnl_attr_get_payload_len(attribute) >= 4)
			json_object_set_new(json, "master",
					    json_integer(mnl_attr_get_u32(attribute)));
	}
	json_array_append_new(gathering->list, json);
	return 0;
}

static json_t *gather(struct netlink *netlink, uint16_t type, const void *header, size_t size,
		      netlink_callback callback, struct error *err)
{
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct gathering gathering = {json_array(), fd};
	if (netlink_dump(netlink, type, header, size, begin, callback, &gathering, err) == 0)
		return gathering.list;
	json_decref(gathering.list);
	return NULL;
}

json_t *facts_links(struct netlink *netlink, struct error *err)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	return gather(netlink, RTM_GETLINK, &header, sizeof(header), link_message, err);
}

static bool ip_of(const struct nlattr *attribute, int family, uint8_t length, struct ip *ret)
{
	size_t size = family == AF_INET ? 4 : 16;
	*ret = (struct ip){.family = (uint16_t)family, .length = length};
	if ((family != AF_INET && family != AF_INET6) || !attribute ||
	    mnl_attr_get_payload_len(attribute) != size)
		return false;
	memcpy(ret->bytes, mnl_attr_get_payload(attribute), size);
	return true;
}

static int address_message(const struct nlmsghdr *message, void *data)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *local = NULL, *address = NULL, *attribute;
	uint32_t flags = header->ifa_flags;
	struct ip ip;
	char text[IP_TEXT_SIZE];
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		uint16_t type = mnl_attr_get_type(attribute);
		if (type == IFA_LOCAL)
			local = attribute;
		else if (type == IFA_ADDRESS)
			address = attribute;
		else if (type == IFA_FLAGS && mnl_attr_get_payload_len(attribute) >= 4)
			flags = mnl_attr_get_u32(attribute);
	}
	if (ip_of(local ? local : address, header->ifa_family, header->ifa_prefixlen, &ip))
		json_array_append_new(((struct gathering *)data)->list,
				      json_pack("{s:i, s:s, s:b, s:b}", "index",
						(int)header->ifa_index, "address",
						ip_format_prefix(&ip, text), "tentative",
						(flags & IFA_F_TENTATIVE) != 0, "duplicate",
						(flags & IFA_F_DADFAILED) != 0));
	return 0;
}

json_t *facts_addresses(struct netlink *netlink, struct error *err)
{
	struct ifaddrmsg header = {.ifa_family = AF_UNSPEC};
	return gather(netlink, RTM_GETADDR, &header, sizeof(header), address_message, err);
}

/* Neighbours and learnt MACs are the same messages with other families. */
static int neighbour_message(const struct nlmsghdr *message, void *data)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute, *address = NULL;
	char mac[MAC_TEXT_SIZE] = "", text[IP_TEXT_SIZE];
	struct ip ip;
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		if (mnl_attr_get_type(attribute) == NDA_DST)
			address = attribute;
		else if (mnl_attr_get_type(attribute) == NDA_LLADDR &&
			 mnl_attr_get_payload_len(attribute) == sizeof(struct mac))
			mac_format(mnl_attr_get_payload(attribute), mac);
	}
	if (header->ndm_state & NUD_NOARP)
		return 0;
	json_t *json = json_pack("{s:i, s:s, s:i}", "index", header->ndm_ifindex, "mac", mac,
				 "state", header->ndm_state);
	if (header->ndm_family == AF_BRIDGE)
		json_object_set_new(json, "local", json_boolean(header->ndm_state & NUD_PERMANENT));
	else if (ip_of(address, header->ndm_family, header->ndm_family == AF_INET ? 32 : 128, &ip))
		json_object_set_new(json, "address", json_string(ip_format(&ip, text)));
	json_array_append_new(((struct gathering *)data)->list, json);
	return 0;
}

json_t *facts_neighbours(struct netlink *netlink, struct error *err)
{
	struct ndmsg header = {.ndm_family = AF_UNSPEC};
	return gather(netlink, RTM_GETNEIGH, &header, sizeof(header), neighbour_message, err);
}

json_t *facts_macs(struct netlink *netlink, struct error *err)
{
	struct ndmsg header = {.ndm_family = AF_BRIDGE};
	return gather(netlink, RTM_GETNEIGH, &header, sizeof(header), neighbour_message, err);
}
