/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order matters: label and settings while the tap is down, the root queueing discipline of a
 * multi-queue one before it goes up (else the kernel makes 256 of them), and on the bridge before
 * up.
 */
#include "kern/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "kern/link.h"
#include "kern/netlink.h"

#define DEVICE "/dev/net/tun"

static int device_open(struct error *err)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENODEV)
		return error_errno(err, errno,
				   "%s (is the kernel module tun there? try: modprobe tun)",
				   DEVICE);
	return error_errno(err, errno, "%s (udev makes it mode 0666)", DEVICE);
}

static int become(int fd, const char *name, short flags)
{
	struct ifreq request = {0};
	strcpy(request.ifr_name, name);
	request.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags);
	if (ioctl(fd, TUNSETIFF, &request) == 0)
		return 0;
	return errno == EBUSY && flags & (short)IFF_TUN_EXCL ? -EEXIST : -errno;
}

static bool is_name(const char *name)
{
	return strlen(name) < IFNAMSIZ; /* the kernel would cut it silently */
}

void tap_prepare(struct tap_ahead *ahead, const char *name)
{
	if (ahead->fd < 0)
		ahead->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (ahead->fd < 0 || ahead->name[0] || !name[0] || !is_name(name) ||
	    become(ahead->fd, name, (short)IFF_TUN_EXCL) < 0)
		return;
	strcpy(ahead->name, name);
	tap_set_owner(ahead->fd, TAP_NOBODY, TAP_NOBODY, NULL);
	/* Its address, as one that was set: one of the kernel's choice udev replaces
	 * (systemd.link(5), MACAddressPolicy), and may be late for that. */
	struct ifreq address = {0};
	if (ioctl(ahead->fd, SIOCGIFHWADDR, &address) == 0)
		ioctl(ahead->fd, SIOCSIFHWADDR, &address);
}

void tap_forget(struct tap_ahead *ahead)
{
	if (ahead->fd >= 0)
		close(ahead->fd);
	*ahead = (struct tap_ahead){.fd = -1};
}

/* Somebody may have removed or renamed it. */
static bool is_tap(int fd, const char *name)
{
	struct ifreq request = {0};
	return ioctl(fd, TUNGETIFF, &request) == 0 && strcmp(request.ifr_name, name) == 0;
}

/* What was opened ahead, -1: nothing that fits. *ret_made: it is this tap already. */
static int take(struct tap_ahead *ahead, const char *name, bool multi_queue, bool *ret_made)
{
	if (!ahead || (ahead->name[0] && strcmp(ahead->name, name) != 0))
		return -1;
	if (ahead->name[0] && (multi_queue || !is_tap(ahead->fd, name)))
		tap_forget(ahead);
	*ret_made = ahead->name[0];
	ahead->name[0] = '\0';
	return TAKE_FD(ahead->fd);
}

/* ahead: see struct tap. */
static int attach(const char *name, short flags, struct tap_ahead *ahead, struct error *err)
{
	if (!is_name(name))
		return error_set(err, ENAMETOOLONG, "tap %s: the name has more than 15 bytes",
				 name);
	bool made = false;
	AUTO_CLOSE int fd = take(ahead, name, flags & IFF_MULTI_QUEUE, &made);
	if (fd < 0)
		fd = device_open(err);
	if (fd < 0)
		return fd;
	int code = made ? 0 : become(fd, name, flags);
	return code < 0 ? error_errno(err, -code, "tap %s", name) : TAKE_FD(fd);
}

int tap_open(const char *name, bool multi_queue, struct error *err)
{
	if (link_index(name) < 0) /* TUNSETIFF would make a new one */
		return error_errno(err, ENODEV, "tap %s", name);
	return attach(name, multi_queue ? IFF_MULTI_QUEUE : 0, NULL, err);
}

int tap_set_persistent(int fd, bool persistent, struct error *err)
{
	if (ioctl(fd, TUNSETPERSIST, persistent ? 1ul : 0ul) < 0)
		return error_errno(err, errno, "tap: persistence");
	return 0;
}

int tap_set_owner(int fd, uint32_t owner, uint32_t group, struct error *err)
{
	if (owner == TAP_NOBODY && group == TAP_NOBODY)
		owner = geteuid();
	if (owner != TAP_NOBODY && ioctl(fd, TUNSETOWNER, (unsigned long)owner) < 0)
		return error_errno(err, errno, "tap: owner %u", owner);
	if (group != TAP_NOBODY && ioctl(fd, TUNSETGROUP, (unsigned long)group) < 0)
		return error_errno(err, errno, "tap: group %u", group);
	return 0;
}

/* tc qdisc replace dev TAP root noqueue: 0.3 ms and 0.24 MB instead of 22 ms and 5.6 MB. */
static int noqueue(struct netlink *netlink, int ifindex, struct error *err)
{
	struct tcmsg header = {.tcm_ifindex = ifindex, .tcm_parent = TC_H_ROOT};
	struct nlmsghdr *message = netlink_add(netlink, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE,
					       &header, sizeof(header));
	mnl_attr_put_strz(message, TCA_KIND, "noqueue");
	if (netlink_run(netlink, NULL, NULL, NULL, err) < 0)
		return error_prefix(err, "queueing discipline");
	return 0;
}

static int settle(struct netlink *netlink, const struct tap *tap, bool multi_queue, int ifindex,
		  struct error *err)
{
	struct link_change change = {
		.what = LINK_ALIAS | LINK_NO_LL,
		.alias = tap->alias,
		.mtu = tap->mtu,
		.master = tap->bridge,
		.isolated = tap->isolated,
		.up = true,
	};
	if (tap->mac && mac_is_set(tap->mac)) {
		change.what |= LINK_MAC;
		change.mac = *tap->mac;
	}
	change.what |= tap->mtu ? LINK_MTU : 0;
	change.what |= tap->bridge ? LINK_MASTER : 0;
	change.what |= tap->bridge && tap->isolated ? LINK_ISOLATED : 0;
	if (tap->bridge && tap->vlans) {
		change.what |= LINK_VLANS;
		change.vlans = *tap->vlans;
		change.usual_vlan = tap->usual_vlan;
	}
	change.what |= tap->up ? LINK_UP : 0;
	int code = multi_queue ? noqueue(netlink, ifindex, err) : 0;
	return code < 0 ? code : link_set(netlink, ifindex, &change, err);
}

static int make(struct netlink *netlink, const struct tap *tap, int fd, bool multi_queue,
		int *ret_ifindex, struct error *err)
{
	int code = tap_set_owner(fd, tap->owner, tap->group, err);
	struct ifreq request = {0};
	strcpy(request.ifr_name, tap->name);
	int any = mnl_socket_get_fd(netlink->socket); /* every socket can tell */
	if (code == 0 && ioctl(any, SIOCGIFINDEX, &request) < 0)
		code = error_errno(err, errno, "index");
	if (code == 0)
		code = settle(netlink, tap, multi_queue, request.ifr_ifindex, err);
	/* last: until here the kernel cleans up by itself when the descriptor is closed */
	if (code == 0 && tap->persistent)
		code = tap_set_persistent(fd, true, err);
	if (code == 0 && ret_ifindex)
		*ret_ifindex = request.ifr_ifindex;
	return code < 0 ? error_prefix(err, "tap %s", tap->name) : 0;
}

static int check(const struct tap *tap, const int *fds, struct error *err)
{
	if (tap->queues < 1 || tap->queues > TAP_QUEUES_MAX)
		return error_set(err, EINVAL, "tap %s: %u queues (1 to %d are possible)", tap->name,
				 tap->queues, TAP_QUEUES_MAX);
	if (tap->owner != TAP_NOBODY && tap->group != TAP_NOBODY)
		return error_set(
			err, EINVAL,
			"tap %s: owner and group (the kernel would ask for both; give one)",
			tap->name);
	if (!fds && !tap->persistent)
		return error_set(err, EINVAL, "tap %s: it would vanish at once", tap->name);
	return 0;
}

int tap_create(struct netlink *netlink, const struct tap *tap, int *fds, int *ret_ifindex,
	       struct error *err)
{
	int queues[TAP_QUEUES_MAX];
	if (check(tap, fds, err) < 0)
		return -EINVAL;
	bool multi_queue = tap->queues > 1 || tap->multi_queue;
	int flags = IFF_TUN_EXCL | (multi_queue ? IFF_MULTI_QUEUE : 0);
	queues[0] = attach(tap->name, (short)flags, tap->ahead, err);
	if (queues[0] < 0)
		return queues[0];
	int code = make(netlink, tap, queues[0], multi_queue, ret_ifindex, err);
	uint32_t count = 1;
	for (; code == 0 && fds && count < tap->queues; count++) {
		queues[count] = attach(tap->name, IFF_MULTI_QUEUE, NULL, err);
		if (queues[count] < 0) {
			code = queues[count];
			break;
		}
	}
	if (code < 0 && tap->persistent)
		tap_set_persistent(queues[0], false, NULL);
	if (code < 0 || !fds)
		descriptor_close_all(queues, count);
	else
		memcpy(fds, queues, count * sizeof(*fds));
	return code;
}
