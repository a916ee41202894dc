/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lanyard-publish HOST HOSTPORT ADDRESS PORT HOLDER: leads one TCP port of the host to a machine's
 * port. It listens in the host's namespaces, then enters those of the holder (0: none, the system
 * instance) for good, gives up everything, and copies bytes.
 *
 * Theory of operation. A connection has two sockets (sides) and a pipe for each direction;
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
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "daemon/spawn.h"
#include "kern/capability.h"
#include "kern/namespace.h"
#include "model/ip.h"

#define EVENTS	     64
#define CHUNK	     (1u << 20)
#define REST_SECONDS 1 /* without accepting when descriptors have run out */

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
	struct connection *next_dead;
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
	int epoll, listener;
	struct address target;
	bool resting;
	struct connection *dead; /* freed after the round of events that may still name it */
} publish;

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
	connection->next_dead = publish.dead;
	publish.dead = connection;
}

static void bury(void)
{
	while (publish.dead) {
		struct connection *next = publish.dead->next_dead;
		free(publish.dead);
		publish.dead = next;
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

static bool begin(struct connection *connection)
{
	static const int yes = 1;
	for (int i = 0; i < SIDES; i++)
		if (pipe2(connection->sides[i].pipe, O_CLOEXEC | O_NONBLOCK) < 0)
			return false;
	struct side *machine = &connection->sides[MACHINE];
	machine->fd = socket(publish.target.head.sa_family,
			     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (machine->fd < 0)
		return false;
	for (int i = 0; i < SIDES; i++)
		setsockopt(connection->sides[i].fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (connect(machine->fd, &publish.target.head, publish.target.length) < 0 &&
	    errno != EINPROGRESS)
		return false;
	return watch(&connection->sides[CLIENT]) && watch(machine);
}

static void rest(bool resting)
{
	struct epoll_event event = {.events = resting ? 0 : EPOLLIN, .data.ptr = NULL};
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
		if (!begin(connection))
			end(connection);
	}
}

static int serve(void)
{
	for (;;) {
		struct epoll_event events[EVENTS];
		int count = epoll_wait(publish.epoll, events, EVENTS,
				       publish.resting ? REST_SECONDS * 1000 : -1);
		if (count < 0 && errno != EINTR)
			return 1;
		if (publish.resting)
			rest(false);
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr)
				on_event(events[i].data.ptr, events[i].events);
			else
				on_listener();
		}
		bury();
	}
}

static int listen_on(const struct ip *host, uint16_t port, struct error *err)
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
	    listen(publish.listener, 1024) == 0)
		return 0;
	int code = errno;
	ip_format(host, text);
	if (code == EADDRINUSE)
		return error_set(err, code,
				 "port %u of %s is taken by another program; choose another one",
				 port, text);
	if (code == EACCES)
		return error_set(err, code,
				 "port %u of %s needs a privilege; choose one from 1024 on", port,
				 text);
	return error_errno(err, code, "port %u of %s", port, text);
}

static int prepare(char **argv, struct error *err)
{
	struct ip host, target;
	int r = ip_parse(argv[1], &host, err);
	if (r == 0)
		r = ip_parse(argv[3], &target, err);
	if (r == 0)
		r = listen_on(&host, (uint16_t)atoi(argv[2]), err);
	if (r < 0)
		return r;
	publish.target = address_of(&target, (uint16_t)atoi(argv[4]));
	pid_t holder = (pid_t)atoi(argv[5]);
	if (holder > 0)
		r = namespace_enter(holder, err);
	if (r == 0)
		r = capability_keep(0, err);
	if (r < 0)
		return r;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	publish.epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN};
	if (publish.epoll < 0 ||
	    epoll_ctl(publish.epoll, EPOLL_CTL_ADD, publish.listener, &event) < 0)
		return error_errno(err, errno, "epoll");
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct error err = {0};
	log_init("lanyard-publish", LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	if (argc != 6) {
		log_error("usage: lanyard-publish HOST HOSTPORT ADDRESS PORT HOLDER");
		return 2;
	}
	if (prepare(argv, &err) < 0) {
		if (send(SPAWN_DESCRIPTOR, &err, sizeof(err), MSG_NOSIGNAL) < 0)
			log_error("%s", err.text);
		return 1;
	}
	if (send(SPAWN_DESCRIPTOR, "r", 1, MSG_NOSIGNAL) < 0)
		return 1;
	close(SPAWN_DESCRIPTOR);
	return serve();
}
