/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The exit codes: what scripts may rely on. */
#pragma once

/* The one that belongs to -errno; a result that is not negative is one itself. */
int exit_code(int result);
/* What it means; NULL: there is no such code. They are numbered from 0 without a gap. */
const char *exit_code_help(int code);
