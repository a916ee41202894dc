/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. Our own changes are announced by the kernel too. They are told from somebody
 * else's by their result: the executor notes how a link looks after its operation, and every
 * notification is compared with that. States in between are overwritten by the next notification of
 * the same link, so the verdict is asked for a moment after the last one.
 */
#include "executor/links.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"

static const char *const roles[LABEL_ROLES] = {[LABEL_BRIDGE] = "bridge",
					       [LABEL_SILENT] = "silent",
					       [LABEL_PORT] = "port",
					       [LABEL_PEER] = "peer"};

#define VLANS	     "vlans"
#define KIND_UNOWNED PORT_KINDS /* after the kinds */
static const char *const kinds[PORT_KINDS + 1] = {
	[PORT_TAP] = "tap",   [PORT_TAP_NAMED] = "named", [PORT_NETNS] = "netns",
	[PORT_VETH] = "veth", [PORT_ADOPT] = "adopted",	  [KIND_UNOWNED] = "unowned",
};

const char *label_format(const struct label *label, const char *instance,
			 char text[LINK_ALIAS_SIZE])
{
	int used = snprintf(text, LINK_ALIAS_SIZE, "lanyard:%s:%s:%u", instance, roles[label->role],
			    label->network);
	if (label->role == LABEL_PORT)
		snprintf(text + used, (size_t)(LINK_ALIAS_SIZE - used), ":%s%s",
			 kinds[label->is_unowned ? KIND_UNOWNED : label->kind],
			 label->has_vlans ? ":" VLANS : "");
	return text;
}

/* The index of the word that text begins with, up to a colon or the end; *ret_rest behind it. */
static int word_index(const char *text, const char *const *words, int count, const char **ret_rest)
{
	size_t length = strcspn(text, ":");
	for (int i = 0; i < count; i++) {
		if (strlen(words[i]) != length || strncmp(words[i], text, length) != 0)
			continue;
		*ret_rest = text + length + (text[length] == ':');
		return i;
	}
	return -1;
}

bool label_parse(const char *alias, const char *instance, struct label *ret)
{
	size_t length = strlen(instance);
	const char *rest = alias + 8;
	*ret = (struct label){0};
	if (strncmp(alias, "lanyard:", 8) != 0 || strncmp(rest, instance, length) != 0 ||
	    rest[length] != ':')
		return false;
	int role = word_index(rest + length + 1, roles, LABEL_ROLES, &rest);
	if (role < 0 || *rest < '0' || *rest > '9')
		return false;
	char *end;
	ret->role = (enum label_role)role;
	ret->network = (uint32_t)strtoul(rest, &end, 10);
	if (ret->role != LABEL_PORT)
		return *end == '\0';
	int kind = *end == ':' ? word_index(end + 1, kinds, PORT_KINDS + 1, &rest) : -1;
	if (kind < 0)
		return false;
	ret->has_vlans = strcmp(rest, VLANS) == 0;
	if (*rest && !ret->has_vlans)
		return false;
	ret->is_unowned = kind == KIND_UNOWNED;
	ret->kind = ret->is_unowned ? PORT_TAP_NAMED : (enum port_kind)kind;
	return true;
}

static bool label_equal(const struct label *a, const struct label *b)
{
	return a->role == b->role && a->network == b->network && a->kind == b->kind &&
	       a->is_unowned == b->is_unowned && a->has_vlans == b->has_vlans;
}

/* The table */

static size_t position(const struct links *links, int ifindex)
{
	size_t low = 0, high = links->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (links->items[middle].ifindex < ifindex)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct known_link *links_index(const struct links *links, int ifindex)
{
	size_t i = position(links, ifindex);
	return i < links->count && links->items[i].ifindex == ifindex ? &links->items[i] : NULL;
}

struct known_link *links_name(const struct links *links, const char *name, enum label_role role)
{
	for (size_t i = 0; i < links->count; i++)
		if (links->items[i].label.role == role && !links->items[i].leaving &&
		    !links->items[i].stranger && strcmp(links->items[i].name, name) == 0)
			return &links->items[i];
	return NULL;
}

static struct known_link *add(struct links *links, int ifindex, const char *name,
			      const struct label *label, const struct look *look)
{
	size_t i = position(links, ifindex);
	if (i == links->count || links->items[i].ifindex != ifindex) {
		links->items = memory_grow(links->items, &links->room, links->count + 1,
					   sizeof(*links->items));
		memmove(links->items + i + 1, links->items + i,
			(links->count - i) * sizeof(*links->items));
		links->count++;
		links->items[i] = (struct known_link){.ifindex = ifindex};
	}
	struct known_link *known = &links->items[i];
	snprintf(known->name, sizeof(known->name), "%s", name);
	known->label = *label;
	known->look = *look;
	known->differs = known->leaving = known->stranger = known->vlans_differ = false;
	return known;
}

struct known_link *links_add(struct links *links, int ifindex, const char *name,
			     const struct label *label, const struct look *look)
{
	/* A name that is used again: its old bearer is gone, whether we have been told or not. */
	struct known_link *old = links_name(links, name, label->role);
	if (old && old->ifindex != ifindex)
		links_remove(links, old->ifindex);
	return add(links, ifindex, name, label, look);
}

void links_remove(struct links *links, int ifindex)
{
	size_t i = position(links, ifindex);
	if (i == links->count || links->items[i].ifindex != ifindex)
		return;
	free(links->items[i].addresses);
	links->count--;
	memmove(links->items + i, links->items + i + 1, (links->count - i) * sizeof(*links->items));
}

void links_leave(struct links *links, int ifindex)
{
	struct known_link *known = links_index(links, ifindex);
	if (known) {
		known->leaving = true;
		known->differs = known->vlans_differ = false;
	}
}

void links_clear(struct links *links)
{
	for (size_t i = 0; i < links->count; i++)
		free(links->items[i].addresses);
	links->count = 0;
	links->lost = links->changed = false;
	links->reason[0] = '\0';
}

void links_done(struct links *links)
{
	links_clear(links);
	free(links->items);
	links->items = NULL;
	links->room = 0;
}

void links_vlans_set(struct known_link *port, const struct vlans *vlans, unsigned usual)
{
	port->vlans = *vlans;
	port->usual_vlan = (uint16_t)usual;
}

static size_t address_position(const struct known_link *bridge, const struct ip *address)
{
	size_t i = 0;
	while (i < bridge->n_addresses && ip_compare(&bridge->addresses[i], address) != 0)
		i++;
	return i;
}

void links_address_add(struct known_link *bridge, const struct ip *address)
{
	if (address_position(bridge, address) < bridge->n_addresses)
		return;
	bridge->addresses = memory_grow(bridge->addresses, &bridge->addresses_room,
					bridge->n_addresses + 1, sizeof(*address));
	bridge->addresses[bridge->n_addresses++] = *address;
}

bool links_address_remove(struct known_link *bridge, const struct ip *address)
{
	size_t i = address_position(bridge, address);
	if (i == bridge->n_addresses)
		return false;
	bridge->addresses[i] = bridge->addresses[--bridge->n_addresses];
	return true;
}

struct look look_of_link(const struct link *link, const struct label *label)
{
	struct look look;
	memset(&look, 0, sizeof(look));
	look.up = link->up;
	look.owner = look.group = (uint32_t)-1;
	if (label->role == LABEL_BRIDGE) {
		look.mac = link->mac;
		look.carrier = link->carrier;
		look.stp = link->stp;
		look.vlan_filtering = link->vlan_filtering;
		look.mtu = link->mtu;
		return look;
	}
	look.isolated = link->isolated;
	look.master = link->master;
	if (label->kind == PORT_ADOPT) /* the rest is its maker's business */
		return look;
	look.mac = link->mac;
	look.persistent = link->persistent;
	look.owner = link->owner;
	look.group = link->tap_group;
	return look;
}

/* Notifications */

static void note(struct links *links, const char *name, const char *what)
{
	if (!links->reason[0])
		snprintf(links->reason, sizeof(links->reason), "%s: %s", name, what);
}

static const char *difference(const struct look *wanted, const struct look *now)
{
	if (memcmp(&wanted->mac, &now->mac, sizeof(now->mac)) != 0)
		return "its MAC address was changed";
	if (wanted->persistent != now->persistent)
		return "it was made persistent or not";
	if (wanted->owner != now->owner || wanted->group != now->group)
		return "its owner was changed";
	if (wanted->master != now->master)
		return "it was taken off its bridge";
	if (wanted->up != now->up)
		return now->up ? "it was set up" : "it was set down";
	if (wanted->carrier != now->carrier)
		return now->carrier ? "it has carrier" : "it lost its carrier";
	return "its name or settings were changed";
}

void links_compare(struct links *links, const struct link *link)
{
	struct known_link *known = links_index(links, link->ifindex);
	struct label label;
	bool ours = label_parse(link->alias, links->instance, &label);
	if (!known) {
		if (ours && (label.role == LABEL_BRIDGE || label.role == LABEL_PORT)) {
			struct look look = look_of_link(link, &label);
			known = add(links, link->ifindex, link->name, &label, &look);
			known->stranger = known->differs = true;
		}
		return;
	}
	if (known->leaving || known->stranger)
		return;
	bool renamed = !ours || !label_equal(&label, &known->label) ||
		       strcmp(link->name, known->name) != 0;
	known->seen = look_of_link(link, &known->label);
	known->differs = renamed || memcmp(&known->seen, &known->look, sizeof(known->seen)) != 0;
}

static void link_gone(struct links *links, const struct monitor_event *event)
{
	struct known_link *known = links_index(links, event->link.ifindex);
	if (!known)
		return;
	if (known->leaving || known->stranger) {
		links_remove(links, event->link.ifindex);
		return;
	}
	links->changed = true;
	links->reason[0] = '\0'; /* says more than what was seen of its last moments */
	note(links, known->name, "it is gone");
	links_remove(links, event->link.ifindex);
}

static void address_event(struct links *links, const struct monitor_event *event)
{
	struct known_link *bridge = links_index(links, event->ifindex);
	if (!bridge || bridge->leaving || bridge->stranger || bridge->label.role != LABEL_BRIDGE)
		return;
	bool known = address_position(bridge, &event->address) < bridge->n_addresses;
	bool added = event->kind == MONITOR_ADDRESS;
	if (known == added)
		return;
	if (known)
		links_address_remove(bridge, &event->address);
	links->changed = true;
	note(links, bridge->name, added ? "an address was added" : "an address was removed");
}

void links_vlans_compare(struct known_link *port, const struct vlan_port *now)
{
	struct vlans vlans;
	if (port->leaving || port->stranger || !port->label.has_vlans)
		return;
	vlans_of_port(now, port->usual_vlan, &vlans);
	port->vlans_differ = !vlans_equal(&vlans, &port->vlans);
}

static void vlan_event(struct links *links, const struct monitor_event *event)
{
	struct known_link *port = links_index(links, event->ifindex);
	if (port)
		links_vlans_compare(port, &event->vlans);
}

void links_notice(struct links *links, const struct monitor_event *event)
{
	if (event->kind == MONITOR_LINK)
		links_compare(links, &event->link);
	else if (event->kind == MONITOR_VLANS)
		vlan_event(links, event);
	else if (event->kind == MONITOR_LINK_GONE)
		link_gone(links, event);
	else if (event->kind == MONITOR_ADDRESS || event->kind == MONITOR_ADDRESS_GONE)
		address_event(links, event);
	else if (event->kind == MONITOR_EVERYTHING)
		links->lost = true;
}

bool links_verdict(struct links *links, char ret_reason[LINKS_REASON_SIZE])
{
	bool differs = links->changed;
	for (size_t i = 0; i < links->count; i++) {
		if (links->items[i].vlans_differ) {
			note(links, links->items[i].name, "its VLANs were changed");
			links->items[i].vlans_differ = false;
			differs = true;
		}
		if (!links->items[i].differs)
			continue;
		links->items[i].differs = false;
		differs = true;
		note(links, links->items[i].name,
		     links->items[i].stranger
			     ? "an interface of ours that was not expected"
			     : difference(&links->items[i].look, &links->items[i].seen));
		links->items[i].stranger = false;
	}
	snprintf(ret_reason, LINKS_REASON_SIZE, "%s", links->reason);
	links->reason[0] = '\0';
	links->changed = false;
	return differs;
}
