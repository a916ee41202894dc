/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ifupdown: its file says what is, so the NIC's stanzas in /etc/network/interfaces (or a file
 * beside it) become the bridge's. Every line of ours stands behind a comment that says what was
 * there, so taking it away gives the very file back, with what its owner has changed since. The
 * bridge is made by ip(8), not by bridge-utils, which a host need not have.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "steward/form.h"
#include "steward/unit.h"

#define LEASES	 "/var/lib/dhcp/dhclient.%s.leases" /* as ifup calls it */
#define MAIN	 "/etc/network/interfaces"
#define FOLDER	 "/etc/network/interfaces.d"
#define FILE_MAX (1u << 20)

/* "# lanyard BRIDGE was: LINE": the next line replaces it. "# lanyard BRIDGE added": it is new. */
#define WAS   "# lanyard %s was: "
#define ADDED "# lanyard %s added"

struct line {
	char *words[3]; /* the first ones, "" where missing */
	char copy[512];
};

static void split(const char *text, size_t length, struct line *ret)
{
	char *rest = ret->copy;
	snprintf(ret->copy, sizeof(ret->copy), "%.*s", (int)length, text);
	for (size_t i = 0; i < 3; i++) {
		char *word = "";
		while (rest && !*(word = strsep(&rest, " \t")))
			word = "";
		ret->words[i] = word;
	}
}

static bool is_start(const struct line *line)
{
	return strcmp(line->words[0], "auto") == 0 || strncmp(line->words[0], "allow-", 6) == 0;
}

static bool is_stanza_of(const struct line *line, const char *nic)
{
	return strcmp(line->words[0], "iface") == 0 && strcmp(line->words[1], nic) == 0;
}

static void print_added(FILE *file, const char *bridge, const char *text)
{
	fprintf(file, ADDED "\n%s\n", bridge, text);
}

/* What the first stanza of the bridge needs besides the NIC's own lines. */
static void print_making(FILE *file, const struct errand *request)
{
	char mac[MAC_TEXT_SIZE];
	const char *bridge = request->bridge, *nic = request->nic;
	AUTO_FREE char *make = text_format(
		"\tpre-up ip link show %s >/dev/null 2>&1 || ip link add %s address %s type bridge "
		"stp_state 0 forward_delay 0 mcast_snooping 0",
		bridge, bridge, mac_format(&request->mac, mac));
	AUTO_FREE char *mtu = text_format("\tpre-up ip link set %s mtu %u", bridge, request->mtu);
	AUTO_FREE char *port = text_format("\tpre-up ip link set %s mtu %u master %s up", nic,
					   request->mtu, bridge);
	AUTO_FREE char *quiet = text_format(
		"\tpre-up echo 1 >/proc/sys/net/ipv6/conf/%s/disable_ipv6 || true", nic);
	print_added(file, bridge, make);
	print_added(file, bridge, mtu);
	print_added(file, bridge, port);
	print_added(file, bridge, quiet);
}

/* The line with the NIC's name replaced, where it stands as a word. */
static void print_renamed(FILE *file, const char *text, size_t length, const struct errand *request)
{
	size_t name = strlen(request->nic);
	for (size_t at = 0; at < length; at++) {
		bool begins = at == 0 || text[at - 1] == ' ' || text[at - 1] == '\t';
		bool is_it = begins && at + name <= length &&
			     strncmp(text + at, request->nic, name) == 0 &&
			     (at + name == length || strchr(" \t", text[at + name]));
		if (is_it) {
			fputs(request->bridge, file);
			at += name - 1;
		} else {
			fputc(text[at], file);
		}
	}
	fputc('\n', file);
}

static bool has_word(const char *text, size_t length, const char *word)
{
	char copy[512], *rest = copy, *one;
	snprintf(copy, sizeof(copy), "%.*s", (int)length, text);
	while ((one = strsep(&rest, " \t")))
		if (strcmp(one, word) == 0)
			return true;
	return false;
}

/* A last line without its end stays one. */
static void end_alike(char *text, const char *other)
{
	size_t length = strlen(text), others = strlen(other);
	if (length && others && other[others - 1] != '\n' && text[length - 1] == '\n')
		text[length - 1] = '\0';
}

char *form_ifupdown_onto(const char *text, const struct errand *request)
{
	struct text made;
	bool is_changed = false, is_made = false;
	text_begin(&made);
	for (const char *at = text; *at;) {
		size_t length = strcspn(at, "\n");
		struct line line;
		split(at, length, &line);
		bool starts = is_start(&line) && has_word(at, length, request->nic);
		bool stanza = is_stanza_of(&line, request->nic);
		if (starts || stanza) {
			fprintf(made.out, WAS "%.*s\n", request->bridge, (int)length, at);
			/* a hot-plugged NIC starts nothing: the bridge is always there */
			if (starts && strcmp(line.words[0], "allow-hotplug") == 0)
				fprintf(made.out, "auto %s\n", request->bridge);
			else
				print_renamed(made.out, at, length, request);
			is_changed = true;
		} else {
			fprintf(made.out, "%.*s\n", (int)length, at);
		}
		if (stanza && !is_made) {
			print_making(made.out, request);
			is_made = true;
		}
		at += length + (at[length] == '\n');
	}
	char *ret = text_end(&made);
	if (!is_changed) {
		free(ret);
		ret = NULL;
	} else {
		end_alike(ret, text);
	}
	return ret;
}

char *form_ifupdown_off(const char *text, const char *bridge)
{
	AUTO_FREE char *was = text_format(WAS, bridge);
	AUTO_FREE char *added = text_format(ADDED, bridge);
	struct text made;
	bool is_changed = false, skips = false;
	text_begin(&made);
	for (const char *at = text; *at;) {
		size_t length = strcspn(at, "\n");
		if (skips) {
			skips = false;
		} else if (strncmp(at, was, strlen(was)) == 0) {
			fprintf(made.out, "%.*s\n", (int)(length - strlen(was)), at + strlen(was));
			is_changed = skips = true;
		} else if (length == strlen(added) && strncmp(at, added, length) == 0) {
			is_changed = skips = true;
		} else {
			fprintf(made.out, "%.*s\n", (int)length, at);
		}
		at += length + (at[length] == '\n');
	}
	char *ret = text_end(&made);
	if (is_changed) {
		end_alike(ret, text);
		return ret;
	}
	free(ret);
	return NULL;
}

/* Every file that may speak of a NIC: calls use until it says that it is enough (not 0). */
static int each_file(int (*use)(const char *path, const char *text, void *data, struct error *err),
		     void *data, struct error *err)
{
	AUTO_FREE char *text = NULL;
	int r = file_read(MAIN, FILE_MAX, &text, NULL) < 0 ? 0 : use(MAIN, text, data, err);
	DIR *folder = r == 0 ? opendir(FOLDER) : NULL;
	const struct dirent *entry;
	while (folder && r == 0 && (entry = readdir(folder))) {
		AUTO_FREE char *path = text_format(FOLDER "/%s", entry->d_name);
		AUTO_FREE char *more = NULL;
		struct stat status;
		if (entry->d_name[0] != '.' && stat(path, &status) == 0 &&
		    S_ISREG(status.st_mode) && file_read(path, FILE_MAX, &more, NULL) >= 0)
			r = use(path, more, data, err);
	}
	if (folder)
		closedir(folder);
	return r;
}

static int look(const char *path, const char *text, void *data, struct error *err)
{
	const struct errand *request = data;
	(void)path;
	(void)err;
	AUTO_FREE char *onto = form_ifupdown_onto(text, request);
	AUTO_FREE char *ours = text_format(" was: iface %s ", request->nic);
	return onto || (strstr(text, "# lanyard ly") && strstr(text, ours)) ? 1 : 0;
}

static bool manages(const char *nic)
{
	struct errand request = {.bridge = "ly-x"};
	snprintf(request.nic, sizeof(request.nic), "%s", nic);
	return each_file(look, &request, NULL) > 0;
}

static int write_same_mode(const char *path, const char *text, struct error *err)
{
	struct stat status;
	mode_t mode = stat(path, &status) == 0 ? status.st_mode & 07777 : 0644;
	return file_write_atomic(path, text, strlen(text), mode, true, err);
}

static int put_onto(const char *path, const char *text, void *data, struct error *err)
{
	AUTO_FREE char *changed = form_ifupdown_onto(text, data);
	return changed ? write_same_mode(path, changed, err) : 0;
}

static int take_off(const char *path, const char *text, void *data, struct error *err)
{
	const struct errand *request = data;
	AUTO_FREE char *changed = form_ifupdown_off(text, request->bridge);
	return changed ? write_same_mode(path, changed, err) : 0;
}

/* ifupdown's memory of what is up, so that ifdown and ifup know the interface. */
static void rename_state(const char *from, const char *to)
{
	static const char *const path = "/run/network/ifstate";
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *old = text_format("%s=%s", from, from);
	struct text changed;
	if (file_read(path, FILE_MAX, &text, NULL) < 0)
		return;
	text_begin(&changed);
	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (strcmp(line, old) == 0)
			fprintf(changed.out, "%s=%s\n", to, to);
		else
			fprintf(changed.out, "%s\n", line);
	}
	AUTO_FREE char *bytes = text_end(&changed);
	file_write_atomic(path, bytes, changed.count, 0644, false, NULL);
}

static char *unit_of(const char *ifname)
{
	return text_format("lanyard-dhclient-%s.service", ifname);
}

/* A client on the interface of before would put the address there again when it renews the lease.
 * It is ended without a word (it would give up what the address stands for), and ifup starts one
 * where the address is now. The lease file goes along: in it is the identifier (DUID) by which the
 * server knows the host; with a new one it would get another address. */
static int restart_client(const char *from, const char *to, const char *unit, struct error *err)
{
	AUTO_FREE char *pid_file = text_format("/run/dhclient.%s.pid", from);
	AUTO_FREE char *lease = text_format(LEASES, from), *new_lease = text_format(LEASES, to);
	/* interface "eth0"; without what a unit's file would quote */
	AUTO_FREE char *rename = text_format("/interface/s/%s/%s/", from, to);
	const char *const commands[][UNIT_WORDS] = {
		{"/sbin/start-stop-daemon", "--stop", "--oknodo", "--quiet", "--signal", "KILL",
		 "--name", "dhclient", "--remove-pidfile", "--pidfile", pid_file, NULL},
		{"/bin/mv", "-f", lease, new_lease, NULL},
		{"/bin/sed", "-i", rename, new_lease, NULL},
		{"/sbin/ifup", "--force", to, NULL},
	};
	return unit_run(unit, commands, sizeof(commands) / sizeof(commands[0]), err);
}

static void move_client(const char *from, const char *to, char *ret_text)
{
	AUTO_FREE char *pid_file = text_format("/run/dhclient.%s.pid", from);
	AUTO_FREE char *before = unit_of(from), *after = unit_of(to);
	struct error err = {0};
	bool is_ours = unit_stop(before) > 0; /* it may not have an address yet, nor this file */
	if (!is_ours && access(pid_file, F_OK) < 0)
		return;
	unit_stop(after);
	if (restart_client(from, to, after, &err) == 0)
		snprintf(ret_text, ERRAND_TEXT_SIZE, "dhclient goes on on %s instead of %s", to,
			 from);
	else
		snprintf(
			ret_text, ERRAND_TEXT_SIZE,
			"dhclient still runs on %s (%.100s); 'ifup --force %s' starts it there, at "
			"the latest before its lease ends",
			from, err.text, to);
}

static int keep(const struct errand *request, char *ret_text, struct error *err)
{
	int r = each_file(put_onto, (void *)request, err);
	if (r == 0) {
		rename_state(request->nic, request->bridge);
		move_client(request->nic, request->bridge, ret_text);
	}
	return r;
}

static int forget(const struct errand *request, char *ret_text, struct error *err)
{
	int r = each_file(take_off, (void *)request, err);
	if (r == 0) {
		rename_state(request->bridge, request->nic);
		move_client(request->bridge, request->nic, ret_text);
	}
	return r;
}

const struct form form_ifupdown = {MANAGER_IFUPDOWN, manages, keep, forget};
