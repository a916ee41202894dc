/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/lab_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/verb.h"
#include "machine/image.h"
#include "model/lab.h"

AUTO_DEFINE(lab)

#define LAB_FILE_OTHER "lanyard.yml" /* as others would call it */
#define LAB_MAX	       (4u * 1024 * 1024)

static ssize_t read_file(const char *path, char **ret_text, struct error *err)
{
	struct stat status;
	bool is_folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
	if (is_folder)
		return error_set(err, EINVAL, "%s is a folder; name the file in it: -f %s%s%s",
				 path, path, path[strlen(path) - 1] == '/' ? "" : "/", LAB_FILE);
	ssize_t length = file_read(path, LAB_MAX, ret_text, err);
	if (length == -EFBIG)
		return error_set(err, EINVAL, "%s is no lab: it has more than %u MiB", path,
				 LAB_MAX >> 20);
	return length;
}

/* The folder gives a lab without `name:` its name: the one where the file is, whatever path or link
 * leads to it; the present one for what is read from a pipe. */
static char *lab_place(const char *path)
{
	char *real = realpath(path, NULL);
	struct stat status;
	if (real && stat(real, &status) == 0 && S_ISREG(status.st_mode))
		return real;
	free(real);
	AUTO_FREE char *folder = getcwd(NULL, 0);
	return text_format("%s/%s", folder ? folder : "", LAB_FILE);
}

/* A path is meant from the file's folder, wherever the command and later ones are given. */
static int place_path(char *path, size_t size, const char *place, struct error *err)
{
	if (path[0] == '/')
		return 0;
	AUTO_FREE char *whole =
		text_format("%.*s/%s", (int)(strrchr(place, '/') - place), place, path);
	if (strlen(whole) >= size)
		return error_set(err, EINVAL, "%s: the path is too long; at most %zu bytes", whole,
				 size - 1);
	memcpy(path, whole, strlen(whole) + 1);
	return 0;
}

static int place_files(struct lab *lab, const char *place, struct error *err)
{
	for (size_t i = 0; i < lab->n_machines; i++) {
		struct machine *machine = lab->machines[i];
		if (image_is_path(machine->image) &&
		    place_path(machine->image, sizeof(machine->image), place, err) < 0)
			return error_prefix(err, "%s: image", lab->image_places[i]);
		if (machine_has_user_data(machine) &&
		    place_path(machine->cloud_init, sizeof(machine->cloud_init), place, err) < 0)
			return error_prefix(err, "%s: cloud_init", lab->image_places[i]);
	}
	return 0;
}

int lab_file_read(const struct invocation *invocation, struct lab **ret, char **ret_path,
		  struct error *err)
{
	const char *path = verb_value(invocation, "file");
	if (!path && access(LAB_FILE, F_OK) < 0 && access(LAB_FILE_OTHER, F_OK) == 0)
		return error_set(err, ENOENT,
				 "there is no %s in this folder, but %s: rename it, or name it "
				 "with -f %s",
				 LAB_FILE, LAB_FILE_OTHER, LAB_FILE_OTHER);
	if (!path && access(LAB_FILE, F_OK) < 0)
		return error_set(err, ENOENT,
				 "there is no %s in this folder; name the lab's file with -f FILE",
				 LAB_FILE);
	path = !path ? LAB_FILE : strcmp(path, "-") == 0 ? "/dev/stdin" : path;
	AUTO_FREE char *text = NULL;
	ssize_t length = read_file(path, &text, err);
	if (length < 0)
		return (int)length;
	AUTO_FREE char *place = lab_place(path);
	AUTO(lab) struct lab *lab = NULL;
	int result =
		lab_parse(path, place, text, (size_t)length, invocation->paths.instance, &lab, err);
	if (result == 0)
		result = place_files(lab, place, err);
	/* Whatever is wrong in a file is bad input, also what lacks something or is there twice. */
	if (result < 0 && result != -ENOMEM)
		result = -(err->code = EINVAL);
	if (result == 0) {
		*ret = TAKE(lab);
		*ret_path = TAKE(place);
	}
	return result;
}
