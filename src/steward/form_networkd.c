/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * systemd-networkd: three files of ours in /etc/systemd/network, before all others by their name:
 * the bridge (netdev), the NIC as its port, and the NIC's own settings for the bridge. The owner's
 * file is not touched. Then it reads them again (by D-Bus) and finds everything in place.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "steward/form.h"

#define NETWORKD                                                                                   \
	"org.freedesktop.network1", "/org/freedesktop/network1", "org.freedesktop.network1.Manager"
#define MOMENTS	 10 /* of a tenth of a second */
#define FOLDER	 "/etc/systemd/network"
#define STATE	 "/run/systemd/netif"
#define FILE_MAX (1u << 20)
#define HEAD	 "# Written by Lanyard (lanyard uplink add), removed by lanyard uplink remove.\n"

static const char *const suffixes[] = {"netdev", "network"};

static char *bridge_file(const char *bridge, size_t i)
{
	return text_format(FOLDER "/05-lanyard-%s.%s", bridge, suffixes[i]);
}

static char *port_file(const char *nic)
{
	return text_format(FOLDER "/05-lanyard-port-%s.network", nic);
}

/* The value of KEY= in a file of lines; the caller frees it. */
static char *value_of(const char *path, const char *key)
{
	AUTO_FREE char *text = NULL;
	size_t length = strlen(key);
	if (file_read(path, FILE_MAX, &text, NULL) < 0)
		return NULL;
	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (strncmp(line, key, length) == 0 && line[length] == '=')
			return text_copy(line + length + 1);
	}
	return NULL;
}

/* systemd calls the file private, but there is no other way before its version 256, and it has been
 * so since 2013. */
static char *link_value(const char *folder, const char *nic, const char *key)
{
	AUTO_FREE char *path = text_format(STATE "/%s/%u", folder, if_nametoindex(nic));
	return value_of(path, key);
}

static bool manages(const char *nic)
{
	AUTO_FREE char *ours = port_file(nic);
	AUTO_FREE char *file = link_value("links", nic, "NETWORK_FILE");
	AUTO_FREE char *state = link_value("links", nic, "ADMIN_STATE");
	return access(ours, F_OK) == 0 ||
	       (file && *file && state && strcmp(state, "unmanaged") != 0);
}

/* The settings of a file: all but which interface they are for, and what a bridge is not. */

static bool is_left_out(const char *section)
{
	static const char *const out[] = {"[Match]", "[Link]", "[Bridge]", "[BridgeVLAN]"};
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++)
		if (strncmp(section, out[i], strlen(out[i])) == 0)
			return true;
	return false;
}

char *form_networkd_settings(const char *text, const char *bridge, const char *more)
{
	AUTO_FREE char *copy = text_copy(text);
	struct text settings;
	text_begin(&settings);
	bool out = true;
	fprintf(settings.out, HEAD "[Match]\nName=%s\n\n", bridge);
	for (char *line = copy, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		else if (!*line)
			break;
		if (*line == '[')
			out = is_left_out(line);
		if (!out)
			fprintf(settings.out, "%s\n", line);
	}
	if (more)
		fprintf(settings.out, "\n%s", more);
	return text_end(&settings);
}

/* DHCPv4: the server knows the host by an identifier that is hashed from the interface's name. */
static char *identifier(const char *nic)
{
	AUTO_FREE char *id = link_value("leases", nic, "CLIENTID");
	if (!id || strncmp(id, "ff", 2) != 0 || strlen(id) < 10)
		return NULL;
	char digits[9];
	snprintf(digits, sizeof(digits), "%.8s", id + 2);
	return text_format("[DHCPv4]\nIAID=%lu\n", strtoul(digits, NULL, 16));
}

/* Drop-ins come after their file, in order. */
static char *read_all(const char *nic, struct error *err)
{
	AUTO_FREE char *file = link_value("links", nic, "NETWORK_FILE");
	AUTO_FREE char *dropins = link_value("links", nic, "NETWORK_FILE_DROPINS");
	char *text = NULL;
	if (!file || file_read(file, FILE_MAX, &text, err) < 0) {
		if (!file)
			error_set(err, ENOENT, "systemd-networkd has no file for '%s'", nic);
		return NULL;
	}
	char *rest = dropins, *path;
	while (rest && (path = strsep(&rest, " \""))) {
		AUTO_FREE char *more = NULL, *before = text;
		if (!*path || file_read(path, FILE_MAX, &more, NULL) < 0) {
			before = NULL;
			continue;
		}
		text = text_format("%s\n%s", before, more);
	}
	return text;
}

static int reload(char *ret_text)
{
	sd_bus *bus = NULL;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = sd_bus_open_system(&bus);
	if (r >= 0)
		r = sd_bus_call_method(bus, NETWORKD, "Reload", &error, NULL, "");
	if (r < 0)
		snprintf(ret_text, ERRAND_TEXT_SIZE,
			 "systemd-networkd could not be told (%s); it reads its files when it "
			 "starts again",
			 error.message ? error.message : strerror(-r));
	sd_bus_error_free(&error);
	sd_bus_flush_close_unref(bus);
	return r;
}

static int write_file(char *path, const char *text, struct error *err)
{
	int r = file_write_atomic(path, text, strlen(text), 0644, true, err);
	free(path);
	return r;
}

static int write_bridge(const struct errand *request, struct error *err)
{
	char mac[MAC_TEXT_SIZE];
	AUTO_FREE char *text =
		text_format(HEAD "[NetDev]\nName=%s\nKind=bridge\nMACAddress=%s\nMTUBytes=%u\n\n"
				 "[Bridge]\nSTP=no\nForwardDelaySec=0\nMulticastSnooping=no\n",
			    request->bridge, mac_format(&request->mac, mac), request->mtu);
	return write_file(bridge_file(request->bridge, 0), text, err);
}

static int write_port(const struct errand *request, struct error *err)
{
	AUTO_FREE char *text = text_format(HEAD "[Match]\nName=%s\n\n[Link]\nMTUBytes=%u\n\n"
						"[Network]\nBridge=%s\nLinkLocalAddressing=no\n"
						"IPv6AcceptRA=no\n",
					   request->nic, request->mtu, request->bridge);
	return write_file(port_file(request->nic), text, err);
}

static int keep(const struct errand *request, char *ret_text, struct error *err)
{
	AUTO_FREE char *ours = port_file(request->nic);
	if (access(ours, F_OK) == 0)
		return 0;
	AUTO_FREE char *text = read_all(request->nic, err);
	if (!text)
		return -err->code;
	AUTO_FREE char *more = identifier(request->nic);
	AUTO_FREE char *settings = form_networkd_settings(text, request->bridge, more);
	/* the port's file last: it says that all are there */
	int r = write_file(bridge_file(request->bridge, 1), settings, err);
	if (r == 0)
		r = write_bridge(request, err);
	if (r == 0)
		r = write_port(request, err);
	if (r == 0)
		reload(ret_text);
	return r;
}

static bool is_failed(sd_bus *bus, int ifindex)
{
	sd_bus_message *reply = NULL;
	char *state = NULL;
	const char *name, *path;
	int r = sd_bus_call_method(bus, NETWORKD, "GetLinkByIndex", NULL, &reply, "i", ifindex);
	if (r >= 0)
		r = sd_bus_message_read(reply, "so", &name, &path);
	if (r >= 0)
		r = sd_bus_get_property_string(bus, "org.freedesktop.network1", path,
					       "org.freedesktop.network1.Link",
					       "AdministrativeState", NULL, &state);
	sd_bus_message_unref(reply);
	bool result = r >= 0 && strcmp(state, "failed") == 0;
	free(state);
	return result;
}

/* It may still have been busy with putting the NIC into the bridge that is gone now, and gives up
 * for good then. */
static void encourage(const char *nic)
{
	const struct timespec moment = {0, 100000000};
	sd_bus *bus = NULL;
	int ifindex = (int)if_nametoindex(nic);
	int r = sd_bus_open_system(&bus);
	for (int i = 0; r >= 0 && ifindex > 0 && i < MOMENTS; i++) {
		if (is_failed(bus, ifindex)) {
			sd_bus_call_method(bus, NETWORKD, "ReconfigureLink", NULL, NULL, "i",
					   ifindex);
			break;
		}
		nanosleep(&moment, NULL);
	}
	sd_bus_flush_close_unref(bus);
}

static int forget(const struct errand *request, char *ret_text, struct error *err)
{
	AUTO_FREE char *port = port_file(request->nic);
	int r = 0;
	if (unlink(port) < 0 && errno != ENOENT)
		r = error_errno(err, errno, "%s", port);
	for (size_t i = 0; i < 2; i++) {
		AUTO_FREE char *path = bridge_file(request->bridge, i);
		if (unlink(path) < 0 && errno != ENOENT && r == 0)
			r = error_errno(err, errno, "%s", path);
	}
	if (r == 0 && reload(ret_text) >= 0)
		encourage(request->nic);
	return r;
}

const struct form form_networkd = {MANAGER_NETWORKD, manages, keep, forget};
