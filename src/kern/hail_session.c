/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether somebody beyond the segment still hears us. */
#include <errno.h>
#include <linux/icmp.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "kern/hail.h"
#include "kern/netlink.h"

static int store_age(const struct nlmsghdr *message, void *data)
{
	int *age = data;
	const struct nlattr *attribute;
	struct tcp_info info = {0};
	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return 0;
	mnl_attr_for_each (attribute, message, sizeof(struct inet_diag_msg)) {
		if (mnl_attr_get_type(attribute) != INET_DIAG_INFO)
			continue;
		size_t size = mnl_attr_get_payload_len(attribute);
		memcpy(&info, mnl_attr_get_payload(attribute),
		       size < sizeof(info) ? size : sizeof(info));
		*age = info.tcpi_last_ack_recv > INT32_MAX ? INT32_MAX
							   : (int)info.tcpi_last_ack_recv;
	}
	return 0;
}

/* A listener on :: has IPv4 sessions under ::ffff:0:0/96. */
static void map(const struct ip *ip, bool mapped, uint8_t ret[16])
{
	memset(ret, 0, 16);
	if (mapped) {
		ret[10] = ret[11] = 0xff;
		memcpy(ret + 12, ip->bytes, 4);
	} else {
		memcpy(ret, ip->bytes, 16);
	}
}

static int ask(struct netlink *netlink, const struct hail_session *session, bool mapped,
	       int *ret_age, struct error *err)
{
	struct inet_diag_req_v2 request = {
		.sdiag_family = mapped ? AF_INET6 : (uint8_t)session->peer.family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_ext = 1 << (INET_DIAG_INFO - 1),
		.idiag_states = 0xffffffff,
		.id = {.idiag_sport = htons(session->local_port),
		       .idiag_dport = htons(session->peer_port),
		       .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}},
	};
	map(&session->local, mapped, (uint8_t *)request.id.idiag_src);
	map(&session->peer, mapped, (uint8_t *)request.id.idiag_dst);
	*ret_age = -1;
	netlink_add(netlink, SOCK_DIAG_BY_FAMILY, 0, &request, sizeof(request));
	return netlink_run(netlink, store_age, ret_age, NULL, err);
}

int hail_session_age(const struct hail_session *session, struct error *err)
{
	struct netlink netlink;
	int age = -1;
	int code = netlink_open(&netlink, NETLINK_SOCK_DIAG, err);
	if (code < 0)
		return code;
	code = ask(&netlink, session, false, &age, err);
	if ((code < 0 || age < 0) && session->peer.family == AF_INET)
		code = ask(&netlink, session, true, &age, err);
	netlink_close(&netlink);
	if (code == 0 && age < 0)
		return error_set(err, ENOENT, "no such session");
	return code < 0 ? code : age;
}

/* ICMP echo */

static socklen_t fill(const struct ip *ip, struct sockaddr_storage *ret)
{
	*ret = (struct sockaddr_storage){.ss_family = ip->family};
	if (ip->family == AF_INET) {
		memcpy(&((struct sockaddr_in *)ret)->sin_addr, ip->bytes, 4);
		return sizeof(struct sockaddr_in);
	}
	memcpy(&((struct sockaddr_in6 *)ret)->sin6_addr, ip->bytes, 16);
	return sizeof(struct sockaddr_in6);
}

/* RFC 1071, of a header without data; the kernel does it for ICMPv6. */
static uint16_t checksum(const struct icmphdr *header)
{
	uint16_t words[sizeof(*header) / 2];
	uint32_t total = 0;
	memcpy(words, header, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		total += words[i];
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)~total;
}

/* The header of an echo reply, behind the IPv4 header that a raw socket shows. */
static bool is_reply(const uint8_t *bytes, size_t size, int family, uint16_t id)
{
	size_t skip = family == AF_INET && size > 0 ? (size_t)(bytes[0] & 15) * 4 : 0;
	struct icmphdr header;
	if (size < skip + sizeof(header))
		return false;
	memcpy(&header, bytes + skip, sizeof(header));
	return header.type == (family == AF_INET ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) &&
	       header.un.echo.id == id;
}

int hail_echo(const struct ip *ip, int milliseconds, struct error *err)
{
	bool is_ipv4 = ip->family == AF_INET;
	struct sockaddr_storage address;
	socklen_t length = fill(ip, &address);
	uint16_t id = 0;
	struct icmphdr echo = {.type = is_ipv4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST};
	AUTO_CLOSE int fd = socket(ip->family, SOCK_RAW | SOCK_CLOEXEC,
				   is_ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	if (fd < 0 || getrandom(&id, sizeof(id), 0) != sizeof(id) ||
	    connect(fd, (struct sockaddr *)&address, length) < 0)
		return error_errno(err, errno, "ICMP socket");
	echo.un.echo.id = id;
	if (is_ipv4)
		echo.checksum = checksum(&echo);
	if (send(fd, &echo, sizeof(echo), 0) < 0)
		return error_errno(err, errno, "sending ICMP");
	struct pollfd poller = {.fd = fd, .events = POLLIN};
	uint8_t heard[1500];
	for (int tries = 0; tries < 16 && poll(&poller, 1, milliseconds) > 0; tries++) {
		ssize_t size = recv(fd, heard, sizeof(heard), MSG_DONTWAIT);
		if (size > 0 && is_reply(heard, (size_t)size, ip->family, id))
			return 1;
	}
	return 0;
}
