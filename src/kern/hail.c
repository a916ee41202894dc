/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Neighbours on a segment: asking whether they are there, and saying that we are. */
#include "kern/hail.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "kern/netlink.h"
#include "kern/packet.h"

/* Waits until fd is readable: 1, or 0 when the time is over. */
static int wait_until(int fd, int64_t end)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};
	for (;;) {
		int64_t rest = end - clock_ms(CLOCK_BOOTTIME);
		int got = poll(&poller, 1, rest > 0 ? (int)rest : 0);
		if (got > 0 || (got == 0 && rest <= 0))
			return got;
		if (got < 0 && errno != EINTR)
			return -errno;
	}
}

/* The kernel's own resolution */

static size_t bytes_of(const struct ip *ip)
{
	return ip->family == AF_INET ? 4 : 16;
}

static void add_neighbour(struct netlink *netlink, uint16_t type, uint16_t flags, uint16_t state,
			  uint8_t neighbour_flags, int ifindex, const struct ip *ip)
{
	struct ndmsg header = {.ndm_family = (uint8_t)ip->family,
			       .ndm_ifindex = ifindex,
			       .ndm_state = state,
			       .ndm_flags = neighbour_flags};
	struct nlmsghdr *message = netlink_add(netlink, type, flags, &header, sizeof(header));
	mnl_attr_put(message, NDA_DST, bytes_of(ip), ip->bytes);
}

/* 1: it has answered; 0: not a word about it; -EHOSTUNREACH: the kernel has given up. */
static int verdict(const struct nlmsghdr *message, int ifindex, const struct ip *ip)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	bool is_it = false;
	if (message->nlmsg_type != RTM_NEWNEIGH || header->ndm_ifindex != ifindex)
		return 0;
	mnl_attr_for_each (attribute, message, sizeof(*header))
		is_it |= mnl_attr_get_type(attribute) == NDA_DST &&
			 mnl_attr_get_payload_len(attribute) == bytes_of(ip) &&
			 memcmp(mnl_attr_get_payload(attribute), ip->bytes, bytes_of(ip)) == 0;
	if (!is_it)
		return 0;
	if (header->ndm_state & NUD_REACHABLE)
		return 1;
	return header->ndm_state & NUD_FAILED ? -EHOSTUNREACH : 0;
}

static int watch(struct mnl_socket *events, int ifindex, const struct ip *ip, int64_t end)
{
	char buffer[8192] __attribute__((aligned(8)));
	int fd = mnl_socket_get_fd(events);
	for (;;) {
		int ready = wait_until(fd, end);
		if (ready <= 0)
			return ready;
		int left = (int)recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		for (struct nlmsghdr *m = (void *)buffer; left > 0 && mnl_nlmsg_ok(m, left);
		     m = mnl_nlmsg_next(m, &left)) {
			int said = verdict(m, ifindex, ip);
			if (said)
				return said == -EHOSTUNREACH ? 0 : said;
		}
	}
}

int hail_neighbour(int ifindex, const struct ip *ip, int milliseconds, struct error *err)
{
	struct netlink netlink;
	int64_t end = clock_ms(CLOCK_BOOTTIME) + milliseconds;
	int code = netlink_open(&netlink, NETLINK_ROUTE, err);
	if (code < 0)
		return code;
	/* before we listen: a deletion is told as a failure */
	add_neighbour(&netlink, RTM_DELNEIGH, 0, 0, 0, ifindex, ip);
	netlink_run(&netlink, NULL, NULL, NULL, NULL);
	struct mnl_socket *events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!events || mnl_socket_bind(events, RTMGRP_NEIGH, MNL_SOCKET_AUTOPID) < 0) {
		code = error_errno(err, errno, "netlink socket");
	} else {
		add_neighbour(&netlink, RTM_NEWNEIGH, NLM_F_CREATE, NUD_NONE, NTF_USE, ifindex, ip);
		code = netlink_run(&netlink, NULL, NULL, NULL, err);
		if (code == 0)
			code = watch(events, ifindex, ip, end);
	}
	if (events)
		mnl_socket_close(events);
	netlink_close(&netlink);
	return code;
}

/* Frames of our own */

struct arp_frame {
	struct ether_header ethernet;
	struct ether_arp arp;
} __attribute__((packed));

static void arp_fill(struct arp_frame *frame, const struct mac *sender, const uint8_t *sender_ip,
		     const struct ip *target)
{
	memset(frame, 0, sizeof(*frame));
	memset(frame->ethernet.ether_dhost, 0xff, ETH_ALEN);
	memcpy(frame->ethernet.ether_shost, sender->bytes, ETH_ALEN);
	frame->ethernet.ether_type = htons(ETHERTYPE_ARP);
	frame->arp.arp_hrd = htons(ARPHRD_ETHER);
	frame->arp.arp_pro = htons(ETHERTYPE_IP);
	frame->arp.arp_hln = ETH_ALEN;
	frame->arp.arp_pln = 4;
	frame->arp.arp_op = htons(ARPOP_REQUEST);
	memcpy(frame->arp.arp_sha, sender->bytes, ETH_ALEN);
	if (sender_ip)
		memcpy(frame->arp.arp_spa, sender_ip, 4);
	memcpy(frame->arp.arp_tpa, target->bytes, 4);
}

static bool is_answer(const struct arp_frame *frame, const struct mac *to, const struct ip *from)
{
	return frame->ethernet.ether_type == htons(ETHERTYPE_ARP) &&
	       frame->arp.arp_op == htons(ARPOP_REPLY) &&
	       memcmp(frame->arp.arp_tha, to->bytes, ETH_ALEN) == 0 &&
	       memcmp(frame->arp.arp_spa, from->bytes, 4) == 0;
}

int hail_stranger(int ifindex, const struct ip *ip, int milliseconds, struct error *err)
{
	struct packet_mreq all = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC};
	struct mac stranger;
	struct arp_frame frame;
	AUTO_CLOSE int fd = packet_open(ifindex, ETHERTYPE_ARP, err);
	if (fd < 0)
		return fd;
	if (getrandom(stranger.bytes, sizeof(stranger.bytes), 0) != sizeof(stranger.bytes) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0)
		return error_errno(err, errno, "packet socket");
	stranger.bytes[0] = (uint8_t)((stranger.bytes[0] & 0xfc) | 2); /* locally administered */
	arp_fill(&frame, &stranger, NULL, ip);
	int64_t end = clock_ms(CLOCK_BOOTTIME) + milliseconds, again = clock_ms(CLOCK_BOOTTIME);
	while (clock_ms(CLOCK_BOOTTIME) < end) {
		if (clock_ms(CLOCK_BOOTTIME) >= again) {
			if (send(fd, &frame, sizeof(frame), 0) < 0)
				return error_errno(err, errno, "sending ARP");
			again = clock_ms(CLOCK_BOOTTIME) + milliseconds / 3 + 1;
		}
		int ready = wait_until(fd, again < end ? again : end);
		struct arp_frame heard;
		if (ready < 0)
			return error_errno(err, ready, "waiting for ARP");
		if (ready > 0 &&
		    recv(fd, &heard, sizeof(heard), MSG_DONTWAIT) >= (ssize_t)sizeof(heard) &&
		    is_answer(&heard, &stranger, ip))
			return 1;
	}
	return 0;
}

struct advertisement_frame {
	struct ether_header ethernet;
	struct ip6_hdr ip;
	struct nd_neighbor_advert advert;
	struct nd_opt_hdr option;
	uint8_t mac[ETH_ALEN];
} __attribute__((packed));

#define NA_LENGTH (sizeof(struct nd_neighbor_advert) + sizeof(struct nd_opt_hdr) + ETH_ALEN)

static uint32_t sum(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	uint32_t total = 0;
	for (size_t i = 0; i + 1 < size; i += 2)
		total += (uint32_t)at[i] << 8 | at[i + 1];
	return total;
}

/* RFC 4443 2.3, over the pseudo header of RFC 8200 8.1 */
static uint16_t checksum(const struct advertisement_frame *frame)
{
	uint32_t total = sum(&frame->ip.ip6_src, 16) + sum(&frame->ip.ip6_dst, 16) +
			 (uint32_t)NA_LENGTH + IPPROTO_ICMPV6 + sum(&frame->advert, NA_LENGTH);
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return htons((uint16_t)~total);
}

static void advertisement_fill(struct advertisement_frame *frame, const struct mac *mac,
			       const struct ip *ip)
{
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
	static const uint8_t all_nodes_mac[ETH_ALEN] = {0x33, 0x33, 0, 0, 0, 1};
	memset(frame, 0, sizeof(*frame));
	memcpy(frame->ethernet.ether_dhost, all_nodes_mac, ETH_ALEN);
	memcpy(frame->ethernet.ether_shost, mac->bytes, ETH_ALEN);
	frame->ethernet.ether_type = htons(ETHERTYPE_IPV6);
	frame->ip.ip6_vfc = 0x60;
	frame->ip.ip6_plen = htons((uint16_t)NA_LENGTH);
	frame->ip.ip6_nxt = IPPROTO_ICMPV6;
	frame->ip.ip6_hlim = 255;
	memcpy(&frame->ip.ip6_src, ip->bytes, 16);
	memcpy(&frame->ip.ip6_dst, all_nodes, 16);
	frame->advert.nd_na_type = ND_NEIGHBOR_ADVERT;
	frame->advert.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE;
	memcpy(&frame->advert.nd_na_target, ip->bytes, 16);
	frame->option.nd_opt_type = ND_OPT_TARGET_LINKADDR;
	frame->option.nd_opt_len = 1;
	memcpy(frame->mac, mac->bytes, ETH_ALEN);
	frame->advert.nd_na_cksum = checksum(frame);
}

int hail_announce(int ifindex, const struct mac *mac, const struct ip *ip, struct error *err)
{
	struct arp_frame arp;
	struct advertisement_frame advertisement;
	bool is_ipv4 = ip->family == AF_INET;
	AUTO_CLOSE int fd = packet_open(ifindex, is_ipv4 ? ETHERTYPE_ARP : ETHERTYPE_IPV6, err);
	if (fd < 0)
		return fd;
	ssize_t sent;
	if (is_ipv4) {
		arp_fill(&arp, mac, ip->bytes, ip);
		sent = send(fd, &arp, sizeof(arp), 0);
	} else {
		advertisement_fill(&advertisement, mac, ip);
		sent = send(fd, &advertisement, sizeof(advertisement), 0);
	}
	return sent < 0 ? error_errno(err, errno, "announcing an address") : 0;
}
