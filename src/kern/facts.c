/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The settings and sockets of a namespace, and all its facts together. */
#include "kern/facts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "kern/netlink.h"
#include "model/ip.h"

/* A number in a file, or -1. */
static long long number_of(const char *path)
{
	AUTO_FREE char *text = NULL;
	return file_read(path, 64, &text, NULL) > 0 ? strtoll(text, NULL, 10) : -1;
}

static json_t *interface_settings(const json_t *links, const char *family, const char *key)
{
	json_t *all = json_object();
	const json_t *link;
	size_t index;
	AUTO_FREE char *path = text_format("/proc/sys/net/%s/conf/all/%s", family, key);
	long long value = number_of(path);
	if (value >= 0)
		json_object_set_new(all, "all", json_integer(value));
	json_array_foreach (links, index, link) {
		const char *name = json_string_value(json_object_get(link, "name"));
		AUTO_FREE char *own = text_format("/proc/sys/net/%s/conf/%s/%s", family, name, key);
		value = number_of(own);
		if (value >= 0)
			json_object_set_new(all, name, json_integer(value));
	}
	return all;
}

json_t *facts_settings(const json_t *links)
{
	static const struct {
		const char *key, *family, *name;
	} per_link[] = {
		{"ipv4.forwarding", "ipv4", "forwarding"},
		{"ipv4.rp_filter", "ipv4", "rp_filter"},
		{"ipv6.forwarding", "ipv6", "forwarding"},
		{"ipv6.force_forwarding", "ipv6", "force_forwarding"},
		{"ipv6.accept_ra", "ipv6", "accept_ra"},
		{"ipv6.disable_ipv6", "ipv6", "disable_ipv6"},
	};
	static const struct {
		const char *key, *path;
	} single[] = {
		{"bridge.nf4", "/proc/sys/net/bridge/bridge-nf-call-iptables"},
		{"bridge.nf6", "/proc/sys/net/bridge/bridge-nf-call-ip6tables"},
		{"ipv4.neighbours_max", "/proc/sys/net/ipv4/neigh/default/gc_thresh3"},
		{"ipv6.neighbours_max", "/proc/sys/net/ipv6/neigh/default/gc_thresh3"},
		{"conntrack.count", "/proc/sys/net/netfilter/nf_conntrack_count"},
		{"conntrack.max", "/proc/sys/net/netfilter/nf_conntrack_max"},
	};
	json_t *settings = json_object();
	for (size_t i = 0; i < sizeof(per_link) / sizeof(per_link[0]); i++)
		json_object_set_new(
			settings, per_link[i].key,
			interface_settings(links, per_link[i].family, per_link[i].name));
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
		long long value = number_of(single[i].path);
		if (value >= 0)
			json_object_set_new(settings, single[i].key, json_integer(value));
	}
	return settings;
}

/* The kernel prints addresses as words of machine byte order. */
static const char *address_text(const char *hex, char *ret)
{
	uint32_t words[4] = {0};
	size_t count = strlen(hex) / 8;
	for (size_t i = 0; i < count && i < 4; i++)
		sscanf(hex + 8 * i, "%8x", &words[i]);
	if (!inet_ntop(count == 1 ? AF_INET : AF_INET6, words, ret, IP_TEXT_SIZE))
		*ret = '\0';
	return ret;
}

static void add_listeners(json_t *list, const char *protocol, const char *path, unsigned state)
{
	AUTO_FCLOSE FILE *file = fopen(path, "re");
	char line[512], hex[40], text[IP_TEXT_SIZE];
	while (file && fgets(line, sizeof(line), file)) {
		unsigned port, its_state, uid;
		unsigned long inode;
		if (sscanf(line, " %*d: %39[0-9A-F]:%4x %*[0-9A-F]:%*4x %2x %*s %*s %*s %u %*u %lu",
			   hex, &port, &its_state, &uid, &inode) == 5 &&
		    its_state == state)
			json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:I, s:i}",
							      "protocol", protocol, "address",
							      address_text(hex, text), "port",
							      (int)port, "inode", (json_int_t)inode,
							      "uid", (int)uid));
	}
}

json_t *facts_listeners(void)
{
	/* states of include/net/tcp_states.h: 10 listens, 7 is a UDP socket without a peer */
	json_t *list = json_array();
	add_listeners(list, "udp", "/proc/self/net/udp", 7);
	add_listeners(list, "udp", "/proc/self/net/udp6", 7);
	add_listeners(list, "tcp", "/proc/self/net/tcp", 10);
	add_listeners(list, "tcp", "/proc/self/net/tcp6", 10);
	return list;
}

/* The errno of opening a device, 0: it works. */
static json_t *device(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int code = fd < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	return json_integer(code);
}

/* What the old kernel interface of iptables holds; null where we may not look. */
static json_t *legacy_tables(void)
{
	AUTO_FREE char *text = NULL;
	ssize_t length = file_read("/proc/self/net/ip_tables_names", 4096, &text, NULL);
	if (length == -ENOENT)
		return json_string("");
	return length < 0 ? json_null() : json_string(text);
}

static void set_or_null(json_t *facts, const char *key, json_t *value)
{
	json_object_set_new(facts, key, value ? value : json_null());
}

int facts_read(json_t **ret, struct error *err)
{
	struct netlink netlink;
	int code = netlink_open(&netlink, NETLINK_ROUTE, err);
	if (code < 0)
		return code;
	json_t *links = facts_links(&netlink, err), *facts = json_object();
	json_object_set_new(facts, "settings", facts_settings(links));
	set_or_null(facts, "links", links);
	set_or_null(facts, "addresses", facts_addresses(&netlink, err));
	set_or_null(facts, "neighbours", facts_neighbours(&netlink, err));
	set_or_null(facts, "macs", facts_macs(&netlink, err));
	set_or_null(facts, "routes", facts_routes(&netlink, err));
	set_or_null(facts, "rules", facts_rules(&netlink, err));
	set_or_null(facts, "firewall", facts_firewall(err));
	json_object_set_new(facts, "listeners", facts_listeners());
	json_object_set_new(facts, "legacy_tables", legacy_tables());
	json_object_set_new(facts, "tun", device("/dev/net/tun"));
	json_object_set_new(facts, "vhost", device("/dev/vhost-net"));
	netlink_close(&netlink);
	*ret = facts;
	return links ? 0 : -EIO;
}
