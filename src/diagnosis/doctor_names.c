/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of DHCP, DNS, and how the host finds names. */
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cli/verb.h"
#include "diagnosis/doctor.h"
#include "model/ip.h"
#include "model/name.h"

#define POOL_PERCENT 80
#define RESOLVED     "/run/systemd/resolve"

/* Who holds a socket: "dnsmasq (process 123)"; "somebody" where we may not look. Static memory. */
static const char *holder_of(long long inode)
{
	static char text[128];
	char wanted[64], target[64];
	snprintf(wanted, sizeof(wanted), "socket:[%lld]", inode);
	snprintf(text, sizeof(text), "a process of somebody else");
	DIR *processes = opendir("/proc");
	for (struct dirent *process; processes && (process = readdir(processes));) {
		AUTO_FREE char *path = text_format("/proc/%s/fd", process->d_name);
		DIR *folder = process->d_name[0] >= '1' && process->d_name[0] <= '9' ? opendir(path)
										     : NULL;
		for (struct dirent *entry; folder && (entry = readdir(folder));) {
			ssize_t length = readlinkat(dirfd(folder), entry->d_name, target,
						    sizeof(target) - 1);
			target[length < 0 ? 0 : length] = '\0';
			if (strcmp(target, wanted) != 0)
				continue;
			AUTO_FREE char *comm_path = text_format("/proc/%s/comm", process->d_name);
			AUTO_FREE char *comm = read_text(comm_path);
			snprintf(text, sizeof(text), "%.*s (process %s)",
				 (int)strcspn(comm ? comm : "?", "\n"), comm ? comm : "?",
				 process->d_name);
		}
		if (folder)
			closedir(folder);
	}
	if (processes)
		closedir(processes);
	return text;
}

static bool is_wildcard(const json_t *listener)
{
	const char *address = text_of(listener, "address");
	return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

/* Ours bind the gateway's addresses, and port 67 with the interface: a wildcard on 53 is foreign.
 */
static void look_ports(struct examination *examination)
{
	const json_t *listener;
	size_t index;
	if (!need_world(examination, "listeners"))
		return;
	json_array_foreach (json_object_get(examination->world, "listeners"), index, listener) {
		if (number_of(listener, "port") != 53 || !is_wildcard(listener))
			continue;
		found(examination, VERDICT_WARNING, "%s holds %s port 53 of all addresses",
		      holder_of(number_of(listener, "inode")), text_of(listener, "protocol"));
		remedy(examination, "let it bind its own addresses only (dnsmasq: bind-dynamic, "
				    "named: listen-on, unbound: interface)");
		return;
	}
}

static bool is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

struct servers {
	size_t count, loopback;
	char first[64];
};

static struct servers read_resolvers(const char *text)
{
	struct servers servers = {0};
	char address[64];
	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "nameserver %63s", address) != 1)
			continue;
		if (servers.count++ == 0)
			snprintf(servers.first, sizeof(servers.first), "%s", address);
		servers.loopback += is_loopback(address);
	}
	return servers;
}

static bool is_answering(const json_t *facts, const char *address)
{
	const json_t *listener;
	size_t index;
	json_array_foreach (json_object_get(facts, "listeners"), index, listener)
		if (number_of(listener, "port") == 53 &&
		    (is_wildcard(listener) || strcmp(text_of(listener, "address"), address) == 0))
			return true;
	return false;
}

static void look_resolv_conf(struct examination *examination)
{
	struct stat status;
	AUTO_FREE char *text = read_text("/etc/resolv.conf");
	if (!text) {
		bool dangles = lstat("/etc/resolv.conf", &status) == 0;
		found(examination, VERDICT_ERROR, "/etc/resolv.conf %s",
		      dangles ? "is a link that leads nowhere" : "is missing");
		if (access(RESOLVED "/resolv.conf", F_OK) == 0)
			remedy_command(examination, ON_HOST_AS_ROOT, "ln", "-sfn",
				       RESOLVED "/resolv.conf", "/etc/resolv.conf", NULL);
		else
			remedy(examination, "write a file with a line 'nameserver ADDRESS' there");
		return;
	}
	struct servers servers = read_resolvers(text);
	if (servers.count == 0) {
		found(examination, VERDICT_ERROR, "/etc/resolv.conf names no server");
		remedy(examination, "add a line 'nameserver ADDRESS' to it");
	} else if (servers.count == servers.loopback && access(RESOLVED, F_OK) != 0 &&
		   !is_answering(examination->host, servers.first)) {
		found(examination, VERDICT_ERROR,
		      "/etc/resolv.conf names %s only, where nobody answers", servers.first);
		remedy(examination, "start the resolver that was meant, or name a real one");
	}
}

static void look_registered(struct examination *examination)
{
	const json_t *network;
	size_t index;
	if (!examination->system || access(RESOLVED, F_OK) != 0)
		return;
	if (!need_instance(examination))
		return;
	json_array_foreach (networks_of(examination), index, network) {
		const char *ifname = text_of(network, "ifname"),
			   *domain = text_of(network, "domain");
		const json_t *link = link_by_name(examination->world, ifname);
		const json_t *addresses = json_object_get(network, "ipv4");
		const char *gateway = json_string_value(
			json_is_array(addresses) ? json_array_get(addresses, 0) : addresses);
		AUTO_FREE char *path =
			text_format(RESOLVED "/netif/%lld", number_of(link, "index"));
		AUTO_FREE char *text = read_text(path);
		if (!text && access(RESOLVED "/netif", R_OK | X_OK) != 0 && errno == EACCES) {
			found(examination, VERDICT_UNKNOWN, RESOLVED "/netif may not be read");
			return;
		}
		if (!link || !gateway || !name_is_private(domain) || (text && strstr(text, domain)))
			continue;
		AUTO_FREE char *server = text_format("%.*s", (int)strcspn(gateway, "/"), gateway);
		AUTO_FREE char *route = text_format("~%s", domain);
		found(examination, VERDICT_WARNING,
		      "systemd-resolved does not know that %s is asked of %s", domain, server);
		remedy_command(examination, ON_HOST_AS_ROOT, "resolvectl", "dns", ifname, server,
			       NULL);
		remedy_command(examination, ON_HOST_AS_ROOT, "resolvectl", "domain", ifname, route,
			       NULL);
	}
}

/* Our gateway as the host's own server: each would ask the other. */
static void look_loop(struct examination *examination)
{
	static const char *const paths[] = {"/etc/resolv.conf", RESOLVED "/resolv.conf"};
	const json_t *network;
	size_t index;
	if (!need_instance(examination))
		return;
	for (size_t i = 0; i < 2; i++) {
		AUTO_FREE char *text = read_text(paths[i]);
		json_array_foreach (networks_of(examination), index, network) {
			const json_t *addresses = json_object_get(network, "ipv4");
			const char *gateway = json_string_value(
				json_is_array(addresses) ? json_array_get(addresses, 0)
							 : addresses);
			AUTO_FREE char *line = text_format(
				"nameserver %.*s\n", (int)strcspn(gateway ? gateway : "", "/"),
				gateway ? gateway : "");
			if (!text || !gateway || !strstr(text, line) ||
			    json_array_size(json_object_get(network, "forwarders")))
				continue;
			found(examination, VERDICT_ERROR,
			      "the host asks the gateway of network %s for names, and that asks "
			      "the "
			      "host's server",
			      text_of(network, "name"));
			remedy(examination,
			       "name another server in %s, or give the network its own: "
			       "lanyard net set %s forwarders=ADDRESS",
			       paths[i], text_of(network, "name"));
		}
	}
}

static void look_nss(struct examination *examination)
{
	AUTO_FREE char *text = read_text("/etc/nsswitch.conf");
	const char *hosts = text ? strstr(text, "\nhosts:") : NULL;
	char line[256] = "";
	if (!examination->system || access(RESOLVED, F_OK) == 0)
		return;
	if (!need_instance(examination) || json_array_size(networks_of(examination)) == 0)
		return;
	if (hosts)
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(hosts + 1, "\n"), hosts + 1);
	if (strstr(line, "lanyard"))
		return;
	found(examination, VERDICT_WARNING,
	      "the host cannot resolve names of machines: systemd-resolved does not run, and "
	      "/etc/nsswitch.conf has no module of ours");
	glob_t module = {0};
	if (glob("/{usr/,usr/local/,}lib{,64,/*}/libnss_lanyard.so.2", GLOB_BRACE, NULL, &module) ==
	    0)
		remedy_command(examination, ON_HOST_AS_ROOT, "sed", "-i",
			       "s/^hosts:.*files/& lanyard/", "/etc/nsswitch.conf", NULL);
	else
		remedy(examination, "install libnss-lanyard, or run systemd-resolved; until then "
				    "reach machines by 'lanyard ssh' and 'lanyard connect'");
	globfree(&module);
}

/* Leases */

static const json_t *leases_of(const struct examination *examination)
{
	return json_object_get(examination->status, "leases");
}

static bool range_of(const json_t *network, struct ip *first, struct ip *last)
{
	const json_t *dhcp = json_object_get(network, "dhcp");
	char from[64] = "", to[64] = "";
	return sscanf(text_of(dhcp, "range"), "%63[0-9.]-%63[0-9.]", from, to) == 2 &&
	       ip_parse(from, first, NULL) == 0 && ip_parse(to, last, NULL) == 0;
}

static unsigned long number_of_ip(const struct ip *ip)
{
	return (unsigned long)ip->bytes[0] << 24 | (unsigned long)ip->bytes[1] << 16 |
	       (unsigned long)ip->bytes[2] << 8 | ip->bytes[3];
}

/* The larger side of the gateway, or where that is in use already shorter leases. */
static void advise_pool(struct examination *examination, const json_t *network,
			const struct ip *first, const struct ip *last)
{
	const json_t *value = json_object_get(network, "ipv4");
	const char *text =
		json_string_value(json_is_array(value) ? json_array_get(value, 0) : value);
	const char *lease = text_of(json_object_get(network, "dhcp"), "lease");
	struct ip gateway, begin = *first, end = *last;
	char from[IP_TEXT_SIZE], to[IP_TEXT_SIZE];
	if (!text || ip_parse_prefix(text, &gateway, NULL) < 0)
		return;
	struct ip highest = ip_last(&gateway);
	uint64_t place = ip_offset(&gateway, &gateway), size = ip_offset(&gateway, &highest);
	begin = place < size / 2 ? ip_nth(&gateway, place + 1) : ip_nth(&gateway, 1);
	end = place < size / 2 ? ip_nth(&gateway, size - 1) : ip_nth(&gateway, place - 1);
	bool larger = ip_offset(&gateway, &end) - ip_offset(&gateway, &begin) >
		      ip_offset(&gateway, last) - ip_offset(&gateway, first);
	if (!larger) {
		begin = *first;
		end = *last;
		lease = "10m";
	}
	AUTO_FREE char *word = text_format("dhcp={range: %s-%s, lease: %s}",
					   ip_format(&begin, from), ip_format(&end, to), lease);
	remedy_command(examination, AS_CALLER, "lanyard", "net", "set", text_of(network, "name"),
		       word, NULL);
}

static void look_pool(struct examination *examination)
{
	const json_t *network, *lease;
	size_t i, j;
	if (!need_instance(examination))
		return;
	json_array_foreach (networks_of(examination), i, network) {
		struct ip first, last, address;
		size_t used = 0;
		if (!range_of(network, &first, &last))
			continue;
		size_t size = number_of_ip(&last) - number_of_ip(&first) + 1;
		json_array_foreach (leases_of(examination), j, lease)
			used += strcmp(text_of(lease, "network"), text_of(network, "name")) == 0 &&
				ip_parse(text_of(lease, "address"), &address, NULL) == 0 &&
				address.family == AF_INET &&
				number_of_ip(&address) >= number_of_ip(&first) &&
				number_of_ip(&address) <= number_of_ip(&last);
		if (used * 100 < size * POOL_PERCENT)
			continue;
		found(examination, used >= size ? VERDICT_ERROR : VERDICT_WARNING,
		      "network %s: %zu of %zu addresses are handed out", text_of(network, "name"),
		      used, size);
		advise_pool(examination, network, &first, &last);
	}
}

/*
 * dnsmasq's lease file: expiry, MAC or (DHCPv6) interface identifier, address, name, identifier.
 * Ours takes machines by their MAC and records no DHCPv4 identifiers, so clones get addresses of
 * their own; their DHCPv6 identifiers still show what they are.
 */
#define CLIENTS_MAX 256
static void look_in_leases(struct examination *examination, const json_t *network, char *text)
{
	char *rest = NULL, names[CLIENTS_MAX][64], ids[CLIENTS_MAX][128];
	size_t count = 0;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *name = names[count], *id = ids[count];
		if (count == CLIENTS_MAX - 1 ||
		    sscanf(line, "%*s %*s %*s %63s %127s", name, id) != 2 || strcmp(id, "*") == 0 ||
		    strcmp(name, "*") == 0)
			continue;
		for (size_t i = 0; i < count; i++) {
			if (strcmp(ids[i], id) != 0 || strcmp(names[i], name) == 0)
				continue;
			found(examination, VERDICT_WARNING,
			      "network %s: %s and %s call themselves the same client (%s): one is "
			      "a "
			      "clone of the other",
			      text_of(network, "name"), names[i], name, id);
			remedy(examination, "in the clone: rm /etc/machine-id && "
					    "systemd-machine-id-setup, then restart it");
		}
		count++;
	}
}

static void look_clones(struct examination *examination)
{
	const json_t *network;
	size_t index;
	if (!need_instance(examination))
		return;
	json_array_foreach (networks_of(examination), index, network) {
		AUTO_FREE char *path =
			text_format("%s/%lld/leases", examination->invocation->paths.services,
				    number_of(network, "id"));
		AUTO_FREE char *text = read_text(path);
		if (text)
			look_in_leases(examination, network, text);
		else if (errno == EACCES)
			found(examination, VERDICT_UNKNOWN, "%s may not be read", path);
	}
}

static bool has_lease(const struct examination *examination, const char *mac)
{
	const json_t *lease;
	size_t index;
	json_array_foreach (leases_of(examination), index, lease)
		if (strcasecmp(text_of(lease, "mac"), mac) == 0)
			return true;
	return false;
}

static bool is_heard(const struct examination *examination, const char *mac)
{
	const json_t *entry;
	size_t index;
	json_array_foreach (json_object_get(examination->world, "macs"), index, entry)
		if (strcasecmp(text_of(entry, "mac"), mac) == 0 && !flag_of(entry, "local"))
			return true;
	return false;
}

static bool has_neighbour(const struct examination *examination, const char *mac)
{
	const json_t *entry;
	size_t index;
	json_array_foreach (json_object_get(examination->world, "neighbours"), index, entry)
		if (strcasecmp(text_of(entry, "mac"), mac) == 0 &&
		    strchr(text_of(entry, "address"), '.'))
			return true;
	return false;
}

static void look_silent(struct examination *examination)
{
	const json_t *port;
	size_t index;
	if (!need_world(examination, "macs"))
		return;
	json_array_foreach (ports_of(examination), index, port) {
		const char *mac = text_of(port, "mac"), *ifname = text_of(port, "ifname");
		const json_t *link = link_by_name(examination->world, ifname);
		if (!*mac || !flag_of(link, "carrier") || has_lease(examination, mac) ||
		    has_neighbour(examination, mac))
			continue;
		bool heard = is_heard(examination, mac);
		found(examination, heard ? VERDICT_WARNING : VERDICT_OK,
		      heard ? "%s is on, sends frames, and has no address by DHCP"
			    : "%s is on and has not sent anything yet",
		      owner_of_link(examination, ifname));
		if (heard)
			remedy(examination, "look whether its DHCP client runs, and at FW-04");
	}
}

const struct check doctor_names[] = {
	{"DNS-01", "another server holds port 53 of all addresses",
	 "nobody else holds port 53 of all addresses", false, false, look_ports},
	{"DNS-02", "/etc/resolv.conf leads nowhere", "/etc/resolv.conf names a server", true, false,
	 look_resolv_conf},
	{"DNS-03", "systemd-resolved does not know the networks' domains",
	 "systemd-resolved knows the networks' domains, or is not in use", true, false,
	 look_registered},
	{"DNS-04", "a loop of name servers", "no loop of name servers", false, false, look_loop},
	{"DNS-05", "the host cannot resolve names of machines",
	 "the host's programs have a way to the machines' names", true, false, look_nss},
	{"DHCP-01", "addresses run out", "enough addresses are free", false, false, look_pool},
	{"DHCP-02", "cloned machines", "clones get addresses of their own, and none shows", false,
	 false, look_clones},
	{"DHCP-03", "a machine without an address", "every machine that speaks has an address",
	 false, false, look_silent},
	{0},
};
