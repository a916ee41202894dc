/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "executor/adoption.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "executor/operation_uplink.h"
#include "executor/operations.h"
#include "kern/host.h"
#include "kern/link.h"
#include "model/object_host.h"

#define SECOND	      1000000ull
#define GATEWAY_WAIT  700 /* milliseconds */
#define STRANGER_WAIT 700

struct adoption *adoptions_find(const struct adoptions *adoptions, const char *nic)
{
	struct adoption *adoption = adoptions->first;
	while (adoption && strcmp(adoption->nic, nic) != 0)
		adoption = adoption->next;
	return adoption;
}

bool adoptions_is_bridge(const struct adoptions *adoptions, const char *ifname)
{
	for (const struct adoption *adoption = adoptions->first; adoption;
	     adoption = adoption->next)
		if (strcmp(adoption->bridge, ifname) == 0)
			return true;
	return false;
}

/* Before */

/* The default gateways among the routes, each once. */
static size_t find_gateways(const struct object_list *list, struct ip ret[ADOPTION_GATEWAYS])
{
	size_t count = 0;
	for (size_t i = 0; i < list->count && count < ADOPTION_GATEWAYS; i++) {
		struct ip gateway;
		bool known = false;
		if (!object_host_gateway(&list->items[i], &gateway))
			continue;
		for (size_t j = 0; j < count; j++)
			known |= ip_equal(&ret[j], &gateway);
		if (!known)
			ret[count++] = gateway;
	}
	return count;
}

/* What to know before: does the provider take MACs that it does not know? */
static void ask_as_stranger(int ifindex, const struct object_list *list, char *report, size_t size)
{
	struct ip gateways[ADOPTION_GATEWAYS];
	char text[IP_TEXT_SIZE];
	size_t count = find_gateways(list, gateways);
	for (size_t i = 0; i < count; i++) {
		if (gateways[i].family != AF_INET ||
		    hail_neighbour(ifindex, &gateways[i], GATEWAY_WAIT, NULL) != 1)
			continue;
		if (hail_stranger(ifindex, &gateways[i], STRANGER_WAIT, NULL) == 0)
			snprintf(report, size,
				 "%s answers this host, but no unknown MAC: machines on the bridge "
				 "will not reach it (port security, or a hypervisor)",
				 ip_format(&gateways[i], text));
		return;
	}
}

int adoptions_survey(struct adoptions *adoptions, const struct object *wanted,
		     struct object_list *ret, struct error *err)
{
	struct host_nic nic;
	const struct object_uplink *uplink = &wanted->uplink;
	const struct adoption *known = adoptions_find(adoptions, uplink->ifname);
	if (known)
		return error_set(err, EEXIST, "'%s' is the uplink of a network already, on %s",
				 uplink->ifname, known->bridge);
	int result = adoption_check(adoptions->operations, uplink, &nic, err);
	if (result < 0)
		return result;
	result = host_dump(&adoptions->operations->route, uplink->ifname, NULL, ret, err);
	if (result < 0)
		return result;
	char report[UPLINK_REPORT_SIZE] = "";
	ask_as_stranger(nic.ifindex, ret, report, sizeof(report));
	struct object *first = object_list_add(ret, OBJECT_UPLINK, wanted->network);
	*first = *wanted;
	memcpy(first->uplink.report, report, strlen(report));
	return 0;
}

/* There and back */

static void announce(struct adoption *adoption, const char *ifname)
{
	struct object_list list = {0};
	struct host_nic nic;
	struct ip ip;
	if (host_nic(&adoption->all->operations->route, ifname, &nic, NULL) == 0 &&
	    adoption_look(adoption, ifname, &list, NULL) == 0)
		for (size_t i = 0; i < list.count; i++)
			if (object_host_address(&list.items[i], &ip))
				hail_announce(nic.ifindex, &nic.mac, &ip, NULL);
	object_list_done(&list);
}

/* Its own, then those of the NIC on the bridge: what onto() makes of what was or of what stood on
 * the bridge last. */
static int wanted_on_bridge(struct adoption *adoption, struct object_list *ret, struct error *err)
{
	struct object_list bridge = {0}, source = {0};
	int result = adoption_look(adoption, adoption->bridge, &bridge, err);
	struct object_host_link *link = object_host_link(&bridge, adoption->bridge);
	if (result == 0 && !link)
		result = error_set(err, ENODEV, "there is no bridge '%s'", adoption->bridge);
	if (result == 0 && adoption->now.count) {
		object_host_off(&adoption->before, &adoption->now, adoption->nic, adoption->bridge,
				&source);
		object_host_onto(&source, adoption->nic, link, ret);
	} else if (result == 0) {
		object_host_onto(&adoption->before, adoption->nic, link, ret);
	}
	object_list_done(&bridge);
	object_list_done(&source);
	return result;
}

static bool is_in_place(const struct adoption *adoption)
{
	struct link nic, bridge;
	struct netlink *netlink = &adoption->all->operations->route;
	return link_get(netlink, adoption->bridge, &bridge, NULL) == 0 && bridge.up &&
	       (link_get(netlink, adoption->nic, &nic, NULL) < 0 || nic.master == bridge.ifindex);
}

/* What stands on the bridge, for the case that somebody deletes it. */
static void remember(struct adoption *adoption)
{
	struct object_list list = {0};
	struct error err = {0};
	if (is_in_place(adoption) && adoption_look(adoption, adoption->bridge, &list, NULL) == 0 &&
	    list.count) {
		object_list_done(&adoption->now);
		adoption->now = list;
		if (adoption_write(adoption, &err) < 0)
			log_warning("%s", err.text);
		return;
	}
	object_list_done(&list);
}

static int move(struct adoption *adoption, struct error *err)
{
	struct object_list wanted = {0};
	int result = wanted_on_bridge(adoption, &wanted, err);
	if (result == 0)
		result = adoption_run(adoption, &wanted, false, err);
	object_list_done(&wanted);
	if (result < 0)
		return result;
	adoption->moved = true;
	adoption->disturbed = false;
	if (!adoption->since)
		adoption->since = clock_usec(CLOCK_BOOTTIME);
	remember(adoption);
	announce(adoption, adoption->bridge);
	return adoption_write(adoption, err);
}

/* For a NIC that is not there yet. */
static bool is_waiting(const struct adoption *adoption)
{
	return adoption->before.count == 0;
}

static void keep_answering(struct adoption *adoption, int ifindex)
{
	struct ip gateways[ADOPTION_GATEWAYS];
	size_t count = find_gateways(&adoption->before, gateways);
	adoption->n_gateways = 0;
	for (size_t i = 0; i < count; i++)
		if (hail_neighbour(ifindex, &gateways[i], GATEWAY_WAIT, NULL) == 1)
			adoption->gateways[adoption->n_gateways++] = gateways[i];
}

/* Forwarding out by the NIC has a record and an accept_ra of its own (operation_uplink.h), which
 * come and go while the NIC is in the bridge: here the value is the one without it. */
static void set_accept_ra(struct adoption *adoption, struct object_list *list, bool with_forwarding)
{
	struct object_host_link *link = object_host_link(list, adoption->nic);
	int *setting = link ? &link->settings[object_host_setting_index("ipv6/accept_ra")] : NULL;
	int before = -1;
	if (!setting || !operation_uplink_is_set(adoption->all->operations, adoption->nic, &before))
		return;
	if (!with_forwarding && before >= 0)
		*setting = before;
	else if (with_forwarding && *setting == 1)
		*setting = 2;
}

/* In the bridge from the host's start: what was before is what a NIC alone would be. */
static void imagine_before(struct adoption *adoption)
{
	struct object_host_link *nic = object_host_link(&adoption->before, adoption->nic);
	const struct object_host_link *bridge =
		object_host_link(&adoption->before, adoption->bridge);
	if (!nic || !bridge || strcmp(nic->bridge, adoption->bridge) != 0)
		return;
	memset(nic->bridge, 0, sizeof(nic->bridge));
	memcpy(nic->settings, bridge->settings, sizeof(nic->settings));
	nic->gen_mode = bridge->gen_mode;
	nic->tagged = 0;
}

static int begin(struct adoptions *adoptions, const struct object *wanted, struct adoption **ret,
		 struct error *err)
{
	const struct object_uplink *uplink = &wanted->uplink;
	struct host_nic nic;
	int result = adoption_check(adoptions->operations, uplink, &nic, err);
	if (result < 0)
		return result;
	if (!uplink->confirmed && !uplink->seconds)
		return error_set(err, ECANCELED, "it was not confirmed, and all is as before");
	struct adoption *adoption =
		adoption_new(adoptions, uplink->ifname, uplink->bridge, wanted->network);
	adoption->confirmed = uplink->confirmed;
	adoption->by_hand = uplink->by_hand;
	adoption->session = (struct hail_session){uplink->local, uplink->peer, uplink->local_port,
						  uplink->peer_port};
	result = host_dump(&adoptions->operations->route, adoption->nic, adoption->tag,
			   &adoption->before, err);
	if (result == 0)
		result = adoption_look(adoption, adoption->bridge, &adoption->before, err);
	imagine_before(adoption);
	set_accept_ra(adoption, &adoption->before, false);
	if (result == 0 && !adoption->confirmed) {
		keep_answering(adoption, nic.ifindex);
		adoption->deadline = clock_usec(CLOCK_BOOTTIME) + uplink->seconds * SECOND;
	}
	if (result == 0) /* before the first step */
		result = adoption_write(adoption, err);
	if (result < 0)
		adoption_free(adoption);
	else
		*ret = adoption;
	return result;
}

int adoptions_create(struct adoptions *adoptions, const struct object *wanted, struct error *err)
{
	struct adoption *adoption = adoptions_find(adoptions, wanted->uplink.ifname);
	int result = 0;
	if (adoption && strcmp(adoption->bridge, wanted->uplink.bridge) != 0)
		return error_set(err, EEXIST, "it is a port of %s", adoption->bridge);
	if (adoption && is_waiting(adoption)) {
		adoption_free(adoption);
		adoption = NULL;
	}
	if (!adoption && wanted->uplink.confirmed && link_index(wanted->uplink.ifname) < 0) {
		log_warning("uplink %s is not there; it is taken in when it comes",
			    wanted->uplink.ifname);
		adoption_new(adoptions, wanted->uplink.ifname, wanted->uplink.bridge,
			     wanted->network)
			->confirmed = true;
		return 0;
	}
	if (!adoption)
		result = begin(adoptions, wanted, &adoption, err);
	if (result == 0)
		result = move(adoption, err);
	if (adoption) /* the deadline after a failure too */
		adoption_watch(adoption);
	return result;
}

int adoption_go_back(struct adoption *adoption, bool without_bridge, struct error *err)
{
	struct object_list wanted = {0}, now = {0};
	int result = 0;
	adoption_unwatch(adoption);
	if (adoption->confirmed) {
		result = adoption_look(adoption, adoption->bridge, &now, err);
		if (result == 0)
			object_host_off(&adoption->before,
					object_host_link(&now, adoption->bridge) ? &now
										 : &adoption->now,
					adoption->nic, adoption->bridge, &wanted);
	} else {
		for (size_t i = 0; i < adoption->before.count; i++) {
			const struct object *object = &adoption->before.items[i];
			if (!without_bridge || strcmp(object->host.ifname, adoption->bridge) != 0)
				*object_list_add(&wanted, object->kind, 0) = *object;
		}
	}
	set_accept_ra(adoption, &wanted, true);
	if (result == 0)
		result = adoption_run(adoption, &wanted, without_bridge, err);
	object_list_done(&wanted);
	object_list_done(&now);
	if (result < 0)
		return result;
	announce(adoption, adoption->nic);
	adoption_unlink(adoption);
	adoption_free(adoption);
	return 0;
}

int adoptions_delete(struct adoptions *adoptions, const struct object *object, struct error *err)
{
	struct adoption *adoption = adoptions_find(adoptions, object->uplink.ifname);
	return adoption ? adoption_go_back(adoption, false, err) : 0;
}

int adoptions_confirm(struct adoptions *adoptions, const char *nic, struct error *err)
{
	struct adoption *adoption = adoptions_find(adoptions, nic);
	if (!adoption || !adoption->moved)
		return error_set(err, ENOENT, "'%s' is no uplink", nic);
	adoption_unwatch(adoption);
	adoption->confirmed = true;
	adoption->deadline = 0;
	memset(adoption->report, 0, sizeof(adoption->report));
	return adoption_write(adoption, err);
}

/* Looking */

void adoptions_dump(struct adoptions *adoptions, struct object_list *ret)
{
	uint64_t now = clock_usec(CLOCK_BOOTTIME);
	for (struct adoption *adoption = adoptions->first; adoption; adoption = adoption->next) {
		bool in_place = is_in_place(adoption);
		if (adoption->moved && in_place && !adoption->disturbed)
			remember(adoption);
		struct object_uplink *uplink =
			&object_list_add(ret, OBJECT_UPLINK, adoption->network)->uplink;
		memcpy(uplink->ifname, adoption->nic, IFNAMSIZ);
		memcpy(uplink->bridge, adoption->bridge, IFNAMSIZ);
		uplink->moved = is_waiting(adoption)
					? link_index(adoption->nic) < 0
					: adoption->moved && !adoption->disturbed && in_place;
		uplink->confirmed = adoption->confirmed;
		uplink->by_hand = adoption->by_hand;
		if (adoption->deadline > now)
			uplink->seconds = (uint32_t)((adoption->deadline - now) / SECOND + 1);
		memcpy(uplink->report, adoption->report, sizeof(uplink->report));
	}
}

bool adoptions_notice(struct adoptions *adoptions, const struct monitor_event *event)
{
	bool is_own = false;
	bool is_link = event->kind == MONITOR_LINK || event->kind == MONITOR_LINK_GONE;
	bool is_address = event->kind == MONITOR_ADDRESS || event->kind == MONITOR_ADDRESS_GONE;
	for (const struct adoption *adoption = adoptions->first; adoption;
	     adoption = adoption->next) {
		if (is_link && (strcmp(event->link.name, adoption->bridge) == 0 ||
				strcmp(event->link.name, adoption->nic) == 0))
			adoptions->dirty = true;
		is_own |= is_address && event->ifindex == link_index(adoption->bridge);
	}
	adoptions->dirty |= is_own || (adoptions->first && event->kind == MONITOR_EVERYTHING);
	return is_own;
}

/* What went through meanwhile does not count, but how it is now. */
static bool settle(struct adoption *adoption)
{
	struct link bridge;
	if (is_waiting(adoption))
		return link_index(adoption->nic) > 0;
	if (!adoption->moved)
		return false;
	adoption->disturbed |=
		link_get(&adoption->all->operations->route, adoption->bridge, &bridge, NULL) < 0 ||
		!bridge.up;
	if (adoption->disturbed || !is_in_place(adoption))
		return true;
	remember(adoption);
	return false;
}

bool adoptions_settled(struct adoptions *adoptions)
{
	bool differs = false;
	for (struct adoption *adoption = adoptions->first; adoption && adoptions->dirty;
	     adoption = adoption->next)
		differs |= settle(adoption);
	adoptions->dirty = false;
	return differs;
}

void adoptions_start(struct adoptions *adoptions)
{
	adoptions_read(adoptions);
	struct adoption *adoption = adoptions->first, *next;
	for (; adoption; adoption = next) {
		next = adoption->next;
		adoption_watch(adoption);
	}
}

void adoptions_done(struct adoptions *adoptions)
{
	while (adoptions->first)
		adoption_free(adoptions->first);
}
