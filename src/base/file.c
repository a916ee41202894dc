/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

ssize_t file_read(const char *path, size_t limit, char **ret_text, struct error *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return error_errno(err, errno, "%s", path);
	size_t room = 4096, used = 0;
	AUTO_FREE char *text = memory_zero(room + 1, 1);
	for (;;) {
		ssize_t got = read(fd, text + used, room - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(err, errno, "%s", path);
		used += (size_t)got;
		if (used > limit)
			return error_set(err, EFBIG, "%s: larger than %zu bytes", path, limit);
		if (got == 0)
			break;
		if (used == room)
			text = memory_grow(text, &room, room * 2 + 1, 1);
		if (used + 1 >= room)
			text = memory_grow(text, &room, room * 2 + 1, 1);
	}
	text[used] = '\0';
	*ret_text = TAKE(text);
	return (ssize_t)used;
}

static int write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t done = write(fd, text, length);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		text += done;
		length -= (size_t)done;
	}
	return 0;
}

int file_create(const char *path, const char *text, size_t length, mode_t mode)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	int result = write_all(fd, text, length);
	if (result < 0)
		unlink(path);
	return result;
}

int file_write_atomic(const char *path, const char *text, size_t length, mode_t mode, bool durable,
		      struct error *err)
{
	AUTO_FREE char *temporary = text_format("%s.XXXXXX", path);
	AUTO_CLOSE int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "%s", path);
	int result = write_all(fd, text, length);
	if (result == 0 && fchmod(fd, mode) < 0)
		result = -errno;
	if (result == 0 && durable && fsync(fd) < 0)
		result = -errno;
	if (result == 0 && rename(temporary, path) < 0)
		result = -errno;
	if (result < 0) {
		unlink(temporary);
		return error_errno(err, result, "%s", path);
	}
	return 0;
}

int directory_make(const char *path, mode_t mode, struct error *err)
{
	AUTO_FREE char *part = text_copy(path);
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
			return error_errno(err, errno, "%s", part);
		*slash = '/';
	}
	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return error_errno(err, errno, "%s", path);
	struct stat status;
	if (lstat(path, &status) < 0)
		return error_errno(err, errno, "%s", path);
	if (!S_ISDIR(status.st_mode))
		return error_set(err, ENOTDIR, "%s: exists and is not a directory", path);
	if (status.st_uid != geteuid())
		return error_set(err, EPERM, "%s: belongs to somebody else (uid %u)", path,
				 (unsigned)status.st_uid);
	if ((status.st_mode & 07777) != mode && chmod(path, mode) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

static bool belongs_to(const char *path, const struct passwd *account)
{
	struct stat status;
	return account && lstat(path, &status) == 0 && S_ISDIR(status.st_mode) &&
	       status.st_uid == account->pw_uid;
}

int directory_give(const char *path, mode_t mode, const struct passwd *account, struct error *err)
{
	if (belongs_to(path, account))
		return 0;
	struct error why = {0};
	int result = directory_make(path, mode, &why);
	if (result < 0)
		return belongs_to(path, account) ? 0 : error_set(err, result, "%s", why.text);
	if (account && chown(path, account->pw_uid, account->pw_gid) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

static void *or_end(void *pointer)
{
	if (!pointer) {
		static const char text[] = "lanyard: out of memory\n";
		if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
			_exit(1);
		_exit(1);
	}
	return pointer;
}

char *text_format(const char *format, ...)
{
	char *text = NULL;
	va_list args;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return or_end(text);
}

void *memory_zero(size_t count, size_t size)
{
	return or_end(calloc(count ? count : 1, size ? size : 1));
}

void *memory_grow(void *array, size_t *room, size_t count, size_t size)
{
	if (count <= *room && array)
		return array;
	size_t wanted = *room ? *room * 2 : 8;
	if (wanted < count)
		wanted = count;
	if (wanted > SIZE_MAX / size)
		or_end(NULL);
	char *grown = or_end(realloc(array, wanted * size));
	size_t old = array ? *room : 0;
	memset(grown + old * size, 0, (wanted - old) * size);
	*room = wanted;
	return grown;
}

char *text_copy(const char *text)
{
	return or_end(strdup(text));
}
