/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Three system calls without a wrapper in the C library. */
#include "kern/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

/* Rights that headers older than the running kernel lack; linux/landlock.h numbers them so. */
#define RIGHT_REFER	(1ull << 13) /* ABI 2, Linux 5.19 */
#define RIGHT_TRUNCATE	(1ull << 14) /* ABI 3, Linux 6.2 */
#define RIGHT_IOCTL_DEV (1ull << 15) /* ABI 5, Linux 6.10 */

#define RIGHTS_FIRST (LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1) /* all of ABI 1 */
#define RIGHTS_READ                                                                                \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* What a rule about a file may say; the others are about folders. */
#define RIGHTS_FILE                                                                                \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |                               \
	 LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE | RIGHT_IOCTL_DEV)

/* All that this kernel can refuse; 0 where there is no Landlock, or it is switched off. */
static uint64_t rights_known(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1)
		return 0;
	return RIGHTS_FIRST | (abi >= 2 ? RIGHT_REFER : 0) | (abi >= 3 ? RIGHT_TRUNCATE : 0) |
	       (abi >= 5 ? RIGHT_IOCTL_DEV : 0);
}

static int allow(int rules, const struct landlock_rule *rule, uint64_t known, struct error *err)
{
	struct stat status;
	AUTO_CLOSE int fd = open(rule->path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == EACCES
			       ? 0
			       : error_errno(err, errno, "%s", rule->path);
	if (fstat(fd, &status) < 0)
		return error_errno(err, errno, "%s", rule->path);
	struct landlock_path_beneath_attr beneath = {
		.parent_fd = fd,
		.allowed_access = (rule->write ? known : RIGHTS_READ) &
				  (S_ISDIR(status.st_mode) ? known : RIGHTS_FILE),
	};
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
		return error_errno(err, errno, "landlock: %s", rule->path);
	return 0;
}

int landlock_confine(const struct landlock_rule *rules, size_t count, struct error *err)
{
	struct landlock_ruleset_attr attributes = {.handled_access_fs = rights_known()};
	if (!attributes.handled_access_fs)
		return 0;
	AUTO_CLOSE int fd = (int)syscall(SYS_landlock_create_ruleset, &attributes,
					 sizeof(attributes.handled_access_fs), 0);
	if (fd < 0)
		return error_errno(err, errno, "landlock");
	int r = 0;
	for (size_t i = 0; i < count && r == 0; i++)
		r = allow(fd, &rules[i], attributes.handled_access_fs, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return error_errno(err, errno, "landlock");
	return 1;
}
