/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks of the host's own NIC: what has to be known before it goes into a bridge. What only
 * matters there is a warning where a network is bridged, and a remark elsewhere.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "diagnosis/doctor.h"

static bool is_bridging(const struct examination *examination)
{
	const json_t *network;
	size_t index;
	json_array_foreach (networks_of(examination), index, network)
		if (strcmp(text_of(network, "mode"), "bridged") == 0)
			return true;
	return false;
}

static enum verdict remark(const struct examination *examination)
{
	return is_bridging(examination) ? VERDICT_WARNING : VERDICT_OK;
}

/* The uplink's name; NULL (and unknown, or a remark) when there is none. */
static const char *uplink_name(struct examination *examination)
{
	if (!need_host(examination, "routes"))
		return NULL;
	const json_t *uplink = uplink_of(examination->host, 4);
	uplink = uplink ? uplink : uplink_of(examination->host, 6);
	if (!uplink)
		found(examination, VERDICT_OK, "the host has no uplink");
	return uplink ? text_of(uplink, "name") : NULL;
}

static void look_wifi(struct examination *examination)
{
	const char *name = uplink_name(examination);
	const json_t *link = name ? link_by_name(examination->host, name) : NULL;
	const char *kind = text_of(link, "wireless");
	if (!*kind)
		return;
	if (flag_of(link, "bridgeable")) {
		found(examination, VERDICT_OK, "%s is Wi-Fi (%s), which can be bridged", name,
		      kind);
		return;
	}
	found(examination, remark(examination), "%s is Wi-Fi (%s), which cannot be bridged", name,
	      kind);
	remedy(examination,
	       "use the mode nat, or routed with 'lan: proxy': 'lanyard uplink add %s' prints how",
	       name);
}

static void look_session(struct examination *examination)
{
	const char *session = getenv("SSH_CONNECTION"), *name = uplink_name(examination);
	char local[64] = "";
	const json_t *address;
	size_t index;
	if (!name || !session || sscanf(session, "%*s %*s %63s", local) != 1)
		return;
	json_array_foreach (json_object_get(examination->host, "addresses"), index, address) {
		const char *text = text_of(address, "address");
		const json_t *link = link_by_index(examination->host, number_of(address, "index"));
		if (strncmp(text, local, strlen(local)) != 0 || text[strlen(local)] != '/' ||
		    strcmp(text_of(link, "name"), name) != 0)
			continue;
		found(examination, remark(examination), "your SSH session comes in by %s", name);
		remedy(examination, "change that NIC with a deadline only, or from the console");
	}
}

static void look_manager(struct examination *examination)
{
	const char *name = uplink_name(examination), *manager = NULL;
	const json_t *link = name ? link_by_name(examination->host, name) : NULL;
	char value[32];
	if (!name)
		return;
	AUTO_FREE char *nm_path =
		text_format("/run/NetworkManager/devices/%lld", number_of(link, "index"));
	AUTO_FREE char *networkd_path =
		text_format("/run/systemd/netif/links/%lld", number_of(link, "index"));
	AUTO_FREE char *nm = read_text(nm_path), *networkd = read_text(networkd_path);
	AUTO_FREE char *interfaces = read_text("/etc/network/interfaces");
	AUTO_FREE char *stanza = text_format("iface %s ", name);
	if (nm && assignment_of(nm, "managed", value, sizeof(value)) && strcmp(value, "true") == 0)
		manager = "NetworkManager";
	else if (networkd && assignment_of(networkd, "ADMIN_STATE", value, sizeof(value)) &&
		 strcmp(value, "configured") == 0)
		manager = "systemd-networkd";
	else if (interfaces && strstr(interfaces, stanza))
		manager = "ifupdown (/etc/network/interfaces)";
	found(examination, VERDICT_OK, "%s is managed by %s", name, manager ? manager : "nobody");
}

static void look_virtual(struct examination *examination)
{
	static const char *const vendors[] = {"QEMU",	   "VMware",	   "innotek", "Xen",
					      "Microsoft", "Amazon",	   "Google",  "Hetzner",
					      "OpenStack", "DigitalOcean", "Bochs",   "Parallels"};
	AUTO_FREE char *vendor = read_text("/sys/class/dmi/id/sys_vendor");
	AUTO_FREE char *processor = read_text("/proc/cpuinfo");
	const char *who = NULL;
	for (size_t i = 0; vendor && i < sizeof(vendors) / sizeof(vendors[0]); i++)
		if (strstr(vendor, vendors[i]))
			who = vendors[i];
	if (!who && processor && strstr(processor, " hypervisor"))
		who = "a hypervisor";
	if (!who)
		return;
	found(examination, remark(examination),
	      "this host is a virtual machine (%s): what is above it may drop MACs it does not "
	      "know",
	      who);
	remedy(examination, "allow MAC spoofing and promiscuous mode there, or use the mode nat or "
			    "routed");
}

/* wpa_supplicant with the wired driver on the uplink. Processes of others are readable enough. */
static bool has_supplicant(const char *ifname)
{
	DIR *folder = opendir("/proc");
	bool is_there = false;
	for (struct dirent *entry; folder && !is_there && (entry = readdir(folder));) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		AUTO_FREE char *path = text_format("/proc/%s/cmdline", entry->d_name);
		char *text = NULL;
		ssize_t length = file_read(path, 65536, &text, NULL);
		for (ssize_t i = 0; i < length; i++)
			if (!text[i])
				text[i] = ' ';
		is_there = length > 0 && strstr(text, "wpa_supplicant") && strstr(text, "wired") &&
			   strstr(text, ifname);
		free(text);
	}
	if (folder)
		closedir(folder);
	return is_there;
}

static void look_802_1x(struct examination *examination)
{
	const char *name = uplink_name(examination);
	if (!name || !has_supplicant(name))
		return;
	found(examination, remark(examination),
	      "%s authenticates itself by 802.1X: the switch lets one MAC through", name);
	remedy(examination, "use the mode nat or routed");
}

static void look_lro(struct examination *examination)
{
	const json_t *network;
	size_t index;
	const char *name = uplink_name(examination);
	if (!name || !examination->system || !flag_of(link_by_name(examination->host, name), "lro"))
		return;
	json_array_foreach (networks_of(examination), index, network) {
		if (!is_forwarding_network(network))
			continue;
		found(examination, VERDICT_WARNING,
		      "%s merges packets that it receives (LRO), which then cannot be forwarded",
		      name);
		remedy_command(examination, ON_HOST_AS_ROOT, "ethtool", "-K", name, "lro", "off",
			       NULL);
		return;
	}
}

static void look_taken(struct examination *examination)
{
	const char *name = uplink_name(examination);
	const json_t *own = name ? link_by_name(examination->host, name) : NULL, *link;
	size_t index;
	long long master = number_of(own, "master");
	if (master > 0) {
		found(examination, remark(examination), "%s is part of %s", name,
		      text_of(link_by_index(examination->host, master), "name"));
		remedy(examination, "use that one instead");
	}
	json_array_foreach (json_object_get(examination->host, "links"), index, link) {
		const char *kind = text_of(link, "kind");
		bool on_top = strcmp(kind, "vlan") == 0 || strcmp(kind, "macvlan") == 0 ||
			      strcmp(kind, "macvtap") == 0 || strcmp(kind, "ipvlan") == 0;
		if (own && on_top && number_of(link, "lower") == number_of(own, "index"))
			found(examination, remark(examination), "%s lies on top of %s",
			      text_of(link, "name"), name);
	}
}

static void look_carrier(struct examination *examination)
{
	const json_t *link;
	size_t index, physical = 0;
	if (!need_host(examination, "links"))
		return;
	json_array_foreach (json_object_get(examination->host, "links"), index, link)
		physical += !*text_of(link, "kind") && strcmp(text_of(link, "name"), "lo") != 0;
	const char *name = uplink_name(examination);
	const json_t *uplink = name ? link_by_name(examination->host, name) : NULL;
	if (uplink && !flag_of(uplink, "carrier")) {
		found(examination, VERDICT_ERROR, "%s has no carrier", name);
		remedy(examination, flag_of(uplink, "up") ? "plug the cable in"
							  : "ip link set UPLINK up, as root");
	} else if (name && physical == 1) {
		found(examination, remark(examination), "%s is the only NIC of the host", name);
	}
}

const struct check doctor_nic[] = {
	{"NIC-01", "the uplink is Wi-Fi", "the uplink is no Wi-Fi", false, false, look_wifi},
	{"NIC-02", "your session comes in by the uplink", "your session is not at stake", false,
	 false, look_session},
	{"NIC-03", "who manages the uplink", "nobody manages the uplink", false, false,
	 look_manager},
	{"NIC-04", "the host is a virtual machine itself", "the host is a real machine", false,
	 false, look_virtual},
	{"NIC-05", "the uplink authenticates itself", "no 802.1X was found on the uplink", false,
	 false, look_802_1x},
	{"NIC-06", "large receive offload on a forwarding NIC", "no LRO in the way", true, false,
	 look_lro},
	{"NIC-07", "the uplink is in use by a bridge, bond or VLAN",
	 "the uplink is part of nothing else", false, false, look_taken},
	{"NIC-08", "no carrier, or the only NIC", "the uplink has carrier and company", false,
	 false, look_carrier},
	{0},
};
