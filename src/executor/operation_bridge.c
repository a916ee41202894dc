/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bridges: each with its silent port, which gives it carrier from birth. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "executor/operations.h"
#include "kern/neighbour.h"
#include "kern/sysctl.h"

/* Seconds for which packets wait for a machine that does not answer for its address yet: it may be
 * checking whether the address is free (RFC 4862), and dnsmasq's question was too early. With the
 * kernel's 3 the first answer to a machine's first connection can be lost. */
#define PATIENCE 10

static void silent_name(uint32_t network, char ret[IFNAMSIZ])
{
	snprintf(ret, IFNAMSIZ, "lyc%u", network);
}

static struct look wanted_look(const struct object_bridge *bridge)
{
	struct look look;
	memset(&look, 0, sizeof(look));
	look.mac = bridge->mac;
	look.up = bridge->up;
	look.carrier = 1;
	look.stp = bridge->stp;
	look.vlan_filtering = bridge->vlan_filtering;
	look.mtu = bridge->mtu;
	look.owner = look.group = (uint32_t)-1;
	return look;
}

/* Removes a silent port that a crash or somebody's `ip link delete` left behind. */
static int clear_silent(struct operations *operations, uint32_t network, struct error *err)
{
	char name[IFNAMSIZ];
	struct link link;
	struct label label;
	silent_name(network, name);
	if (link_index(name) <= 0 || link_get(&operations->route, name, &link, NULL) < 0) {
		size_t length = strlen(name); /* its other end, see kern/link */
		name[length] = 'p';
		name[length + 1] = '\0';
		if (link_index(name) > 0)
			return error_set(err, EPERM, "interface '%s' is in the way", name);
		return 0;
	}
	if (!label_parse(link.alias, operations->instance, &label) || label.role != LABEL_SILENT) {
		log_warning("refused: interface '%s' (alias '%s') is not ours", name, link.alias);
		return error_set(err, EPERM, "interface '%s' is in the way and not one of ours",
				 name);
	}
	int result = link_delete(&operations->route, link.ifindex, err);
	return result == -ENODEV ? 0 : result;
}

static int make(struct operations *operations, const struct object *object, int *ret_ifindex,
		struct error *err)
{
	char alias[LINK_ALIAS_SIZE], silent_alias[LINK_ALIAS_SIZE], silent[IFNAMSIZ];
	struct label label = {.role = LABEL_BRIDGE, .network = object->network};
	struct label silent_label = {.role = LABEL_SILENT, .network = object->network};
	silent_name(object->network, silent);
	if (link_index(object->bridge.ifname) > 0)
		return error_set(err, EEXIST, "there is an interface of this name");
	int result = clear_silent(operations, object->network, err);
	if (result < 0)
		return result;
	struct link_bridge bridge = {
		.name = object->bridge.ifname,
		.alias = label_format(&label, operations->instance, alias),
		.mac = &object->bridge.mac,
		.mtu = object->bridge.mtu,
		.vlan_filtering = object->bridge.vlan_filtering,
		.silent = silent,
		.silent_alias = label_format(&silent_label, operations->instance, silent_alias),
	};
	return link_create_bridge(&operations->route, &bridge, ret_ifindex, err);
}

static int refuse_vlans(struct error *err)
{
	*err = (struct error){0};
	return error_set(err, EOPNOTSUPP,
			 "vlan_filtering: this kernel's bridges know no VLANs "
			 "(CONFIG_BRIDGE_VLAN_FILTERING)");
}

/* Some kernels without them take the setting and do nothing. */
static int check_filtering(struct operations *operations, const struct object_bridge *wanted,
			   int ifindex, struct error *err)
{
	struct link now;
	if (!wanted->vlan_filtering)
		return 0;
	int result = link_get_index(&operations->route, ifindex, &now, err);
	return result < 0 || now.vlan_filtering ? result : refuse_vlans(err);
}

static int settle(struct operations *operations, const struct object *object, int ifindex,
		  struct error *err)
{
	const struct object_bridge *bridge = &object->bridge;
	struct link_change change = {.what = LINK_STP, .stp = true};
	struct label label = {.role = LABEL_BRIDGE, .network = object->network};
	struct look look = wanted_look(bridge);
	int result = 0;
	if (!bridge->up)
		change = (struct link_change){.what = change.what | LINK_UP, .stp = bridge->stp};
	if (bridge->stp || !bridge->up)
		result = link_set(&operations->route, ifindex, &change, err);
	/* -ENOENT: a kernel without IPv6 */
	if (result == 0)
		result = neighbour_probes_set(&operations->route, ifindex, PATIENCE, err);
	if (result == 0 || result == -ENOENT)
		result = check_filtering(operations, bridge, ifindex, err);
	if (result < 0)
		return result;
	links_add(&operations->links, ifindex, bridge->ifname, &label, &look);
	return 0;
}

static int change_one(struct operations *operations, const struct object *object,
		      struct error *err);

/* A bridge of this name with exactly the MAC that we would give it, and nobody's label: the host's
 * own configuration has made it for us at its start (lanyard-steward wrote it so). */
static int take_over(struct operations *operations, const struct object *object, struct error *err)
{
	struct link link;
	char alias[LINK_ALIAS_SIZE];
	struct label label = {.role = LABEL_BRIDGE, .network = object->network};
	int result = link_get(&operations->route, object->bridge.ifname, &link, err);
	if (result < 0 || strcmp(link.kind, "bridge") != 0 || link.alias[0] ||
	    !mac_equal(&link.mac, &object->bridge.mac))
		return result;
	struct link_change change = {
		.what = LINK_ALIAS,
		.alias = label_format(&label, operations->instance, alias),
	};
	log_info("bridge %s is there already, as it should be: taken over", link.name);
	return link_set(&operations->route, link.ifindex, &change, err);
}

static int create_one(struct operations *operations, const struct object *object, struct error *err)
{
	const char *name = object->bridge.ifname;
	struct known_link *known;
	int ifindex = 0;
	int result = operations_check_name(operations, name, err);
	if (result < 0)
		return result;
	result = make(operations, object, &ifindex, err);
	if (result == -EEXIST && link_index(name) > 0) {
		result = take_over(operations, object, err);
		if (result == 0)
			result = operations_find(operations, name, LABEL_BRIDGE, &known, err);
		return result < 0 ? result : change_one(operations, object, err);
	}
	if (result == -EOPNOTSUPP && object->bridge.vlan_filtering)
		return refuse_vlans(err);
	if (result < 0)
		return result;
	result = settle(operations, object, ifindex, err);
	if (result < 0) {
		link_delete(&operations->route, ifindex, NULL);
		clear_silent(operations, object->network, NULL);
	}
	return result;
}

static int bridge_create(struct operations *operations, const struct run *run, size_t *ret_done,
			 struct error *err)
{
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		int result = create_one(operations, &run->tasks[i].object, err);
		if (result < 0)
			return result;
	}
	return 0;
}

static int restore_silent(struct operations *operations, uint32_t network, int bridge,
			  struct error *err)
{
	char name[IFNAMSIZ], alias[LINK_ALIAS_SIZE];
	struct label label = {.role = LABEL_SILENT, .network = network};
	silent_name(network, name);
	int result = clear_silent(operations, network, err);
	if (result < 0)
		return result;
	return link_create_silent(&operations->route, bridge, name,
				  label_format(&label, operations->instance, alias), err);
}

static int change_one(struct operations *operations, const struct object *object, struct error *err)
{
	const struct object_bridge *wanted = &object->bridge;
	struct known_link *known;
	struct link now;
	char alias[LINK_ALIAS_SIZE];
	struct label label = {.role = LABEL_BRIDGE, .network = object->network};
	int result = operations_find(operations, wanted->ifname, LABEL_BRIDGE, &known, err);
	if (result == 0)
		result = link_get_index(&operations->route, known->ifindex, &now, err);
	if (result < 0)
		return result;
	struct link_change change = {
		.up = wanted->up,
		.mac = wanted->mac,
		.mtu = wanted->mtu,
		.stp = wanted->stp,
		.vlan_filtering = wanted->vlan_filtering,
	};
	change.alias = label_format(&label, operations->instance, alias);
	change.what = (now.up != wanted->up ? LINK_UP : 0) |
		      (!mac_equal(&now.mac, &wanted->mac) ? LINK_MAC : 0) |
		      (now.mtu != wanted->mtu ? LINK_MTU : 0) |
		      (now.stp != wanted->stp ? LINK_STP : 0) |
		      (now.vlan_filtering != wanted->vlan_filtering &&
				       !adoptions_is_bridge(&operations->adoptions, now.name)
			       ? LINK_FILTER
			       : 0) |
		      (strcmp(now.alias, alias) != 0 ? LINK_ALIAS : 0);
	if (change.what)
		result = link_set(&operations->route, now.ifindex, &change, err);
	if (result == -EOPNOTSUPP && change.what & LINK_FILTER)
		return refuse_vlans(err);
	if (result == 0 && change.what & LINK_FILTER)
		result = check_filtering(operations, wanted, now.ifindex, err);
	if (result == 0 && !now.carrier && now.up)
		result = restore_silent(operations, object->network, now.ifindex, err);
	if (result < 0)
		return result;
	struct look look = wanted_look(wanted);
	links_add(&operations->links, now.ifindex, wanted->ifname, &label, &look);
	return 0;
}

static int bridge_change(struct operations *operations, const struct run *run, size_t *ret_done,
			 struct error *err)
{
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		int result = change_one(operations, &run->tasks[i].object, err);
		if (result < 0)
			return result;
	}
	return 0;
}

static int bridge_delete(struct operations *operations, const struct run *run, size_t *ret_done,
			 struct error *err)
{
	int indexes[2 * OPERATIONS_CHUNK];
	size_t count = 0;
	for (size_t i = 0; i < run->count; i++) {
		const struct object *object = &run->tasks[i].object;
		struct known_link *known;
		struct link silent;
		struct label label;
		char name[IFNAMSIZ];
		int result = operations_find(operations, object->bridge.ifname, LABEL_BRIDGE,
					     &known, err);
		if (result < 0 && result != -ENODEV)
			return result;
		if (result == 0) {
			indexes[count++] = known->ifindex;
			links_leave(&operations->links, known->ifindex);
		}
		silent_name(object->network, name);
		if (link_get(&operations->route, name, &silent, NULL) == 0 &&
		    label_parse(silent.alias, operations->instance, &label) &&
		    label.role == LABEL_SILENT)
			indexes[count++] = silent.ifindex;
	}
	int result = count ? link_delete_many(&operations->route, indexes, count, err) : 0;
	if (result == 0)
		sysctl_forward_rest();
	if (result == 0)
		*ret_done = run->count;
	return result;
}

const struct operation_type operation_bridge = {
	{[PLAN_CREATE] = bridge_create,
	 [PLAN_CHANGE] = bridge_change,
	 [PLAN_DELETE] = bridge_delete},
};
