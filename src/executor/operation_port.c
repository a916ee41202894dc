/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports: taps, veth pairs and adopted interfaces. The holder of a tap's descriptor may have changed
 * the interface behind our back: its MAC is set back; a tap that it made persistent or gave to
 * somebody cannot be trusted to end, so it is removed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/log.h"
#include "executor/operations.h"
#include "kern/firewall_guard.h"
#include "kern/tap.h"

#define NOBODY	   ((uint32_t)-1)
#define BLINK_NSEC 20000000l

static bool is_unowned(const struct object_port *port)
{
	return port->kind == PORT_TAP_NAMED && port->owner == NOBODY && port->group == NOBODY;
}

static struct label label_of(const struct object *object)
{
	return (struct label){.role = LABEL_PORT,
			      .network = object->network,
			      .kind = (enum port_kind)object->port.kind,
			      .is_unowned = is_unowned(&object->port),
			      .has_vlans = vlans_are_set(&object->port.vlans)};
}

/* kern/tap gives a tap that nobody is named for to our own uid. */
static uint32_t kernel_owner(const struct object_port *port)
{
	bool is_tap = port->kind == PORT_TAP || port->kind == PORT_TAP_NAMED;
	return is_tap && port->owner == NOBODY && port->group == NOBODY ? geteuid() : port->owner;
}

static struct look wanted_look(const struct object_port *port, int master)
{
	struct look look;
	memset(&look, 0, sizeof(look));
	look.up = port->up;
	look.isolated = port->isolated;
	look.master = master;
	look.owner = look.group = NOBODY;
	if (port->kind == PORT_ADOPT)
		return look;
	look.mac = port->hwaddr;
	if (port->kind == PORT_TAP || port->kind == PORT_TAP_NAMED) {
		look.persistent = port->persistent;
		look.owner = kernel_owner(port);
		look.group = port->group;
	}
	return look;
}

static int find_master(struct operations *operations, const struct object_port *port,
		       int *ret_master, struct error *err)
{
	*ret_master = 0;
	if (!port->bridge[0])
		return 0;
	struct known_link *bridge = links_name(&operations->links, port->bridge, LABEL_BRIDGE);
	if (!bridge)
		return operations_find_bridge(operations, port->bridge, ret_master, err);
	*ret_master = bridge->ifindex;
	return 0;
}

static int find_usual_vlan(struct operations *operations, const struct object_port *port,
			   int master, uint16_t *ret_usual, struct error *err)
{
	struct link bridge;
	int result = link_get_index(&operations->route, master, &bridge, err);
	if (result < 0)
		return result;
	*ret_usual = bridge.usual_vlan;
	return link_check_vlans(&bridge, &port->vlans, err);
}

/* Creation, one function per kind. */
struct creation {
	struct operations *operations;
	const struct task *task;
	const struct object_port *port;
	int master;
	uint16_t usual_vlan;
	const struct vlans *vlans; /* NULL: none of its own */
	const char *alias;
};

static int create_tap(const struct creation *creation, int *ret_ifindex, struct error *err)
{
	const struct object_port *port = creation->port;
	int fds[TAP_QUEUES_MAX];
	bool named = port->kind == PORT_TAP_NAMED;
	struct tap tap = {.name = port->ifname,
			  .alias = creation->alias,
			  .mac = mac_is_set(&port->hwaddr) ? &port->hwaddr : NULL,
			  .bridge = creation->master,
			  .mtu = port->mtu,
			  .queues = port->queues ? port->queues : 1,
			  .multi_queue = port->queues > 1,
			  .up = port->up,
			  .isolated = port->isolated,
			  .vlans = creation->vlans,
			  .usual_vlan = creation->usual_vlan,
			  .persistent = named,
			  .owner = named ? port->owner : TAP_NOBODY,
			  .group = named ? port->group : TAP_NOBODY,
			  .ahead = &creation->operations->tap_ahead};
	int result = tap_create(&creation->operations->route, &tap, named ? NULL : fds, ret_ifindex,
				err);
	if (result < 0 || named)
		return result;
	result = creation->operations->deliver(fds, tap.queues, creation->operations->data);
	if (result == 0)
		return 0;
	descriptor_close_all(fds, tap.queues);
	return error_errno(err, result, "handing over %s", port->ifname);
}

/* Into the bridge, with what counts there. */
static void plug(const struct creation *creation, struct link_change *change)
{
	change->what |= LINK_MASTER | (creation->master ? LINK_ISOLATED : 0) |
			(creation->vlans ? LINK_VLANS : 0);
	change->master = creation->master;
	change->up = creation->port->up;
	change->isolated = creation->port->isolated;
	change->usual_vlan = creation->usual_vlan;
	if (creation->vlans)
		change->vlans = *creation->vlans;
}

static int create_veth(const struct creation *creation, int *ret_ifindex, struct error *err)
{
	const struct object_port *port = creation->port;
	struct operations *operations = creation->operations;
	bool outside = port->kind == PORT_NETNS;
	char peer_alias[LINK_ALIAS_SIZE];
	struct label peer_label = {.role = LABEL_PEER, .network = creation->task->object.network};
	if (!port->peer[0])
		return error_set(err, EINVAL, "the other end has no name");
	if (outside && creation->task->netns < 0)
		return error_set(err, EINVAL, "no network namespace came with the request");
	/* Inside the guest's namespace every name is fine; here only ours. */
	int result = outside ? 0 : operations_check_name(operations, port->peer, err);
	if (result < 0)
		return result;
	if (link_index(port->ifname) > 0 || (!outside && link_index(port->peer) > 0))
		return error_set(err, EEXIST, "there is an interface of this name");
	struct link_veth veth = {
		.name = port->ifname,
		.alias = creation->alias,
		.mac = mac_is_set(&port->hwaddr) ? &port->hwaddr : NULL,
		.peer = port->peer,
		.peer_alias = outside ? NULL
				      : label_format(&peer_label, operations->instance, peer_alias),
		.peer_mac = mac_is_set(&port->peer_mac) ? &port->peer_mac : NULL,
		.peer_netns = outside ? creation->task->netns : -1,
		.mtu = port->mtu};
	result = link_create_veth(&operations->route, &veth, ret_ifindex, err);
	if (result < 0)
		return result;
	struct link_change change = {.what = LINK_UP};
	plug(creation, &change);
	result = link_ipv6_off(port->ifname, err);
	if (result == 0)
		result = link_set(&operations->route, *ret_ifindex, &change, err);
	if (result < 0 || outside)
		return result;
	/* The quiet end: a hypervisor bridges onto it, this host does not speak through it. */
	struct link_change quiet = {.what = LINK_ARP | LINK_UP, .up = true};
	result = link_checksum_off(port->ifname, err);
	if (result == 0)
		result = link_ipv6_off(port->peer, err);
	if (result == 0)
		result = link_set(&operations->route, link_index(port->peer), &quiet, err);
	return result;
}

static int create_adopted(const struct creation *creation, int *ret_ifindex, struct error *err)
{
	const struct object_port *port = creation->port;
	struct operations *operations = creation->operations;
	struct link link;
	struct label label;
	int result = link_get(&operations->route, port->ifname, &link, err);
	if (result < 0)
		return result;
	*ret_ifindex = link.ifindex;
	bool ours = label_parse(link.alias, operations->instance, &label);
	if (ours && (label.role != LABEL_PORT || label.kind != PORT_ADOPT))
		return error_set(err, EBUSY, "it is ours already");
	if (!ours && link.alias[0])
		return error_set(err, EBUSY, "it carries somebody's alias '%s'", link.alias);
	if (!ours && (link.master || link.openvswitch))
		return error_set(err, EBUSY, "it is a port of another bridge or bond");
	struct link_change change = {.what = LINK_ALIAS | LINK_UP, .alias = creation->alias};
	plug(creation, &change);
	return link_set(&operations->route, link.ifindex, &change, err);
}

static int (*const creators[PORT_KINDS])(const struct creation *creation, int *ret_ifindex,
					 struct error *err) = {
	[PORT_TAP] = create_tap,   [PORT_TAP_NAMED] = create_tap, [PORT_NETNS] = create_veth,
	[PORT_VETH] = create_veth, [PORT_ADOPT] = create_adopted,
};

static int change_one(struct operations *operations, const struct object *object,
		      struct error *err);

static int guard(struct operations *operations, int ifindex, struct error *err)
{
	struct link_change change = {.what = LINK_GROUP, .group = GUARD_GROUP};
	return link_set(&operations->route, ifindex, &change, err);
}

static int create_one(struct operations *operations, const struct task *task, struct error *err)
{
	const struct object_port *port = &task->object.port;
	struct label label = label_of(&task->object);
	struct known_link *known;
	char alias[LINK_ALIAS_SIZE];
	struct creation creation = {.operations = operations,
				    .task = task,
				    .port = port,
				    .alias = label_format(&label, operations->instance, alias)};
	int ifindex = 0;
	int result = find_master(operations, port, &creation.master, err);
	if (result == 0 && creation.master && label.has_vlans) {
		creation.vlans = &port->vlans;
		result = find_usual_vlan(operations, port, creation.master, &creation.usual_vlan,
					 err);
	}
	if (result == 0 && port->kind != PORT_ADOPT)
		result = operations_check_name(operations, port->ifname, err);
	if (result < 0)
		return result;
	result = creators[port->kind](&creation, &ifindex, err);
	if (result == -EEXIST && port->kind != PORT_TAP &&
	    operations_find(operations, port->ifname, LABEL_PORT, &known, NULL) == 0 &&
	    known->label.kind == label.kind)
		return change_one(operations, &task->object, err);
	if (result == 0 && port->guarded)
		result = guard(operations, ifindex, err);
	if (result < 0) {
		if (ifindex > 0 && port->kind != PORT_ADOPT)
			link_delete(&operations->route, ifindex, NULL);
		return result;
	}
	struct look look = wanted_look(port, creation.master);
	known = links_add(&operations->links, ifindex, port->ifname, &label, &look);
	links_vlans_set(known, &port->vlans, creation.usual_vlan);
	return 0;
}

/* A tap that loses its bridge must not become an interface on which this host takes its guest's
 * router advertisements. On the bridge it hears nothing, and it has no address (kern/tap). */
void operation_port_settle(struct operations *operations, const struct object_port *port)
{
	struct error err = {0};
	bool is_tap = port->kind == PORT_TAP || port->kind == PORT_TAP_NAMED;
	if (is_tap && link_ipv6_off(port->ifname, &err) < 0)
		log_warning("%s", err.text);
}

static int port_create(struct operations *operations, const struct run *run, size_t *ret_done,
		       struct error *err)
{
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		int result = create_one(operations, &run->tasks[i], err);
		if (result < 0)
			return result;
	}
	return 0;
}

/* Change */

static bool is_tampered(const struct object_port *wanted, const struct link *now)
{
	return wanted->kind == PORT_TAP &&
	       (now->persistent || now->owner != kernel_owner(wanted) || now->tap_group != NOBODY);
}

static int expel(struct operations *operations, const struct link *now, struct error *err)
{
	char text[160];
	snprintf(text, sizeof(text),
		 "%s: its holder made the tap persistent or gave it away; the port is closed",
		 now->name);
	log_warning("%s", text);
	links_leave(&operations->links, now->ifindex);
	int result = link_delete(&operations->route, now->ifindex, err);
	if (result < 0 && result != -ENODEV)
		return result;
	operations->report(text, operations->data);
	return 0;
}

/* Owner and persistence of a named tap; nobody may hold its queue at that moment. */
static int change_owner(const struct object_port *wanted, const struct link *now, struct error *err)
{
	if (wanted->kind != PORT_TAP_NAMED ||
	    (now->persistent && now->owner == kernel_owner(wanted) &&
	     now->tap_group == wanted->group))
		return 0;
	int fd = tap_open(wanted->ifname, now->multi_queue, err);
	if (fd < 0)
		return fd;
	int result = tap_set_owner(fd, kernel_owner(wanted), wanted->group, err);
	if (result == 0)
		result = tap_set_persistent(fd, true, err);
	close(fd);
	return result;
}

static struct link_change change_of(const struct object_port *wanted, const struct link *now,
				    int master, const char *alias)
{
	struct link_change change = {.up = wanted->up,
				     .master = master,
				     .mac = wanted->hwaddr,
				     .isolated = wanted->isolated,
				     .mtu = wanted->mtu,
				     .group = wanted->guarded ? GUARD_GROUP : 0,
				     .alias = alias};
	bool has_mac = wanted->kind != PORT_ADOPT && mac_is_set(&wanted->hwaddr);
	bool moves = now->master != master;
	bool guarded = wanted->kind != PORT_ADOPT && now->group == GUARD_GROUP;
	change.what = (now->up != wanted->up ? LINK_UP : 0) | (moves ? LINK_MASTER : 0) |
		      (has_mac && !mac_equal(&now->mac, &wanted->hwaddr) ? LINK_MAC : 0) |
		      (master && (moves || now->isolated != wanted->isolated) ? LINK_ISOLATED : 0) |
		      (now->mtu < wanted->mtu ? LINK_MTU : 0) |
		      (guarded != wanted->guarded ? LINK_GROUP : 0) |
		      (strcmp(now->alias, alias) != 0 ? LINK_ALIAS : 0);
	return change;
}

/* A bridge of the host's may have changed since they were asked for. Then this port stays as it is,
 * and keeps nobody else from anything; that it is not as wanted, every look tells. */
static int change_vlans(struct operations *operations, const struct object_port *wanted,
			const struct known_link *known, struct link_change *change,
			struct error *err)
{
	struct error why = {0};
	bool moves = change->what & LINK_MASTER;
	if (!moves && !known->vlans_differ &&
	    known->label.has_vlans == vlans_are_set(&wanted->vlans) &&
	    vlans_equal(&known->vlans, &wanted->vlans)) {
		change->usual_vlan = known->usual_vlan;
		return 0;
	}
	change->vlans = wanted->vlans;
	int result = find_usual_vlan(operations, wanted, change->master, &change->usual_vlan, &why);
	if (result == 0)
		change->what |= LINK_VLANS;
	else if (moves || result != -EINVAL)
		return error_set(err, why.code, "%s", why.text);
	else
		log_warning("%s: its VLANs stay as they are: %s", wanted->ifname, why.text);
	return 0;
}

static int change_one(struct operations *operations, const struct object *object, struct error *err)
{
	const struct object_port *wanted = &object->port;
	struct label label = label_of(object);
	struct known_link *known;
	struct link now;
	char alias[LINK_ALIAS_SIZE];
	int master;
	int result = find_master(operations, wanted, &master, err);
	if (result == 0)
		result = operations_find(operations, wanted->ifname, LABEL_PORT, &known, err);
	if (result == 0)
		result = link_get_index(&operations->route, known->ifindex, &now, err);
	if (result < 0)
		return result;
	if (is_tampered(wanted, &now))
		return expel(operations, &now, err);
	result = change_owner(wanted, &now, err);
	label_format(&label, operations->instance, alias);
	struct link_change change = change_of(wanted, &now, master, alias);
	if (change.what & LINK_MAC)
		log_warning("%s: its MAC address was changed and is set back (owner: uid %u)",
			    now.name, (unsigned)now.owner);
	if (result == 0 && master && (label.has_vlans || known->label.has_vlans))
		result = change_vlans(operations, wanted, known, &change, err);
	if (result == 0 && change.what)
		result = link_set(&operations->route, now.ifindex, &change, err);
	if (result < 0)
		return result;
	struct look look = wanted_look(wanted, master);
	known = links_add(&operations->links, now.ifindex, wanted->ifname, &label, &look);
	links_vlans_set(known, &wanted->vlans, change.usual_vlan);
	return 0;
}

static int set_up(struct operations *operations, const struct object_port *port, bool up)
{
	struct link_change change = {.what = LINK_UP, .up = up};
	const struct known_link *known = links_name(&operations->links, port->ifname, LABEL_PORT);
	return known ? link_set(&operations->route, known->ifindex, &change, NULL) : 0;
}

/* The machines see their carrier go and come, as if the cable had been pulled: DHCP clients ask
 * anew. Established connections stay. The pause lets the kernel tell of the loss: it would say
 * nothing of one that is over before its notifier runs. */
static void blink(struct operations *operations, const struct run *run)
{
	struct timespec pause = {.tv_nsec = BLINK_NSEC};
	size_t count = 0;
	for (size_t i = 0; i < run->count; i++) {
		const struct object_port *port = &run->tasks[i].object.port;
		count += port->blink && port->up && set_up(operations, port, false) == 0;
	}
	if (count == 0)
		return;
	nanosleep(&pause, NULL);
	for (size_t i = 0; i < run->count; i++)
		if (run->tasks[i].object.port.blink && run->tasks[i].object.port.up)
			set_up(operations, &run->tasks[i].object.port, true);
}

static int port_change(struct operations *operations, const struct run *run, size_t *ret_done,
		       struct error *err)
{
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		int result = change_one(operations, &run->tasks[i].object, err);
		if (result < 0)
			return result;
	}
	blink(operations, run);
	return 0;
}

/* An adopted interface goes back to its maker: off the bridge, without our label. */
static int release(struct operations *operations, const struct known_link *known, struct error *err)
{
	struct link_change change = {.what = LINK_ALIAS, .alias = ""};
	if (known->look.master) /* of Open vSwitch's kernel module it would not be accepted */
		change.what |= LINK_MASTER;
	int result = link_set(&operations->route, known->ifindex, &change, err);
	return result == -ENODEV ? 0 : result;
}

static int port_delete(struct operations *operations, const struct run *run, size_t *ret_done,
		       struct error *err)
{
	int indexes[OPERATIONS_CHUNK];
	size_t count = 0;
	for (size_t i = 0; i < run->count; i++) {
		struct known_link *known;
		int result = operations_find(operations, run->tasks[i].object.port.ifname,
					     LABEL_PORT, &known, err);
		if (result == -ENODEV)
			continue;
		if (result < 0)
			return result;
		int ifindex = known->ifindex;
		if (known->label.kind != PORT_ADOPT)
			indexes[count++] = ifindex;
		else if ((result = release(operations, known, err)) < 0)
			return result;
		links_leave(&operations->links, ifindex);
	}
	int result = count ? link_delete_many(&operations->route, indexes, count, err) : 0;
	if (result == 0)
		*ret_done = run->count;
	return result;
}

const struct operation_type operation_port = {
	{[PLAN_CREATE] = port_create, [PLAN_CHANGE] = port_change, [PLAN_DELETE] = port_delete},
};
