/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of the caller's rights and room, and of our own state. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cli/verb.h"
#include "diagnosis/doctor.h"

#define NFS_MAGIC    0x6969 /* linux/magic.h */
#define FREE_PERCENT 5
#define FREE_BYTES   (1ull << 30)

/* The socket is there, and we are kept from it. */
static void look_allowed(struct examination *examination)
{
	const char *path = examination->invocation->paths.broker;
	if (!examination->system || examination->runs || access(path, F_OK) != 0 ||
	    access(path, W_OK) == 0)
		return;
	const struct passwd *account = getpwuid(getuid());
	found(examination, VERDICT_ERROR, "you may not talk to the system instance (%s)", path);
	remedy_command(examination, ON_HOST_AS_ROOT, "usermod", "-aG", "lanyard",
		       account ? account->pw_name : "USER", NULL);
}

/* The first part of a path that others cannot pass; false: none. */
static bool find_closed(const char *path, char *ret, size_t size)
{
	struct stat status;
	for (const char *slash = path; slash; slash = strchr(slash + 1, '/')) {
		const char *end = strchr(slash + 1, '/');
		snprintf(ret, size, "%.*s", end ? (int)(end - path) : (int)strlen(path), path);
		if (stat(ret, &status) == 0 && S_ISDIR(status.st_mode) &&
		    !(status.st_mode & S_IXOTH))
			return true;
	}
	return false;
}

/* Only a hypervisor that runs as another user needs it: libvirt's system connection. */
static void look_searchable(struct examination *examination)
{
	const struct passwd *account = getpwnam("libvirt-qemu");
	char closed[512];
	if (!account || !find_closed(examination->invocation->own.cache, closed, sizeof(closed)))
		return;
	found(examination, VERDICT_WARNING,
	      "%s keeps libvirt's QEMU (user libvirt-qemu) from your disk images", closed);
	remedy_command(examination, AS_CALLER, "setfacl", "-m", "u:libvirt-qemu:x", closed, NULL);
}

/* variable: what puts the folder elsewhere. */
static void check_room(struct examination *examination, const char *path, const char *variable)
{
	struct statfs status;
	AUTO_FREE char *folder = text_copy(path);
	while (statfs(folder, &status) < 0 && strrchr(folder, '/') > folder)
		*strrchr(folder, '/') = '\0';
	if (statfs(folder, &status) < 0)
		return;
	unsigned long long left = (unsigned long long)status.f_bavail * status.f_bsize;
	if (status.f_bavail * 100 < status.f_blocks * FREE_PERCENT && left < FREE_BYTES) {
		found(examination, VERDICT_WARNING, "%s: %llu MB are left", folder, left >> 20);
		remedy(examination, "make room there, or set %s to another disk", variable);
	}
	if (status.f_type == NFS_MAGIC) {
		found(examination, VERDICT_WARNING,
		      "%s is on NFS: disk images are slow and cannot be "
		      "locked there",
		      folder);
		remedy(examination, "set %s to a local disk", variable);
	}
}

static void look_room(struct examination *examination)
{
	check_room(examination, examination->invocation->own.cache, "XDG_CACHE_HOME");
	check_room(examination, examination->invocation->own.state, "XDG_STATE_HOME");
}

/* The file has changed, and cannot be used as it is. */
static void look_policy(struct examination *examination)
{
	if (!need_instance(examination))
		return;
	const json_t *policy =
		json_object_get(json_object_get(examination->status, "instance"), "policy");
	const char *problem = text_of(policy, "problem");
	if (!*problem)
		return;
	bool is_closed = strcmp(text_of(policy, "state"), "closed") == 0;
	found(examination, is_closed ? VERDICT_ERROR : VERDICT_WARNING, "%s", problem);
	remedy(examination, "mend that line; it counts as soon as it is written%s",
	       is_closed ? " (until then nobody but root may do anything)" : "");
}

const struct check doctor_permissions[] = {
	{"PM-01", "you may not use the system instance", "nothing is forbidden to you", false,
	 false, look_allowed},
	{"PM-02", "another user's hypervisor cannot read your images",
	 "nobody else has to read your images", true, false, look_searchable},
	{"PM-03", "the disk is full, or far away", "there is room on a local disk", false, false,
	 look_room},
	{"PM-04", "the policy in force is not what its file says", "the policy is as its file says",
	 false, false, look_policy},
	{0},
};

static void look_daemon(struct examination *examination)
{
	if (!examination->runs) {
		bool is_there = access(examination->invocation->paths.broker, F_OK) == 0;
		bool is_wrong = examination->system || is_there;
		found(examination, is_wrong ? VERDICT_ERROR : VERDICT_OK, "%s%s",
		      examination->world_error,
		      is_wrong ? "" : "; it starts by itself when it is needed");
		if (is_wrong && examination->system)
			remedy(examination, "start it as root (lanyardd(8)), or use --user");
		return;
	}
	const char *version = text_of(examination->version, "version");
	if (strcmp(version, LANYARD_VERSION) == 0) {
		found(examination, VERDICT_OK, "instance '%s' runs, version %s",
		      text_of(examination->version, "instance"), version);
		return;
	}
	AUTO_FREE char *pid = text_format("%lld", number_of(examination->version, "pid"));
	found(examination, VERDICT_WARNING, "lanyardd is version %s, this command %s", version,
	      LANYARD_VERSION);
	remedy_command(examination, examination->system ? ON_HOST_AS_ROOT : AS_CALLER, "kill", pid,
		       NULL);
}

static void look_plan(struct examination *examination)
{
	const json_t *change;
	size_t index;
	if (!need_instance(examination))
		return;
	if (!examination->plan) {
		found(examination, VERDICT_UNKNOWN, "%s", examination->world_error);
		return;
	}
	json_array_foreach (examination->plan, index, change) {
		found(examination, VERDICT_WARNING, "still to be done: %s",
		      text_of(change, "text"));
		remedy(examination, "it is repaired within a second; if it stays, say 'lanyard up' "
				    "again, or look at lanyardd's log");
	}
}

/* The value of KEY="VALUE" in a line, with its length; NULL. */
static const char *audit_field(const char *line, const char *key, int *ret_length)
{
	AUTO_FREE char *start = text_format(" %s=\"", key);
	const char *value = strstr(line, start);
	if (!value)
		return NULL;
	value += strlen(start);
	*ret_length = (int)strcspn(value, "\"");
	return value;
}

/* Whether AppArmor refused something to a program of ours, or to one in a profile of ours. */
static bool report_denial(struct examination *examination, const char *line)
{
	static const char *const objects[] = {"name", "capname", "operation"};
	int profile_length, program_length, length = 0;
	const char *profile = audit_field(line, "profile", &profile_length);
	const char *program = audit_field(line, "comm", &program_length), *object = NULL;
	if (!strstr(line, "apparmor=\"DENIED\"") || !profile || !program)
		return false;
	bool shipped = strncmp(profile, "lanyard", 7) == 0 || strncmp(profile, "pasta", 5) == 0;
	if (!shipped && strncmp(program, "lanyard", 7) != 0 && strncmp(program, "pasta", 5) != 0)
		return false;
	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]) && length == 0; i++)
		object = audit_field(line, objects[i], &length);
	found(examination, VERDICT_WARNING, "AppArmor's profile %.*s has kept %.*s from %.*s",
	      profile_length, profile, program_length, program, length, object ? object : "");
	if (shipped)
		remedy(examination, "allow it in /etc/apparmor.d/local, and tell us");
	else if (strncmp(profile, "unprivileged_userns", 19) == 0) /* Ubuntu's, for who has none */
		remedy(examination, "apparmor_parser -r /etc/apparmor.d/lanyard");
	else
		remedy(examination, "allow it in that profile, or start Lanyard outside of it");
	return true;
}

/* The kernel's log, which root may read; never waits. */
static void look_denials(struct examination *examination)
{
	AUTO_CLOSE int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char line[8192];
	ssize_t got;
	if (access("/sys/kernel/security/apparmor", F_OK) != 0 &&
	    access("/sys/module/apparmor", F_OK) != 0)
		return;
	if (log < 0) {
		found(examination, VERDICT_UNKNOWN, "the kernel's log may not be read by you");
		return;
	}
	while ((got = read(log, line, sizeof(line) - 1)) > 0 || (got < 0 && errno == EPIPE)) {
		line[got > 0 ? got : 0] = '\0';
		if (report_denial(examination, line))
			return;
	}
}

static void look_resume(struct examination *examination)
{
	struct timespec boot, running;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_MONOTONIC, &running);
	if (boot.tv_sec - running.tv_sec < 2)
		return;
	size_t left = json_array_size(examination->plan);
	found(examination, left ? VERDICT_WARNING : VERDICT_OK,
	      "the computer has slept since it started%s",
	      left ? ", and not all is as it should be" : "; all is as it should be");
	if (left)
		remedy(examination, "lanyard up");
}

/* A real machine's first question: is there an address, and does the gateway answer? */
static void look_service(struct examination *examination)
{
	const json_t *network, *offer;
	size_t index, i;
	if (!examination->runs) {
		found(examination, VERDICT_UNKNOWN, "%s", examination->world_error);
		return;
	}
	json_array_foreach (networks_of(examination), index, network) {
		const char *name = text_of(network, "name");
		const json_t *bridge = link_by_name(examination->world, text_of(network, "ifname"));
		const json_t *servers = servers_of(examination, name);
		bool offered = false;
		json_array_foreach (json_object_get(servers, "offers"), i, offer)
			offered |= strcmp(text_of(offer, "mac"), text_of(bridge, "mac")) == 0;
		const json_t *dhcp = json_object_get(network, "dhcp");
		const json_t *ipv4 = json_object_get(network, "ipv4");
		bool wanted =
			!json_is_false(dhcp) && !json_is_false(json_object_get(dhcp, "enabled")) &&
			ipv4 && !json_is_false(ipv4) &&
			strcmp(json_is_string(ipv4) ? json_string_value(ipv4) : "", "none") != 0;
		if (!servers)
			found(examination, VERDICT_UNKNOWN, "network %s: %s", name,
			      examination->world_error);
		if (!servers || offered || !wanted ||
		    strcmp(text_of(network, "mode"), "open") == 0 ||
		    strcmp(text_of(network, "mode"), "bridged") == 0)
			continue;
		found(examination, VERDICT_ERROR,
		      "a new machine on network %s gets no answer to its DHCP question", name);
		remedy(examination, "look at FW-04 and DNS-01; lanyard net check %s", name);
	}
}

const struct check doctor_self[] = {
	{"SELF-01", "the instance answers, in our version", "the instance answers", false, false,
	 look_daemon},
	{"SELF-02", "something of ours is missing or left over", "all is as it should be", false,
	 false, look_plan},
	{"SELF-03", "AppArmor keeps us from something", "AppArmor has refused us nothing", false,
	 false, look_denials},
	{"SELF-04", "the state after sleep", "the computer has not slept", false, false,
	 look_resume},
	{"SELF-05", "a new machine gets an address",
	 "a new machine gets an address on each network", false, true, look_service},
	{0},
};
