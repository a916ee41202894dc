/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. The kernel tells of our own changes as well, several times each, and of
 * everybody's. Reading starts a moment after the first notification: by then the states in between
 * are over and most of the others have come, so a burst costs one look (see links).
 */
#include "executor/notices.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/log.h"
#include "executor/conversation.h"
#include "executor/executor.h"
#include "kern/sysctl.h"

#define SETTLE_USEC	50000u	/* notifications are read this long after the first */
#define SETTLE_MAX_USEC 500000u /* or, while the broker keeps us busy, this long */

/* A route of ours that went, and in a system instance every one of the host's that came or went:
 * the way out may be another one now, or a prefix of ours be somebody else's too. */
static void on_route(struct executor *executor, const struct monitor_event *event)
{
	struct links *links = &executor->operations.links;
	const struct known_link *bridge = links_index(links, event->ifindex);
	bool ours = bridge && bridge->label.role == LABEL_BRIDGE;
	if (bridge && bridge->leaving)
		return;
	if (ours ? event->own && event->kind == MONITOR_ROUTE_GONE
		 : !executor->operations.user && !ip_is_link_local(&event->address))
		executor->routes_changed = true;
}

/* The kernel says nothing of the IPv4 routes that go with an interface. */
static void on_foreign_link(struct executor *executor, const struct monitor_event *event)
{
	bool goes = event->kind == MONITOR_LINK_GONE ||
		    (event->kind == MONITOR_LINK && !event->link.up);
	if (goes && !executor->operations.user && strncmp(event->link.name, "ly", 2) != 0 &&
	    !links_index(&executor->operations.links, event->ifindex))
		executor->routes_changed = true;
}

/* Ours, too, and each family's on its own: what it is now is read when the burst is over. */
static void on_setting(struct executor *executor, int ifindex)
{
	struct known_link *bridge = links_index(&executor->operations.links, ifindex);
	if (bridge && bridge->label.role == LABEL_BRIDGE && !bridge->leaving)
		bridge->settings_told = true;
}

static bool is_switched(const struct known_link *bridge)
{
	static const int families[] = {AF_INET, AF_INET6};
	for (size_t i = 0; i < 2; i++) {
		bool on = false;
		if (sysctl_is_forwarding(bridge->name, families[i], &on, NULL) == 0 &&
		    on != bridge->forwards[i])
			return true;
	}
	return false;
}

/* A bridge on which somebody switched forwarding; NULL: none. */
static const struct known_link *find_switched(struct links *links)
{
	const struct known_link *found = NULL;
	for (size_t i = 0; i < links->count; i++) {
		struct known_link *bridge = &links->items[i];
		if (bridge->settings_told && !found && is_switched(bridge))
			found = bridge;
		bridge->settings_told = false;
	}
	return found;
}

static void on_notice(const struct monitor_event *event, void *data)
{
	struct executor *executor = data;
	if (event->kind == MONITOR_FIREWALL)
		executor->foreign_firewall =
			!firewall_is_current(&executor->operations.firewall, event->generation);
	else if (event->kind == MONITOR_ROUTE || event->kind == MONITOR_ROUTE_GONE)
		on_route(executor, event);
	else if (event->kind == MONITOR_FORWARDING)
		on_setting(executor, event->ifindex);
	else if (!adoptions_notice(&executor->operations.adoptions, event)) {
		on_foreign_link(executor, event);
		links_notice(&executor->operations.links, event);
	}
}

/* After somebody's commit: whether our part of the ruleset is another one than we know. */
static bool is_firewall_changed(struct firewall *firewall)
{
	struct object_list before = {0}, now = {0};
	struct error err = {0};
	firewall_known(firewall, OBJECT_FILTER, &before);
	firewall_known(firewall, OBJECT_RATE, &before);
	bool lost = firewall->met_loss;
	int result = firewall_dump(firewall, &now, &err);
	bool changed = lost || result < 0 || before.count != now.count;
	object_list_sort(&before);
	object_list_sort(&now);
	for (size_t i = 0; i < before.count && !changed; i++)
		changed = object_compare_key(&before.items[i], &now.items[i]) != 0 ||
			  !object_is_same(&before.items[i], &now.items[i]);
	object_list_done(&before);
	object_list_done(&now);
	return changed;
}

static uint64_t now_usec(const struct executor *executor)
{
	uint64_t now = 0;
	sd_event_now(executor->event, CLOCK_MONOTONIC, &now);
	return now;
}

static void read_notices(struct executor *executor)
{
	struct operations *operations = &executor->operations;
	struct error err = {0};
	if (monitor_read(&executor->monitor, on_notice, executor, &err) < 0) {
		log_warning("%s", err.text);
		operations->links.lost = true;
	}
	bool was_lost = operations->links.lost;
	operations->links.lost = false;
	if (was_lost && operations_compare(operations, NULL) < 0)
		operations->links.changed = true;
}

static int wait_for_notices(struct executor *executor)
{
	sd_event_source_set_time_relative(executor->settle, SETTLE_USEC);
	return sd_event_source_set_enabled(executor->settle, SD_EVENT_ONESHOT);
}

/* While requests come one after the other, they go first; most notifications are ours then. */
static int on_settled(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	struct executor *executor = data;
	char reason[LINKS_REASON_SIZE];
	struct operations *operations = &executor->operations;
	const char *others_changed = NULL; /* which may concern us: the broker looks */
	uint64_t now = now_usec(executor);
	if (now - executor->last_request < SETTLE_USEC &&
	    now - executor->first_notice < SETTLE_MAX_USEC)
		return wait_for_notices(executor);
	read_notices(executor);
	sd_event_source_set_enabled(executor->notices, SD_EVENT_ON);
	bool changed = links_verdict(&operations->links, reason);
	const struct known_link *switched = find_switched(&operations->links);
	if (switched && !changed) {
		changed = true;
		snprintf(reason, sizeof(reason), "%s: somebody switched its forwarding",
			 switched->name);
	}
	executor->foreign_firewall |= operations->firewall.met_others;
	if (executor->foreign_firewall && is_firewall_changed(&operations->firewall)) {
		changed = true;
		snprintf(reason, sizeof(reason), "somebody changed the nftables ruleset");
	}
	if (executor->foreign_firewall && operation_permit_changed(operations))
		others_changed = "another firewall of the host changed";
	executor->foreign_firewall = false;
	if (adoptions_settled(&operations->adoptions) && !changed) {
		changed = true;
		snprintf(reason, sizeof(reason), "an uplink is not in its bridge");
	}
	if (executor->routes_changed)
		others_changed = "routes changed";
	executor->routes_changed = false;
	if (!changed) {
		if (others_changed)
			conversation_tell(executor, EVENT_CHANGED, others_changed);
		return 0;
	}
	log_info("something of ours changed: %s", reason);
	conversation_tell(executor, EVENT_CHANGED, reason);
	return 0;
}

static int on_notices(sd_event_source *source, int fd, uint32_t events, void *data)
{
	(void)fd;
	(void)events;
	struct executor *executor = data;
	executor->first_notice = now_usec(executor);
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return wait_for_notices(executor);
}

int notices_watch(struct executor *executor, struct error *err)
{
	int result = sd_event_add_io(executor->event, &executor->notices, executor->monitor.fd,
				     EPOLLIN, on_notices, executor);
	if (result >= 0)
		result = sd_event_add_time_relative(executor->event, &executor->settle,
						    CLOCK_MONOTONIC, 0, 1000, on_settled, executor);
	if (result >= 0)
		result = sd_event_source_set_enabled(executor->settle, SD_EVENT_OFF);
	return result < 0 ? error_errno(err, result, "event loop") : 0;
}

void notices_done(struct executor *executor)
{
	executor->notices = sd_event_source_disable_unref(executor->notices);
	executor->settle = sd_event_source_disable_unref(executor->settle);
}
