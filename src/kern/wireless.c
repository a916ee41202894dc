/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two questions by generic netlink, neither of which needs a right. */
#include "kern/wireless.h"

#include <linux/genetlink.h>
#include <linux/nl80211.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "kern/netlink.h"

static const struct {
	const char *name;
	bool bridges;
} kinds[] = {
	[NL80211_IFTYPE_ADHOC] = {"part of an ad-hoc network", false},
	[NL80211_IFTYPE_STATION] = {"client without 4-address mode", false},
	[NL80211_IFTYPE_AP] = {"access point", true},
	[NL80211_IFTYPE_AP_VLAN] = {"station of an access point of this host", true},
	[NL80211_IFTYPE_MONITOR] = {"monitor", false},
	[NL80211_IFTYPE_MESH_POINT] = {"mesh point", true},
	[NL80211_IFTYPE_P2P_CLIENT] = {"Wi-Fi Direct client", false},
	[NL80211_IFTYPE_P2P_GO] = {"Wi-Fi Direct group owner", true},
};

struct answer {
	uint16_t family;
	uint32_t type;
	bool four_addresses;
};

static int take_family(const struct nlmsghdr *message, void *data)
{
	const struct nlattr *attribute;
	mnl_attr_for_each (attribute, message, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attribute) == CTRL_ATTR_FAMILY_ID)
			((struct answer *)data)->family = mnl_attr_get_u16(attribute);
	return 0;
}

static int take_interface(const struct nlmsghdr *message, void *data)
{
	struct answer *answer = data;
	const struct nlattr *attribute;
	mnl_attr_for_each (attribute, message, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attribute) == NL80211_ATTR_IFTYPE)
			answer->type = mnl_attr_get_u32(attribute);
		else if (mnl_attr_get_type(attribute) == NL80211_ATTR_4ADDR)
			answer->four_addresses = mnl_attr_get_u8(attribute) != 0;
	}
	return 0;
}

static int ask(const char *ifname, struct answer *ret)
{
	struct netlink netlink;
	struct genlmsghdr family = {.cmd = CTRL_CMD_GETFAMILY, .version = 1};
	struct genlmsghdr interface = {.cmd = NL80211_CMD_GET_INTERFACE};
	int code = netlink_open(&netlink, NETLINK_GENERIC, NULL);
	if (code < 0)
		return code;
	struct nlmsghdr *message = netlink_add(&netlink, GENL_ID_CTRL, 0, &family, sizeof(family));
	mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME, NL80211_GENL_NAME);
	code = netlink_run(&netlink, take_family, ret, NULL, NULL);
	if (code == 0) {
		message = netlink_add(&netlink, ret->family, 0, &interface, sizeof(interface));
		mnl_attr_put_u32(message, NL80211_ATTR_IFINDEX, if_nametoindex(ifname));
		code = netlink_run(&netlink, take_interface, ret, NULL, NULL);
	}
	netlink_close(&netlink);
	return code;
}

static bool is_wireless(const char *ifname)
{
	AUTO_FREE char *radio = text_format("/sys/class/net/%s/phy80211", ifname);
	AUTO_FREE char *older = text_format("/sys/class/net/%s/wireless", ifname);
	return access(radio, F_OK) == 0 || access(older, F_OK) == 0;
}

const char *wireless_kind(const char *ifname, bool *ret_bridgeable)
{
	struct answer answer = {.type = NL80211_IFTYPE_UNSPECIFIED};
	*ret_bridgeable = false;
	if (!is_wireless(ifname))
		return NULL;
	if (ask(ifname, &answer) < 0 || answer.type >= sizeof(kinds) / sizeof(kinds[0]) ||
	    !kinds[answer.type].name)
		return "Wi-Fi of an unknown kind"; /* a driver that does not know nl80211 */
	*ret_bridgeable = kinds[answer.type].bridges || answer.four_addresses;
	return answer.four_addresses && answer.type == NL80211_IFTYPE_STATION
		       ? "client in 4-address mode"
		       : kinds[answer.type].name;
}
