/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding and reading the lab that a command means. */
#pragma once

struct error;
struct invocation;
struct lab;

#define LAB_FILE "lanyard.yaml"

/* -f FILE, else lanyard.yaml in this folder. *ret_path: the file's absolute path, the caller's. */
int lab_file_read(const struct invocation *invocation, struct lab **ret, char **ret_path,
		  struct error *err);
