/* SPDX-License-Identifier: GPL-2.0-or-later */
/* capset(2) and prctl(2) without libcap: three calls, and the C library has no wrapper for one of
 * them. */
#include "kern/capability.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

#define CAPABILITIES 64

static int set_all(uint64_t mask, struct error *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	for (int i = 0; i < 2; i++) {
		uint32_t half = (uint32_t)(mask >> (32 * i));
		data[i] = (struct __user_cap_data_struct){half, half, half};
	}
	if (syscall(SYS_capset, &header, data) < 0)
		return error_errno(err, errno, "capabilities 0x%llx", (unsigned long long)mask);
	return 0;
}

/* Ends at the first number that the kernel does not know. */
static int drop_bounding(uint64_t keep, struct error *err)
{
	for (int i = 0; i < CAPABILITIES; i++) {
		int is = prctl(PR_CAPBSET_READ, i, 0, 0, 0);
		if (is < 0)
			break;
		if (!is || keep >> i & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0) {
			if (errno == EPERM)
				return 0; /* without CAP_SETPCAP; see the header */
			return error_errno(err, errno, "capability %d in the bounding set", i);
		}
	}
	return 0;
}

static int raise_ambient(uint64_t mask, struct error *err)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return error_errno(err, errno, "ambient capabilities");
	for (int i = 0; i < CAPABILITIES; i++)
		if (mask >> i & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return error_errno(err, errno, "ambient capability %d", i);
	return 0;
}

int capability_keep(uint64_t mask, struct error *err)
{
	int code = drop_bounding(mask, err);
	if (code == 0)
		code = set_all(mask, err);
	if (code == 0)
		code = raise_ambient(mask, err);
	if (code < 0)
		return code;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "no new privileges");
	return 0;
}

int capability_become(uid_t uid, gid_t gid, uint64_t mask, struct error *err)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "keeping capabilities");
	int code = drop_bounding(mask, err); /* needs what setuid takes from the effective set */
	if (code < 0)
		return code;
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return error_errno(err, errno, "becoming user %u, group %u", uid, gid);
	return capability_keep(mask, err);
}

int capability_effective(uint64_t *ret_mask, struct error *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &header, data) < 0)
		return error_errno(err, errno, "capabilities");
	*ret_mask = (uint64_t)data[1].effective << 32 | data[0].effective;
	return 0;
}
