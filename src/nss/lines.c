/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nss/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUDGET (16u << 20) /* 65,536 leases (svc/dnsmasq.c) with room to spare */

static bool is_trusted(int fd, int folder)
{
	struct stat file, above;
	return fstat(fd, &file) == 0 && fstat(folder, &above) == 0 && S_ISREG(file.st_mode) &&
	       (file.st_uid == above.st_uid || file.st_uid == 0) && !(file.st_mode & 022);
}

int lines_open(struct lines *lines, int folder, const char *name)
{
	lines->skipping = lines->ended = false;
	lines->at = lines->used = 0;
	lines->budget = BUDGET;
	/* O_NONBLOCK: a FIFO would wait for its writer */
	lines->fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (lines->fd < 0)
		return -errno;
	if (is_trusted(lines->fd, folder))
		return 0;
	lines_close(lines);
	return -EPERM;
}

void lines_close(struct lines *lines)
{
	if (lines->fd >= 0)
		close(lines->fd);
	lines->fd = -1;
}

/* False when nothing more comes. */
static bool read_more(struct lines *lines)
{
	memmove(lines->bytes, lines->bytes + lines->at, lines->used - lines->at);
	lines->used -= lines->at;
	lines->at = 0;
	if (lines->used == LINES_SIZE) {
		lines->skipping = true;
		lines->used = 0;
	}
	size_t room = LINES_SIZE - lines->used;
	if (room > lines->budget)
		room = lines->budget;
	ssize_t got;
	do
		got = room ? read(lines->fd, lines->bytes + lines->used, room) : 0;
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return false;
	lines->used += (size_t)got;
	lines->budget -= (size_t)got;
	return true;
}

char *lines_next(struct lines *lines, size_t *ret_length)
{
	while (!lines->ended) {
		char *line = lines->bytes + lines->at;
		char *end = memchr(line, '\n', lines->used - lines->at);
		if (!end) {
			lines->ended = !read_more(lines);
			continue;
		}
		lines->at = (size_t)(end - lines->bytes) + 1;
		if (lines->skipping) {
			lines->skipping = false;
			continue;
		}
		*end = '\0';
		*ret_length = (size_t)(end - line);
		return line;
	}
	return NULL;
}
