/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lanyard-capture: copies the frames of one interface as pcap into a pipe, for `lanyard capture`.
 * The executor starts it, without capabilities, with two descriptors (ipc/capture_order.h): a
 * packet socket, which is why frames do not go to the caller by itself (who holds one may bind it
 * to another interface, and send), and the write end of the caller's pipe. It parses nothing, and
 * may do no more than what it does: no file, no other socket, and nothing is written but into the
 * pipe and the report.
 *
 * Theory of operation. One buffer holds records that the pipe has not taken. While there is no room
 * in it frames are left to the kernel, which drops and counts what its own buffer does not take: a
 * slow reader loses frames and nobody waits for it. The end is an event always: of the pipe
 * (POLLERR without a reader), of the broker's socket, of the interface. That one is told by
 * rtnetlink: the packet socket has an error when the interface goes down, and hears again when it
 * comes up, but no second one when it is removed meanwhile. After the interface's end and after the
 * last frame of a count what is in the buffer still goes out.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/log.h"
#include "base/spawn.h"
#include "ipc/capture_order.h"
#include "ipc/record.h"
#include "kern/landlock.h"
#include "kern/seccomp.h"
#include "model/pcap.h"

#define RECORD_MAX (PCAP_RECORD_SIZE + RECORD_SNAP_MAX + PCAP_TAG_SIZE)

static struct {
	int packets, pipe, links;
	struct capture_order order;
	struct capture_report report;
	bool is_gone; /* the interface */
	size_t held;  /* bytes of buffer */
	uint8_t buffer[2 * RECORD_MAX];
} capture;

static void end(enum capture_end why, int code)
{
	if (capture.report.end == CAPTURE_GOES_ON) {
		capture.report.end = why;
		capture.report.code = code;
	}
}

static bool has_room(void)
{
	return sizeof(capture.buffer) - capture.held >= RECORD_MAX;
}

/* Frames. */

static void read_auxiliary(struct msghdr *message, struct pcap_frame *frame)
{
	struct tpacket_auxdata packet;
	struct timespec time;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&time, CMSG_DATA(c), sizeof(time));
			frame->seconds = (uint32_t)time.tv_sec;
			frame->nanoseconds = (uint32_t)time.tv_nsec;
		} else if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
			memcpy(&packet, CMSG_DATA(c), sizeof(packet));
			frame->has_tag = packet.tp_status & TP_STATUS_VLAN_VALID;
			frame->tag = packet.tp_vlan_tci;
			frame->tag_type = packet.tp_status & TP_STATUS_VLAN_TPID_VALID
						  ? packet.tp_vlan_tpid
						  : ETH_P_8021Q;
		}
	}
}

/* 1: one frame more in the buffer; 0: there is none; -errno. */
static int take_frame(void)
{
	uint8_t *record = capture.buffer + capture.held;
	_Alignas(struct cmsghdr) char auxiliary[256];
	struct iovec bytes = {record + PCAP_RECORD_SIZE, capture.order.snap};
	struct msghdr message = {.msg_iov = &bytes,
				 .msg_iovlen = 1,
				 .msg_control = auxiliary,
				 .msg_controllen = sizeof(auxiliary)};
	ssize_t got = recvmsg(capture.packets, &message, MSG_DONTWAIT | MSG_TRUNC);
	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	struct pcap_frame frame = {.length = (uint32_t)got};
	uint32_t captured = frame.length < capture.order.snap ? frame.length : capture.order.snap;
	read_auxiliary(&message, &frame);
	capture.held += pcap_complete(&frame, record, captured, capture.order.snap);
	capture.report.frames++;
	return 1;
}

static void take_frames(void)
{
	while (has_room() && capture.report.end == CAPTURE_GOES_ON) {
		int got = take_frame();
		if (got == -ENETDOWN || got == -EINTR)
			continue; /* down: perhaps for a moment only */
		if (got < 0)
			end(CAPTURE_FAILED, -got);
		else if (got == 0 && capture.is_gone)
			end(CAPTURE_INTERFACE, 0);
		else if (got == 0)
			return;
		else if (capture.report.frames == capture.order.count)
			end(CAPTURE_COUNTED, 0);
	}
}

static void give_frames(void)
{
	size_t given = 0;
	while (given < capture.held) {
		ssize_t put = write(capture.pipe, capture.buffer + given, capture.held - given);
		if (put < 0 && errno != EINTR && errno != EAGAIN) {
			end(errno == EPIPE ? CAPTURE_READER : CAPTURE_FAILED, errno);
			given = capture.held; /* nobody gets it */
		} else if (put < 0 && errno == EAGAIN) {
			break;
		}
		given += put > 0 ? (size_t)put : 0;
	}
	capture.held -= given;
	memmove(capture.buffer, capture.buffer + given, capture.held);
}

/* Some link of the namespace is another now: is ours still there? */
static void hear_links(void)
{
	struct sockaddr_ll address = {0};
	socklen_t length = sizeof(address);
	char ignored[64];
	while (recv(capture.links, ignored, sizeof(ignored), MSG_DONTWAIT | MSG_TRUNC) >= 0 ||
	       errno == ENOBUFS || errno == EINTR)
		continue;
	if (getsockname(capture.packets, (struct sockaddr *)&address, &length) == 0)
		capture.is_gone = address.sll_ifindex <= 0;
}

static enum capture_end hear_broker(void)
{
	char byte;
	ssize_t got = recv(SPAWN_DESCRIPTOR, &byte, 1, MSG_DONTWAIT);
	return got == 1 ? CAPTURE_FINISHED : CAPTURE_STOPPED;
}

static void wait_and_work(void)
{
	bool ended = capture.report.end != CAPTURE_GOES_ON;
	struct pollfd polls[] = {
		{.fd = capture.pipe, .events = capture.held ? POLLOUT : 0},
		{.fd = SPAWN_DESCRIPTOR, .events = POLLIN},
		{.fd = ended ? -1 : capture.links, .events = POLLIN},
		{.fd = ended || !has_room() ? -1 : capture.packets, .events = POLLIN},
	};
	if (poll(polls, sizeof(polls) / sizeof(polls[0]), -1) < 0)
		return;
	bool is_read = !(polls[0].revents & POLLERR);
	if (!is_read || (polls[1].revents && hear_broker() == CAPTURE_STOPPED)) {
		end(is_read ? CAPTURE_STOPPED : CAPTURE_READER, 0);
		capture.held = 0;
		return;
	}
	if (polls[1].revents) {
		take_frames();
		end(CAPTURE_FINISHED, 0);
	}
	if (polls[2].revents)
		hear_links();
	if (polls[3].revents || capture.is_gone)
		take_frames();
	give_frames();
}

/* Start and end. */

static int open_links(struct error *err)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	capture.links = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (capture.links < 0 ||
	    bind(capture.links, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(err, errno, "netlink socket");
	hear_links(); /* it may have gone before we listened */
	return 0;
}

static int confine(struct error *err)
{
	const struct seccomp_rule rules[] = {
		{SYS_recvmsg, capture.packets},
		{SYS_getsockopt, capture.packets},
		{SYS_getsockname, capture.packets},
		{SYS_recvfrom, capture.links},
		{SYS_recvfrom, SPAWN_DESCRIPTOR},
		{SYS_write, capture.pipe},
		{SYS_write, SPAWN_DESCRIPTOR},
		{SYS_ppoll, -1},
#ifdef SYS_poll
		{SYS_poll, -1},
#endif
	};
	int code = landlock_confine(NULL, 0, err);
	if (code >= 0)
		code = seccomp_confine(rules, sizeof(rules) / sizeof(rules[0]), err);
	return code < 0 ? code : 0;
}

static int hear_order(struct error *err)
{
	int fds[2];
	size_t n_fds = 2;
	ssize_t got = descriptor_receive(SPAWN_DESCRIPTOR, &capture.order, sizeof(capture.order),
					 fds, &n_fds, 0);
	if (got < 0)
		return error_errno(err, (int)got, "descriptor %d", SPAWN_DESCRIPTOR);
	if (got != (ssize_t)sizeof(capture.order) || n_fds != 2 || capture.order.snap == 0 ||
	    capture.order.snap > RECORD_SNAP_MAX)
		return error_set(err, EPROTO, "a wrong order");
	capture.packets = fds[0];
	capture.pipe = fds[1];
	if (fcntl(capture.pipe, F_SETFL, O_NONBLOCK) < 0)
		return error_errno(err, errno, "the pipe");
	return 0;
}

static int prepare(struct error *err)
{
	signal(SIGPIPE, SIG_IGN);
	int code = hear_order(err);
	if (code == 0)
		code = open_links(err);
	if (code == 0)
		code = confine(err);
	pcap_begin(capture.order.snap, capture.buffer);
	capture.held = PCAP_HEADER_SIZE;
	return code;
}

static void count_lost(void)
{
	struct tpacket_stats stats = {0};
	socklen_t length = sizeof(stats);
	if (getsockopt(capture.packets, SOL_PACKET, PACKET_STATISTICS, &stats, &length) == 0)
		capture.report.lost = stats.tp_drops;
}

int main(void)
{
	struct error err = {0};
	log_init("lanyard-capture", LOG_LEVEL_INFO);
	if (prepare(&err) < 0) {
		log_error("%s (it is started by lanyard-executor)", err.text);
		end(CAPTURE_FAILED, err.code);
	}
	while (capture.report.end == CAPTURE_GOES_ON ||
	       (capture.report.end != CAPTURE_FAILED && capture.held > 0))
		wait_and_work();
	count_lost();
	ssize_t told = write(SPAWN_DESCRIPTOR, &capture.report, sizeof(capture.report));
	_exit(told != (ssize_t)sizeof(capture.report)); /* no more calls than those */
}
