/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kern/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netpacket/packet.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"

#define TAP_BUFFER (2 << 20) /* bytes of the kernel's for frames that wait */

static int packet_bind(int fd, int ifindex, uint16_t protocol, struct error *err)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = ifindex};
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(err, errno, "packet socket");
	return 0;
}

int packet_open(int ifindex, uint16_t protocol, struct error *err)
{
	AUTO_CLOSE int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int code = packet_bind(fd, ifindex, protocol, err);
	return code < 0 ? code : TAKE_FD(fd);
}

int packet_open_tap(int ifindex, bool is_promiscuous, struct error *err)
{
	static const int yes = 1, size = TAP_BUFFER;
	const struct packet_mreq all = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC};
	/* without a protocol nothing arrives before it is bound */
	AUTO_CLOSE int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof(yes)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &yes, sizeof(yes)) < 0 ||
	    (is_promiscuous &&
	     setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0))
		return error_errno(err, errno, "packet socket");
	/* older kernels do not give it to the root of a user namespace: then what the host allows
	 */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	int code = packet_bind(fd, ifindex, ETH_P_ALL, err);
	return code < 0 ? code : TAKE_FD(fd);
}
