/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a machine boots from: the image `tiny`, built on first use, or a disk of the user's. */
#pragma once

#include <stdbool.h>

struct error;
struct paths;

struct image {
	char *kernel, *initrd, *append; /* direct boot, or NULL */
	char *disk;			/* path, or NULL */
	const char *format;
};

/* Is it the path of a disk? */
bool image_is_path(const char *image);
/* Says whether the definition's image can be used, without building it: -ENOENT, -EINVAL for a disk
 * whose format the name does not tell. */
int image_check(const char *image, struct error *err);
/* Brings the image up to date (share/image/tiny/build, which says what it does) and finds its
 * files. */
int image_prepare(const struct paths *own, const char *image, struct image *ret, struct error *err);
void image_done(struct image *image);
