/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two subscribed netlink sockets behind one epoll descriptor. */
#include "kern/monitor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netconf.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "kern/address.h"
#include "kern/vlan_list.h"

#define READ_SIZE 32768

static int join(struct monitor *monitor, struct netlink *netlink, int bus, const unsigned *groups,
		size_t count, struct error *err)
{
	int code = netlink_open(netlink, bus, err);
	if (code < 0)
		return code;
	for (size_t i = 0; i < count; i++)
		if (mnl_socket_setsockopt(netlink->socket, NETLINK_ADD_MEMBERSHIP,
					  (void *)(uintptr_t)&groups[i], sizeof(groups[i])) < 0)
			return error_errno(err, errno, "netlink group %u", groups[i]);
	struct epoll_event event = {.events = EPOLLIN};
	if (epoll_ctl(monitor->fd, EPOLL_CTL_ADD, mnl_socket_get_fd(netlink->socket), &event) < 0)
		return error_errno(err, errno, "epoll");
	return 0;
}

int monitor_open(struct monitor *monitor, struct error *err)
{
	static const unsigned route[] = {
		RTNLGRP_LINK,	    RTNLGRP_IPV4_IFADDR,  RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
		RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF};
	static const unsigned netfilter[] = {NFNLGRP_NFTABLES};
	*monitor = (struct monitor){.fd = epoll_create1(EPOLL_CLOEXEC)};
	if (monitor->fd < 0)
		return error_errno(err, errno, "epoll");
	int code = join(monitor, &monitor->route, NETLINK_ROUTE, route,
			sizeof(route) / sizeof(route[0]), err);
	if (code == 0)
		code = join(monitor, &monitor->netfilter, NETLINK_NETFILTER, netfilter, 1, err);
	if (code == 0)
		code = netlink_open(&monitor->query, NETLINK_ROUTE, err);
	if (code < 0)
		monitor_close(monitor);
	return code;
}

void monitor_close(struct monitor *monitor)
{
	netlink_close(&monitor->route);
	netlink_close(&monitor->netfilter);
	netlink_close(&monitor->query);
	if (monitor->fd >= 0)
		close(monitor->fd);
	monitor->fd = -1;
}

/* A bridge's own words about a port (its flags) are no whole link: the link is asked for, once,
 * when all messages have been read. */
static void remember_port(struct monitor *monitor, int ifindex)
{
	for (size_t i = 0; i < monitor->n_ports && i < MONITOR_PORTS; i++)
		if (monitor->ports[i] == ifindex)
			return;
	if (monitor->n_ports < MONITOR_PORTS)
		monitor->ports[monitor->n_ports] = ifindex;
	if (monitor->n_ports <= MONITOR_PORTS)
		monitor->n_ports++; /* one too many: some are not in the list */
}

static void tell_ports(struct monitor *monitor, monitor_callback callback, void *data)
{
	struct monitor_event event = {.kind = MONITOR_EVERYTHING};
	if (monitor->n_ports > MONITOR_PORTS)
		callback(&event, data);
	event.kind = MONITOR_LINK;
	for (size_t i = 0; i < monitor->n_ports && i < MONITOR_PORTS; i++) {
		event.ifindex = monitor->ports[i];
		/* gone meanwhile: a message of its own says so */
		if (link_get_index(&monitor->query, event.ifindex, &event.link, NULL) == 0)
			callback(&event, data);
	}
	monitor->n_ports = 0;
}

static bool classify_link(struct monitor *monitor, const struct nlmsghdr *message,
			  struct monitor_event *event)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	if (!link_parse(message, &event->link))
		return false;
	if (header->ifi_family == AF_BRIDGE) {
		int bridge;
		if (message->nlmsg_type == RTM_NEWLINK)
			remember_port(monitor, header->ifi_index);
		event->kind = MONITOR_VLANS;
		event->ifindex = header->ifi_index;
		return vlan_parse(message, &event->vlans, &bridge);
	}
	event->kind = message->nlmsg_type == RTM_NEWLINK ? MONITOR_LINK : MONITOR_LINK_GONE;
	event->ifindex = event->link.ifindex;
	return true;
}

static bool classify_settings(const struct nlmsghdr *message, struct monitor_event *event)
{
	const struct nlattr *attribute;
	event->kind = MONITOR_FORWARDING;
	mnl_attr_for_each (attribute, message, sizeof(struct netconfmsg))
		if (mnl_attr_get_type(attribute) == NETCONFA_IFINDEX)
			event->ifindex = (int)mnl_attr_get_u32(attribute);
	return event->ifindex > 0;
}

static bool classify_route(struct monitor *monitor, const struct nlmsghdr *message,
			   struct monitor_event *event)
{
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return classify_link(monitor, message, event);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		event->kind =
			message->nlmsg_type == RTM_NEWADDR ? MONITOR_ADDRESS : MONITOR_ADDRESS_GONE;
		return address_parse(message, &event->ifindex, &event->address);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		event->kind =
			message->nlmsg_type == RTM_NEWROUTE ? MONITOR_ROUTE : MONITOR_ROUTE_GONE;
		return route_parse(message, &event->address, &event->ifindex, &event->own);
	case RTM_NEWNETCONF:
		return classify_settings(message, event);
	}
	return false;
}

/* Only the message that ends a transaction; those for its parts say nothing that reading does not.
 */
static bool classify_netfilter(struct monitor *monitor, const struct nlmsghdr *message,
			       struct monitor_event *event)
{
	const struct nlattr *attribute;
	if (message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN))
		return false;
	event->kind = MONITOR_FIREWALL;
	mnl_attr_for_each (attribute, message, sizeof(struct nfgenmsg)) {
		uint16_t type = mnl_attr_get_type(attribute);
		if (type == NFTA_GEN_ID)
			event->generation = ntohl(mnl_attr_get_u32(attribute));
		else if (type == NFTA_GEN_PROC_PID)
			event->pid = (pid_t)ntohl(mnl_attr_get_u32(attribute));
		else if (type == NFTA_GEN_PROC_NAME)
			snprintf(event->process, sizeof(event->process), "%.*s",
				 (int)mnl_attr_get_payload_len(attribute),
				 (char *)mnl_attr_get_payload(attribute));
	}
	return true;
}

typedef bool (*classifier)(struct monitor *monitor, const struct nlmsghdr *message,
			   struct monitor_event *event);

static int read_socket(struct monitor *monitor, struct netlink *netlink, classifier classify,
		       monitor_callback callback, void *data, struct error *err)
{
	char buffer[READ_SIZE] __attribute__((aligned(8)));
	for (;;) {
		struct monitor_event event = {.kind = MONITOR_EVERYTHING};
		ssize_t got = recv(mnl_socket_get_fd(netlink->socket), buffer, sizeof(buffer),
				   MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return 0;
		if (got < 0 && errno == ENOBUFS) {
			callback(&event, data);
			continue;
		}
		if (got < 0)
			return error_errno(err, errno, "kernel events");
		int left = (int)got;
		for (struct nlmsghdr *m = (void *)buffer; mnl_nlmsg_ok(m, left);
		     m = mnl_nlmsg_next(m, &left)) {
			event = (struct monitor_event){0};
			if (classify(monitor, m, &event))
				callback(&event, data);
		}
	}
}

int monitor_read(struct monitor *monitor, monitor_callback callback, void *data, struct error *err)
{
	int code = read_socket(monitor, &monitor->route, classify_route, callback, data, err);
	if (code < 0)
		return code;
	tell_ports(monitor, callback, data);
	return read_socket(monitor, &monitor->netfilter, classify_netfilter, callback, data, err);
}
