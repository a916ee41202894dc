/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/image.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/paths.h"
#include "cli/process.h"
#include "machine/machine_store.h"

/* The format comes from the name, never from the disk's first bytes: a guest writes these. */
static const struct {
	const char *suffix, *format;
} formats[] = {
	{".qcow2", "qcow2"}, {".raw", "raw"}, {".img", "raw"}, {".vdi", "vdi"}, {".vmdk", "vmdk"},
};

static const char *format_of(const char *path)
{
	size_t length = strlen(path);
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		size_t suffix = strlen(formats[i].suffix);
		if (length > suffix && strcmp(path + length - suffix, formats[i].suffix) == 0)
			return formats[i].format;
	}
	return NULL;
}

static bool is_tiny(const char *image)
{
	return strcmp(image, "tiny") == 0;
}

bool image_is_path(const char *image)
{
	return !is_tiny(image) && (format_of(image) || strchr(image, '/'));
}

int image_check(const char *image, struct error *err)
{
	struct stat status;
	if (is_tiny(image))
		return 0;
	if (!format_of(image) && !strchr(image, '/'))
		return error_set(err, ENOENT,
				 "there is no image '%s'; write tiny, or the path of a disk",
				 image);
	if (stat(image, &status) < 0)
		return error_errno(err, errno, "image %s", image);
	if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
		return error_set(err, EINVAL, "image %s: not a disk", image);
	if (!format_of(image))
		return error_set(
			err, EINVAL,
			"image %s: its name does not tell the format; call it .qcow2, .raw or .img",
			image);
	return 0;
}

static int read_line(const char *path, char **ret, struct error *err)
{
	if (file_read(path, 65536, ret, err) < 0)
		return -err->code;
	(*ret)[strcspn(*ret, "\n")] = '\0';
	return 0;
}

static int prepare_tiny(const struct paths *own, struct image *ret, struct error *err)
{
	AUTO_FREE char *images = text_format("%s/images", own->cache);
	AUTO_FREE char *lock_file = text_format("%s/lock", images);
	AUTO_FREE char *folder = text_format("%s/tiny", images);
	AUTO_FREE char *append = text_format("%s/append", folder);
	AUTO_FREE char *script = paths_share("image/tiny/build");
	int result = directory_make(own->cache, 0755, err);
	if (result == 0)
		result = directory_make(images, 0755, err);
	AUTO_CLOSE int lock = result < 0 ? result : lock_take(lock_file, "the image", err);
	if (lock < 0)
		return lock;
	const char *argv[] = {script, folder, NULL};
	static bool is_current; /* once per command is enough */
	result = is_current ? 0 : process_run_shown(argv, err);
	if (result > 0)
		return error_set(err, EIO,
				 "the image tiny could not be built (the reason is above)");
	is_current = result == 0;
	if (result == 0)
		result = read_line(append, &ret->append, err);
	ret->kernel = text_format("%s/kernel", folder);
	ret->initrd = text_format("%s/initrd", folder);
	return result;
}

int image_prepare(const struct paths *own, const char *image, struct image *ret, struct error *err)
{
	*ret = (struct image){0};
	if (is_tiny(image))
		return prepare_tiny(own, ret, err);
	int result = image_check(image, err);
	if (result < 0)
		return result;
	ret->disk = realpath(image, NULL);
	ret->format = format_of(image);
	return ret->disk ? 0 : error_errno(err, errno, "image %s", image);
}

void image_done(struct image *image)
{
	free(image->kernel);
	free(image->initrd);
	free(image->append);
	free(image->disk);
	*image = (struct image){0};
}
