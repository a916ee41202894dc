/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kern/guest.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "kern/address.h"
#include "kern/link.h"
#include "kern/neighbour.h"
#include "kern/tap.h"

#define HEADER_MAX 64
#define ATTEMPTS   3
#define ATTEMPT_MS 600
#define OFFER_MS   400
#define FIRST_PORT 49152 /* RFC 6335: dynamic ports */
#define FREE_TRIES 8

static size_t slot(int family)
{
	return family == AF_INET ? 0 : 1;
}

struct search {
	struct guest *guest;
	int ifindex;
};

/* The first address of each family that is not of the link alone. */
static int find_prefix(int ifindex, const struct ip *address, void *data)
{
	struct search *search = data;
	bool link_local = address->family == AF_INET6 && address->bytes[0] == 0xfe &&
			  (address->bytes[1] & 0xc0) == 0x80;
	struct ip *prefix = &search->guest->prefix[slot(address->family)];
	if (ifindex == search->ifindex && !link_local && !ip_is_set(prefix))
		*prefix = *address;
	return 0;
}

int guest_plug(struct guest *guest, const char *bridge, struct error *err)
{
	struct link link;
	uint32_t number = 0;
	char name[IFNAMSIZ], seed[32];
	*guest = (struct guest){.fd = -1};
	if (getrandom(&number, sizeof(number), 0) < 0)
		number = (uint32_t)getpid();
	snprintf(name, sizeof(name), "lyprobe%06x", number & 0xffffff);
	snprintf(seed, sizeof(seed), "probe %08x", number);
	guest->mac = mac_hash(seed, 0);
	int code = netlink_open(&guest->route, NETLINK_ROUTE, err);
	if (code == 0)
		code = link_get(&guest->route, bridge, &link, err);
	if (code < 0)
		return code;
	struct tap tap = {.name = name,
			  .alias = "lanyard-probe",
			  .bridge = link.ifindex,
			  .mtu = link.mtu,
			  .queues = 1,
			  .up = true,
			  .owner = TAP_NOBODY,
			  .group = TAP_NOBODY};
	code = tap_create(&guest->route, &tap, &guest->fd, NULL, err);
	if (code < 0)
		return code;
	if (ioctl(guest->fd, TUNGETVNETHDRSZ, &guest->header) < 0 || guest->header > HEADER_MAX)
		return error_errno(err, errno ? errno : EIO, "%s: vnet header", name);
	struct search search = {guest, link.ifindex};
	return address_dump(&guest->route, find_prefix, &search, err);
}

void guest_unplug(struct guest *guest)
{
	if (guest->fd >= 0)
		close(guest->fd);
	guest->fd = -1;
	netlink_close(&guest->route);
}

void guest_send(struct guest *guest, const struct frame *frame)
{
	uint8_t bytes[HEADER_MAX + FRAME_MAX] = {0};
	memcpy(bytes + guest->header, frame->bytes, frame->length);
	if (write(guest->fd, bytes, (size_t)guest->header + frame->length) < 0)
		return; /* a lost frame is what the waiting is for */
}

static void answer_question(struct guest *guest, const struct frame_view *view)
{
	struct frame frame;
	if (!ip_is_set(&view->to) || !ip_equal(&view->to, &guest->address[slot(view->to.family)]))
		return;
	struct frame_ends ends = {
		.from_mac = guest->mac, .to_mac = view->sender, .from = view->to, .to = view->from};
	frame_here(&frame, &ends);
	guest_send(guest, &frame);
}

bool guest_wait(struct guest *guest, int milliseconds, guest_wants *wants, void *data,
		struct frame_view *ret)
{
	int64_t end = clock_ms(CLOCK_MONOTONIC) + milliseconds;
	uint8_t bytes[65536 + HEADER_MAX];
	for (;;) {
		int64_t left = end - clock_ms(CLOCK_MONOTONIC);
		struct pollfd poller = {.fd = guest->fd, .events = POLLIN};
		if (left <= 0 || poll(&poller, 1, (int)left) <= 0)
			return false;
		ssize_t got = read(guest->fd, bytes, sizeof(bytes));
		if (got <= guest->header)
			return false;
		frame_read(bytes + guest->header, (size_t)(got - guest->header), ret);
		if (ret->kind == FRAME_QUESTION)
			answer_question(guest, ret);
		if (wants(ret, data))
			return true;
	}
}

static bool is_here(const struct frame_view *view, void *data)
{
	return view->kind == FRAME_HERE && ip_equal(&view->from, data);
}

static bool resolve(struct guest *guest, const struct ip *address, int attempts, int milliseconds,
		    struct mac *ret)
{
	struct ip target = ip_host(address);
	struct frame_ends ends = {.from_mac = guest->mac, .to = target};
	ends.from = guest->address[slot(target.family)];
	if (!ip_is_set(&ends.from)) /* an ARP probe; IPv6 asks with a link-local address */
		ends.from = (struct ip){.family = target.family, .length = target.length};
	for (int i = 0; i < attempts; i++) {
		struct frame frame;
		struct frame_view view;
		frame_question(&frame, &ends);
		guest_send(guest, &frame);
		if (guest_wait(guest, milliseconds, is_here, &target, &view)) {
			*ret = view.sender;
			return true;
		}
	}
	return false;
}

bool guest_resolve(struct guest *guest, const struct ip *address, struct mac *ret)
{
	return resolve(guest, address, ATTEMPTS, ATTEMPT_MS / 2, ret);
}

static bool is_offer(const struct frame_view *view, void *data)
{
	return view->kind == FRAME_DHCP_OFFER && view->sequence == *(uint32_t *)data;
}

/* From the end of the prefix, where ranges rarely reach. */
static bool take_free(struct guest *guest, struct ip *ret)
{
	struct ip last = ip_last(&guest->prefix[0]);
	uint64_t count = ip_offset(&guest->prefix[0], &last);
	for (uint64_t i = 1; i <= FREE_TRIES && i < count; i++) {
		struct ip candidate = ip_nth(&guest->prefix[0], count - i);
		struct mac taken;
		candidate = ip_host(&candidate);
		if (ip_equal(&candidate, &guest->prefix[0]) ||
		    resolve(guest, &candidate, 1, 100, &taken))
			continue;
		*ret = candidate;
		return true;
	}
	return false;
}

struct proxied {
	const struct ip *prefix;
	struct ip candidates[FREE_TRIES];
	size_t count;
};

static int on_proxied(int ifindex, const struct ip *address, void *data)
{
	struct proxied *proxied = data;
	(void)ifindex;
	if (proxied->count < FREE_TRIES && ip_contains(proxied->prefix, address))
		proxied->candidates[proxied->count++] = *address;
	return 0;
}

/* Where the host answers on the LAN for machines (lan: proxy), another address is not answered. */
static bool take_proxied(struct guest *guest, const struct ip *prefix, struct ip *ret)
{
	struct proxied proxied = {.prefix = prefix};
	struct mac taken;
	neighbour_proxy_dump(&guest->route, on_proxied, &proxied, NULL);
	for (size_t i = 0; i < proxied.count; i++) {
		if (resolve(guest, &proxied.candidates[i], 1, 100, &taken))
			continue;
		*ret = proxied.candidates[i];
		return true;
	}
	return false;
}

bool guest_settle(struct guest *guest, int family)
{
	struct ip *address = &guest->address[slot(family)];
	const struct ip *prefix = &guest->prefix[slot(family)];
	if (!ip_is_set(prefix))
		return false;
	if (family == AF_INET6) {
		if (take_proxied(guest, prefix, address))
			return true;
		*address = prefix->length == 64 ? mac_eui64(&guest->mac, prefix)
						: ip_nth(prefix, 0xfffe);
		*address = ip_host(address);
		return true;
	}
	uint32_t transaction = (uint32_t)clock_ms(CLOCK_MONOTONIC);
	struct frame frame;
	struct frame_view view;
	frame_dhcp_discover(&frame, &guest->mac, transaction);
	guest_send(guest, &frame);
	if (guest_wait(guest, OFFER_MS, is_offer, &transaction, &view) &&
	    ip_contains(prefix, &view.to)) {
		*address = view.to;
		return true;
	}
	return take_proxied(guest, prefix, address) || take_free(guest, address);
}

struct attempt {
	struct ip from, to;
	uint16_t from_port, to_port; /* echo: from_port is the id */
	bool tcp;
};

static bool is_answer(const struct frame_view *view, void *data)
{
	const struct attempt *attempt = data;
	if (view->kind == FRAME_ICMP_ERROR)
		return ip_equal(&view->to, &attempt->from) && view->type != 137;
	if (!ip_equal(&view->from, &attempt->to))
		return false;
	if (attempt->tcp)
		return view->kind == FRAME_TCP && view->to_port == attempt->from_port &&
		       view->from_port == attempt->to_port;
	return view->kind == FRAME_ECHO_REPLY && view->to_port == attempt->from_port;
}

static void say_goodbye(struct guest *guest, const struct frame_ends *ends,
			const struct attempt *attempt, uint32_t sequence)
{
	struct frame frame;
	frame_tcp(&frame, ends, attempt->from_port, attempt->to_port, sequence, FRAME_RST);
	guest_send(guest, &frame);
}

enum guest_answer guest_try(struct guest *guest, const struct ip *to, uint16_t port,
			    const struct mac *next_hop, struct frame_view *ret)
{
	struct attempt attempt = {.from = guest->address[slot(to->family)],
				  .to = ip_host(to),
				  .to_port = port,
				  .tcp = port != 0};
	struct frame_ends ends = {.from_mac = guest->mac,
				  .to_mac = *next_hop,
				  .from = attempt.from,
				  .to = attempt.to};
	attempt.from_port = (uint16_t)(FIRST_PORT + (getpid() & 0x3fff));
	for (int i = 0; i < ATTEMPTS; i++) {
		struct frame frame;
		if (attempt.tcp)
			frame_tcp(&frame, &ends, attempt.from_port, port, 1000, FRAME_SYN);
		else
			frame_echo(&frame, &ends, attempt.from_port, 0);
		guest_send(guest, &frame);
		if (!guest_wait(guest, ATTEMPT_MS, is_answer, &attempt, ret))
			continue;
		if (ret->kind == FRAME_ICMP_ERROR)
			return GUEST_ERROR;
		if (ret->kind == FRAME_ECHO_REPLY)
			return GUEST_ECHO;
		if (ret->flags & FRAME_RST)
			return GUEST_REFUSED;
		say_goodbye(guest, &ends, &attempt, ret->sequence);
		return GUEST_ACCEPTED;
	}
	return GUEST_NOTHING;
}
