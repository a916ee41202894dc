/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What speaks against a NIC as the port of a bridge: one sentence, with what to do instead. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <net/if_arp.h>

#include "base/error.h"
#include "executor/adoption.h"
#include "executor/operations.h"
#include "kern/host.h"
#include "kern/link.h"

/* The numbers of linux/if_bonding.h. */
static const struct {
	const char *name, *against;
} bond_modes[] = {
	{"balance-rr",
	 "it sends the frames of one connection over all links, out of order, and the "
	 "switch sees each MAC jump"},
	{"active-backup", NULL},
	{"balance-xor", NULL},
	{"broadcast", "every frame of a machine would arrive once per link"},
	{"802.3ad", NULL},
	{"balance-tlb", "it changes MACs of its own, not those of machines"},
	{"balance-alb", "it rewrites ARP for the host's MAC, not for those of machines"},
};

static int check_bond(const char *name, const struct host_nic *nic, struct error *err)
{
	if (nic->bond_mode < 0)
		return 0;
	size_t mode = (size_t)nic->bond_mode;
	if (mode >= sizeof(bond_modes) / sizeof(bond_modes[0]))
		return error_set(err, ENOTSUP, "bond %s has the unknown mode %zu", name, mode);
	if (bond_modes[mode].against)
		return error_set(err, ENOTSUP,
				 "bond %s has the mode %s, which cannot be bridged: %s; use "
				 "active-backup, balance-xor or 802.3ad",
				 name, bond_modes[mode].name, bond_modes[mode].against);
	if (nic->bond_miimon == 0 && nic->bond_arp_interval == 0)
		return error_set(
			err, ENOTSUP,
			"bond %s does not watch its links (miimon is 0), so a dead one would "
			"not be noticed; set it: ip link set %s type bond miimon 100",
			name, name);
	return 0;
}

/* In our bridge already: the host's own configuration has put it there at its start. */
static int check_master(const char *name, const char *bridge, const struct host_nic *nic,
			struct error *err)
{
	if (!nic->master || strcmp(nic->master_name, bridge) == 0)
		return 0;
	if (strcmp(nic->master_kind, "bridge") == 0)
		return error_set(
			err, EBUSY,
			"'%s' is a port of the bridge %s already; use that bridge as it is: "
			"lanyard net add NAME mode=bridged bridge=%s",
			name, nic->master_name, nic->master_name);
	if (strcmp(nic->master_kind, "bond") == 0)
		return error_set(err, EBUSY,
				 "'%s' is a link of the bond %s; add that: lanyard "
				 "uplink add %s",
				 name, nic->master_name, nic->master_name);
	return error_set(err, EBUSY, "'%s' belongs to %s (%s) already", name, nic->master_name,
			 nic->master_kind[0] ? nic->master_kind : "unknown kind");
}

static int check_kind(const char *name, const struct host_nic *nic, struct error *err)
{
	if (nic->loopback)
		return error_set(err, EINVAL,
				 "'%s' is the loopback interface; name the NIC that "
				 "leads to the LAN",
				 name);
	if (strncmp(nic->alias, "lanyard:", 8) == 0)
		return error_set(err, EINVAL, "'%s' is one of Lanyard's own interfaces", name);
	if (strcmp(nic->kind, "bridge") == 0)
		return error_set(err, EINVAL,
				 "'%s' is a bridge itself; use it as it is: lanyard net add NAME "
				 "mode=bridged bridge=%s",
				 name, name);
	if (nic->type != ARPHRD_ETHER)
		return error_set(err, ENOTSUP,
				 "'%s' carries no Ethernet frames (a tunnel?), so it cannot be a "
				 "bridge's port; use mode nat or routed",
				 name);
	return 0;
}

static int check_wireless(struct operations *operations, const char *name,
			  const struct host_nic *nic, struct error *err)
{
	char command[300];
	if (!nic->wireless || nic->wireless_bridgeable)
		return 0;
	adoption_instead(operations, name, nic->ifindex, command, sizeof(command));
	return error_set(err, ENOTSUP,
			 "'%s' is Wi-Fi (%s): an access point takes frames of the host's MAC only, "
			 "so no bridge; use mode routed with 'lan: proxy', in a free part of the "
			 "LAN's prefix: %s",
			 name, nic->wireless, command);
}

static int check_children(const char *name, const struct host_nic *nic, struct error *err)
{
	if (!nic->child[0])
		return 0;
	return error_set(
		err, EBUSY,
		"'%s' carries %s (%s), which takes its frames before a bridge could; put that "
		"on the bridge instead, or remove it",
		name, nic->child, nic->child_kind);
}

static int check_bridge(struct operations *operations, const char *name, struct error *err)
{
	struct link link;
	struct label label;
	if (link_get(&operations->route, name, &link, NULL) < 0 ||
	    (label_parse(link.alias, operations->instance, &label) && label.role == LABEL_BRIDGE))
		return 0;
	return error_set(err, EEXIST,
			 "there is an interface '%s' that is not ours; choose another network name "
			 "(--to NAME)",
			 name);
}

static const char *other_nics(struct operations *operations, char *text, size_t size)
{
	struct link_list list = {0};
	size_t used = 0;
	text[0] = '\0';
	if (link_list_dump(&operations->route, &list, NULL) < 0)
		return text;
	for (size_t i = 0; i < list.count && used < size; i++) {
		const struct link *link = &list.items[i];
		if (strcmp(link->name, "lo") != 0 && strncmp(link->name, "ly", 2) != 0 &&
		    strcmp(link->kind, "bridge") != 0)
			used += (size_t)snprintf(text + used, size - used, "%s%s",
						 used ? ", " : "; there is ", link->name);
	}
	link_list_done(&list);
	return text;
}

int adoption_check(struct operations *operations, const struct object_uplink *wanted,
		   struct host_nic *ret, struct error *err)
{
	char others[200];
	const char *name = wanted->ifname;
	int result = host_nic(&operations->route, name, ret, NULL);
	if (result < 0)
		return error_set(err, ENOENT, "there is no interface '%s'%s", name,
				 other_nics(operations, others, sizeof(others)));
	result = check_kind(name, ret, err);
	if (result == 0)
		result = check_wireless(operations, name, ret, err);
	if (result == 0)
		result = check_master(name, wanted->bridge, ret, err);
	if (result == 0)
		result = check_bond(name, ret, err);
	if (result == 0)
		result = check_children(name, ret, err);
	return result < 0 ? result : check_bridge(operations, wanted->bridge, err);
}
