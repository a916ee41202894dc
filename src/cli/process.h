/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs that the command line runs: with their words caught, in the background, or in its place.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct error;

/* A program that was started; its standard output and error go to a memory file. */
struct process {
	pid_t pid;
	int words; /* the memory file */
};

/* Whether what is started may gain rights by executing set-uid programs (no_new_privs, prctl(2)).
 */
enum process_rights { PROCESS_RIGHTS_USUAL, PROCESS_RIGHTS_FIXED };

/* Starts argv[0] (found by PATH) in a session of its own, so that Ctrl-C does not reach it, with
 * nothing on standard input. fds are inherited under their own numbers. */
int process_start(const char *const *argv, enum process_rights rights, const int *fds, size_t n_fds,
		  struct process *ret, struct error *err);
/* Waits for its end. Returns the exit code (128 + signal) or -errno; *ret_text: what it said. */
int process_finish(struct process *process, char **ret_text, struct error *err);

/* Both in one. */
int process_run(const char *const *argv, char **ret_text, struct error *err);

/* Runs one whose words the user sees, on standard error; Ctrl-C ends it too. The exit code or
 * -errno. */
int process_run_shown(const char *const *argv, struct error *err);

/* Becomes argv[0]; returns only on failure. */
int process_become(const char *const *argv, struct error *err);

/* The last line of what a program said, without its "NAME: " in front. Points into text, which is
 * cut. */
const char *process_sentence(char *text, const char *name);
