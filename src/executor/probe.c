/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lanyard-probe: says as one JSON object what the network namespace that it runs in looks like, or
 * what answers in it. The executor starts it for the broker's Diagnose, with its capabilities; the
 * command line starts it for what concerns the host, with the caller's rights. It changes nothing
 * that outlives it.
 *
 *   lanyard-probe facts
 *   lanyard-probe servers BRIDGE             who offers addresses and routes, who is the gateway
 *   lanyard-probe neighbour BRIDGE ADDRESS   who answers for an address of the segment
 *   lanyard-probe guest BRIDGE ADDRESS PORT  what a machine of the network gets from there
 *   lanyard-probe host ADDRESS PORT          what this namespace itself gets (port 0: an echo)
 *
 * With --answer N before it, the answer goes to descriptor N.
 */
#include <errno.h>
/* before the kernel's own headers, which then leave out what it has */
#include <net/if.h>

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "kern/facts.h"
#include "kern/guest.h"
#include "kern/link.h"

#define COLLECT_MS   400
#define HOST_MS	     2000
#define LIFE_SECONDS 20 /* whatever happens, it does not stay */

struct request {
	const char *bridge;
	struct ip address;
	uint16_t port;
};

/* Who serves a segment. */

struct collection {
	json_t *offers, *routers, *gateways;
	struct ip gateway;
	uint32_t transaction;
};

static bool collect(const struct frame_view *view, void *data)
{
	struct collection *collection = data;
	char mac[MAC_TEXT_SIZE], from[IP_TEXT_SIZE], to[IP_TEXT_SIZE];
	mac_format(&view->sender, mac);
	if (view->kind == FRAME_DHCP_OFFER && view->sequence == collection->transaction)
		json_array_append_new(collection->offers,
				      json_pack("{s:s, s:s, s:s}", "mac", mac, "server",
						ip_format(&view->from, from), "address",
						ip_format(&view->to, to)));
	else if (view->kind == FRAME_ROUTER)
		json_array_append_new(collection->routers,
				      json_pack("{s:s, s:s}", "mac", mac, "address",
						ip_format(&view->from, from)));
	else if (view->kind == FRAME_HERE && ip_equal(&view->from, &collection->gateway))
		json_array_append_new(collection->gateways, json_string(mac));
	return false;
}

static int servers(const struct request *request, json_t **ret, struct error *err)
{
	struct guest guest;
	struct frame frame;
	struct frame_view view;
	struct collection collection = {json_array(), json_array(), json_array(), {0}, 0x1a2b3c4d};
	int code = guest_plug(&guest, request->bridge, err);
	/* always the same: a server that pings an address for seconds before it offers it to
	 * somebody new (dnsmasq does) has done so when it is asked a second time */
	guest.mac = mac_hash(request->bridge, 0);
	if (code == 0) {
		frame_dhcp_discover(&frame, &guest.mac, collection.transaction);
		guest_send(&guest, &frame);
		frame_router_solicitation(&frame, &guest.mac);
		guest_send(&guest, &frame);
		if (ip_is_set(&guest.prefix[0])) {
			collection.gateway = ip_host(&guest.prefix[0]);
			struct frame_ends ends = {.from_mac = guest.mac, .to = collection.gateway};
			ends.from = (struct ip){.family = AF_INET, .length = 32};
			frame_question(&frame, &ends);
			guest_send(&guest, &frame);
		}
		guest_wait(&guest, COLLECT_MS, collect, &collection, &view);
	}
	guest_unplug(&guest);
	*ret = json_pack("{s:o, s:o, s:o}", "offers", collection.offers, "routers",
			 collection.routers, "gateways", collection.gateways);
	return code;
}

static int neighbour(const struct request *request, json_t **ret, struct error *err)
{
	struct guest guest;
	struct mac mac;
	char text[MAC_TEXT_SIZE];
	int code = guest_plug(&guest, request->bridge, err);
	*ret = json_object();
	if (code == 0 && request->address.family == AF_INET6)
		guest_settle(&guest, AF_INET6);
	if (code == 0 && guest_resolve(&guest, &request->address, &mac))
		json_object_set_new(*ret, "mac", json_string(mac_format(&mac, text)));
	guest_unplug(&guest);
	return code;
}

/* As a machine of the network. */

static void try_as_guest(struct guest *guest, const struct request *request, json_t *answer)
{
	static const char *const words[GUEST_ANSWERS] = {
		[GUEST_NOTHING] = "nothing", [GUEST_ACCEPTED] = "accepted",
		[GUEST_REFUSED] = "refused", [GUEST_ECHO] = "echo",
		[GUEST_ERROR] = "error",
	};
	const struct ip *to = &request->address;
	const struct ip *own = &guest->address[to->family == AF_INET6];
	const struct ip *prefix = &guest->prefix[to->family == AF_INET6];
	struct ip next = ip_contains(prefix, to) ? ip_host(to) : ip_host(prefix);
	struct frame_view view = {0};
	struct mac mac;
	char text[IP_TEXT_SIZE], mac_text[MAC_TEXT_SIZE];
	json_object_set_new(answer, "address", json_string(ip_format(own, text)));
	json_object_set_new(answer, "next_hop", json_string(ip_format(&next, text)));
	json_object_set_new(answer, "route",
			    facts_route(&guest->route, to, own, link_index(request->bridge)));
	if (!guest_resolve(guest, &next, &mac))
		return;
	json_object_set_new(answer, "next_mac", json_string(mac_format(&mac, mac_text)));
	enum guest_answer what = guest_try(guest, to, request->port, &mac, &view);
	json_object_set_new(answer, "answer", json_string(words[what]));
	if (what != GUEST_NOTHING)
		json_object_set_new(answer, "from", json_string(ip_format(&view.from, text)));
	if (what == GUEST_ERROR) {
		json_object_set_new(answer, "icmp_type", json_integer(view.type));
		json_object_set_new(answer, "icmp_code", json_integer(view.code));
	}
}

static int as_guest(const struct request *request, json_t **ret, struct error *err)
{
	struct guest guest;
	int code = guest_plug(&guest, request->bridge, err);
	*ret = json_object();
	if (code == 0 && guest_settle(&guest, request->address.family))
		try_as_guest(&guest, request, *ret);
	guest_unplug(&guest);
	return code;
}

/* As the namespace itself. */

static socklen_t socket_address(const struct request *request, struct sockaddr_storage *ret)
{
	*ret = (struct sockaddr_storage){.ss_family = request->address.family};
	if (request->address.family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret;
		in->sin_port = htons(request->port);
		memcpy(&in->sin_addr, request->address.bytes, 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	in6->sin6_port = htons(request->port);
	memcpy(&in6->sin6_addr, request->address.bytes, 16);
	return sizeof(*in6);
}

/* 0 or an errno; port 0: an echo by a raw socket, or the kernel's own ping socket where we have no
 * right to one. */
static int host_connect(const struct request *request)
{
	struct sockaddr_storage address;
	socklen_t length = socket_address(request, &address);
	AUTO_CLOSE int fd =
		socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return errno;
	if (connect(fd, (struct sockaddr *)&address, length) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	struct pollfd poller = {.fd = fd, .events = POLLOUT};
	if (poll(&poller, 1, HOST_MS) <= 0)
		return ETIMEDOUT;
	int code = 0;
	socklen_t size = sizeof(code);
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0 ? errno : code;
}

static bool is_reply(const uint8_t *bytes, ssize_t length, bool raw, int family)
{
	ssize_t skip = raw && family == AF_INET ? (bytes[0] & 15) * 4 : 0;
	return length > skip &&
	       bytes[skip] == (family == AF_INET ? ICMP_ECHOREPLY : ICMPV6_ECHO_REPLY);
}

static int host_echo(const struct request *request)
{
	struct sockaddr_storage address;
	struct request ping = *request;
	ping.port = 0;
	socklen_t length = socket_address(&ping, &address);
	int family = address.ss_family,
	    protocol = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	AUTO_CLOSE int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, protocol);
	bool raw = fd >= 0;
	if (!raw)
		fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, protocol);
	/* type, code, sum, id, number; for raw IPv4 sockets the sum is ours */
	uint8_t echo[8] = {family == AF_INET ? ICMP_ECHO : ICMPV6_ECHO_REQUEST};
	echo[2] = 0xf7, echo[3] = 0xff;
	if (fd < 0)
		return errno;
	if (connect(fd, (struct sockaddr *)&address, length) < 0 ||
	    send(fd, echo, sizeof(echo), 0) < 0)
		return errno;
	struct pollfd poller = {.fd = fd, .events = POLLIN};
	uint8_t bytes[1500];
	while (poll(&poller, 1, HOST_MS) > 0) {
		ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
		if (got < 0)
			return errno;
		if (is_reply(bytes, got, raw, family))
			return 0;
	}
	return ETIMEDOUT;
}

static int as_host(const struct request *request, json_t **ret, struct error *err)
{
	struct netlink netlink;
	int code = netlink_open(&netlink, NETLINK_ROUTE, err);
	if (code < 0)
		return code;
	*ret = json_pack("{s:o, s:i}", "route", facts_route(&netlink, &request->address, NULL, 0),
			 "code", request->port ? host_connect(request) : host_echo(request));
	netlink_close(&netlink);
	return 0;
}

static int all_facts(const struct request *request, json_t **ret, struct error *err)
{
	(void)request;
	return facts_read(ret, err);
}

static const struct question {
	const char *name;
	bool bridge, address, port;
	int (*ask)(const struct request *request, json_t **ret, struct error *err);
} questions[] = {
	{"facts", false, false, false, all_facts},   {"servers", true, false, false, servers},
	{"neighbour", true, true, false, neighbour}, {"guest", true, true, true, as_guest},
	{"host", false, true, true, as_host},
};

static int read_request(const struct question *question, char **words, struct request *ret,
			struct error *err)
{
	if (question->bridge && *words)
		ret->bridge = *words++;
	if (question->address && *words) {
		int code = ip_parse(*words++, &ret->address, err);
		if (code < 0)
			return code;
	}
	if (question->port && *words)
		ret->port = (uint16_t)strtoul(*words++, NULL, 10);
	bool complete = (!question->bridge || ret->bridge) &&
			(!question->address || ip_is_set(&ret->address));
	return complete && !*words ? 0 : error_set(err, EINVAL, "wrong arguments");
}

static const struct question *find(const char *name)
{
	for (size_t i = 0; name && i < sizeof(questions) / sizeof(questions[0]); i++)
		if (strcmp(questions[i].name, name) == 0)
			return &questions[i];
	return NULL;
}

int main(int argc, char **argv)
{
	struct error err = {0};
	struct request request = {0};
	log_init("lanyard-probe", LOG_LEVEL_WARNING);
	alarm(LIFE_SECONDS);
	FILE *out = stdout;
	if (argc > 2 && strcmp(argv[1], "--answer") == 0) {
		out = fdopen((int)strtol(argv[2], NULL, 10), "w");
		argc -= 2;
		argv += 2;
	}
	const struct question *question = argc > 1 ? find(argv[1]) : NULL;
	if (!question || !out) {
		fprintf(stderr,
			"usage: lanyard-probe [--answer N] facts|servers|neighbour|guest|host "
			"[BRIDGE] [ADDRESS] [PORT]\n");
		return 2;
	}
	json_t *answer = NULL;
	int code = read_request(question, argv + 2, &request, &err);
	if (code == 0)
		code = question->ask(&request, &answer, &err);
	if (!answer)
		answer = json_object();
	if (code < 0)
		json_object_set_new(answer, "error", json_string(err.text));
	json_dumpf(answer, out, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(answer);
	fputc('\n', out);
	return code < 0 || fflush(out) != 0;
}
