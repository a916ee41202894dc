/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/lab_file.h"

#include <errno.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/verb.h"
#include "model/lab.h"

#define LAB_MAX (4u * 1024 * 1024)

int lab_file_read(const struct invocation *invocation, struct lab **ret, struct error *err)
{
	const char *path = verb_value(invocation, "file");
	if (!path && access(LAB_FILE, F_OK) < 0)
		return error_set(err, ENOENT,
				 "there is no %s in this folder; name the lab's file with -f FILE",
				 LAB_FILE);
	path = path ? path : LAB_FILE;
	AUTO_FREE char *text = NULL;
	ssize_t length = file_read(path, LAB_MAX, &text, err);
	if (length < 0)
		return (int)length;
	return lab_parse(path, text, (size_t)length, invocation->paths.instance, ret, err);
}
