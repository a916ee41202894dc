/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lanyard-publish: leads one TCP port of the host to a machine's port. Descriptor 3 is a socket to
 * the broker, whether that has started it or the service manager has, by socket activation; what to
 * do is the first message (struct publish_order). It listens in the host's namespaces, then enters
 * those of the holder (none in the system instance) for good, gives up everything, and copies
 * bytes.
 *
 * Theory of operation. The machine may come back with another address, so the broker is asked for
 * it when somebody connects (one byte; the answer is a struct ip, or one byte when the machine has
 * none); who connects meanwhile waits for the same answer. An answer may come unasked, from a
 * broker that does not know what the one before it has heard. The end of the broker's socket is the
 * end of listening: connections that exist go on, the last one or the holder's end is ours.
 *
 * A connection has two sockets (sides) and a pipe for each direction;
 * splice(2) moves data without copying it. A side's end of stream is passed on as shutdown(SHUT_WR)
 * once its pipe is empty, so that a protocol which closes one direction first goes on in the other.
 * All is edge-triggered: after every event both directions are pumped until nothing moves.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/spawn.h"
#include "broker/publish.h"
#include "kern/capability.h"
#include "kern/namespace.h"
#include "model/ip.h"

#define EVENTS	     64
#define CHUNK	     (1u << 20)
#define REST_SECONDS 1 /* without accepting when descriptors have run out */
/* A machine that went without a word: seconds until the first probe, between two, and how many. */
#define PROBE_IDLE     30
#define PROBE_INTERVAL 10
#define PROBE_COUNT    3

enum { CLIENT, MACHINE, SIDES };

struct connection;

struct side {
	struct connection *connection;
	int fd;
	int pipe[2]; /* what was read here and not yet written at the other side */
	size_t held; /* bytes in it */
	bool ended;  /* end of stream was read here */
	bool shut;   /* ... and passed on */
};

struct connection {
	struct side sides[SIDES];
	bool connected;
	bool dead;
	struct connection *next; /* of those that wait, or of the dead */
};

struct address {
	union {
		struct sockaddr head;
		struct sockaddr_in four;
		struct sockaddr_in6 six;
	};
	socklen_t length;
};

static struct {
	int epoll, listener, holder; /* holder: its pidfd, or -1 */
	uint16_t port;		     /* the machine's */
	struct address target;
	bool resting;
	struct connection *waiting; /* for the target; the broker has been asked */
	struct connection *dead;    /* freed after the round of events that may still name it */
	size_t count;		    /* of connections */
} publish;

/* What an event is about: one of these, or a side of a connection. */
static char listener_mark, broker_mark, holder_mark;

static struct address address_of(const struct ip *ip, uint16_t port)
{
	struct address address = {0};
	if (ip->family == AF_INET) {
		address.four.sin_family = AF_INET;
		address.four.sin_port = htons(port);
		memcpy(&address.four.sin_addr, ip->bytes, 4);
		address.length = sizeof(address.four);
	} else {
		address.six.sin6_family = AF_INET6;
		address.six.sin6_port = htons(port);
		memcpy(&address.six.sin6_addr, ip->bytes, 16);
		address.length = sizeof(address.six);
	}
	return address;
}

static void end(struct connection *connection)
{
	if (connection->dead)
		return;
	for (int i = 0; i < SIDES; i++) {
		struct side *side = &connection->sides[i];
		int fds[] = {side->fd, side->pipe[0], side->pipe[1]};
		for (size_t j = 0; j < 3; j++)
			if (fds[j] >= 0)
				close(fds[j]);
	}
	connection->dead = true;
	connection->next = publish.dead;
	publish.dead = connection;
}

static void bury(void)
{
	while (publish.dead) {
		struct connection *next = publish.dead->next;
		free(publish.dead);
		publish.dead = next;
		publish.count--;
	}
}

/* One direction until nothing moves. false: the connection is broken. */
static bool pump(struct side *from, struct side *to)
{
	for (;;) {
		bool moved = false;
		if (!from->ended) {
			ssize_t got = splice(from->fd, NULL, from->pipe[1], NULL, CHUNK,
					     SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
			if (got > 0) {
				from->held += (size_t)got;
				moved = true;
			} else if (got == 0) {
				from->ended = true;
			} else if (errno != EAGAIN && errno != EINTR) {
				return false;
			}
		}
		if (from->held > 0) {
			ssize_t put = splice(from->pipe[0], NULL, to->fd, NULL, from->held,
					     SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
			if (put > 0) {
				from->held -= (size_t)put;
				moved = true;
			} else if (put < 0 && errno != EAGAIN && errno != EINTR) {
				return false;
			}
		}
		if (!moved)
			break;
	}
	if (from->ended && from->held == 0 && !from->shut) {
		shutdown(to->fd, SHUT_WR);
		from->shut = true;
	}
	return true;
}

static void work(struct connection *connection)
{
	struct side *client = &connection->sides[CLIENT], *machine = &connection->sides[MACHINE];
	if (!pump(client, machine) || !pump(machine, client) || (client->shut && machine->shut))
		end(connection);
}

static void on_event(struct side *side, uint32_t events)
{
	struct connection *connection = side->connection;
	if (connection->dead)
		return;
	if (!connection->connected) {
		int code = 0;
		socklen_t length = sizeof(code);
		if (side != &connection->sides[MACHINE] ||
		    !(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
			return;
		getsockopt(side->fd, SOL_SOCKET, SO_ERROR, &code, &length);
		if (code != 0) {
			end(connection);
			return;
		}
		connection->connected = true;
	}
	work(connection);
}

static bool watch(struct side *side)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				    .data.ptr = side};
	return epoll_ctl(publish.epoll, EPOLL_CTL_ADD, side->fd, &event) == 0;
}

static void set_options(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, PROBE_IDLE},
		{IPPROTO_TCP, TCP_KEEPINTVL, PROBE_INTERVAL},
		{IPPROTO_TCP, TCP_KEEPCNT, PROBE_COUNT},
	};
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value,
			   sizeof(options[i].value));
}

static bool begin(struct connection *connection)
{
	for (int i = 0; i < SIDES; i++)
		if (pipe2(connection->sides[i].pipe, O_CLOEXEC | O_NONBLOCK) < 0)
			return false;
	struct side *machine = &connection->sides[MACHINE];
	machine->fd = socket(publish.target.head.sa_family,
			     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (machine->fd < 0)
		return false;
	for (int i = 0; i < SIDES; i++)
		set_options(connection->sides[i].fd);
	if (connect(machine->fd, &publish.target.head, publish.target.length) < 0 &&
	    errno != EINPROGRESS)
		return false;
	return watch(&connection->sides[CLIENT]) && watch(machine);
}

static void rest(bool resting)
{
	struct epoll_event event = {.events = resting ? 0 : EPOLLIN, .data.ptr = &listener_mark};
	epoll_ctl(publish.epoll, EPOLL_CTL_MOD, publish.listener, &event);
	publish.resting = resting;
}

static void on_listener(void)
{
	for (;;) {
		int fd = accept4(publish.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			/* Spinning on a full table would take a processor. */
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			    errno == ENOMEM)
				rest(true);
			if (errno == ECONNABORTED || errno == EINTR)
				continue;
			return;
		}
		struct connection *connection = memory_zero(1, sizeof(*connection));
		for (int i = 0; i < SIDES; i++)
			connection->sides[i] =
				(struct side){.connection = connection, .fd = -1, .pipe = {-1, -1}};
		connection->sides[CLIENT].fd = fd;
		publish.count++;
		bool asked = publish.waiting != NULL;
		connection->next = publish.waiting;
		publish.waiting = connection;
		if (!asked && send(SPAWN_DESCRIPTOR, "q", 1, MSG_NOSIGNAL) < 0)
			log_warning("the broker cannot be asked: %m");
	}
}

static void stop_listening(void)
{
	if (publish.listener < 0)
		return;
	close(publish.listener);
	publish.listener = -1;
	if (send(SPAWN_DESCRIPTOR, "d", 1, MSG_NOSIGNAL) < 0)
		log_debug("nobody waits for our end");
	close(SPAWN_DESCRIPTOR);
}

/* The broker's answer, or its end. */
static void on_broker(void)
{
	struct ip ip;
	ssize_t got = recv(SPAWN_DESCRIPTOR, &ip, sizeof(ip), MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got == (ssize_t)sizeof(ip))
		publish.target = address_of(&ip, publish.port);
	struct connection *waiting = publish.waiting;
	publish.waiting = NULL;
	while (waiting) {
		struct connection *next = waiting->next;
		if (got != (ssize_t)sizeof(ip) || !begin(waiting))
			end(waiting);
		waiting = next;
	}
	if (got <= 0)
		stop_listening();
}

static void dispatch(const struct epoll_event *event)
{
	if (event->data.ptr == &listener_mark) {
		if (publish.listener >= 0)
			on_listener();
	} else if (event->data.ptr == &broker_mark) {
		if (publish.listener >= 0)
			on_broker();
	} else {
		on_event(event->data.ptr, event->events);
	}
}

static bool is_finished(bool holder_ended)
{
	return publish.listener < 0 && (publish.count == 0 || holder_ended);
}

static int serve(void)
{
	bool holder_ended = false;
	while (!is_finished(holder_ended)) {
		struct epoll_event events[EVENTS];
		int count = epoll_wait(publish.epoll, events, EVENTS,
				       publish.resting ? REST_SECONDS * 1000 : -1);
		if (count < 0 && errno != EINTR)
			return 1;
		if (publish.resting && publish.listener >= 0)
			rest(false);
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr != &holder_mark) {
				dispatch(&events[i]);
				continue;
			}
			holder_ended = true;
			epoll_ctl(publish.epoll, EPOLL_CTL_DEL, publish.holder, NULL);
		}
		bury();
	}
	return 0;
}

/* dry: nobody can connect, and when we end the port is free. */
static int listen_on(const struct ip *host, uint16_t port, bool dry, struct error *err)
{
	static const int yes = 1;
	char text[IP_TEXT_SIZE];
	struct address address = address_of(host, port);
	publish.listener = socket(host->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (publish.listener < 0)
		return error_errno(err, errno, "socket");
	setsockopt(publish.listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (host->family == AF_INET6)
		setsockopt(publish.listener, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
	if (bind(publish.listener, &address.head, address.length) == 0 &&
	    (dry || listen(publish.listener, 1024) == 0))
		return 0;
	int code = errno;
	ip_format(host, text);
	if (code == EADDRINUSE)
		return error_set(err, code,
				 "port %u of %s is taken by another program; choose another one",
				 port, text);
	if (code == EACCES)
		return error_set(err, code,
				 "port %u of %s is one that the kernel keeps for root; choose one "
				 "from 1024 on, or let root give it to everyone: sysctl "
				 "net.ipv4.ip_unprivileged_port_start=%u",
				 port, text, port);
	if (code == EADDRNOTAVAIL)
		return error_set(err, code,
				 "%s is no address of this computer ('ip address' shows those that "
				 "are); leave it out for 127.0.0.1",
				 text);
	return error_errno(err, code, "port %u of %s", port, text);
}

static int watch_marked(int fd, char *mark, struct error *err)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = mark};
	if (epoll_ctl(publish.epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return error_errno(err, errno, "epoll");
	return 0;
}

static int open_events(struct error *err)
{
	publish.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (publish.epoll < 0)
		return error_errno(err, errno, "epoll");
	int r = watch_marked(publish.listener, &listener_mark, err);
	if (r == 0)
		r = watch_marked(SPAWN_DESCRIPTOR, &broker_mark, err);
	if (r == 0 && publish.holder >= 0)
		r = watch_marked(publish.holder, &holder_mark, err);
	return r;
}

static int enter(pid_t holder, struct error *err)
{
	publish.holder = (int)syscall(SYS_pidfd_open, holder, 0);
	if (publish.holder < 0)
		return error_errno(err, errno, "holder (pid %d)", (int)holder);
	return namespace_enter(holder, err);
}

static int hear_order(struct publish_order *ret, struct error *err)
{
	ssize_t got = recv(SPAWN_DESCRIPTOR, ret, sizeof(*ret), MSG_TRUNC);
	if (got < 0)
		return error_errno(err, errno, "descriptor %d", SPAWN_DESCRIPTOR);
	if (got != (ssize_t)sizeof(*ret))
		return error_set(err, EPROTO, "the order has %zd bytes", got);
	return 0;
}

static int prepare(const struct publish_order *order, struct error *err)
{
	int r = listen_on(&order->host, order->host_port, order->dry, err);
	if (r < 0 || order->dry)
		return r;
	publish.port = order->port;
	if (order->holder > 0)
		r = enter(order->holder, err);
	if (r == 0)
		r = capability_keep(0, err);
	if (r == 0)
		r = open_events(err);
	if (r < 0)
		return r;
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	return 0;
}

int main(void)
{
	struct error err = {0};
	struct publish_order order;
	log_init("lanyard-publish", LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	publish.holder = -1;
	if (hear_order(&order, &err) < 0 || prepare(&order, &err) < 0) {
		if (send(SPAWN_DESCRIPTOR, &err, sizeof(err), MSG_NOSIGNAL) < 0)
			log_error("%s (it is started by lanyardd)", err.text);
		return 1;
	}
	if (send(SPAWN_DESCRIPTOR, "r", 1, MSG_NOSIGNAL) < 0)
		return 1;
	return order.dry ? 0 : serve();
}
