/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kern/ against the real kernel, in a user and network namespace of its own: no packet leaves it,
 * and root's rights are not needed. Exit 77 where user namespaces are forbidden.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "kern/address.h"
#include "kern/capability.h"
#include "kern/firewall.h"
#include "kern/link.h"
#include "kern/monitor.h"
#include "kern/namespace.h"
#include "kern/netlink.h"
#include "kern/sysctl.h"
#include "kern/tap.h"

static struct error err;
static struct netlink route;
static int home = -1;

#define OK(call)                                                                                   \
	do {                                                                                       \
		err = (struct error){0};                                                           \
		int ok_code_ = (call);                                                             \
		if (ok_code_ < 0)                                                                  \
			fail_msg("%s: %d: %s", #call, ok_code_, err.text);                         \
	} while (0)

static struct ip prefix(const char *text)
{
	struct ip ip;
	OK(ip_parse_prefix(text, &ip, &err));
	return ip;
}

static int bridge_make(const char *name, const char *silent, uint8_t last)
{
	struct mac mac = {{0x02, 0, 0, 0, 0, last}};
	struct link_bridge bridge = {.name = name,
				     .alias = "lanyard:test:bridge:1",
				     .mac = &mac,
				     .mtu = 1400,
				     .silent = silent,
				     .silent_alias = "lanyard:test:silent:1"};
	int ifindex = 0;
	OK(link_create_bridge(&route, &bridge, &ifindex, &err));
	return ifindex;
}

static void delete_all(void)
{
	struct link_list list = {0};
	int indexes[64];
	size_t count = 0;
	OK(link_list_dump(&route, &list, &err));
	for (size_t i = 0; i < list.count; i++)
		if (strncmp(list.items[i].name, "ly", 2) == 0)
			indexes[count++] = list.items[i].ifindex;
	OK(link_delete_many(&route, indexes, count, &err));
	link_list_done(&list);
}

static void bridge_has_carrier_and_label(void **state)
{
	(void)state;
	int ifindex = bridge_make("ly-one", "lyc1", 1);
	struct link link;
	OK(link_get(&route, "ly-one", &link, &err));
	assert_int_equal(link.ifindex, ifindex);
	assert_string_equal(link.alias, "lanyard:test:bridge:1");
	assert_string_equal(link.kind, "bridge");
	assert_true(link.up && link.carrier && !link.stp);
	assert_int_equal(link.mtu, 1400);
	assert_int_equal(link.mac.bytes[5], 1);
	OK(link_get(&route, "lyc1", &link, &err));
	assert_int_equal(link.master, ifindex);
	assert_string_equal(link.alias, "lanyard:test:silent:1");
	assert_true(link.carrier && link.isolated && link.peer > 0);
	struct link_change stp = {.what = LINK_STP, .stp = true};
	OK(link_set(&route, ifindex, &stp, &err));
	OK(link_get_index(&route, ifindex, &link, &err));
	assert_true(link.stp);
	/* no address by the kernel's own choice */
	struct ip gateway = prefix("fd00::1/64");
	OK(address_add(&route, ifindex, &gateway, &err));
	assert_int_equal(address_add(&route, ifindex, &gateway, &err), -EEXIST);
	delete_all();
	assert_int_equal(link_index("ly-one"), -ENODEV);
	assert_int_equal(link_index("lyc1p"), -ENODEV);
}

static void failed_bridge_leaves_nothing(void **state)
{
	(void)state;
	bridge_make("ly-one", "lyc1", 1);
	struct mac mac = {{2, 0, 0, 0, 0, 2}};
	struct link_bridge bridge = {
		.name = "ly-two", .alias = "x", .mac = &mac, .silent = "lyc1", .silent_alias = "y"};
	assert_int_equal(link_create_bridge(&route, &bridge, NULL, &err), -EEXIST);
	assert_int_equal(link_index("ly-two"), -ENODEV);
	bridge.name = "ly-one";
	bridge.silent = "lyc2";
	assert_int_equal(link_create_bridge(&route, &bridge, NULL, &err), -EEXIST);
	assert_non_null(strstr(err.text, "ly-one"));
	assert_true(link_index("ly-one") > 0); /* the other one's is not touched */
	delete_all();
}

struct addresses {
	size_t count, tentative;
	struct ip last;
	int ifindex;
};

static int address_count(int ifindex, const struct ip *address, void *data)
{
	struct addresses *addresses = data;
	if (ifindex == addresses->ifindex) {
		addresses->count++;
		addresses->last = *address;
	}
	return 0;
}

static int route_find(const struct ip *ip, int ifindex, void *data)
{
	struct ip wanted = prefix("10.9.0.0/24");
	if (ip_compare(ip, &wanted) == 0)
		*(int *)data = ifindex;
	return 0;
}

static void addresses_and_routes(void **state)
{
	(void)state;
	int ifindex = bridge_make("ly-one", "lyc1", 1);
	struct ip ip4 = prefix("10.9.0.1/24"), ip6 = prefix("fd09::1/64");
	OK(address_add(&route, ifindex, &ip4, &err));
	struct addresses found = {.ifindex = ifindex};
	OK(address_dump(&route, address_count, &found, &err));
	assert_int_equal(found.count, 1);
	assert_int_equal(ip_compare(&found.last, &ip4), 0);
	int through = 0;
	OK(route_dump(&route, route_find, &through, &err));
	assert_int_equal(through, ifindex);
	OK(address_add(&route, ifindex, &ip6, &err));
	/* usable at once: no duplicate address detection */
	AUTO_CLOSE int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(5)};
	memcpy(&address.sin6_addr, ip6.bytes, 16);
	address.sin6_port = htons(5005);
	assert_int_equal(bind(fd, (void *)&address, sizeof(address)), 0);
	OK(address_delete(&route, ifindex, &ip4, &err));
	assert_int_equal(address_delete(&route, ifindex, &ip4, &err), -EADDRNOTAVAIL);
	assert_non_null(strstr(err.text, "10.9.0.1/24"));
	int none = 1;
	OK(route_default(&route, AF_INET, &none, &err));
	assert_int_equal(none, 0);
	delete_all();
}

static void taps_live_and_die(void **state)
{
	(void)state;
	int bridge = bridge_make("ly-one", "lyc1", 1), fds[TAP_QUEUES_MAX], ifindex = 0;
	struct mac mac = {{0xfe, 1, 2, 3, 4, 5}};
	struct tap tap = {.name = "lyport",
			  .alias = "lanyard:test:port:1:a",
			  .mac = &mac,
			  .bridge = bridge,
			  .mtu = 1400,
			  .queues = 1,
			  .up = true,
			  .isolated = true,
			  .owner = TAP_NOBODY,
			  .group = TAP_NOBODY};
	OK(tap_create(&route, &tap, fds, &ifindex, &err));
	struct link link;
	OK(link_get(&route, "lyport", &link, &err));
	assert_int_equal(link.ifindex, ifindex);
	assert_true(link.tap && link.up && link.carrier && link.isolated && !link.persistent);
	assert_int_equal(link.master, bridge);
	assert_int_equal(link.owner, geteuid());
	assert_int_equal(link.mtu, 1400);
	assert_memory_equal(&link.mac, &mac, sizeof(mac));
	assert_string_equal(link.alias, tap.alias);
	assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	assert_int_equal(tap_create(&route, &tap, fds + 1, NULL, &err), -EEXIST);
	assert_int_equal(tap_open("lyport", false, &err), -EBUSY);
	close(fds[0]);
	assert_int_equal(link_index("lyport"), -ENODEV);

	struct tap_ahead ahead = {.fd = -1};
	tap_prepare(&ahead, "");
	assert_int_equal(fcntl(ahead.fd, F_GETFD), FD_CLOEXEC);
	int prepared = ahead.fd;
	tap_prepare(&ahead, "");
	assert_int_equal(ahead.fd, prepared);
	tap.ahead = &ahead;
	OK(tap_create(&route, &tap, fds, NULL, &err));
	assert_true(fds[0] == prepared && ahead.fd == -1);
	OK(link_get(&route, "lyport", &link, &err));

	/* a name that is taken does no harm, and no other tap is given for the one that was made */
	tap_prepare(&ahead, "lyport");
	assert_true(ahead.fd >= 0 && !ahead.name[0]);
	tap_prepare(&ahead, "lynext");
	tap_prepare(&ahead, "lyother");
	assert_string_equal(ahead.name, "lynext");
	OK(link_get(&route, "lynext", &link, &err));
	assert_true(link.tap && !link.up && !link.master && link.owner == geteuid());
	close(fds[0]);
	assert_int_equal(link_index("lyport"), -ENODEV);
	OK(tap_create(&route, &tap, fds, NULL, &err));
	assert_true(fds[0] != ahead.fd && link_index("lynext") > 0);
	close(fds[0]);

	/* what is asked for under its name is as if it had been made now */
	prepared = ahead.fd;
	tap.name = "lynext";
	OK(tap_create(&route, &tap, fds, &ifindex, &err));
	assert_true(fds[0] == prepared && ahead.fd == -1 && !ahead.name[0]);
	OK(link_get(&route, "lynext", &link, &err));
	assert_true(link.ifindex == ifindex && link.up && link.master == bridge && link.isolated);
	assert_string_equal(link.alias, tap.alias);
	assert_int_equal(link.mtu, 1400);
	close(fds[0]);
	assert_int_equal(link_index("lynext"), -ENODEV);

	/* one that somebody removed, or renamed, is made anew */
	tap_prepare(&ahead, "lynext");
	OK(link_delete(&route, link_index("lynext"), &err));
	OK(tap_create(&route, &tap, fds, NULL, &err));
	OK(link_get(&route, "lynext", &link, &err));
	close(fds[0]);
	tap_prepare(&ahead, "lynext");
	struct link_change renamed = {.what = LINK_NAME, .name = "lyother"};
	OK(link_set(&route, link_index("lynext"), &renamed, &err));
	OK(tap_create(&route, &tap, fds, NULL, &err));
	OK(link_get(&route, "lynext", &link, &err));
	assert_int_equal(link_index("lyother"), -ENODEV);
	close(fds[0]);

	/* one of more queues cannot be that one: it goes */
	tap_prepare(&ahead, "lynext");
	tap.queues = 2;
	OK(tap_create(&route, &tap, fds, NULL, &err));
	OK(link_get(&route, "lynext", &link, &err));
	assert_true(link.multi_queue && link.queues == 2 && ahead.fd == -1);
	close(fds[0]);
	close(fds[1]);
	tap_prepare(&ahead, "lynext");
	tap_forget(&ahead);
	assert_true(ahead.fd == -1 && !ahead.name[0]);
	assert_int_equal(link_index("lynext"), -ENODEV);
	tap.name = "lyport";

	tap.queues = 3;
	OK(tap_create(&route, &tap, fds, NULL, &err));
	OK(link_get(&route, "lyport", &link, &err));
	assert_true(link.multi_queue);
	assert_int_equal(link.queues, 3);
	for (int i = 0; i < 3; i++)
		close(fds[i]);

	tap.queues = 1;
	tap.persistent = true;
	OK(tap_create(&route, &tap, NULL, NULL, &err));
	OK(link_get(&route, "lyport", &link, &err));
	assert_true(link.persistent && !link.carrier);
	int fd = tap_open("lyport", false, &err);
	assert_true(fd >= 0);
	OK(tap_set_persistent(fd, false, &err));
	close(fd);
	assert_int_equal(link_index("lyport"), -ENODEV);
	assert_int_equal(tap_open("lyport", false, &err), -ENODEV);
	tap.name = "ly-a-very-long-name";
	assert_int_equal(tap_create(&route, &tap, NULL, NULL, &err), -ENAMETOOLONG);
	delete_all();
}

static void sysctl_per_interface(void **state)
{
	(void)state;
	bridge_make("ly-one", "lyc1", 1);
	bridge_make("ly-two", "lyc2", 2);
	for (int i = 0; i < 2; i++) {
		int family = i ? AF_INET6 : AF_INET;
		bool is = true;
		OK(sysctl_is_forwarding("ly-one", family, &is, &err));
		assert_false(is);
		OK(sysctl_forward("ly-one", family, true, &err));
		OK(sysctl_is_forwarding("ly-one", family, &is, &err));
		assert_true(is);
	}
	int other = 1;
	OK(sysctl_get(SYSCTL_FORWARDING_IPV6, "ly-two", &other, &err));
	assert_int_equal(other, 0);
	OK(sysctl_get(SYSCTL_FORWARDING_IPV4, "ly-two", &other, &err));
	assert_int_equal(other, 0);
	OK(sysctl_set(SYSCTL_ACCEPT_RA, "ly-two", 0, &err));
	assert_int_equal(sysctl_get(SYSCTL_ACCEPT_RA, "../../x", &other, &err), -EINVAL);
	assert_int_equal(sysctl_get(SYSCTL_ACCEPT_RA, "..", &other, &err), -EINVAL);
	assert_int_equal(sysctl_get(SYSCTL_ACCEPT_RA, "lynone", &other, &err), -ENOENT);
	OK(sysctl_forward("ly-one", AF_INET6, false, &err));
	delete_all();
}

/* Guests: network namespaces that this process visits. */

static int guest_make(struct netlink *netlink)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	int fd = namespace_open_net("/proc/self/ns/net", &err);
	assert_true(fd >= 0);
	OK(netlink_open(netlink, NETLINK_ROUTE, &err));
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	return fd;
}

static void guest_route(struct netlink *netlink, const char *gateway)
{
	struct ip ip;
	OK(ip_parse(gateway, &ip, &err));
	struct rtmsg header = {.rtm_family = (uint8_t)ip.family,
			       .rtm_table = RT_TABLE_MAIN,
			       .rtm_protocol = RTPROT_STATIC,
			       .rtm_type = RTN_UNICAST};
	struct nlmsghdr *message =
		netlink_add(netlink, RTM_NEWROUTE, NLM_F_CREATE, &header, sizeof(header));
	mnl_attr_put(message, RTA_GATEWAY, ip.family == AF_INET ? 4 : 16, ip.bytes);
	OK(netlink_run(netlink, NULL, NULL, NULL, &err));
}

struct guest {
	int netns;
	struct netlink netlink;
	const char *address4, *address6;
};

static void guest_plug(struct guest *guest, int bridge, const char *name)
{
	guest->netns = guest_make(&guest->netlink);
	struct mac mac = {{0xba, 0xad, 0xca, 0, 0, (uint8_t)name[2]}};
	struct link_veth veth = {.name = name,
				 .alias = "lanyard:test:port:1:b",
				 .peer = "eth0",
				 .peer_mac = &mac,
				 .peer_netns = guest->netns};
	int ifindex;
	OK(link_create_veth(&route, &veth, &ifindex, &err));
	struct link_change plug = {.what = LINK_UP | LINK_MASTER, .master = bridge, .up = true};
	OK(link_set(&route, ifindex, &plug, &err));
	struct link eth0;
	OK(link_get(&guest->netlink, "eth0", &eth0, &err));
	assert_memory_equal(&eth0.mac, &mac, sizeof(mac));
}

static void guest_address(struct guest *guest, const char *address4, const char *gateway4,
			  const char *address6, const char *gateway6)
{
	struct link eth0;
	OK(link_get(&guest->netlink, "eth0", &eth0, &err));
	struct link_change up = {.what = LINK_UP, .up = true};
	OK(link_set(&guest->netlink, eth0.ifindex, &up, &err));
	struct ip ip4 = prefix(address4), ip6 = prefix(address6);
	OK(address_add(&guest->netlink, eth0.ifindex, &ip4, &err));
	OK(address_add(&guest->netlink, eth0.ifindex, &ip6, &err));
	if (gateway4)
		guest_route(&guest->netlink, gateway4);
	if (gateway6)
		guest_route(&guest->netlink, gateway6);
	guest->address4 = address4;
	guest->address6 = address6;
}

static int socket_in(int netns, int family)
{
	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	assert_true(fd >= 0);
	return fd;
}

static socklen_t address_of(const char *text, uint16_t port, struct sockaddr_storage *ret)
{
	struct ip ip = prefix(text);
	*ret = (struct sockaddr_storage){.ss_family = ip.family};
	if (ip.family == AF_INET) {
		struct sockaddr_in *in = (void *)ret;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, ip.bytes, 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (void *)ret;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, ip.bytes, 16);
	return sizeof(*in6);
}

/* A datagram there and its answer back; *ret_from: whom the receiver saw. */
static bool reaches_address(const struct guest *from, const struct guest *to, const char *address,
			    char ret_from[INET6_ADDRSTRLEN])
{
	struct sockaddr_storage target, seen;
	socklen_t length = address_of(address, 7000, &target), seen_length = sizeof(seen);
	AUTO_CLOSE int receiver = socket_in(to->netns, target.ss_family);
	AUTO_CLOSE int sender = socket_in(from->netns, target.ss_family);
	char byte = 0;
	bool arrived = false;
	assert_int_equal(bind(receiver, (void *)&target, length), 0);
	if (sendto(sender, "x", 1, 0, (void *)&target, length) == 1) {
		struct pollfd wait = {.fd = receiver, .events = POLLIN};
		arrived = poll(&wait, 1, 300) == 1;
	}
	if (!arrived || recvfrom(receiver, &byte, 1, 0, (void *)&seen, &seen_length) != 1)
		return false;
	const void *bytes = seen.ss_family == AF_INET
				    ? (void *)&((struct sockaddr_in *)&seen)->sin_addr
				    : (void *)&((struct sockaddr_in6 *)&seen)->sin6_addr;
	inet_ntop(seen.ss_family, bytes, ret_from, INET6_ADDRSTRLEN);
	assert_int_equal(sendto(receiver, "y", 1, 0, (void *)&seen, seen_length), 1);
	struct pollfd wait = {.fd = sender, .events = POLLIN};
	return poll(&wait, 1, 1000) == 1 && recv(sender, &byte, 1, 0) == 1;
}

static bool reaches(const struct guest *from, const struct guest *to)
{
	char seen[INET6_ADDRSTRLEN];
	bool ip4 = reaches_address(from, to, to->address4, seen);
	bool ip6 = reaches_address(from, to, to->address6, seen);
	assert_int_equal(ip4, ip6);
	return ip4;
}

static struct object filter_of(uint32_t network, const char *ifname, enum network_mode mode,
			       const char *nat4, const char *nat6)
{
	struct object object;
	memset(&object, 0, sizeof(object));
	object.kind = OBJECT_FILTER;
	object.network = network;
	snprintf(object.filter.ifname, sizeof(object.filter.ifname), "%s", ifname);
	object.filter.mode = (uint8_t)mode;
	if (nat4)
		object.filter.nat[0] = prefix(nat4);
	if (nat6)
		object.filter.nat[nat4 ? 1 : 0] = prefix(nat6);
	return object;
}

static int network_make(const char *name, const char *silent, const char *gateway4,
			const char *gateway6, uint8_t last)
{
	int ifindex = bridge_make(name, silent, last);
	struct ip ip4 = prefix(gateway4), ip6 = prefix(gateway6);
	OK(address_add(&route, ifindex, &ip4, &err));
	OK(address_add(&route, ifindex, &ip6, &err));
	OK(sysctl_forward(name, AF_INET, true, &err));
	OK(sysctl_forward(name, AF_INET6, true, &err));
	return ifindex;
}

static void guest_done(struct guest *guest)
{
	netlink_close(&guest->netlink);
	close(guest->netns);
}

static void modes_reach_what_they_should(void **state)
{
	(void)state;
	struct guest nat = {0}, routed = {0}, isolated = {0}, neighbour = {0}, world = {0};
	int b1 = network_make("ly-nat", "lyc1", "10.1.0.1/24", "fd01::1/64", 1);
	int b2 = network_make("ly-rou", "lyc2", "10.2.0.1/24", "fd02::1/64", 2);
	int b3 = network_make("ly-iso", "lyc3", "10.3.0.1/24", "fd03::1/64", 3);
	int b4 = network_make("ly-up", "lyc4", "192.0.2.1/24", "2001:db8::1/64", 4);
	guest_plug(&nat, b1, "lya");
	guest_plug(&neighbour, b1, "lyb");
	guest_plug(&routed, b2, "lyd");
	guest_plug(&isolated, b3, "lye");
	guest_plug(&world, b4, "lyf");
	guest_address(&nat, "10.1.0.2/24", "10.1.0.1", "fd01::2/64", "fd01::1");
	guest_address(&neighbour, "10.1.0.3/24", "10.1.0.1", "fd01::3/64", "fd01::1");
	guest_address(&routed, "10.2.0.2/24", "10.2.0.1", "fd02::2/64", "fd02::1");
	guest_address(&isolated, "10.3.0.2/24", "10.3.0.1", "fd03::2/64", "fd03::1");
	guest_address(&world, "192.0.2.2/24", "192.0.2.1", "2001:db8::2/64", "2001:db8::1");

	struct firewall firewall;
	OK(firewall_open(&firewall, "test-1", &err));
	struct object filters[] = {
		filter_of(1, "ly-nat", NETWORK_NAT, "10.1.0.0/24", "fd01::/64"),
		filter_of(2, "ly-rou", NETWORK_ROUTED, NULL, NULL),
		filter_of(3, "ly-iso", NETWORK_ISOLATED, NULL, NULL),
	};
	struct firewall_change changes[3];
	for (int i = 0; i < 3; i++)
		changes[i] = (struct firewall_change){FIREWALL_ADD, &filters[i]};
	OK(firewall_apply(&firewall, changes, 3, &err));

	/* Ports forward when the kernel's link watch has come round, and ARP asks again only after
	 * a second. */
	char seen[INET6_ADDRSTRLEN];
	for (int i = 0; i < 10 && !reaches_address(&nat, &world, world.address4, seen); i++)
		;
	assert_true(reaches(&nat, &world));
	assert_true(reaches(&nat, &neighbour));
	assert_false(reaches(&world, &nat));
	assert_true(reaches(&routed, &world));
	assert_true(reaches(&world, &routed));
	assert_false(reaches(&isolated, &world));
	assert_false(reaches(&world, &isolated));
	assert_false(reaches(&nat, &routed));
	assert_false(reaches(&routed, &nat));
	assert_false(reaches(&nat, &isolated));
	assert_true(reaches_address(&nat, &world, world.address4, seen));
	assert_string_equal(seen, "192.0.2.1");
	assert_true(reaches_address(&nat, &world, world.address6, seen));
	assert_string_equal(seen, "2001:db8::1");
	assert_true(reaches_address(&routed, &world, world.address4, seen));
	assert_string_equal(seen, "10.2.0.2");

	for (int i = 0; i < 3; i++)
		changes[i].verb = FIREWALL_REMOVE;
	OK(firewall_apply(&firewall, changes, 3, &err));
	assert_false(firewall.exists);
	assert_true(reaches(&world, &nat)); /* nothing of it is left */
	firewall_close(&firewall);
	guest_done(&nat);
	guest_done(&neighbour);
	guest_done(&routed);
	guest_done(&isolated);
	guest_done(&world);
	delete_all();
}

static size_t filters_count(struct firewall *firewall)
{
	struct object_list list = {0};
	OK(firewall_dump(firewall, &list, &err));
	size_t count = list.count;
	object_list_done(&list);
	return count;
}

/* Somebody else with rights over the namespace. */
static void nft(const char *text)
{
	pid_t child = fork();
	if (child == 0) {
		if (capability_keep(CAPABILITY_EXECUTOR, NULL) == 0)
			execl("/usr/sbin/nft", "nft", text, NULL);
		_exit(127);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void firewall_notices_others(void **state)
{
	(void)state;
	struct firewall firewall, other;
	OK(firewall_open(&firewall, "test", &err));
	OK(firewall_open(&other, "test", &err));
	struct object one = filter_of(7, "ly-one", NETWORK_NAT, "10.1.0.0/24", "fd01::/64");
	struct object two = filter_of(8, "ly-two", NETWORK_NAT, "10.1.1.0/24", NULL);
	struct firewall_change change = {FIREWALL_REMOVE, &one};
	assert_int_equal(firewall_apply(&firewall, &change, 1, &err), -ENOENT);
	change.verb = FIREWALL_ADD;
	OK(firewall_apply(&firewall, &change, 1, &err));
	change.object = &two;
	OK(firewall_apply(&other, &change, 1, &err)); /* of a second executor */
	assert_int_equal(filters_count(&firewall), 2);
	assert_int_equal(filters_count(&other), 2);
	OK(firewall_apply(&firewall, &change, 1, &err)); /* again: replaces */
	two.filter.mode = NETWORK_ISOLATED;
	two.filter.nat[0] = two.filter.nat[1];
	memset(&two.filter.nat[1], 0, sizeof(two.filter.nat[1]));
	snprintf(two.filter.peers[0], IFNAMSIZ, "ly-one");
	OK(firewall_apply(&firewall, &change, 1, &err));
	struct object_list list = {0};
	OK(firewall_dump(&other, &list, &err));
	object_list_sort(&list);
	assert_int_equal(list.count, 2);
	assert_true(object_is_same(&list.items[0], &one));
	assert_true(object_is_same(&list.items[1], &two));
	object_list_done(&list);

	static const char *const harms[] = {
		"flush chain inet lanyard_test to_nat",
		"delete element inet lanyard_test ours { \"ly-one\" }",
		"flush set inet lanyard_test nat4",
		"add rule inet lanyard_test from_isolated accept",
		"flush ruleset",
	};
	for (size_t i = 0; i < sizeof(harms) / sizeof(harms[0]); i++) {
		nft(harms[i]);
		size_t count = filters_count(&firewall);
		assert_true(count == 0 || i == 2); /* without its prefix: a network that differs */
		struct firewall_change both[] = {{FIREWALL_ADD, &one}, {FIREWALL_ADD, &two}};
		OK(firewall_apply(&firewall, both, 2, &err));
		assert_int_equal(filters_count(&firewall), 2);
		assert_int_equal(filters_count(&other), 2);
	}
	nft("add table ip somebody");
	assert_int_equal(filters_count(&firewall), 2);
	struct firewall_change away[] = {{FIREWALL_REMOVE, &one}, {FIREWALL_REMOVE, &two}};
	OK(firewall_apply(&firewall, away, 2, &err));
	assert_int_equal(filters_count(&other), 0);
	assert_false(other.exists);
	struct object bad = filter_of(1, "ly\"x", NETWORK_NAT, NULL, NULL);
	struct firewall_change hostile = {FIREWALL_ADD, &bad};
	assert_int_equal(firewall_apply(&firewall, &hostile, 1, &err), -EINVAL);
	nft("delete table ip somebody");
	firewall_close(&firewall);
	firewall_close(&other);
}

static void firewall_takes_many(void **state)
{
	(void)state;
	enum { MANY = 300 };
	static struct object filters[MANY];
	static struct firewall_change changes[MANY];
	struct firewall firewall;
	OK(firewall_open(&firewall, "many", &err));
	for (uint32_t i = 0; i < MANY; i++) {
		char name[16], nat4[32], nat6[32];
		snprintf(name, sizeof(name), "ly-%u", i);
		snprintf(nat4, sizeof(nat4), "10.%u.%u.0/24", i / 250,
			 i % 250); /* neighbours touch */
		snprintf(nat6, sizeof(nat6), "fd00:%x::/64", i);
		filters[i] = filter_of(i + 1, name, NETWORK_NAT, nat4, nat6);
		changes[i] = (struct firewall_change){FIREWALL_ADD, &filters[i]};
	}
	OK(firewall_apply(&firewall, changes, 2, &err));
	OK(firewall_apply(&firewall, changes, MANY, &err));
	firewall.generation = 0;
	assert_int_equal(filters_count(&firewall), MANY);
	for (uint32_t i = 0; i < MANY; i++)
		changes[i].verb = FIREWALL_REMOVE;
	OK(firewall_apply(&firewall, changes + 1, MANY - 1, &err));
	assert_int_equal(filters_count(&firewall), 1);
	OK(firewall_apply(&firewall, changes, 1, &err));
	firewall_close(&firewall);
}

static struct object rate_of(const char *ifname, uint32_t in, uint32_t out)
{
	struct object object;
	memset(&object, 0, sizeof(object));
	object.kind = OBJECT_RATE;
	snprintf(object.rate.ifname, IFNAMSIZ, "%s", ifname);
	object.rate.in = in;
	object.rate.out = out;
	return object;
}

static void firewall_limits_ports(void **state)
{
	(void)state;
	enum { MANY = 300 };
	static struct object rates[MANY];
	static struct firewall_change changes[MANY];
	struct firewall firewall, other;
	OK(firewall_open(&firewall, "test", &err));
	OK(firewall_open(&other, "test", &err));
	for (uint32_t i = 0; i < MANY; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%u-a.b_c", i);
		rates[i] = rate_of(name, i % 3 ? 64 + i : 0, i % 3 != 1 ? 100000000 : 0);
		changes[i] = (struct firewall_change){FIREWALL_ADD, &rates[i]};
	}
	OK(firewall_apply(&firewall, changes, 2, &err));
	assert_int_equal(filters_count(&other), 2);
	OK(firewall_apply(&other, changes, MANY, &err)); /* two of them replaced */
	struct object_list list = {0};
	OK(firewall_dump(&firewall, &list, &err));
	assert_int_equal(list.count, MANY);
	for (size_t i = 0; i < MANY; i++)
		for (size_t j = 0; j < MANY; j++)
			if (object_compare_key(&list.items[i], &rates[j]) == 0)
				assert_true(object_is_same(&list.items[i], &rates[j]));
	object_list_done(&list);

	static const char *const harms[] = {
		"flush map bridge lanyard-rate_test in",
		"delete element bridge lanyard-rate_test out { \"0-a.b_c\" }",
		"add limit bridge lanyard-rate_test strange { rate 1/second; }",
		"flush chain bridge lanyard-rate_test postrouting",
		"add rule bridge lanyard-rate_test prerouting accept",
		"flush ruleset",
	};
	for (size_t i = 0; i < sizeof(harms) / sizeof(harms[0]); i++) {
		nft(harms[i]);
		/* whoever looks sees it; whoever does not brings all back with what it changes */
		assert_int_equal(filters_count(&other), 0);
		rates[0].rate.out = 1000 + (uint32_t)i;
		OK(firewall_apply(&firewall, changes, 1, &err));
		assert_int_equal(filters_count(&other), MANY);
	}
	/* what a change meets is not hidden by it */
	assert_int_equal(filters_count(&firewall), MANY);
	assert_false(firewall.met_others || firewall.met_loss);
	nft("add table ip somebody");
	OK(firewall_apply(&firewall, changes, 1, &err));
	assert_true(firewall.met_others && !firewall.met_loss);
	nft("flush ruleset");
	OK(firewall_apply(&firewall, changes, 1, &err));
	assert_true(firewall.met_loss);
	assert_int_equal(filters_count(&firewall), MANY);
	assert_false(firewall.met_others || firewall.met_loss);
	struct firewall_change change = {FIREWALL_REMOVE, &rates[0]};
	OK(firewall_apply(&firewall, &change, 1, &err));
	assert_int_equal(firewall_apply(&firewall, &change, 1, &err), -ENOENT);
	for (size_t i = 0; i < MANY; i++)
		changes[i].verb = FIREWALL_REMOVE;
	OK(firewall_apply(&firewall, changes + 1, MANY - 1, &err));
	assert_int_equal(filters_count(&other), 0);
	assert_false(other.rates_exist);
	struct object bad = rate_of("ly\"x", 1000, 0);
	struct firewall_change hostile = {FIREWALL_ADD, &bad};
	assert_int_equal(firewall_apply(&firewall, &hostile, 1, &err), -EINVAL);
	firewall_close(&firewall);
	firewall_close(&other);
}

struct seen {
	const struct firewall *firewall;
	unsigned open, link, gone, address, address_gone, own, foreign;
	char alias[LINK_ALIAS_SIZE];
	char process[16];
};

static void notice(const struct monitor_event *event, void *data)
{
	struct seen *seen = data;
	if (event->kind == MONITOR_LINK && strcmp(event->link.name, "ly-one") == 0)
		seen->link++;
	if (event->kind == MONITOR_LINK_GONE && strcmp(event->link.name, "ly-one") == 0) {
		seen->gone++;
		snprintf(seen->alias, sizeof(seen->alias), "%s", event->link.alias);
	}
	if (event->kind == MONITOR_LINK && strcmp(event->link.name, "lyc1") == 0)
		seen->open += !event->link.isolated;
	seen->address += event->kind == MONITOR_ADDRESS;
	seen->address_gone += event->kind == MONITOR_ADDRESS_GONE;
	if (event->kind != MONITOR_FIREWALL)
		return;
	if (firewall_is_current(seen->firewall, event->generation)) {
		seen->own++;
	} else {
		seen->foreign++;
		memcpy(seen->process, event->process, sizeof(seen->process));
	}
}

static void monitor_tells(void **state)
{
	(void)state;
	struct monitor monitor;
	struct firewall firewall;
	struct seen seen = {.firewall = &firewall};
	OK(firewall_open(&firewall, "test", &err));
	OK(monitor_open(&monitor, &err));
	struct pollfd wait = {.fd = monitor.fd, .events = POLLIN};
	assert_int_equal(poll(&wait, 1, 0), 0);
	int ifindex = bridge_make("ly-one", "lyc1", 1);
	struct ip ip = prefix("10.1.0.1/24");
	OK(address_add(&route, ifindex, &ip, &err));
	OK(address_delete(&route, ifindex, &ip, &err));
	struct object one = filter_of(1, "ly-one", NETWORK_NAT, "10.1.0.0/24", NULL);
	struct object two = filter_of(2, "ly-two", NETWORK_ROUTED, NULL, NULL);
	struct firewall_change changes[] = {{FIREWALL_ADD, &one}, {FIREWALL_ADD, &two}};
	OK(firewall_apply(&firewall, &changes[0], 1, &err));
	OK(firewall_apply(&firewall, &changes[1], 1, &err));
	delete_all();
	assert_int_equal(poll(&wait, 1, 1000), 1);
	OK(monitor_read(&monitor, notice, &seen, &err));
	assert_true(seen.link > 0);
	assert_int_equal(seen.gone, 1);
	assert_string_equal(seen.alias, "lanyard:test:bridge:1");
	assert_true(seen.address >= 1 && seen.address_gone >= 1);
	assert_int_equal(seen.own, 2);
	assert_int_equal(seen.foreign, 0);
	ifindex = bridge_make("ly-one", "lyc1", 1);
	OK(monitor_read(&monitor, notice, &seen, &err));
	seen.open = 0;
	struct link_change open = {.what = LINK_ISOLATED, .isolated = false};
	OK(link_set(&route, link_index("lyc1"), &open, &err));
	OK(monitor_read(&monitor, notice, &seen, &err));
	assert_int_equal(seen.open, 1);
	delete_all();
	OK(monitor_read(&monitor, notice, &seen, &err));
	nft("flush ruleset");
	assert_int_equal(poll(&wait, 1, 1000), 1);
	OK(monitor_read(&monitor, notice, &seen, &err));
	assert_int_equal(seen.foreign, 1);
	assert_string_equal(seen.process, "nft");
	assert_int_equal(poll(&wait, 1, 0), 0);
	monitor_close(&monitor);
	firewall_close(&firewall);
}

/* In a child: what the executor does when it starts, and that the rights survive an exec. */
static int child_enters(pid_t holder)
{
	struct error why = {0};
	uint64_t mask = 0;
	if (namespace_enter(holder, &why) < 0 || capability_keep(CAPABILITY_EXECUTOR, &why) < 0 ||
	    capability_effective(&mask, &why) < 0) {
		fprintf(stderr, "%s\n", why.text);
		return 1;
	}
	if (mask != CAPABILITY_EXECUTOR)
		return 2;
	execlp("grep", "grep", "-Eqz",
	       "CapInh:\\s0000000000003400\nCapPrm:\\s0000000000003400\nCapEff:"
	       "\\s0000000000003400\n"
	       "CapBnd:\\s0000000000003400\nCapAmb:\\s0000000000003400\nNoNewPrivs:\\s1",
	       "/proc/self/status", NULL);
	return 3;
}

static void namespaces_are_entered(void **state)
{
	(void)state;
	int ready[2], go[2];
	char byte;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	pid_t holder = fork();
	if (holder == 0) {
		struct error why = {0};
		if (namespace_unshare(&why) < 0)
			_exit(1);
		byte = 'r';
		if (write(ready[1], &byte, 1) != 1)
			_exit(1);
		close(go[1]);
		_exit(read(go[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(go[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	bool range = false;
	OK(namespace_map(holder, &range, &err));
	assert_int_equal(namespace_open_net("/dev/null", &err), -EINVAL);
	AUTO_CLOSE int net = namespace_open_net_pid(holder, &err);
	assert_true(net >= 0);
	pid_t child = fork();
	if (child == 0)
		_exit(child_enters(holder));
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(go[1]);
	assert_int_equal(waitpid(holder, &status, 0), holder);
	assert_int_equal(status, 0);
	close(ready[0]);
	close(ready[1]);
}

int main(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	if (namespace_unshare(&err) < 0 || namespace_map_self(uid, gid, &err) < 0) {
		printf("SKIP kern: %s\n", err.text);
		return 77;
	}
	if (access("/usr/sbin/nft", X_OK) < 0) {
		printf("SKIP kern: no /usr/sbin/nft (package nftables)\n");
		return 77;
	}
	if (access("/dev/net/tun", R_OK | W_OK) < 0) {
		printf("SKIP kern: /dev/net/tun: %s\n", strerror(errno));
		return 77;
	}
	home = namespace_open_net("/proc/self/ns/net", &err);
	if (home < 0 || netlink_open(&route, NETLINK_ROUTE, &err) < 0) {
		printf("%s\n", err.text);
		return 1;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bridge_has_carrier_and_label),
		cmocka_unit_test(failed_bridge_leaves_nothing),
		cmocka_unit_test(addresses_and_routes),
		cmocka_unit_test(taps_live_and_die),
		cmocka_unit_test(sysctl_per_interface),
		cmocka_unit_test(firewall_notices_others),
		cmocka_unit_test(firewall_takes_many),
		cmocka_unit_test(firewall_limits_ports),
		cmocka_unit_test(modes_reach_what_they_should),
		cmocka_unit_test(monitor_tells),
		cmocka_unit_test(namespaces_are_entered),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	netlink_close(&route);
	close(home);
	return failed;
}
