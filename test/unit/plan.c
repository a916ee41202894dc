/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan: order, what a bridge takes along, what has to be made again, objects as hostile input.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/plan.h"

/* A world of one network with two ports and a reservation. */
struct world {
	struct network *network;
	struct port ports[2];
	struct object_list wanted, actual;
};

static void expand(struct world *world, struct object_list *ret)
{
	struct port *ports[] = {&world->ports[0], &world->ports[1]};
	object_expand(&world->network, 1, ports, 2, ret);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct network *network = network_new();
	struct reservation web = {.name = "web"};
	struct error err;
	*state = world;
	world->network = network;
	strcpy(network->name, "lab");
	network->id = 7;
	network_ifname("lab", 7, network->ifname);
	network->ipv4_choice = network->ipv6_choice = FAMILY_GIVEN;
	ip_parse_prefix("10.20.0.1/24", &network->ipv4[0], NULL);
	ip_parse_prefix("fd00:20::1/64", &network->ipv6[0], NULL);
	ip_parse("10.20.0.10", &web.ipv4, NULL);
	web.mac = mac_hash("web", 0);
	assert_int_equal(network_reserve(network, &web, &err), 0);
	assert_int_equal(network_allocate(network, "default", NULL, 0, &err), 0);
	assert_int_equal(network_settle(network, &err), 0);
	for (size_t i = 0; i < 2; i++) {
		struct port *port = &world->ports[i];
		snprintf(port->id, sizeof(port->id), "p%zu", i);
		strcpy(port->network, "lab");
		port->owner = port->group = (uint32_t)-1;
		assert_int_equal(port_settle(port, &err), 0);
	}
	expand(world, &world->wanted);
	expand(world, &world->actual);
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	object_list_done(&world->wanted);
	object_list_done(&world->actual);
	network_free(world->network);
	free(world);
	return 0;
}

static void assert_plan(struct world *world, const char *expected)
{
	struct plan plan;
	plan_build(&world->wanted, &world->actual, &plan);
	char *text = plan_text(&plan);
	assert_string_equal(text, expected);
	free(text);
	plan_done(&plan);
}

static struct object *find(struct object_list *list, enum object_kind kind)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].kind == kind)
			return &list->items[i];
	return NULL;
}

static void forget(struct object_list *list, enum object_kind kind)
{
	size_t n = 0;
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].kind != kind)
			list->items[n++] = list->items[i];
	list->count = n;
}

static void nothing_to_do(void **state)
{
	struct world *world = *state;
	assert_plan(world, "");
	/* in whatever order the kernel tells */
	struct object first = world->actual.items[0];
	world->actual.items[0] = world->actual.items[world->actual.count - 1];
	world->actual.items[world->actual.count - 1] = first;
	assert_plan(world, "");
}

static void from_nothing_and_back(void **state)
{
	struct world *world = *state;
	struct object_list none = {0};
	struct plan plan;
	plan_build(&world->wanted, &none, &plan);
	char *text = plan_text(&plan);
	assert_string_equal(text, "create bridge ly-lab\n"
				  "create address 10.20.0.1/24 on ly-lab\n"
				  "create address fd00:20::1/64 on ly-lab\n"
				  "create address fe80::1/64 on ly-lab\n"
				  "create forwarding on ly-lab\n"
				  "create filter on ly-lab (nat)\n"
				  "create name web 10.20.0.10 fd00:20::b8ad:caff:febd:25a9\n"
				  "create service on ly-lab (DHCP, DNS, RA)\n"
				  "create port lyp0 on ly-lab\n"
				  "create port lyp1 on ly-lab\n");
	assert_int_equal(plan.n_prepare, plan.count);
	free(text);
	plan_done(&plan);
	plan_build(&none, &world->actual, &plan);
	text = plan_text(&plan);
	assert_string_equal(text, "delete port lyp1 on ly-lab\n"
				  "delete port lyp0 on ly-lab\n"
				  "delete service on ly-lab (DHCP, DNS, RA)\n"
				  "delete name web 10.20.0.10 fd00:20::b8ad:caff:febd:25a9\n"
				  "delete filter on ly-lab (nat)\n"
				  "delete bridge ly-lab\n");
	assert_int_equal(plan.n_prepare, 0);
	free(text);
	plan_done(&plan);
}

static void changes(void **state)
{
	struct world *world = *state;
	find(&world->actual, OBJECT_BRIDGE)->bridge.mtu = 9000;
	find(&world->actual, OBJECT_FORWARDING)->forwarding.ipv6 = 0;
	find(&world->actual, OBJECT_PORT)->port.hwaddr.bytes[5] ^= 1;
	find(&world->actual, OBJECT_PORT)->port.queues = 4; /* not compared */
	assert_plan(world, "change bridge ly-lab\n"
			   "change forwarding on ly-lab\n"
			   "change port lyp0 on ly-lab\n");
}

/* The prefix changes: the new address comes first, the old one goes in commit. */
static void other_address(void **state)
{
	struct world *world = *state;
	struct object *address = find(&world->actual, OBJECT_ADDRESS);
	ip_parse_prefix("10.21.0.1/24", &address->address.address, NULL);
	assert_plan(world, "create address 10.20.0.1/24 on ly-lab\n"
			   "delete address 10.21.0.1/24 on ly-lab\n");
}

/* Somebody deleted the bridge: ports are off it, the service listens on nothing. */
static void bridge_is_gone(void **state)
{
	struct world *world = *state;
	forget(&world->actual, OBJECT_BRIDGE);
	forget(&world->actual, OBJECT_ADDRESS);
	forget(&world->actual, OBJECT_FORWARDING);
	for (size_t i = 0; i < world->actual.count; i++)
		if (world->actual.items[i].kind == OBJECT_PORT)
			memset(world->actual.items[i].port.bridge, 0, IFNAMSIZ);
	assert_plan(world, "create bridge ly-lab\n"
			   "create address 10.20.0.1/24 on ly-lab\n"
			   "create address fd00:20::1/64 on ly-lab\n"
			   "create address fe80::1/64 on ly-lab\n"
			   "create forwarding on ly-lab\n"
			   "change service on ly-lab (DHCP, DNS, RA)\n"
			   "change port lyp0 on ly-lab\n"
			   "change port lyp1 on ly-lab\n");
}

/* A bridge left over from a network of the same name: made anew, with all that stands on it. */
static void bridge_of_another_network(void **state)
{
	struct world *world = *state;
	find(&world->actual, OBJECT_BRIDGE)->network = 3;
	struct plan plan;
	plan_build(&world->wanted, &world->actual, &plan);
	char *text = plan_text(&plan);
	assert_string_equal(text, "delete bridge ly-lab\n"
				  "create bridge ly-lab\n"
				  "create address 10.20.0.1/24 on ly-lab\n"
				  "create address fd00:20::1/64 on ly-lab\n"
				  "create address fe80::1/64 on ly-lab\n"
				  "create forwarding on ly-lab\n"
				  "change service on ly-lab (DHCP, DNS, RA)\n"
				  "change port lyp0 on ly-lab\n"
				  "change port lyp1 on ly-lab\n");
	assert_int_equal(plan.n_prepare, plan.count);
	free(text);
	plan_done(&plan);
}

static void port_of_another_kind(void **state)
{
	struct world *world = *state;
	find(&world->actual, OBJECT_PORT)->port.kind = PORT_VETH;
	assert_plan(world, "delete port lyp0 on ly-lab\n"
			   "create port lyp0 on ly-lab\n");
}

/* Off and not reported are the same; on a new bridge off is said, the kernel's default may be on.
 */
static void forwarding_that_is_off(void **state)
{
	struct world *world = *state;
	struct object_forwarding *forwarding = &find(&world->wanted, OBJECT_FORWARDING)->forwarding;
	forwarding->ipv4 = forwarding->ipv6 = 0;
	forget(&world->actual, OBJECT_FORWARDING);
	assert_plan(world, "");
	struct object_list none = {0};
	struct plan plan;
	plan_build(&world->wanted, &none, &plan);
	char *text = plan_text(&plan);
	assert_non_null(strstr(text, "create forwarding on ly-lab\n"));
	free(text);
	plan_done(&plan);
}

/* On an Open vSwitch the port is on no bridge of the kernel's; its row there comes after it. */
static void members(void **state)
{
	struct world *world = *state;
	struct network *network = world->network;
	network->mode = NETWORK_BRIDGED;
	network->openvswitch = true;
	memset(network->ipv4, 0, sizeof(network->ipv4));
	memset(network->ipv6, 0, sizeof(network->ipv6));
	strcpy(network->ifname, "ovsbr0");
	world->ports[1].isolated = true;
	world->wanted.count = world->actual.count = 0;
	expand(world, &world->wanted);
	assert_null(find(&world->wanted, OBJECT_BRIDGE));
	assert_null(find(&world->wanted, OBJECT_FILTER)); /* no guard */
	assert_plan(world, "create port lyp0\n"
			   "create port lyp1\n"
			   "create Open vSwitch port lyp0 on ovsbr0\n"
			   "create Open vSwitch port lyp1 on ovsbr0\n");
	expand(world, &world->actual);
	assert_plan(world, "");
	/* of another network: its tag is changed; of a port that is not there: a dead one's */
	find(&world->actual, OBJECT_MEMBER)->network = 8;
	assert_plan(world, "change Open vSwitch port lyp0 on ovsbr0\n");
	forget(&world->actual, OBJECT_PORT);
	assert_plan(world, "create port lyp0\n"
			   "create port lyp1\n"
			   "create Open vSwitch port lyp0 on ovsbr0\n"
			   "create Open vSwitch port lyp1 on ovsbr0\n");
	world->wanted.count = world->actual.count = 0;
	expand(world, &world->actual);
	assert_plan(world, "delete Open vSwitch port lyp1 on ovsbr0\n"
			   "delete Open vSwitch port lyp0 on ovsbr0\n"
			   "delete port lyp1\n"
			   "delete port lyp0\n");
	struct object object = *find(&world->actual, OBJECT_MEMBER);
	assert_int_equal(object_check(&object, NULL), 0);
	object.member.bridge[0] = '\0';
	assert_int_equal(object_check(&object, NULL), -EBADMSG);
}

/* Beside its port, which is not touched; gone before it. */
static void rates(void **state)
{
	struct world *world = *state;
	struct object_list none = {0}, both = {0};
	world->ports[0].rate_in = 20000;
	world->wanted.count = 0;
	expand(world, &world->wanted);
	assert_plan(world, "create rate of lyp0\n");
	const struct object *rate = find(&world->wanted, OBJECT_RATE);
	assert_int_equal(rate->network, 7);
	*object_list_add(&world->actual, OBJECT_RATE, 0) = *rate;
	find(&world->actual, OBJECT_RATE)->network = 0; /* which the kernel does not know */
	assert_plan(world, "");
	find(&world->actual, OBJECT_RATE)->rate.out = 1000;
	assert_plan(world, "change rate of lyp0\n");
	world->ports[0].rate_in = 0;
	world->wanted.count = 0;
	expand(world, &world->wanted);
	assert_plan(world, "delete rate of lyp0\n");
	*object_list_add(&both, OBJECT_RATE, 0) = *find(&world->actual, OBJECT_RATE);
	*object_list_add(&both, OBJECT_PORT, 7) = *find(&world->actual, OBJECT_PORT);
	struct plan plan;
	plan_build(&none, &both, &plan);
	char *text = plan_text(&plan);
	assert_string_equal(text, "delete rate of lyp0\ndelete port lyp0 on ly-lab\n");
	free(text);
	plan_done(&plan);
	object_list_done(&both);
}

static void what_is_expanded_passes_the_check(void **state)
{
	struct world *world = *state;
	for (size_t i = 0; i < world->wanted.count; i++) {
		struct error err = {0};
		assert_int_equal(object_check(&world->wanted.items[i], &err), 0);
	}
}

/* What would be a line of its own in dnsmasq's configuration, or an option that is ours. */
static void refuses_options(const struct object *service)
{
	static const char *const good[] = {"", "23 64\n", "150 10.20.0.5\n252 \"10\"\n",
					   "209 a, b # c\n"},
				 *const bad[] = {"23 64",	   "23\n",
						 "23 \n",	   "\n",
						 "23 64\n\n",	   "64 23 \n23 64\n",
						 "23 64\n23 65\n", "023 64\n",
						 "0 1\n",	   "255 1\n",
						 "999 1\n",	   "3 10.20.0.9\n",
						 "67 x\n",	   "23 x\tdhcp-script=/x\n",
						 "23 x\"\n",	   "23 \"\"\n",
						 "23 \"x\" \"\n",  "23 x\\\n",
						 "23 \xc3\xa4\n",  "dhcp-script=/x\n"},
				 *const files[] = {"x\ndhcp-script=/x", "x\"", "x\\", "\x7f"};
	struct object object = *service;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		object = *service;
		strcpy(object.service.extra.options, good[i]);
		assert_int_equal(object_check(&object, NULL), 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		object = *service;
		strcpy(object.service.extra.options, bad[i]);
		assert_int_equal(object_check(&object, NULL), -EBADMSG);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		object = *service;
		strcpy(object.service.extra.boot, files[i]);
		assert_int_equal(object_check(&object, NULL), -EBADMSG);
	}
	object = *service;
	memset(object.service.extra.boot, 'x', DHCP_BOOT_SIZE);
	assert_int_equal(object_check(&object, NULL), -EBADMSG);
	object = *service;
	object.service.extra.options[1] = 'x'; /* behind the end */
	assert_int_equal(object_check(&object, NULL), -EBADMSG);
	object = *service;
	object.service.extra.tftp = (struct ip){.family = AF_INET6, .length = 128};
	assert_int_equal(object_check(&object, NULL), -EBADMSG);
	object = *service;
	object.service.extra.ntp[DHCP_NTP - 1].bytes[3] = 1;
	assert_int_equal(object_check(&object, NULL), -EBADMSG);
}

static void hostile_objects(void **state)
{
	struct world *world = *state;
	struct object object;
	for (size_t i = 0; i < world->wanted.count; i++) {
		struct error err = {0};
		object = world->wanted.items[i];
		memset(&object.bridge, 'x', IFNAMSIZ * 4);
		assert_int_equal(object_check(&object, &err), -EBADMSG);
		object = world->wanted.items[i];
		object.reserved = 1;
		assert_int_equal(object_check(&object, &err), -EBADMSG);
		object = world->wanted.items[i];
		object.kind = OBJECT_KINDS;
		assert_int_equal(object_check(&object, &err), -EBADMSG);
	}
	object = *find(&world->wanted, OBJECT_BRIDGE);
	strcpy(object.bridge.ifname, "a/../b");
	assert_int_equal(object_check(&object, NULL), -EBADMSG);
	object = *find(&world->wanted, OBJECT_SERVICE);
	strcpy(object.service.domain, "x\nscript=/x");
	assert_int_equal(object_check(&object, NULL), -EBADMSG);
	refuses_options(find(&world->wanted, OBJECT_SERVICE));
	object = *find(&world->wanted, OBJECT_NAME);
	object.name.ipv4.family = 99;
	assert_int_equal(object_check(&object, NULL), -EBADMSG);
	object = (struct object){.kind = OBJECT_RATE, .rate = {"lyp0", 20000, 0}};
	assert_int_equal(object_check(&object, NULL), 0);
	object.rate.out = PORT_RATE_MAX + 1;
	assert_int_equal(object_check(&object, NULL), -EBADMSG);
	object.rate.in = object.rate.out = 0;
	assert_int_equal(object_check(&object, NULL), -EBADMSG);
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(nothing_to_do),
		WORLD_TEST(from_nothing_and_back),
		WORLD_TEST(changes),
		WORLD_TEST(other_address),
		WORLD_TEST(bridge_is_gone),
		WORLD_TEST(bridge_of_another_network),
		WORLD_TEST(port_of_another_kind),
		WORLD_TEST(forwarding_that_is_off),
		WORLD_TEST(rates),
		WORLD_TEST(members),
		WORLD_TEST(what_is_expanded_passes_the_check),
		WORLD_TEST(hostile_objects),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
