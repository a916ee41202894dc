/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The questions of `lanyard setup`: what is proposed, and what an answer means. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/paths.h"
#include "cli/process.h"
#include "cli/verb.h"
#include "model/policy.h"
#include "verbs/setup.h"

#define POLICY_FILE  "/etc/lanyard/policy.yaml"
#define KVM_RULE     "/etc/udev/rules.d/70-lanyard-kvm.rules"
#define LXC_LIST     "/etc/lxc/lxc-usernet"
#define LXC_PORTS    20
#define LIBVIRT_FILE "/etc/lanyard/libvirt-network.xml"
#define LIBVIRT_NAME "lanyard"

AUTO_DEFINE(policy)

static bool is_none(const char *answer)
{
	return strcmp(answer, "none") == 0;
}

/* A shell's PATH search. */
static bool has_program(const char *name)
{
	AUTO_FREE char *path = text_copy(getenv("PATH") ? getenv("PATH") : "/usr/sbin:/usr/bin");
	char *rest = NULL;
	for (char *folder = strtok_r(path, ":", &rest); folder;
	     folder = strtok_r(NULL, ":", &rest)) {
		AUTO_FREE char *file = text_format("%s/%s", folder, name);
		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

/* The class: one group's members may use the instance, as the policy's defaults limit it. */

static const struct policy_rule *rule_of(const struct policy *policy, const char *group)
{
	for (size_t i = 0; i < policy->n_rules; i++)
		if (policy->rules[i].whose == POLICY_OF_GROUP &&
		    strcmp(policy->rules[i].name, group) == 0)
			return &policy->rules[i];
	return NULL;
}

/* The group of the line that setup wrote, or NULL. Fresh memory. */
static char *present_class(void)
{
	AUTO_FREE char *text = setup_text(POLICY_FILE, NULL);
	const char *tag = text ? strstr(text, SETUP_TAG) : NULL;
	const char *line = tag;
	while (line && line > text && line[-1] != '\n')
		line--;
	char name[POLICY_NAME_SIZE];
	return line && sscanf(line, " %63[^: ]", name) == 1 ? text_copy(name) : NULL;
}

static char *propose_class(struct setup *setup)
{
	(void)setup;
	char *present = present_class();
	return present ? present : text_copy("none");
}

/* The text without our lines, and with one for the group below "groups:". NULL: "groups:" has
 * another form than a block. */
static char *edit_policy(const char *text, const char *group)
{
	AUTO_FREE char *all = text_copy("");
	bool is_in = !group;
	while (*text) {
		size_t length = strcspn(text, "\n");
		bool is_ours = memmem(text, length, SETUP_TAG, strlen(SETUP_TAG));
		char *more =
			is_ours ? text_copy(all) : text_format("%s%.*s\n", all, (int)length, text);
		bool is_groups = strncmp(text, "groups:", 7) == 0;
		free(all);
		all = more;
		if (!is_in && is_groups && text[7 + strspn(text + 7, " ")] == '{')
			return NULL;
		if (!is_in && is_groups) {
			/* as far in as the next one stands */
			const char *next = text + length + (text[length] == '\n');
			int in = (int)strspn(next, " ");
			more = text_format("%s%*s%s: { use: true } %s\n", all, in ? in : 2, "",
					   group, SETUP_TAG);
			free(all);
			all = more;
			is_in = true;
		}
		text += length + (text[length] == '\n');
	}
	if (!is_in)
		return text_format("%sgroups:\n  %s: { use: true } %s\n", all, group, SETUP_TAG);
	return TAKE(all);
}

static int edit_class(struct setup *setup, const char *group, struct error *err)
{
	AUTO(policy) struct policy *before = NULL, *after = NULL;
	AUTO_FREE char *text = setup_text(POLICY_FILE, err);
	if (!text)
		return -err->code;
	int result = policy_parse(POLICY_FILE, text, strlen(text), &before, err);
	if (result < 0)
		return result;
	AUTO_FREE char *present = present_class();
	const struct policy_rule *rule = group ? rule_of(before, group) : NULL;
	if (rule && !(present && strcmp(present, group) == 0))
		return rule->rights.use
			       ? 0
			       : error_set(err, EEXIST,
					   POLICY_FILE ":%u has a rule for group %s already; write "
						       "'use: true' there",
					   rule->line, group);
	AUTO_FREE char *now = edit_policy(text, group);
	if (now && strcmp(now, text) == 0)
		return 0;
	if (!now || policy_parse(POLICY_FILE, now, strlen(now), &after, NULL) < 0)
		return error_set(err, EINVAL,
				 POLICY_FILE ": no place for a line; write below 'groups:' "
					     "yourself: %s: { use: true }",
				 group ? group : "NAME");
	AUTO_FREE char *what =
		group ? text_format("let the members of group %s plug machines in", group)
		      : text_copy("take the class group out of the policy");
	AUTO_FREE char *line = group ? text_format("%s: { use: true } %s", group, SETUP_TAG)
				     : text_copy("(without the line of lanyard setup)");
	setup_add_file(setup, what, POLICY_FILE, TAKE(now), line);
	return 0;
}

static int plan_class(struct setup *setup, const char *answer, struct error *err)
{
	if (is_none(answer))
		return edit_class(setup, NULL, err);
	const struct group *group = getgrnam(answer);
	if (!group)
		return error_set(err, EINVAL,
				 "there is no group '%.64s'; make it first: groupadd %s", answer,
				 answer);
	int result = edit_class(setup, answer, err);
	if (result == 0)
		setup->group = answer;
	return result;
}

/* The network that the packages make. */

static const json_t *present_network(const struct setup *setup)
{
	size_t index;
	const json_t *network;
	json_array_foreach (setup->networks, index, network) {
		const char *name = json_string_value(json_object_get(network, "name"));
		if (name && strcmp(name, SETUP_NETWORK) == 0)
			return network;
	}
	return NULL;
}

static char *propose_network(struct setup *setup)
{
	return text_copy(present_network(setup) ? "keep" : "auto");
}

static int plan_network(struct setup *setup, const char *answer, struct error *err)
{
	const json_t *present = present_network(setup);
	AUTO_FREE char *program = paths_program("lanyard");
	const char *instance = setup->invocation->instance;
	AUTO_FREE char *which = text_format("--instance=%s", instance ? instance : "default");
	AUTO_FREE char *ipv4 = text_format("ipv4=%s", answer);
	struct ip prefix;
	if (strcmp(answer, "keep") == 0)
		return present ? 0
			       : error_set(err, EINVAL,
					   "there is no network " SETUP_NETWORK " to be kept; say "
					   "auto, or the gateway's address with its prefix");
	if (is_none(answer)) {
		if (present)
			setup_add_command(setup, "remove the network " SETUP_NETWORK, program,
					  "--system", which, "net", "remove", SETUP_NETWORK, NULL);
		return 0;
	}
	if (strcmp(answer, "auto") != 0 && ip_parse_prefix(answer, &prefix, err) < 0)
		return error_prefix(err, "neither keep, auto nor none");
	const json_t *list = json_object_get(present, "ipv4");
	const char *has = json_is_array(list) ? json_string_value(json_array_get(list, 0))
					      : json_string_value(list);
	if (present && has && (strcmp(answer, "auto") == 0 || strcmp(answer, has) == 0))
		return 0;
	setup_add_command(setup,
			  present ? "change the addresses of the network " SETUP_NETWORK
				  : "make the network " SETUP_NETWORK,
			  program, "--system", which, "net", present ? "set" : "add", SETUP_NETWORK,
			  ipv4, NULL);
	return 0;
}

/* Hypervisors that want to be told of a bridge. Lanyard's own machines and QEMU by
 * lanyard-bridge-helper need nothing. */

static bool virsh_knows(void)
{
	const char *const argv[] = {"virsh",	"-q",	      "-c", "qemu:///system",
				    "net-info", LIBVIRT_NAME, NULL};
	AUTO_FREE char *said = NULL;
	return process_run(argv, &said, NULL) == 0;
}

static bool has_libvirt(void)
{
	const char *const argv[] = {"virsh", "-q", "-c", "qemu:///system", "net-list", NULL};
	AUTO_FREE char *said = NULL;
	return has_program("virsh") && process_run(argv, &said, NULL) == 0;
}

static void add_virsh(struct setup *setup, const char *what, const char *verb, const char *word)
{
	setup_add_command(setup, what, "virsh", "-q", "-c", "qemu:///system", verb, word, NULL);
}

static int plan_libvirt(struct setup *setup, bool wanted, struct error *err)
{
	static const char xml[] = "<network>\n"
				  "  <name>" LIBVIRT_NAME "</name>\n"
				  "  <forward mode='bridge'/>\n"
				  "  <bridge name='" SETUP_BRIDGE "'/>\n"
				  "</network>\n";
	(void)err;
	bool present = virsh_knows();
	if (wanted && !present) {
		setup_add_file(setup, "describe the network to libvirt", LIBVIRT_FILE,
			       text_copy(xml), "network " LIBVIRT_NAME ", bridge " SETUP_BRIDGE);
		add_virsh(setup, "define the network in libvirt", "net-define", LIBVIRT_FILE);
		add_virsh(setup, "let libvirt start the network by itself", "net-autostart",
			  LIBVIRT_NAME);
		add_virsh(setup, "start the network in libvirt", "net-start", LIBVIRT_NAME);
	} else if (!wanted && access(LIBVIRT_FILE, F_OK) == 0) {
		if (present) {
			add_virsh(setup, "stop the network in libvirt", "net-destroy",
				  LIBVIRT_NAME);
			add_virsh(setup, "forget the network in libvirt", "net-undefine",
				  LIBVIRT_NAME);
		}
		setup_add_file(setup, "remove the description for libvirt", LIBVIRT_FILE, NULL, "");
	}
	return 0;
}

static bool has_lxc(void)
{
	return has_program("lxc-start");
}

static int plan_lxc(struct setup *setup, bool wanted, struct error *err)
{
	const char *group = setup->group ? setup->group : POLICY_GROUP;
	AUTO_FREE char *line = text_format("@%s veth " SETUP_BRIDGE " %d", group, LXC_PORTS);
	AUTO_FREE char *what =
		wanted ? text_format("let unprivileged LXC containers of group %s plug in", group)
		       : text_copy("take that out of LXC's list");
	return setup_add_line(setup, what, LXC_LIST, wanted ? line : NULL, err);
}

static const struct {
	const char *name;
	bool (*is_there)(void);
	int (*plan)(struct setup *setup, bool wanted, struct error *err);
} hypervisors[] = {
	{"libvirt", has_libvirt, plan_libvirt},
	{"lxc", has_lxc, plan_lxc},
};
#define N_HYPERVISORS (sizeof(hypervisors) / sizeof(hypervisors[0]))

static char *propose_hypervisors(struct setup *setup)
{
	(void)setup;
	char *all = text_copy("");
	for (size_t i = 0; i < N_HYPERVISORS; i++) {
		if (!hypervisors[i].is_there())
			continue;
		char *more = text_format("%s%s%s", all, *all ? "," : "", hypervisors[i].name);
		free(all);
		all = more;
	}
	if (*all)
		return all;
	free(all);
	return text_copy("none");
}

static int plan_hypervisors(struct setup *setup, const char *answer, struct error *err)
{
	bool wanted[N_HYPERVISORS] = {0};
	AUTO_FREE char *copy = text_copy(is_none(answer) ? "" : answer);
	char *rest = NULL;
	for (char *word = strtok_r(copy, ", ", &rest); word; word = strtok_r(NULL, ", ", &rest)) {
		size_t i = 0;
		while (i < N_HYPERVISORS && strcmp(hypervisors[i].name, word) != 0)
			i++;
		if (i == N_HYPERVISORS)
			return error_set(err, EINVAL,
					 "'%.40s' is not one of libvirt, lxc (others need nothing "
					 "from here)",
					 word);
		if (!hypervisors[i].is_there())
			return error_set(err, EINVAL, "%s is not installed, or does not run", word);
		wanted[i] = true;
	}
	for (size_t i = 0; i < N_HYPERVISORS; i++) {
		int result = hypervisors[i].plan(setup, wanted[i], err);
		if (result < 0)
			return result;
	}
	return 0;
}

/* Who may use KVM. */

static bool is_in_group(const struct passwd *account, const struct group *group)
{
	if (account->pw_gid == group->gr_gid)
		return true;
	for (char **member = group->gr_mem; *member; member++)
		if (strcmp(*member, account->pw_name) == 0)
			return true;
	return false;
}

static char *propose_kvm(struct setup *setup)
{
	(void)setup;
	const char *name = getenv("SUDO_USER");
	const struct passwd *account = name ? getpwnam(name) : NULL;
	const struct group *group = getgrnam("kvm");
	if (access(KVM_RULE, F_OK) == 0)
		return text_copy("everyone");
	return text_copy(account && account->pw_uid && group && !is_in_group(account, group)
				 ? name
				 : "none");
}

/* The rule, which udev applies by itself when the device appears, and to the one that is there. */
static int plan_rule(struct setup *setup, bool wanted, struct error *err)
{
	size_t before = setup->n_steps;
	int result =
		setup_add_line(setup,
			       wanted ? "let everyone on this computer use KVM"
				      : "take back that everyone may use KVM",
			       KVM_RULE, wanted ? "KERNEL==\"kvm\", MODE=\"0666\"" : NULL, err);
	if (result == 0 && setup->n_steps > before && access("/dev/kvm", F_OK) == 0)
		setup_add_command(setup, "have it at once", "chmod", wanted ? "0666" : "0660",
				  "/dev/kvm", NULL);
	return result;
}

static int plan_kvm(struct setup *setup, const char *answer, struct error *err)
{
	bool everyone = strcmp(answer, "everyone") == 0;
	AUTO_FREE char *copy = text_copy(everyone || is_none(answer) ? "" : answer);
	char *rest = NULL;
	for (char *name = strtok_r(copy, ", ", &rest); name; name = strtok_r(NULL, ", ", &rest)) {
		const struct passwd *account = getpwnam(name);
		const struct group *group = getgrnam("kvm");
		if (!account)
			return error_set(err, EINVAL, "there is no account '%.64s'", name);
		if (!group)
			return error_set(err, EINVAL, "there is no group kvm; udev makes it");
		if (is_in_group(account, group))
			continue;
		AUTO_FREE char *what = text_format("let %s use KVM", name);
		setup_add_command(setup, what, "usermod", "-a", "-G", "kvm", name, NULL);
	}
	return plan_rule(setup, everyone, err);
}

/* The class first: what is told to LXC is about its group. */
const struct setup_question setup_questions[] = {
	{"class",
	 "Whose members plug their machines into the computer's networks (a group, or none)",
	 propose_class, plan_class},
	{"network",
	 "The network " SETUP_NETWORK " (keep, auto, ADDRESS/PREFIX of its gateway, or none)",
	 propose_network, plan_network},
	{"hypervisors", "Which hypervisors are told of its bridge (libvirt, lxc, or none)",
	 propose_hypervisors, plan_hypervisors},
	{"kvm", "Who may use KVM (accounts, everyone, or none to leave it)", propose_kvm, plan_kvm},
	{0},
};
