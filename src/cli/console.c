/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/output.h"

#define ESCAPE	  0x1d /* Ctrl-], as telnet and virsh have it */
#define LAST_SIZE 2048 /* bytes of the log to begin with: a screen */

static int write_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t done = write(fd, data, length);
		if (done < 0 && errno == EAGAIN) {
			struct pollfd poller = {.fd = fd, .events = POLLOUT};
			poll(&poller, 1, -1);
			continue;
		}
		if (done < 0 && errno != EINTR)
			return -errno;
		if (done > 0) {
			data += done;
			length -= (size_t)done;
		}
	}
	return 0;
}

/* One read and its write. 1: go on, 0: end of the input (or the escape byte), -errno. */
static int copy(int from, int to, int escape)
{
	char data[65536];
	ssize_t length = read(from, data, sizeof(data));
	if (length < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : -errno;
	const char *end = escape >= 0 ? memchr(data, escape, (size_t)length) : NULL;
	int result = write_all(to, data, end ? (size_t)(end - data) : (size_t)length);
	return result < 0 ? result : length > 0 && !end;
}

/* How it ended. */
enum pump_end { PUMP_LEFT, PUMP_CLOSED, PUMP_NO_INPUT };

static int pump(int socket, int escape, enum pump_end *ret, struct error *err)
{
	struct pollfd pollers[] = {
		{.fd = socket, .events = POLLIN},
		{.fd = STDIN_FILENO, .events = POLLIN},
	};
	for (;;) {
		if (poll(pollers, 2, -1) < 0 && errno != EINTR)
			return error_errno(err, errno, "poll");
		*ret = pollers[1].fd < 0 ? PUMP_NO_INPUT : PUMP_CLOSED;
		if (pollers[0].revents) {
			int result = copy(socket, STDOUT_FILENO, -1);
			if (result <= 0)
				return result < 0 && result != -EPIPE && result != -ECONNRESET
					       ? error_errno(err, result, "the connection")
					       : 0;
		}
		if (pollers[1].revents) {
			int result = copy(STDIN_FILENO, socket, escape);
			if (result == 0 && escape >= 0)
				*ret = PUMP_LEFT;
			if (result == -EPIPE || result == -ECONNRESET ||
			    (result == 0 && escape >= 0))
				return 0;
			if (result < 0)
				return error_errno(err, result, "the connection");
			if (result == 0) {
				shutdown(socket, SHUT_WR);
				pollers[1].fd = -1;
			}
		}
	}
}

int stream_pump(int socket, int escape, struct error *err)
{
	enum pump_end ignored;
	return pump(socket, escape, &ignored, err);
}

static int connect_unix(const char *path, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ENAMETOOLONG, "%s: too long for a socket's path", path);
	memcpy(address.sun_path, path, strlen(path));
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(err, errno, "console %s", path);
	return TAKE_FD(fd);
}

/* QEMU serves one at a time and lets others wait without a word: the log's lock says who is in. */
static int lock_log(const char *name, const char *log, struct error *err)
{
	AUTO_CLOSE int fd = open(log, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "%s", log);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return TAKE_FD(fd);
	if (errno != EWOULDBLOCK)
		return error_errno(err, errno, "%s", log);
	return error_set(err, EBUSY, "the console of machine '%s' is open in another terminal",
			 name);
}

/* What was said last, from the beginning of a line. */
static void show_last(int log)
{
	char text[LAST_SIZE];
	off_t end = lseek(log, 0, SEEK_END);
	ssize_t length = pread(log, text, sizeof(text), end > LAST_SIZE ? end - LAST_SIZE : 0);
	const char *begin = text;
	if (length <= 0)
		return;
	if (end > LAST_SIZE) {
		const char *line = memchr(text, '\n', (size_t)length);
		begin = line ? line + 1 : text;
	}
	write_all(STDOUT_FILENO, begin, (size_t)(text + length - begin));
}

static struct termios terminal;

/* Only calls that are safe in a handler. */
static void leave(int number)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
	_exit(128 + number);
}

static void enter_raw(void)
{
	static const int ends[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
	struct termios raw = terminal;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		signal(ends[i], leave);
	cfmakeraw(&raw);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/* Nobody shall wonder why. */
static void say_end(const char *name, const char *log, enum pump_end end, bool is_terminal)
{
	if (is_terminal) /* whose line goes on somewhere */
		output_note("%s", "");
	if (end == PUMP_CLOSED)
		output_note("machine %s has ended", name);
	if (end == PUMP_NO_INPUT)
		output_note("the input has ended, and with it the console of %s; what it has said "
			    "is in %s",
			    name, log);
}

int console_attach(const char *name, const char *path, const char *log, struct error *err)
{
	AUTO_CLOSE int lock = lock_log(name, log, err);
	AUTO_CLOSE int fd = lock < 0 ? lock : connect_unix(path, err);
	if (fd < 0)
		return fd;
	bool is_terminal = tcgetattr(STDIN_FILENO, &terminal) == 0;
	if (is_terminal) {
		show_last(lock);
		output_note("console of %s; Ctrl-] leaves", name);
		enter_raw();
	}
	enum pump_end end = PUMP_LEFT;
	int result = pump(fd, is_terminal ? ESCAPE : -1, &end, err);
	if (is_terminal)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal);
	if (result == 0)
		say_end(name, log, end, is_terminal);
	return result;
}
