/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

#define NAME	    "SSH_CONNECTION="
#define ENVIRON_MAX (1u << 20)
#define DEPTH_MAX   64

static int parent_of(int pid)
{
	AUTO_FREE char *path = text_format("/proc/%d/stat", pid);
	AUTO_FREE char *text = NULL;
	int parent = 0;
	if (file_read(path, 4096, &text, NULL) < 0)
		return 0;
	const char *behind = strrchr(text, ')'); /* the name may hold anything */
	return behind && sscanf(behind + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static char *find(int pid)
{
	AUTO_FREE char *path = text_format("/proc/%d/environ", pid);
	AUTO_FREE char *text = NULL;
	ssize_t length = file_read(path, ENVIRON_MAX, &text, NULL);
	for (ssize_t at = 0; at < length; at += (ssize_t)strlen(text + at) + 1)
		if (strncmp(text + at, NAME, strlen(NAME)) == 0)
			return text_copy(text + at + strlen(NAME));
	return NULL;
}

char *session_ssh(void)
{
	const char *own = getenv("SSH_CONNECTION");
	if (own)
		return *own ? text_copy(own) : NULL;
	int pid = getppid();
	for (int depth = 0; pid > 1 && depth < DEPTH_MAX; depth++, pid = parent_of(pid)) {
		char *found = find(pid);
		if (found)
			return found;
	}
	return NULL;
}
