/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The accelerator: what was asked for against what the host can. */
#include "driver/accel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

#define KVM_PATH   "/dev/kvm"
#define VHOST_PATH "/dev/vhost-net"

static const char *const NAMES[] = {[ACCEL_TCG] = "tcg", [ACCEL_KVM] = "kvm"};

const char *accel_name(enum accel accel)
{
	return NAMES[accel];
}

/* Whether the line "flags : ..." of the first processor holds vmx (Intel) or svm (AMD). */
static bool is_virtualizing(const char *cpuinfo)
{
	const char *line = strstr(cpuinfo, "\nflags");
	size_t length;

	if (!line)
		return false;
	line += strcspn(line, ":");
	length = strcspn(line, "\n");
	for (const char *word = line; word < line + length; word += strcspn(word, " \n")) {
		word += strspn(word, " :");
		if (!strncmp(word, "vmx ", 4) || !strncmp(word, "vmx\n", 4) ||
		    !strncmp(word, "svm ", 4) || !strncmp(word, "svm\n", 4))
			return true;
	}
	return false;
}

/* Whether KVM is to be had; the reason when not. The processor first: without it no right over the
 * device helps. */
static bool probe_kvm(char reason[ACCEL_REASON_SIZE])
{
	AUTO_FREE char *cpuinfo = NULL;

	if (file_read("/proc/cpuinfo", 4 << 20, &cpuinfo, NULL) < 0 || !is_virtualizing(cpuinfo)) {
		snprintf(reason, ACCEL_REASON_SIZE,
			 "the processor shows neither vmx nor svm (virtualisation off in the "
			 "firmware, or not passed on to this virtual machine)");
		return false;
	}
	AUTO_CLOSE int fd = open(KVM_PATH, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		const char *next = errno == EACCES ? "; is the user in the group kvm?" : "";

		snprintf(reason, ACCEL_REASON_SIZE, KVM_PATH ": %s%s", strerror(errno), next);
		return false;
	}
	return true;
}

int accel_choose(const char *requested, const char *environment, enum accel *ret,
		 char reason[ACCEL_REASON_SIZE], struct error *err)
{
	bool is_environment = environment && environment[0];
	const char *source = is_environment ? ACCEL_ENVIRONMENT : "accel";
	const char *word = is_environment ? environment : requested;
	char why[ACCEL_REASON_SIZE] = "";

	reason[0] = '\0';
	if (word && !strcmp(word, "tcg")) {
		*ret = ACCEL_TCG;
		snprintf(reason, ACCEL_REASON_SIZE, "emulation (tcg), as %s says", source);
		return 0;
	}
	if (word && !strcmp(word, "kvm")) {
		if (!probe_kvm(why))
			return error_set(err, ENOTSUP, "%s says kvm, but %s", source, why);
		*ret = ACCEL_KVM;
		snprintf(reason, ACCEL_REASON_SIZE, "kvm, as %s says", source);
		return 0;
	}
	if (word && word[0] && strcmp(word, "auto"))
		return error_set(err, EINVAL, "%s: '%.40s' is none of auto, kvm, tcg", source,
				 word);
	*ret = probe_kvm(why) ? ACCEL_KVM : ACCEL_TCG;
	if (*ret == ACCEL_TCG)
		snprintf(reason, ACCEL_REASON_SIZE, "emulation (tcg), slower: %.*s",
			 ACCEL_REASON_SIZE - 32, why);
	return 0;
}

int accel_vhost_open(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r;

		fds[i] = open(VHOST_PATH, O_RDWR | O_CLOEXEC);
		if (fds[i] >= 0)
			continue;
		r = -errno;
		while (i-- > 0) {
			close(fds[i]);
			fds[i] = -1;
		}
		return r;
	}
	return 0;
}
