/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dnsmasq's files against golden ones, and dnsmasq's own opinion of them. With
 * LANYARD_GOLDEN_UPDATE set the golden files are written anew: read the difference before it is
 * committed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "svc/dnsmasq.h"

static struct ip prefix(const char *text)
{
	struct ip ip;
	assert_int_equal(ip_parse_prefix(text, &ip, NULL), 0);
	return ip;
}

static struct ip address(const char *text)
{
	struct ip ip;
	assert_int_equal(ip_parse(text, &ip, NULL), 0);
	return ip;
}

static struct object_service full(void)
{
	struct object_service service = {.ifname = "ly-lab",
					 .flags = SERVICE_DHCP | SERVICE_DNS | SERVICE_RA,
					 .ipv4 = prefix("10.20.0.1/24"),
					 .ipv6 = prefix("fd12:3456:789a::1/64"),
					 .first = address("10.20.0.100"),
					 .last = address("10.20.0.199"),
					 .lease_seconds = 3600,
					 .mtu = 1500,
					 .domain = "lab.internal"};
	return service;
}

static struct object_service ipv4_only(void)
{
	struct object_service service = full();
	service.ipv6 = (struct ip){0};
	service.flags &= ~SERVICE_RA;
	return service;
}

static struct object_service ipv6_only(void)
{
	struct object_service service = full();
	service.ipv4 = service.first = service.last = (struct ip){0};
	return service;
}

static struct object_service forwarders(void)
{
	struct object_service service = full();
	service.forwarders[0] = address("192.0.2.53");
	service.forwarders[1] = address("2001:db8::53");
	service.mtu = 1400;
	return service;
}

static struct object_service without_dns(void)
{
	struct object_service service = forwarders();
	service.flags &= ~SERVICE_DNS;
	return service;
}

static struct object_service without_dhcp(void)
{
	struct object_service service = full();
	service.flags &= ~SERVICE_DHCP;
	return service;
}

static struct object_service odd_prefixes(void)
{
	struct object_service service = full();
	service.ipv4 = prefix("10.20.0.1/22");
	service.ipv6 = prefix("fd12:3456:789a::1/80");
	service.last = address("10.20.3.254");
	service.lease_seconds = 0;
	return service;
}

static struct object_service stateful(void)
{
	struct object_service service = full();
	service.first6 = address("fd12:3456:789a::1000");
	service.last6 = address("fd12:3456:789a::1fff");
	service.more6[0] = prefix("fd12:3456:789b::1/64");
	service.more6[1] = prefix("2001:db8:1::1/64");
	return service;
}

static struct object_service stateful_alone(void)
{
	struct object_service service = stateful();
	service.ipv6.length = 112;
	memset(service.more6, 0, sizeof(service.more6));
	return service;
}

static struct object_service stateless(void)
{
	struct object_service service = full();
	service.flags |= SERVICE_STATELESS;
	return service;
}

static struct object_service isolated(void)
{
	struct object_service service = full();
	service.flags |= SERVICE_NO_ROUTER | SERVICE_NO_UPSTREAM;
	return service;
}

static struct object_service options(void)
{
	struct object_service service = full();
	strcpy(service.extra.boot, "pxe/grub,x64 #1.efi");
	service.extra.tftp = address("10.20.0.5");
	service.extra.ntp[0] = address("10.20.0.6");
	service.extra.ntp[1] = address("fd12:3456:789a::6");
	service.extra.ntp[2] = address("192.0.2.123");
	strcpy(service.extra.options,
	       "23 64\n43 01:04:00\n121 198.51.100.0/24,10.20.0.7\n150 10.20.0.5,10.20.0.6\n"
	       "209 conf=file=/x, # no comment\n210 \"10\"\n");
	return service;
}

static struct object_service server_alone(void)
{
	struct object_service service = options();
	memset(service.extra.boot, 0, sizeof(service.extra.boot));
	return service;
}

static struct object_service file_alone(void)
{
	struct object_service service = ipv4_only();
	strcpy(service.extra.boot, "http://10.20.0.1/boot.ipxe");
	return service;
}

static struct object_service renumbered(void)
{
	struct object_service service = full();
	service.left4 = prefix("10.30.0.1/24");
	service.left6 = prefix("fd99::1/64");
	return service;
}

static char *const resolvers[] = {"192.0.2.53", "fe80::53%eth0", NULL};
static char *const pasta[] = {"169.254.1.1", NULL};

static const struct golden {
	const char *name;
	struct object_service (*service)(void);
	struct dnsmasq_place place;
} goldens[] = {
	{"full", full, {.folder = "/run/lanyard/services/1"}},
	{"root",
	 full,
	 {.folder = "/run/lanyard/services/1", .upstreams = resolvers, .is_root = true}},
	{"ipv4", ipv4_only, {.folder = "/run/lanyard/services/2"}},
	{"ipv6", ipv6_only, {.folder = "/run/lanyard/services/2"}},
	{"forwarders", forwarders, {.folder = "/run/lanyard/services/3", .upstreams = resolvers}},
	{"without-dns", without_dns, {.folder = "/run/lanyard/services/3"}},
	{"without-dhcp", without_dhcp, {.folder = "/run/lanyard/services/4"}},
	{"isolated", isolated, {.folder = "/run/lanyard/services/5", .upstreams = pasta}},
	{"renumbered", renumbered, {.folder = "/run/lanyard/services/6"}},
	{"stateful", stateful, {.folder = "/run/lanyard/services/7"}},
	{"stateful-alone", stateful_alone, {.folder = "/run/lanyard/services/7"}},
	{"stateless", stateless, {.folder = "/run/lanyard/services/8"}},
	{"options", options, {.folder = "/run/lanyard/services/9"}},
	{"options-server", server_alone, {.folder = "/run/lanyard/services/9"}},
	{"options-file", file_alone, {.folder = "/run/lanyard/services/9"}},
	{"odd-prefixes", odd_prefixes, {.folder = "/run/lanyard/services/4"}},
};

static void compare(const char *name, const char *suffix, const char *text)
{
	AUTO_FREE char *path = text_format(TEST_DATA "/dnsmasq/%s.%s", name, suffix);
	AUTO_FREE char *golden = NULL;
	if (getenv("LANYARD_GOLDEN_UPDATE"))
		assert_int_equal(file_write_atomic(path, text, strlen(text), 0644, false, NULL), 0);
	if (file_read(path, 65536, &golden, NULL) < 0)
		fail_msg("%s cannot be read", path);
	assert_string_equal(text, golden);
}

static void texts_are_golden(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
		struct object_service service = goldens[i].service();
		AUTO_FREE char *conf = dnsmasq_conf(&service, &goldens[i].place);
		AUTO_FREE char *servers = dnsmasq_servers(&service, &goldens[i].place);
		compare(goldens[i].name, "conf", conf);
		if (servers[0])
			compare(goldens[i].name, "servers", servers);
	}
}

static void dnsmasq_takes_them(void **state)
{
	(void)state;
	if (access("/usr/sbin/dnsmasq", X_OK) < 0) {
		print_message("skipped: dnsmasq is not installed (package dnsmasq-base)\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
		AUTO_FREE char *command =
			text_format("/usr/sbin/dnsmasq --test -C " TEST_DATA "/dnsmasq/%s.conf 2>&1"
				    " | grep -q 'syntax check OK'",
				    goldens[i].name);
		if (system(command) != 0)
			fail_msg("dnsmasq refuses %s.conf", goldens[i].name);
	}
}

static void names_are_golden(void **state)
{
	(void)state;
	struct object_service service = full();
	struct object_name names[] = {
		{.name = "web",
		 .mac = {{0xba, 0xad, 0xca, 0xfe, 0, 0x0a}},
		 .ipv4 = address("10.20.0.10"),
		 .ipv6 = address("fd12:3456:789a::10")},
		{.name = "printer", .ipv4 = address("10.20.0.20")},
		{.name = "anywhere", .mac = {{0xba, 0xad, 0xca, 0xfe, 0, 0x0b}}},
		{.name = "six",
		 .mac = {{0xba, 0xad, 0xca, 0xfe, 0, 0x0c}},
		 .ipv6 = address("fd12:3456:789a::12")},
	};
	AUTO_FREE char *reserved = dnsmasq_reserved(names, 4);
	AUTO_FREE char *hosts = dnsmasq_hosts(&service, names, 4);
	compare("names", "reserved", reserved);
	compare("names", "hosts", hosts);
	AUTO_FREE char *none = dnsmasq_reserved(NULL, 0);
	assert_string_equal(none, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_golden),
		cmocka_unit_test(dnsmasq_takes_them),
		cmocka_unit_test(names_are_golden),
	};
	return cmocka_run_group_tests_name("dnsmasq", tests, NULL, NULL);
}
