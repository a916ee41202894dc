/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/exit_code.h"

#include <errno.h>
#include <stddef.h>

/* The exit codes: what a script may rely on. The first line with the errno counts, the last for all
 * others. */
static const struct {
	int code;
	int errnos[6];
	const char *help;
} exit_codes[] = {
	{0, {0}, "done, or nothing was to do"},
	{2,
	 {EINVAL, E2BIG, ENAMETOOLONG, EISDIR, ENOTDIR, EFBIG},
	 "wrong usage or bad input; nothing was changed"},
	{3, {ENOENT, ENXIO, EADDRNOTAVAIL}, "not found"},
	{4, {EACCES, EPERM}, "refused"},
	{5, {EBUSY, EEXIST, EADDRINUSE}, "in use, or there already"},
	{1, {0}, "failed, or a part of it failed; the message says what"},
};
#define N_EXIT_CODES (sizeof(exit_codes) / sizeof(exit_codes[0]))

int exit_code(int result)
{
	if (result >= 0)
		return result;
	for (size_t i = 0; i < N_EXIT_CODES; i++)
		for (size_t j = 0; j < 6; j++)
			if (exit_codes[i].errnos[j] == -result)
				return exit_codes[i].code;
	return 1;
}

const char *exit_code_help(int code)
{
	for (size_t i = 0; i < N_EXIT_CODES; i++)
		if (exit_codes[i].code == code)
			return exit_codes[i].help;
	return NULL;
}
