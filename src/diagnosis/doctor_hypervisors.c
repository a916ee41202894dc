/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of what hypervisors and containers need of the host. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/paths.h"
#include "cli/process.h"
#include "diagnosis/doctor.h"
#include "model/ip.h"

#define GROUPS_MAX 256

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static bool has_flag(const char *name)
{
	AUTO_FREE char *text = read_text("/proc/cpuinfo");
	return text && strstr(text, name);
}

static void look_kvm(struct examination *examination)
{
	bool intel = has_flag(" vmx"), amd = has_flag(" svm");
	if (!intel && !amd) { /* whatever /dev/kvm promises */
		found(examination, VERDICT_WARNING,
		      "there is no hardware virtualization here (the processor shows neither vmx "
		      "nor svm): virtual machines are emulated, which is slow");
		remedy(examination, "switch VT-x or AMD-V on in the firmware, or nested "
				    "virtualization in the hypervisor above");
	} else if (access("/dev/kvm", R_OK | W_OK) == 0) {
		found(examination, VERDICT_OK, "/dev/kvm may be used");
	} else if (is_there("/dev/kvm")) {
		found(examination, VERDICT_WARNING,
		      "/dev/kvm may not be used by you: virtual "
		      "machines are emulated, which is slow");
		const struct passwd *account = getpwuid(getuid());
		remedy_command(examination, ON_HOST_AS_ROOT, "usermod", "-aG", "kvm",
			       account ? account->pw_name : "USER", NULL);
	} else {
		found(examination, VERDICT_WARNING,
		      "the module of KVM is not loaded: virtual "
		      "machines are emulated, which is slow");
		remedy_command(examination, ON_HOST_AS_ROOT, "modprobe",
			       intel ? "kvm_intel" : "kvm_amd", NULL);
	}
}

static bool is_member(const gid_t *groups, int count, gid_t wanted)
{
	for (int i = 0; i < count; i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

static void look_session_groups(struct examination *examination)
{
	static const char *const names[] = {"kvm", "lanyard"};
	const struct passwd *account = getpwuid(getuid());
	gid_t listed[GROUPS_MAX], present[GROUPS_MAX];
	int n_listed = GROUPS_MAX, n_present = getgroups(GROUPS_MAX, present);
	if (!account || getgrouplist(account->pw_name, account->pw_gid, listed, &n_listed) < 0) {
		found(examination, VERDICT_UNKNOWN, "your groups cannot be listed");
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct group *group = getgrnam(names[i]);
		if (!group || !is_member(listed, n_listed, group->gr_gid) ||
		    is_member(present, n_present, group->gr_gid) || getegid() == group->gr_gid)
			continue;
		found(examination, VERDICT_WARNING,
		      "your account is in the group %s, but this session is older than that",
		      names[i]);
		remedy(examination, "log out and in again, or: newgrp %s", names[i]);
	}
}

static void look_vt_conflict(struct examination *examination)
{
	AUTO_FREE char *value = read_text("/sys/module/kvm/parameters/enable_virt_at_load");
	if (!is_there("/sys/module/vboxdrv") || !value || value[0] != 'Y')
		return;
	found(examination, VERDICT_WARNING,
	      "KVM holds the virtualization hardware from its load on: "
	      "VirtualBox fails with VERR_VMX_IN_VMX_ROOT_MODE or "
	      "VERR_SVM_IN_USE");
	remedy(examination, "echo options kvm enable_virt_at_load=0 > "
			    "/etc/modprobe.d/lanyard-kvm.conf, then load kvm anew");
}

static bool has_virtualbox(void)
{
	return is_there("/usr/lib/virtualbox") || is_there("/opt/VirtualBox") ||
	       is_there("/usr/bin/VBoxManage");
}

static void look_vbox_modules(struct examination *examination)
{
	if (!has_virtualbox() || (is_there("/dev/vboxdrv") && is_there("/sys/module/vboxnetflt")))
		return;
	found(examination, VERDICT_WARNING, "VirtualBox is installed, %s",
	      is_there("/dev/vboxdrv") ? "and cannot bridge: vboxnetflt is not loaded"
				       : "and its module vboxdrv is not loaded");
	remedy_command(examination, ON_HOST_AS_ROOT, "/sbin/vboxconfig", NULL);
}

/* Lines "* 10.0.0.0/8 ..."; without the file VirtualBox allows 192.168.56.0/21. */
static bool is_allowed(const char *text, const struct ip *address)
{
	AUTO_FREE char *copy = text_copy(text ? text : "* 192.168.56.0/21\n");
	char *lines = NULL, *words = NULL;
	for (char *line = strtok_r(copy, "\n", &lines); line; line = strtok_r(NULL, "\n", &lines)) {
		if (strncmp(line, "* ", 2) != 0)
			continue;
		for (char *word = strtok_r(line + 2, " \t", &words); word;
		     word = strtok_r(NULL, " \t", &words)) {
			struct ip prefix;
			if (ip_parse_prefix(word, &prefix, NULL) == 0 &&
			    ip_contains(&prefix, address))
				return true;
		}
	}
	return false;
}

/* A VM on a host-only network of ours: the interface vboxnetN has an address of that network. */
static void look_host_only(struct examination *examination)
{
	AUTO_FREE char *text = read_text("/etc/vbox/networks.conf");
	const json_t *address;
	size_t index;
	if (!has_virtualbox())
		return;
	json_array_foreach (json_object_get(examination->host, "addresses"), index, address) {
		const char *name = text_of(
			link_by_index(examination->host, number_of(address, "index")), "name");
		struct ip ip;
		char prefix[IP_TEXT_SIZE];
		if (strncmp(name, "vboxnet", 7) != 0 ||
		    ip_parse_prefix(text_of(address, "address"), &ip, NULL) < 0 ||
		    strchr(text_of(address, "address"), ':') || is_allowed(text, &ip))
			continue;
		struct ip network = ip_network(&ip);
		found(examination, VERDICT_WARNING,
		      "VirtualBox does not allow the addresses of %s for host-only networks", name);
		remedy(examination, "echo '* %s' >> /etc/vbox/networks.conf",
		       ip_format_prefix(&network, prefix));
	}
}

static bool has_vmware(void)
{
	return is_there("/usr/lib/vmware") || is_there("/usr/bin/vmplayer");
}

static void look_vmware(struct examination *examination)
{
	static const char *const modules[] = {"/sys/module/vmmon", "/sys/module/vmnet"};
	if (!has_vmware())
		return;
	for (size_t i = 0; i < 2; i++) {
		if (is_there(modules[i]))
			continue;
		found(examination, VERDICT_WARNING,
		      "VMware is installed, and its module %s is not "
		      "loaded",
		      modules[i] + strlen("/sys/module/"));
		remedy_command(examination, ON_HOST_AS_ROOT, "vmware-modconfig", "--console",
			       "--install-all", NULL);
		return;
	}
	if (is_there("/dev/vmnet8") && access("/dev/vmnet8", R_OK | W_OK) != 0) {
		found(examination, VERDICT_WARNING,
		      "/dev/vmnet8 may not be used by you: guests cannot sniff or bridge");
		remedy_command(examination, ON_HOST_AS_ROOT, "chgrp", "lanyard", "/dev/vmnet8",
			       NULL);
	}
}

/* The variable's last byte says whether it is on. */
static bool is_secure_boot(void)
{
	static const char folder[] = "/sys/firmware/efi/efivars";
	DIR *variables = opendir(folder);
	bool is_on = false;
	for (struct dirent *entry; variables && (entry = readdir(variables));) {
		if (strncmp(entry->d_name, "SecureBoot-", 11) != 0)
			continue;
		AUTO_FREE char *path = text_format("%s/%s", folder, entry->d_name);
		char *text = NULL;
		ssize_t length = file_read(path, 64, &text, NULL);
		is_on = length > 0 && text[length - 1] == 1;
		free(text);
	}
	if (variables)
		closedir(variables);
	return is_on;
}

static void look_secure_boot(struct examination *examination)
{
	bool missing = (has_virtualbox() && !is_there("/sys/module/vboxdrv")) ||
		       (has_vmware() && !is_there("/sys/module/vmmon"));
	if (!missing || !is_secure_boot())
		return;
	found(examination, VERDICT_WARNING,
	      "Secure Boot is on: the kernel refuses the hypervisor's modules unless they are "
	      "signed");
	remedy(examination, "sign them and enrol the key: mokutil --import KEY.der, then reboot");
}

static void look_kernel(struct examination *examination)
{
	struct utsname name;
	if (uname(&name) < 0)
		return;
	AUTO_FREE char *path = text_format("/lib/modules/%s", name.release);
	DIR *folder = opendir("/lib/modules");
	size_t others = 0;
	for (struct dirent *entry; folder && (entry = readdir(folder));)
		others += entry->d_name[0] != '.';
	if (folder)
		closedir(folder);
	if (is_there(path))
		return;
	if (others == 0) { /* a container, or a kernel without modules */
		found(examination, VERDICT_OK, "the running kernel %s has no modules here",
		      name.release);
		return;
	}
	found(examination, VERDICT_WARNING,
	      "the modules of the running kernel %s are gone: it was upgraded", name.release);
	remedy(examination, "reboot to finish the upgrade");
}

static void look_tun(struct examination *examination)
{
	long long world = number_of(examination->world, "tun");
	long long code = world >= 0 ? world : number_of(examination->host, "tun");
	if (code < 0)
		found(examination, VERDICT_UNKNOWN, "%s", examination->host_error);
	if (code <= 0)
		return;
	found(examination, VERDICT_ERROR, "/dev/net/tun: %s: no machine can be plugged in",
	      strerror((int)code));
	if (code == EACCES || code == EPERM)
		remedy_command(examination, ON_HOST_AS_ROOT, "chmod", "0666", "/dev/net/tun", NULL);
	else
		remedy_command(examination, ON_HOST_AS_ROOT, "modprobe", "tun", NULL);
}

static void look_vhost(struct examination *examination)
{
	long long code =
		number_of(examination->world ? examination->world : examination->host, "vhost");
	if (code <= 0)
		return;
	found(examination, VERDICT_OK, "/dev/vhost-net is not usable (%s): a slower way is taken",
	      strerror((int)code));
}

/* QEMU's default MAC more than once, among the processes that we may see. */
static void look_default_macs(struct examination *examination)
{
	DIR *folder = opendir("/proc");
	size_t count = 0;
	for (struct dirent *entry; folder && (entry = readdir(folder));) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		AUTO_FREE char *path = text_format("/proc/%s/cmdline", entry->d_name);
		char *text = NULL;
		ssize_t length = file_read(path, 65536, &text, NULL);
		if (length > 0 && strstr(text, "qemu-system")) {
			bool has_nic = memmem(text, (size_t)length, "-net", 4);
			bool has_mac = memmem(text, (size_t)length, "mac=", 4);
			bool is_default = memmem(text, (size_t)length, "52:54:00:12:34:56", 17);
			count += has_nic && (!has_mac || is_default) &&
				 !memmem(text, (size_t)length, "user,", 5);
		}
		free(text);
	}
	if (folder)
		closedir(folder);
	if (count < 2)
		return;
	found(examination, VERDICT_WARNING,
	      "%zu QEMU processes use its default MAC 52:54:00:12:34:56", count);
	remedy(examination,
	       "start them by 'lanyard vm start', or give each -device ...,mac=ADDRESS");
}

/* Containers */

static bool has_lxc(void)
{
	return is_there("/etc/lxc") && is_there("/usr/bin/lxc-start");
}

static bool is_listed(const char *text, const char *ifname)
{
	const struct passwd *account = getpwuid(getuid());
	AUTO_FREE char *copy = text_copy(text ? text : "");
	char *rest = NULL, who[64], kind[16], bridge[32];
	for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (sscanf(line, "%63s %15s %31s", who, kind, bridge) == 3 &&
		    strcmp(bridge, ifname) == 0 &&
		    (who[0] == '@' || (account && strcmp(who, account->pw_name) == 0)))
			return true;
	return false;
}

/* The caller's containers, or where they would be. */
static char *containers_folder(void)
{
	const char *home = getenv("HOME");
	return text_format("%s/.local/share/lxc", home ? home : "");
}

static void look_lxc_quota(struct examination *examination)
{
	AUTO_FREE char *text = read_text("/etc/lxc/lxc-usernet");
	AUTO_FREE char *containers = containers_folder();
	const json_t *network;
	size_t index;
	if (!has_lxc() || !is_there(containers) || !examination->system || geteuid() == 0)
		return;
	json_array_foreach (networks_of(examination), index, network) {
		if (is_listed(text, text_of(network, "ifname")))
			continue;
		found(examination, VERDICT_WARNING,
		      "unprivileged LXC may not plug into %s: /etc/lxc/lxc-usernet has no line for "
		      "it",
		      text_of(network, "ifname"));
		remedy(examination, "echo '@lanyard veth %s 20' >> /etc/lxc/lxc-usernet",
		       text_of(network, "ifname"));
	}
}

/* The program that makes them tries; its sentence ends with "(as root: REMEDY)" where it knows one.
 */
static void try_user_namespaces(struct examination *examination)
{
	AUTO_FREE char *program = paths_program("lanyard-holder");
	const char *argv[] = {program, "--try", NULL};
	AUTO_FREE char *text = NULL;
	if (process_run(argv, &text, NULL) != 1)
		return;
	const char *sentence = process_sentence(text, "lanyard-holder");
	ptrdiff_t length = (ptrdiff_t)strlen(sentence);
	const char *cure = strstr(sentence, " (as root: ");
	found(examination, VERDICT_WARNING, "%.*s", (int)(cure ? cure - sentence : length),
	      sentence);
	if (cure)
		remedy(examination, "%.*s", (int)strlen(cure) - 3, cure + 2);
}

static void look_user_namespaces(struct examination *examination)
{
	AUTO_FREE char *apparmor =
		read_text("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
	AUTO_FREE char *clone = read_text("/proc/sys/kernel/unprivileged_userns_clone");
	AUTO_FREE char *most = read_text("/proc/sys/user/max_user_namespaces");
	bool switched_off = (clone && clone[0] == '0') || (most && strtol(most, NULL, 10) == 0);
	if (geteuid() != 0 && !switched_off)
		try_user_namespaces(examination);
	else if (apparmor && apparmor[0] == '1' && !is_there("/etc/apparmor.d/lanyard")) {
		found(examination, VERDICT_WARNING,
		      "AppArmor keeps ordinary programs from making user namespaces");
		remedy(examination,
		       "install Lanyard's AppArmor profile (its package has it); do not "
		       "switch the sysctl off");
	}
	if (clone && clone[0] == '0') {
		found(examination, VERDICT_WARNING, "ordinary users may not make user namespaces");
		remedy_command(examination, ON_HOST_AS_ROOT, "sysctl", "-w",
			       "kernel.unprivileged_userns_clone=1", NULL);
	}
	if (most && strtol(most, NULL, 10) == 0) {
		found(examination, VERDICT_WARNING, "user namespaces are switched off");
		remedy_command(examination, ON_HOST_AS_ROOT, "sysctl", "-w",
			       "user.max_user_namespaces=10000", NULL);
	}
}

/* "lxc.net.0.link = NAME" of the user's own containers. */
static void look_lxc_bridge(struct examination *examination)
{
	AUTO_FREE char *path = containers_folder();
	DIR *folder = has_lxc() ? opendir(path) : NULL;
	for (struct dirent *entry; folder && (entry = readdir(folder));) {
		AUTO_FREE char *config_path = text_format("%s/%s/config", path, entry->d_name);
		AUTO_FREE char *text = read_text(config_path);
		const char *key = text ? strstr(text, "lxc.net.0.link") : NULL;
		char name[32] = "";
		if (!key || sscanf(key, "lxc.net.0.link = %31s", name) != 1 ||
		    link_by_name(examination->host, name))
			continue;
		found(examination, VERDICT_WARNING,
		      "container %s wants the bridge %s, which is not "
		      "there",
		      entry->d_name, name);
		remedy(examination, "name one of 'lanyard net list' in %s", config_path);
	}
	if (folder)
		closedir(folder);
}

const struct check doctor_hypervisors[] = {
	{"HV-01", "KVM cannot be used", "KVM may be used", false, false, look_kvm},
	{"HV-02", "this session lacks a group of your account", "this session has all your groups",
	 false, false, look_session_groups},
	{"HV-03", "KVM and VirtualBox want the same hardware", "no conflict with VirtualBox", false,
	 false, look_vt_conflict},
	{"HV-04", "VirtualBox' modules", "VirtualBox has its modules, or is not installed", false,
	 false, look_vbox_modules},
	{"HV-05", "VirtualBox' allowed ranges", "no host-only network is outside the ranges", false,
	 false, look_host_only},
	{"HV-06", "VMware's modules and devices", "VMware has its modules, or is not installed",
	 false, false, look_vmware},
	{"HV-07", "Secure Boot refuses modules", "no module is missing because of Secure Boot",
	 false, false, look_secure_boot},
	{"HV-08", "the kernel was upgraded without a reboot", "the kernel's modules are there",
	 false, false, look_kernel},
	{"HV-09", "/dev/net/tun", "/dev/net/tun works", true, false, look_tun},
	{"HV-10", "/dev/vhost-net", "/dev/vhost-net works", false, false, look_vhost},
	{"HV-11", "QEMU's default MAC is used twice", "no MAC of QEMU's own is used twice", false,
	 false, look_default_macs},
	{"LXC-01", "LXC's list of who may plug in", "LXC's list is complete, or not needed", false,
	 false, look_lxc_quota},
	{"LXC-02", "user namespaces are restricted", "user namespaces may be made", false, false,
	 look_user_namespaces},
	{"LXC-03", "a container's bridge is missing", "no container misses its bridge", false,
	 false, look_lxc_bridge},
	{0},
};
