/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/authorise.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

#define GROUP	   "lanyard"
#define GROUPS_MAX 65536

static bool is_member(uid_t uid)
{
	const struct group *group = getgrnam(GROUP);
	if (!group)
		return false;
	gid_t gid = group->gr_gid;
	const struct passwd *account = getpwuid(uid);
	if (!account)
		return false;
	int count = 64;
	AUTO_FREE gid_t *groups = memory_zero((size_t)count, sizeof(gid_t));
	while (getgrouplist(account->pw_name, account->pw_gid, groups, &count) < 0) {
		if (count > GROUPS_MAX)
			return false;
		free(groups);
		groups = memory_zero((size_t)count, sizeof(gid_t));
	}
	for (int i = 0; i < count; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

int authorise(bool system, uid_t uid, enum right right, const char *verb, struct error *err)
{
	if (uid == 0 || (system && right == RIGHT_ASK))
		return 0;
	if (!system)
		return uid == geteuid()
			       ? 0
			       : error_set(err, EACCES,
					   "this instance is of uid %u, for nobody else (%s)",
					   (unsigned)geteuid(), verb);
	if (right == RIGHT_CHANGE)
		return error_set(
			err, EACCES,
			"only root changes the system instance (%s, uid %u); 'lanyard --user' "
			"gives you a network world of your own",
			verb, (unsigned)uid);
	if (!is_member(uid))
		return error_set(err, EACCES,
				 "uid %u is not in group '" GROUP
				 "' and may not use the system instance (%s); ask root for "
				 "'adduser NAME " GROUP "', or use 'lanyard --user'",
				 (unsigned)uid, verb);
	return 0;
}
