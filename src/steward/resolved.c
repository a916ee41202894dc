/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "steward/resolved.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "ipc/errand_names.h"
#include "kern/link.h"
#include "steward/ours.h"
#include "steward/resolved_link.h"

#define ZONES_MAX 16u
#define ZONE_SIZE 96

static void free_addresses(struct ifaddrs **addresses)
{
	if (*addresses)
		freeifaddrs(*addresses);
}

static bool is_same_address(const struct sockaddr *address, const struct ip *ip)
{
	if (!address || address->sa_family != ip->family)
		return false;
	if (ip->family == AF_INET)
		return !memcmp(&((const struct sockaddr_in *)(const void *)address)->sin_addr,
			       ip->bytes, 4);
	return !memcmp(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, ip->bytes,
		       16);
}

static bool has_address(const char *ifname, const struct ip *ip)
{
	__attribute__((cleanup(free_addresses))) struct ifaddrs *all = NULL;
	if (getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *at = all; at; at = at->ifa_next)
		if (strcmp(at->ifa_name, ifname) == 0 && is_same_address(at->ifa_addr, ip))
			return true;
	return false;
}

static int check_servers(const struct errand_names *request, struct error *err)
{
	char text[IP_TEXT_SIZE];
	for (size_t i = 0; i < ERRAND_NAMES_SERVERS && ip_is_set(&request->servers[i]); i++)
		if (!has_address(request->ifname, &request->servers[i]))
			return error_set(err, EPERM, "'%s' has no address %s", request->ifname,
					 ip_format(&request->servers[i], text));
	return 0;
}

/* Reverse zones (RFC 1035 section 3.5, RFC 3596 section 2.5) are cut at whole bytes or nibbles: a
 * prefix between two cuts has up to 128 of them. */

static unsigned zone_step(const struct ip *prefix)
{
	return prefix->family == AF_INET ? 8 : 4;
}

static unsigned zone_count(const struct ip *prefix)
{
	unsigned step = zone_step(prefix);
	return prefix->length ? 1u << ((step - prefix->length % step) % step) : 0;
}

static void zone_write(const struct ip *prefix, unsigned n, char zone[ZONE_SIZE])
{
	unsigned step = zone_step(prefix), parts = (prefix->length + step - 1) / step;
	struct ip network = ip_network(prefix);
	size_t used = 0;
	for (unsigned i = parts; i-- > 0;) {
		unsigned part = step == 8 ? network.bytes[i]
					  : (network.bytes[i / 2] >> (i % 2 ? 0 : 4)) & 15u;
		if (i == parts - 1)
			part += n;
		used += (size_t)snprintf(zone + used, ZONE_SIZE - used, step == 8 ? "%u." : "%x.",
					 part);
	}
	snprintf(zone + used, ZONE_SIZE - used, step == 8 ? "in-addr.arpa" : "ip6.arpa");
}

/* Calls */

static int append_servers(sd_bus_message *message, const struct errand_names *request)
{
	int r = sd_bus_message_open_container(message, 'a', "(iay)");
	for (size_t i = 0; r >= 0 && i < ERRAND_NAMES_SERVERS; i++) {
		const struct ip *ip = &request->servers[i];
		if (!ip_is_set(ip))
			break;
		r = sd_bus_message_open_container(message, 'r', "iay");
		if (r >= 0)
			r = sd_bus_message_append(message, "i", (int)ip->family);
		if (r >= 0)
			r = sd_bus_message_append_array(message, 'y', ip->bytes,
							ip->family == AF_INET ? 4 : 16);
		if (r >= 0)
			r = sd_bus_message_close_container(message);
	}
	return r < 0 ? r : sd_bus_message_close_container(message);
}

/* All are routed only (with ~ in resolvectl): searched for short names, a machine that calls itself
 * as a server of the LAN would be met instead of it. */
static int append_domains(sd_bus_message *message, const struct errand_names *request)
{
	int r = sd_bus_message_open_container(message, 'a', "(sb)");
	if (r >= 0)
		r = sd_bus_message_append(message, "(sb)", request->domain, 1);
	for (size_t i = 0; r >= 0 && i < ERRAND_NAMES_SERVERS; i++) {
		const struct ip *ip = &request->servers[i];
		unsigned count = ip_is_set(ip) ? zone_count(ip) : 0;
		for (unsigned n = 0; r >= 0 && n < count && count <= ZONES_MAX; n++) {
			char zone[ZONE_SIZE];
			zone_write(ip, n, zone);
			r = sd_bus_message_append(message, "(sb)", zone, 1);
		}
	}
	return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_no(sd_bus_message *message, const struct errand_names *request)
{
	(void)request;
	return sd_bus_message_append(message, "b", 0);
}

static int append_word_no(sd_bus_message *message, const struct errand_names *request)
{
	(void)request;
	return sd_bus_message_append(message, "s", "no");
}

static int append_nothing(sd_bus_message *message, const struct errand_names *request)
{
	(void)message;
	(void)request;
	return 0;
}

struct method {
	const char *name;
	int (*append)(sd_bus_message *message, const struct errand_names *request);
};

/* In this order: names of the world must at no moment be asked of a network's server. Its zones are
 * private, so unsigned, and it speaks plain DNS on a wire that does not leave this host. */
static const struct method telling[] = {
	{"SetLinkDefaultRoute", append_no}, {"SetLinkDomains", append_domains},
	{"SetLinkDNSSEC", append_word_no},  {"SetLinkDNSOverTLS", append_word_no},
	{"SetLinkLLMNR", append_word_no},   {"SetLinkMulticastDNS", append_word_no},
	{"SetLinkDNS", append_servers},	    {NULL, NULL},
};
static const struct method forgetting[] = {{"RevertLink", append_nothing}, {NULL, NULL}};

static int call(sd_bus *bus, const struct method *method, int ifindex,
		const struct errand_names *request, sd_bus_error *failure)
{
	__attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *message = NULL;
	int r = sd_bus_message_new_method_call(bus, &message, RESOLVED_MANAGER, method->name);
	if (r >= 0) /* a host that does not run it keeps it that way */
		r = sd_bus_message_set_auto_start(message, 0);
	if (r >= 0)
		r = sd_bus_message_append(message, "i", ifindex);
	if (r >= 0)
		r = method->append(message, request);
	return r < 0 ? r : sd_bus_call(bus, message, RESOLVED_USEC, failure, NULL);
}

static bool is_absent(const sd_bus_error *failure)
{
	return sd_bus_error_has_name(failure, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	       sd_bus_error_has_name(failure, SD_BUS_ERROR_NAME_HAS_NO_OWNER);
}

/* A link of systemd-networkd's: it tells the resolver by itself. */
static bool is_others(const sd_bus_error *failure)
{
	return sd_bus_error_has_name(failure, "org.freedesktop.resolve1.LinkBusy");
}

static int say(sd_bus *bus, const struct errand_names *request, int ifindex, sd_bus_error *failure)
{
	int r = 0;
	const struct method *method = ip_is_set(&request->servers[0]) ? telling : forgetting;
	for (; r >= 0 && method->name; method++)
		r = call(bus, method, ifindex, request, failure);
	return r;
}

int resolved_serve(const struct errand_names *request, struct error *err)
{
	__attribute__((cleanup(sd_bus_flush_close_unrefp))) sd_bus *bus = NULL;
	struct link link = {0}, nic = {0};
	int r = request->back ? ours_free(request->nic, &nic, err)
			      : ours_find(request->ifname, &link, err);
	if (r == -ENODEV)
		return 0; /* it was forgotten with its interface */
	if (r == 0 && request->nic[0] && !request->back)
		r = ours_port(request->nic, &link, &nic, err);
	if (r == 0)
		r = check_servers(request, err);
	if (r < 0)
		return r;
	r = sd_bus_open_system(&bus);
	if (r == -ENOENT || r == -ECONNREFUSED)
		return 0;
	if (r < 0)
		return error_errno(err, r, "system bus");
	sd_bus_error failure = SD_BUS_ERROR_NULL;
	r = request->back     ? resolved_link_return(bus, &nic, &failure)
	    : request->nic[0] ? resolved_link_copy(bus, &nic, link.ifindex, &failure)
			      : say(bus, request, link.ifindex, &failure);
	if (r < 0 && !is_absent(&failure) && !is_others(&failure))
		error_set(err, r, "systemd-resolved: %s: %s", request->ifname,
			  failure.message ? failure.message : strerror(-r));
	else
		r = 0;
	sd_bus_error_free(&failure);
	return r;
}
