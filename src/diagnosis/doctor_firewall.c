/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of other people's firewalls, of forwarding, and of what VPN clients do to both. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cli/process.h"
#include "diagnosis/doctor.h"

#define RULES_OF_PLAIN_HOST 3 /* policy rules: local, main, default; one family */

static bool is_ours(const json_t *chain)
{
	return strncmp(text_of(chain, "table"), "lanyard_", 8) == 0;
}

static bool takes_family(const json_t *chain, int family)
{
	const char *its = text_of(chain, "family");
	return strcmp(its, "inet") == 0 || strcmp(its, family == 4 ? "ip" : "ip6") == 0;
}

/* Is there a rule that lets everything pass by this interface in this direction? */
static bool accepts(const json_t *chain, char direction, const char *ifname)
{
	const json_t *word;
	size_t index;
	json_array_foreach (json_object_get(chain, "accepts"), index, word) {
		const char *text = json_string_value(word);
		if (text[0] == direction && strcmp(text + 1, ifname) == 0)
			return true;
	}
	return false;
}

static const json_t *chain_named(const json_t *firewall, const json_t *like, const char *name)
{
	const json_t *chain;
	size_t index;
	json_array_foreach (json_object_get(firewall, "chains"), index, chain)
		if (strcmp(text_of(chain, "name"), name) == 0 &&
		    strcmp(text_of(chain, "table"), text_of(like, "table")) == 0 &&
		    strcmp(text_of(chain, "family"), text_of(like, "family")) == 0)
			return chain;
	return NULL;
}

static bool is_dropping(const json_t *chain, const char *hook)
{
	return strcmp(text_of(chain, "hook"), hook) == 0 && flag_of(chain, "drops") &&
	       !is_ours(chain) && strcmp(text_of(chain, "family"), "bridge") != 0;
}

/* Has a dropping chain no mercy for a network's interface? */
static bool hits(const json_t *chain, const char *hook, const char *ifname)
{
	bool forward = strcmp(hook, "forward") == 0;
	return is_dropping(chain, hook) &&
	       !(accepts(chain, '<', ifname) && (!forward || accepts(chain, '>', ifname)));
}

static bool is_program(const char *name)
{
	static const char *const folders[] = {"/usr/sbin", "/sbin", "/usr/bin"};
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		AUTO_FREE char *path = text_format("%s/%s", folders[i], name);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* By the owner's documented way: ufw's and firewalld's commands, Docker's chain for users, else a
 * rule in the chain itself. */
static void advise_ufw(struct examination *examination, const char *ifname, bool forward)
{
	if (!forward) {
		remedy_command(examination, IN_WORLD, "ufw", "allow", "in", "on", ifname, NULL);
		return;
	}
	remedy_command(examination, IN_WORLD, "ufw", "route", "allow", "in", "on", ifname, NULL);
	remedy_command(examination, IN_WORLD, "ufw", "route", "allow", "out", "on", ifname, NULL);
}

static void advise_firewalld(struct examination *examination, const char *ifname)
{
	AUTO_FREE char *word = text_format("--change-interface=%s", ifname);
	remedy_command(examination, IN_WORLD, "firewall-cmd", "--permanent", "--zone=trusted", word,
		       NULL);
	remedy_command(examination, IN_WORLD, "firewall-cmd", "--reload", NULL);
}

static void advise_rule(struct examination *examination, const json_t *chain, const char *name,
			const char *ifname, bool forward)
{
	const char *family = text_of(chain, "family"), *table = text_of(chain, "table");
	bool iptables = strcmp(table, "filter") == 0 && strcmp(family, "inet") != 0;
	const char *program = strcmp(family, "ip") == 0 ? "iptables" : "ip6tables";
	static const char *const words[2][2] = {{"-i", "iifname"}, {"-o", "oifname"}};
	for (size_t i = 0; i < (forward ? 2 : 1); i++) {
		if (iptables && is_program(program))
			remedy_command(examination, IN_WORLD, program, "-I", name, words[i][0],
				       ifname, "-j", "ACCEPT", NULL);
		else
			remedy_command(examination, IN_WORLD, "nft", "insert", "rule", family,
				       table, name, words[i][1], ifname, "accept", NULL);
	}
}

static void advise(struct examination *examination, const json_t *firewall, const json_t *chain,
		   const char *ifname)
{
	bool forward = strcmp(text_of(chain, "hook"), "forward") == 0;
	const char *user = forward ? "ufw-user-forward" : "ufw-user-input";
	if (chain_named(firewall, chain, user) || chain_named(firewall, chain, "ufw6-user-input"))
		advise_ufw(examination, ifname, forward);
	else if (strcmp(text_of(chain, "table"), "firewalld") == 0)
		advise_firewalld(examination, ifname);
	else if (forward && chain_named(firewall, chain, "DOCKER-USER"))
		advise_rule(examination, chain, "DOCKER-USER", ifname, forward);
	else
		advise_rule(examination, chain, text_of(chain, "name"), ifname, forward);
}

/* Has the network addresses of a family that we look at? */
static bool has_family(const struct examination *examination, const json_t *network, int family)
{
	if (examination->family && examination->family != family)
		return false;
	const json_t *value = json_object_get(network, family == 4 ? "ipv4" : "ipv6");
	const char *text =
		json_string_value(json_is_array(value) ? json_array_get(value, 0) : value);
	return text && strcmp(text, "none") != 0;
}

/* Each foreign chain of a hook that drops a network's packets. */
static void look_for_drops(struct examination *examination, const char *hook, const char *what)
{
	const json_t *firewall = need_world(examination, "firewall"), *network, *chain;
	size_t i, j;
	json_array_foreach (networks_of(examination), i, network) {
		const char *ifname = text_of(network, "ifname");
		if (strcmp(hook, "forward") == 0 && !is_forwarding_network(network))
			continue;
		json_array_foreach (json_object_get(firewall, "chains"), j, chain) {
			bool matters =
				(takes_family(chain, 4) && has_family(examination, network, 4)) ||
				(takes_family(chain, 6) && has_family(examination, network, 6));
			if (!matters || !hits(chain, hook, ifname))
				continue;
			found(examination, VERDICT_ERROR,
			      "table %s %s, chain %s (policy %s) drops what network %s %s",
			      text_of(chain, "family"), text_of(chain, "table"),
			      text_of(chain, "name"), text_of(chain, "policy"),
			      text_of(network, "name"), what);
			advise(examination, firewall, chain, ifname);
		}
	}
}

static void look_forward(struct examination *examination)
{
	look_for_drops(examination, "forward", "forwards");
}

static void look_input(struct examination *examination)
{
	look_for_drops(examination, "input", "sends to its gateway, DHCP and DNS included");
}

/* Does a rule of `iptables-legacy -S` accept all that passes by an interface? */
static bool legacy_accepts(const char *rules, const char *option, const char *ifname)
{
	AUTO_FREE char *rule = text_format("-A FORWARD %s %s -j ACCEPT\n", option, ifname);
	return strstr(rules, rule);
}

/* nft does not show these tables: iptables-legacy, which lists them, wants root. */
static void judge_legacy(struct examination *examination)
{
	static const char *const argv[] = {"iptables-legacy", "-S", "FORWARD", NULL};
	AUTO_FREE char *rules = NULL;
	const json_t *network;
	size_t index;
	if (process_run(argv, &rules, NULL) != 0) {
		found(examination, VERDICT_WARNING,
		      "there are tables of iptables-legacy, and no such program to list them");
		remedy(examination, "apt install iptables");
		return;
	}
	if (!strstr(rules, "-P FORWARD DROP"))
		return;
	json_array_foreach (networks_of(examination), index, network) {
		const char *ifname = text_of(network, "ifname");
		if (!is_forwarding_network(network) ||
		    (legacy_accepts(rules, "-i", ifname) && legacy_accepts(rules, "-o", ifname)))
			continue;
		found(examination, VERDICT_ERROR,
		      "iptables-legacy's chain FORWARD (policy DROP) drops what network %s "
		      "forwards",
		      text_of(network, "name"));
		remedy_command(examination, IN_WORLD, "iptables-legacy", "-I", "FORWARD", "-i",
			       ifname, "-j", "ACCEPT", NULL);
		remedy_command(examination, IN_WORLD, "iptables-legacy", "-I", "FORWARD", "-o",
			       ifname, "-j", "ACCEPT", NULL);
	}
}

static void look_legacy(struct examination *examination)
{
	const char *tables =
		json_string_value(json_object_get(examination->world, "legacy_tables"));
	AUTO_FREE char *own = NULL;
	if (!tables && examination->system && geteuid() == 0)
		tables = own = read_text("/proc/net/ip_tables_names");
	if (tables && !strstr(tables, "filter"))
		return;
	if (tables && examination->system && geteuid() == 0)
		judge_legacy(examination);
	else
		found(examination, VERDICT_UNKNOWN,
		      "the tables of iptables-legacy are readable by root only");
}

static void look_docker(struct examination *examination)
{
	static const char unit[] = "/etc/systemd/system/multi-user.target.wants/docker.service";
	AUTO_FREE char *daemon = read_text("/etc/docker/daemon.json");
	AUTO_FREE char *sysctl = read_text("/etc/sysctl.d/60-lanyard.conf");
	AUTO_FREE char *general = read_text("/etc/sysctl.conf");
	if (!examination->system || access(unit, F_OK) != 0 ||
	    (daemon && strstr(daemon, "ip-forward-no-drop")) ||
	    (sysctl && strstr(sysctl, "ip_forward=1")) ||
	    (general && (strstr(general, "\nnet.ipv4.ip_forward=1") ||
			 strstr(general, "\nnet.ipv4.ip_forward = 1"))))
		return;
	found(examination, VERDICT_WARNING,
	      "docker.service is enabled and forwarding is off when it starts: it will set the "
	      "policy "
	      "of FORWARD to drop at the next boot");
	remedy(examination, "echo net.ipv4.ip_forward=1 > /etc/sysctl.d/60-lanyard.conf");
}

static void look_firewalld(struct examination *examination)
{
	const json_t *firewall = need_world(examination, "firewall"), *network, *chain, *name;
	size_t i, j, k;
	json_array_foreach (networks_of(examination), i, network) {
		const char *ifname = text_of(network, "ifname");
		bool is_there = false, is_named = false;
		json_array_foreach (json_object_get(firewall, "chains"), j, chain) {
			if (strcmp(text_of(chain, "table"), "firewalld") != 0)
				continue;
			is_there = true;
			json_array_foreach (json_object_get(chain, "names"), k, name)
				is_named |= strcmp(json_string_value(name), ifname) == 0;
		}
		if (!is_there || is_named)
			continue;
		found(examination, VERDICT_ERROR, "firewalld has %s in no zone but its default one",
		      ifname);
		advise_firewalld(examination, ifname);
	}
}

/* The plan says what of ours is not as it should be. */
static void look_own_rules(struct examination *examination)
{
	const json_t *change;
	size_t index;
	if (!examination->plan) {
		found(examination, VERDICT_UNKNOWN, "%s", examination->world_error);
		return;
	}
	json_array_foreach (examination->plan, index, change) {
		if (strncmp(text_of(change, "operation"), "filter", 6) != 0)
			continue;
		found(examination, VERDICT_ERROR, "%s is still to be done",
		      text_of(change, "text"));
		remedy_command(examination, AS_CALLER, "lanyard", "up", NULL);
	}
}

/* The global setting and the bridge's own are OR-ed by the kernel. */
static void check_br_netfilter(struct examination *examination, const json_t *firewall,
			       const json_t *network, int family)
{
	const char *ifname = text_of(network, "ifname");
	const char *name = family == 4 ? "iptables" : "ip6tables";
	const json_t *link = link_by_name(examination->world, ifname), *chain;
	size_t index;
	bool all = setting_of(examination->world, family == 4 ? "bridge.nf4" : "bridge.nf6",
			      NULL) == 1;
	bool own = number_of(link, family == 4 ? "nf4" : "nf6") == 1;
	AUTO_FREE char *setting = text_format("net.bridge.bridge-nf-call-%s=0", name);
	AUTO_FREE char *option = text_format("nf_call_%s", name);
	if ((!all && !own) || !has_family(examination, network, family))
		return;
	json_array_foreach (json_object_get(firewall, "chains"), index, chain) {
		if (!takes_family(chain, family) || !hits(chain, "forward", ifname))
			continue;
		found(examination, VERDICT_ERROR,
		      "br_netfilter gives IPv%d packets between machines of network %s to table %s "
		      "%s, chain %s, which drops them",
		      family, text_of(network, "name"), text_of(chain, "family"),
		      text_of(chain, "table"), text_of(chain, "name"));
		if (all)
			remedy_command(examination, IN_WORLD, "sysctl", "-w", setting, NULL);
		if (own)
			remedy_command(examination, IN_WORLD, "ip", "link", "set", ifname, "type",
				       "bridge", option, "0", NULL);
		return;
	}
}

static void look_br_netfilter(struct examination *examination)
{
	const json_t *firewall = need_world(examination, "firewall"), *network;
	size_t index;
	json_array_foreach (networks_of(examination), index, network) {
		check_br_netfilter(examination, firewall, network, 4);
		check_br_netfilter(examination, firewall, network, 6);
	}
}

static void check_forwarding(struct examination *examination, const json_t *network, int family,
			     const char *ifname)
{
	AUTO_FREE char *key = text_format("ipv%d.forwarding", family);
	bool is_on = setting_of(examination->world, key, ifname) == 1;
	if (family == 6) /* the setting of the interface says less than that of all */
		is_on = setting_of(examination->world, key, "all") == 1 ||
			setting_of(examination->world, "ipv6.force_forwarding", ifname) == 1;
	if (is_on)
		return;
	AUTO_FREE char *setting = family == 4 ? text_format("net.ipv4.conf.%s.forwarding=1", ifname)
					      : text_copy("net.ipv6.conf.all.forwarding=1");
	found(examination, VERDICT_ERROR,
	      "network %s: IPv%d packets that come in by %s are not "
	      "forwarded",
	      text_of(network, "name"), family, ifname);
	remedy_command(examination, IN_WORLD, "sysctl", "-w", setting, NULL);
}

static void look_forwarding(struct examination *examination)
{
	const json_t *network;
	size_t index;
	if (!need_world(examination, "settings"))
		return;
	json_array_foreach (networks_of(examination), index, network) {
		for (int family = 4; family <= 6; family += 2) {
			const json_t *uplink = uplink_of(examination->world, family);
			if (!is_forwarding_network(network) ||
			    !has_family(examination, network, family) || !uplink)
				continue;
			check_forwarding(examination, network, family, text_of(network, "ifname"));
			check_forwarding(examination, network, family, text_of(uplink, "name"));
		}
	}
}

static void look_vpn(struct examination *examination)
{
	const json_t *link, *rule, *chain, *tunnel = NULL;
	const json_t *firewall = json_object_get(examination->host, "firewall");
	size_t index;
	bool marked = false, drops = false;
	if (!need_host(examination, "links"))
		return;
	json_array_foreach (json_object_get(examination->host, "links"), index, link)
		if (strcmp(text_of(link, "kind"), "wireguard") == 0 ||
		    strncmp(text_of(link, "name"), "tun", 3) == 0)
			tunnel = link;
	json_array_foreach (json_object_get(examination->host, "rules"), index, rule)
		marked |= flag_of(rule, "mark");
	json_array_foreach (json_object_get(firewall, "chains"), index, chain)
		drops |= is_dropping(chain, "forward");
	if (!tunnel || !(marked || drops))
		return;
	found(examination, VERDICT_WARNING,
	      "%s is a VPN tunnel, and there %s: forwarded packets may "
	      "be held back",
	      text_of(tunnel, "name"),
	      drops ? "is a chain that drops forwarded packets" : "are policy rules with marks");
	remedy(examination,
	       "let the VPN client share its connection with the local network, or use a "
	       "user instance (lanyard --user), whose packets are the host's own");
}

static void look_rp_filter(struct examination *examination)
{
	const json_t *network, *rules = need_world(examination, "rules"), *rule;
	size_t index, count = 0;
	json_array_foreach (rules, index, rule)
		count += number_of(rule, "family") == 4;
	if (count <= RULES_OF_PLAIN_HOST)
		return;
	json_array_foreach (networks_of(examination), index, network) {
		const char *ifname = text_of(network, "ifname");
		long long all = setting_of(examination->world, "ipv4.rp_filter", "all");
		long long own = setting_of(examination->world, "ipv4.rp_filter", ifname);
		if ((all > own ? all : own) != 1)
			continue;
		AUTO_FREE char *setting = text_format("net.ipv4.conf.%s.rp_filter=2", ifname);
		found(examination, VERDICT_WARNING,
		      "%s drops packets whose way back is another one (rp_filter), and %zu policy "
		      "rules choose ways",
		      ifname, count);
		remedy_command(examination, IN_WORLD, "sysctl", "-w", setting, NULL);
	}
}

static void look_libvirt(struct examination *examination)
{
	const json_t *firewall = json_object_get(examination->host, "firewall"), *link, *chain;
	size_t i, j;
	if (!need_host(examination, "links"))
		return;
	json_array_foreach (json_object_get(examination->host, "links"), i, link) {
		const char *name = text_of(link, "name");
		if (strncmp(name, "virbr", 5) != 0)
			continue;
		if (!firewall || json_is_null(firewall)) {
			found(examination, VERDICT_UNKNOWN,
			      "%s is libvirt's; the firewall may not be read", name);
			return;
		}
		json_array_foreach (json_object_get(firewall, "chains"), j, chain) {
			if (!hits(chain, "forward", name) ||
			    strcmp(text_of(chain, "table"), "libvirt_network") == 0)
				continue;
			found(examination, VERDICT_WARNING,
			      "libvirt's rules for %s cannot undo what table %s %s drops", name,
			      text_of(chain, "family"), text_of(chain, "table"));
			advise(examination, firewall, chain, name);
		}
	}
}

const struct check doctor_firewall[] = {
	{"FW-01", "another firewall drops forwarded packets",
	 "no other firewall drops what the networks forward", true, false, look_forward},
	{"FW-02", "rules of iptables-legacy drop forwarded packets",
	 "iptables-legacy drops nothing of ours", true, false, look_legacy},
	{"FW-03", "Docker sets FORWARD to drop at the next boot",
	 "Docker will not change the policy of FORWARD", false, false, look_docker},
	{"FW-04", "the host's firewall (ufw and others) drops DHCP and DNS of machines",
	 "no other firewall drops what machines send to their gateway", true, false, look_input},
	{"FW-05", "firewalld has our interfaces in no zone",
	 "firewalld does not run, or knows our interfaces", true, false, look_firewalld},
	{"FW-06", "our own rules are missing or changed", "our rules are as they should be", false,
	 false, look_own_rules},
	{"FW-07", "br_netfilter gives bridged packets to a dropping firewall",
	 "what machines send each other is not dropped by br_netfilter", true, false,
	 look_br_netfilter},
	{"FW-08", "forwarding is off", "forwarding is on where it is needed", true, false,
	 look_forwarding},
	{"FW-09", "a VPN client holds forwarded packets back",
	 "no VPN tunnel with a kill switch was found", false, false, look_vpn},
	{"FW-10", "strict reverse path filter with policy routes",
	 "the reverse path filter is in nobody's way", true, false, look_rp_filter},
	{"FW-11", "libvirt's rules are without effect", "libvirt's networks are not held back",
	 false, false, look_libvirt},
	{0},
};
