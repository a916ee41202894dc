/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the caller sits. */
#pragma once

/* SSH_CONNECTION of this process or, because sudo drops it, of the nearest ancestor whose
 * environment can be read. NULL: no SSH session. The caller frees it. */
char *session_ssh(void);
