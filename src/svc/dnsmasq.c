/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What dnsmasq 2.90 is told. It runs as the executor's uid with the executor's three capabilities,
 * answers on one interface only, keys leases on the MAC (clones of one image share a client id),
 * and knows its own domain and reverse zones, so that no private name leaves the network.
 */
#include "svc/dnsmasq.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define LEASES_MIN 1000u
#define LEASES_MAX 65536u

static bool offers(const struct object_service *service, uint32_t flag)
{
	return service->flags & flag;
}

/* dnsmasq takes one hour as its default and nothing below two minutes. */
static void write_lease_time(FILE *out, const struct object_service *service)
{
	if (service->lease_seconds)
		fprintf(out, ",%u\n", service->lease_seconds);
	else
		fprintf(out, ",infinite\n");
}

static void write_process(FILE *out, const struct dnsmasq_place *place)
{
	/* Started by uid 0 it would call setgroups, which needs a capability that it has not. */
	if (place->is_root)
		fputs("user=root\ngroup=\n", out);
	fputs("pid-file=\nlog-facility=-\nbind-dynamic\nexcept-interface=lo\n", out);
}

static void write_reverse(FILE *out, const struct ip *gateway)
{
	char text[IP_TEXT_SIZE];
	if (!ip_is_set(gateway))
		return;
	struct ip network = ip_network(gateway);
	fprintf(out, "rev-server=%s\n", ip_format_prefix(&network, text));
}

static void write_dns(FILE *out, const struct object_service *service,
		      const struct dnsmasq_place *place)
{
	fprintf(out, "domain=%s\n", service->domain);
	if (!offers(service, SERVICE_DNS)) {
		fputs("port=0\n", out);
		return;
	}
	fprintf(out, "local=/%s/\nno-hosts\nexpand-hosts\ndomain-needed\n", service->domain);
	write_reverse(out, &service->ipv4);
	write_reverse(out, &service->ipv6);
	for (size_t i = 0; i < NETWORK_SUBNETS - 1; i++)
		write_reverse(out, &service->more6[i]);
	write_reverse(out, &service->left4);
	write_reverse(out, &service->left6);
	fprintf(out, "addn-hosts=%s/" DNSMASQ_HOSTS "\n", place->folder);
	fprintf(out, "servers-file=%s/" DNSMASQ_SERVERS "\n", place->folder);
	fputs("no-resolv\n", out); /* see DNSMASQ_SERVERS */
}

static uint32_t leases_max(const struct object_service *service)
{
	uint32_t first, last;
	memcpy(&first, service->first.bytes, sizeof(first));
	memcpy(&last, service->last.bytes, sizeof(last));
	uint64_t range = (uint64_t)ntohl(last) - ntohl(first) + 1;
	if (ntohl(last) < ntohl(first) || range < LEASES_MIN)
		return LEASES_MIN;
	return range > LEASES_MAX ? LEASES_MAX : (uint32_t)range;
}

static const char *format_mask(const struct ip *prefix, char text[INET_ADDRSTRLEN])
{
	struct in_addr mask = {htonl(prefix->length ? ~0u << (32 - prefix->length) : 0)};
	return inet_ntop(AF_INET, &mask, text, INET_ADDRSTRLEN);
}

static void write_dhcp4(FILE *out, const struct object_service *service)
{
	char first[IP_TEXT_SIZE], last[IP_TEXT_SIZE];
	char mask[INET_ADDRSTRLEN];
	fprintf(out, "dhcp-range=%s,%s,%s", ip_format(&service->first, first),
		ip_format(&service->last, last), format_mask(&service->ipv4, mask));
	write_lease_time(out, service);
	fprintf(out, "dhcp-option=option:domain-search,%s\n", service->domain);
	if (service->mtu)
		fprintf(out, "dhcp-option=option:mtu,%u\n", service->mtu);
	if (offers(service, SERVICE_NO_ROUTER)) /* empty: not sent */
		fputs("dhcp-option=option:router\n", out);
}

/* Those of one family, if any. */
static void write_servers(FILE *out, const char *option, int family, const struct ip *servers,
			  size_t n)
{
	char text[IP_TEXT_SIZE];
	size_t count = 0;
	for (size_t i = 0; i < n; i++) {
		if (servers[i].family != family)
			continue;
		if (!count++)
			fprintf(out, "dhcp-option=%s", option);
		fprintf(out, family == AF_INET6 ? ",[%s]" : ",%s", ip_format(&servers[i], text));
	}
	if (count)
		fputc('\n', out);
}

/* In quotes nothing is special. Options by number are sent unasked: boot programs read what the
 * firmware was told. The address is the server's name too (option 66), which PXE looks at. */
static void write_extra4(FILE *out, const struct dhcp_extra *extra)
{
	char tftp[IP_TEXT_SIZE];
	const char *position = extra->options;
	struct dhcp_option option;
	ip_format(&extra->tftp, tftp);
	if (extra->boot[0])
		fprintf(out, "dhcp-boot=\"%s\"", extra->boot);
	else if (*tftp)
		fputs("dhcp-boot=", out);
	if (*tftp)
		fprintf(out, ",%s,%s", tftp, tftp);
	if (extra->boot[0] || *tftp)
		fputc('\n', out);
	while (dhcp_option_next(&position, &option))
		fprintf(out, "dhcp-option-force=%u,%s%.*s%s\n", option.number,
			option.is_text ? "\"" : "", (int)option.length, option.value,
			option.is_text ? "\"" : "");
}

/* A lease of a replaced prefix is not renewed: its holder is told to ask anew (DHCPNAK). */
static void write_left4(FILE *out, const struct object_service *service)
{
	char text[IP_TEXT_SIZE], mask[INET_ADDRSTRLEN];
	struct ip network = ip_network(&service->left4);
	fprintf(out, "dhcp-range=%s,static,%s\n", ip_format(&network, text),
		format_mask(&service->left4, mask));
}

/* Without a DNS server of ours, those that the user named (it would name itself otherwise). */
static void write_foreign_dns(FILE *out, const struct object_service *service)
{
	write_servers(out, "option:dns-server", AF_INET, service->forwarders, NETWORK_FORWARDERS);
	write_servers(out, "option6:dns-server", AF_INET6, service->forwarders, NETWORK_FORWARDERS);
}

static void write_dhcp(FILE *out, const struct object_service *service,
		       const struct dnsmasq_place *place)
{
	if (!offers(service, SERVICE_DHCP))
		return;
	fputs("dhcp-authoritative\ndhcp-ignore-clid\nno-ping\n", out);
	fprintf(out, "dhcp-leasefile=%s/" DNSMASQ_LEASES "\n", place->folder);
	fprintf(out, "dhcp-hostsfile=%s/" DNSMASQ_RESERVED "\n", place->folder);
	fprintf(out, "dhcp-lease-max=%u\n", leases_max(service));
	/* A guest that calls itself wpad would be everybody's proxy (CERT VU#598349). */
	fputs("dhcp-name-match=set:wpad-ignore,wpad\ndhcp-ignore-names=tag:wpad-ignore\n", out);
	if (ip_is_set(&service->ipv4) && ip_is_set(&service->first)) {
		write_dhcp4(out, service);
		write_extra4(out, &service->extra);
		write_servers(out, "option:ntp-server", AF_INET, service->extra.ntp, DHCP_NTP);
	}
	if (ip_is_set(&service->left4))
		write_left4(out, service);
}

/* Which of dnsmasq's modes: DHCPv6 (static: of reservations) beside stateless autoconfiguration
 * (slaac sets the prefix's A flag, RFC 4861 4.6.2), either of them alone, or nothing. */
static bool can_slaac(const struct object_service *service)
{
	return offers(service, SERVICE_RA) && service->ipv6.length == 64;
}

static const char *ipv6_mode(const struct object_service *service)
{
	bool has_range = ip_is_set(&service->first6);
	if (!offers(service, SERVICE_DHCP))
		return can_slaac(service) ? ",ra-only" : NULL;
	if (can_slaac(service) && offers(service, SERVICE_STATELESS))
		return ",ra-stateless";
	if (can_slaac(service))
		return has_range ? ",slaac" : ",static,slaac";
	return has_range ? "" : ",static";
}

static void write_range6(FILE *out, const struct object_service *service, const char *mode)
{
	char first[IP_TEXT_SIZE], last[IP_TEXT_SIZE];
	struct ip network = ip_network(&service->ipv6);
	bool names = can_slaac(service) && offers(service, SERVICE_DHCP) &&
		     offers(service, SERVICE_DNS) && ip_is_set(&service->ipv4);
	if (ip_is_set(&service->first6) && !offers(service, SERVICE_STATELESS))
		fprintf(out, "dhcp-range=%s,%s", ip_format(&service->first6, first),
			ip_format(&service->last6, last));
	else
		fprintf(out, "dhcp-range=%s", ip_format(&network, first));
	fprintf(out, "%s%s,%u", mode, names ? ",ra-names" : "", service->ipv6.length);
	write_lease_time(out, service);
}

/* Beside the first: other prefixes of the network, for addresses that machines make themselves. */
static void write_more6(FILE *out, const struct object_service *service)
{
	char text[IP_TEXT_SIZE];
	for (size_t i = 0; i < NETWORK_SUBNETS - 1; i++) {
		struct ip network = ip_network(&service->more6[i]);
		if (network.length != 64)
			continue;
		fprintf(out, "dhcp-range=%s,ra-only,64", ip_format(&network, text));
		write_lease_time(out, service);
	}
}

static void write_left6(FILE *out, const struct object_service *service)
{
	char text[IP_TEXT_SIZE];
	struct ip network = ip_network(&service->left6);
	if (network.length != 64)
		return;
	ip_format(&network, text);
	/* two ranges of one prefix: the first says the valid lifetime, the second that the
	 * preferred one is 0 */
	fprintf(out, "dhcp-range=%s,ra-only,64", text);
	write_lease_time(out, service);
	fprintf(out, "dhcp-range=%s,ra-only,64,deprecated\n", text);
}

static void write_ipv6(FILE *out, const struct object_service *service)
{
	char text[IP_TEXT_SIZE];
	const char *mode = ip_is_set(&service->ipv6) ? ipv6_mode(service) : NULL;
	if (!mode)
		return;
	write_range6(out, service, mode);
	fprintf(out, "dhcp-option=option6:domain-search,%s\n", service->domain);
	if (offers(service, SERVICE_DNS)) /* it would choose among the interface's addresses,
					     one of a replaced prefix among them */
		fprintf(out, "dhcp-option=option6:dns-server,[%s]\n",
			ip_format(&service->ipv6, text));
	write_servers(out, "option6:ntp-server", AF_INET6, service->extra.ntp, DHCP_NTP);
	if (!offers(service, SERVICE_RA))
		return;
	fputs("enable-ra\nquiet-ra\n", out); /* each line that it says wakes the executor */
	if (service->mtu) /* 0: dnsmasq's own interval; lifetime 0: no default router (RFC 4861 4.2)
			   */
		fprintf(out, "ra-param=%s,mtu:%u,0,%u\n", service->ifname, service->mtu,
			offers(service, SERVICE_NO_ROUTER) ? 0u : 1800u);
	write_more6(out, service);
	write_left6(out, service);
}

char *dnsmasq_conf(const struct object_service *service, const struct dnsmasq_place *place)
{
	struct text text;
	text_begin(&text);
	fprintf(text.out, "# Written by Lanyard; changes are lost.\ninterface=%s\n",
		service->ifname);
	write_process(text.out, place);
	write_dns(text.out, service, place);
	write_dhcp(text.out, service, place);
	write_ipv6(text.out, service);
	if (!offers(service, SERVICE_DNS))
		write_foreign_dns(text.out, service);
	return text_end(&text);
}

char *dnsmasq_servers(const struct object_service *service, const struct dnsmasq_place *place)
{
	char ip[IP_TEXT_SIZE];
	struct text text;
	text_begin(&text);
	for (size_t i = 0; i < NETWORK_FORWARDERS && ip_is_set(&service->forwarders[i]); i++)
		fprintf(text.out, "server=%s\n", ip_format(&service->forwarders[i], ip));
	bool asks = !ip_is_set(&service->forwarders[0]) && !offers(service, SERVICE_NO_UPSTREAM);
	for (char *const *upstream = place->upstreams; asks && upstream && *upstream; upstream++)
		fprintf(text.out, "server=%s\n", *upstream);
	return text_end(&text);
}

char *dnsmasq_reserved(const struct object_name *names, size_t n_names)
{
	char mac[MAC_TEXT_SIZE], ip[IP_TEXT_SIZE];
	struct text text;
	text_begin(&text);
	for (size_t i = 0; i < n_names; i++) {
		const struct object_name *name = &names[i];
		if (!mac_is_set(&name->mac))
			continue;
		fprintf(text.out, "%s", mac_format(&name->mac, mac));
		if (ip_is_set(&name->ipv4))
			fprintf(text.out, ",%s", ip_format(&name->ipv4, ip));
		if (ip_is_set(&name->ipv6))
			fprintf(text.out, ",[%s]", ip_format(&name->ipv6, ip));
		fprintf(text.out, ",%s\n", name->name);
	}
	return text_end(&text);
}

/* The full name first: it is what a reverse look-up answers. */
static void write_host(FILE *out, const struct object_service *service, const struct ip *ip,
		       const char *name)
{
	char text[IP_TEXT_SIZE];
	if (ip_is_set(ip))
		fprintf(out, "%s %s.%s %s\n", ip_format(ip, text), name, service->domain, name);
}

char *dnsmasq_hosts(const struct object_service *service, const struct object_name *names,
		    size_t n_names)
{
	struct text text;
	text_begin(&text);
	write_host(text.out, service, &service->ipv4, "gateway");
	write_host(text.out, service, &service->ipv6, "gateway");
	for (size_t i = 0; i < n_names; i++) {
		write_host(text.out, service, &names[i].ipv4, names[i].name);
		write_host(text.out, service, &names[i].ipv6, names[i].name);
	}
	return text_end(&text);
}
