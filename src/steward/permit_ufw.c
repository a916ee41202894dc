/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ufw: its own commands make and remove rules (they live in user.rules and in the kernel at once,
 * and survive `ufw reload`); the tag is the rule's comment. Its files are only read: each rule
 * stands there as `### tuple ### allow any any 0.0.0.0/0 any 0.0.0.0/0 in_ly-lab comment=HEX`.
 */
#include "steward/permit_forms.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#define FILE_LIMIT   (4u << 20)
#define ARGUMENTS    12
#define WAIT_SECONDS 3

static const char rules_path[] = "/etc/ufw/user.rules";

static void on_alarm(int number)
{
	(void)number; /* ends a wait */
}

/* `ufw reload` says ENABLED=no for a moment: its files are read when no ufw runs. One that asks its
 * user something does so for as long as it likes, so the wait has a limit; false: one runs still.
 */
static bool wait_for_others(void)
{
	struct sigaction action = {.sa_handler = on_alarm}, before;
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	AUTO_CLOSE int fd = open("/run/ufw.lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return true;
	sigaction(SIGALRM, &action, &before);
	alarm(WAIT_SECONDS);
	bool is_free = fcntl(fd, F_SETLKW, &lock) == 0;
	alarm(0);
	sigaction(SIGALRM, &before, NULL);
	return is_free;
}

/* Whether the last look met another ufw, so that what it saw may be of a moment only. */
static bool was_busy;

static bool is_active(void)
{
	AUTO_FREE char *text = NULL;
	was_busy = !wait_for_others();
	if (was_busy || file_read("/etc/ufw/ufw.conf", FILE_LIMIT, &text, NULL) < 0)
		return false;
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncasecmp(line, "ENABLED=yes", 11) == 0)
			return true;
	}
	return false;
}

static void hex_decode(const char *hex, char *ret, size_t size)
{
	size_t n = 0;
	unsigned byte;
	while (n + 1 < size && sscanf(hex + 2 * n, "%2x", &byte) == 1)
		ret[n++] = (char)byte;
	ret[n] = '\0';
}

/* The rules that we make, and no others. */
static const struct {
	const char *verb, *direction; /* of the tuple */
	uint8_t part;
	const char *command[6];
} forms[] = {
	{"allow", "in", PERMIT_INPUT, {"allow", "in", "on"}},
	{"route:allow", "in", PERMIT_FORWARD, {"route", "allow", "in", "on"}},
	{"route:allow", "out", PERMIT_FORWARD, {"route", "allow", "out", "on"}},
};
#define FORMS (sizeof(forms) / sizeof(forms[0]))

/* A rule of ours: its form, else -1. */
static int parse(const char *line, const char *instance, char *ret_ifname, uint32_t *ret_network)
{
	char verb[32], where[2 * IFNAMSIZ + 16], hex[128], comment[64];
	if (sscanf(line,
		   "### tuple ### %31s any any 0.0.0.0/0 any 0.0.0.0/0 %47s comment=%127[0-9a-f]",
		   verb, where, hex) != 3)
		return -1;
	hex_decode(hex, comment, sizeof(comment));
	char *ifname = strchr(where, '_');
	if (!ifname || !permit_tag_parse(comment, instance, ret_network))
		return -1;
	*ifname++ = '\0';
	if (strlen(ifname) >= IFNAMSIZ)
		return -1;
	snprintf(ret_ifname, IFNAMSIZ, "%s", ifname);
	for (size_t i = 0; i < FORMS; i++)
		if (strcmp(forms[i].verb, verb) == 0 && strcmp(forms[i].direction, where) == 0)
			return (int)i;
	return -1;
}

/* Calls with each rule of ours; ret_forms: bits of the forms that an interface has. */
static unsigned forms_of(const char *text, const char *instance, const char *wanted)
{
	unsigned result = 0;
	char ifname[IFNAMSIZ];
	uint32_t network;
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		int form = parse(line, instance, ifname, &network);
		if (form >= 0 && strcmp(ifname, wanted) == 0)
			result |= 1u << form;
	}
	return result;
}

static int list(struct errand_permits *answer, struct error *err)
{
	AUTO_FREE char *text = NULL;
	char ifname[IFNAMSIZ];
	uint32_t network;
	if (was_busy) /* nothing is better than a mistake: rules that are fine would go */
		return error_set(err, EBUSY,
				 "another ufw is at work; what it has is not known yet");
	ssize_t length = file_read(rules_path, FILE_LIMIT, &text, err);
	if (length < 0)
		return length == -ENOENT ? 0 : (int)length;
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		int form = parse(line, answer->instance, ifname, &network);
		if (form < 0)
			continue;
		unsigned has = forms_of(text, answer->instance, ifname);
		uint8_t parts = has & 1 ? PERMIT_INPUT : 0;
		if ((has & 6) == 6)
			parts |= PERMIT_FORWARD;
		permit_add(answer, PERMIT_UFW, ifname, network, parts);
	}
	return 0;
}

static void show_output(int pipe, char *text, size_t size)
{
	size_t used = 0;
	for (ssize_t got; used < size - 1; used += (size_t)got)
		if ((got = read(pipe, text + used, size - 1 - used)) <= 0)
			break;
	text[used] = '\0';
	for (char *end = text + used; end > text && end[-1] == '\n';)
		*--end = '\0';
	for (char *at = text; (at = strchr(at, '\n'));)
		*at = ' ';
}

/* Its exit code is believed only of failures: what is there is read afterwards. */
static int ufw(const char *const *arguments, struct error *err)
{
	static char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
					    NULL};
	char output[160] = "";
	int ends[2], status = 0;
	pid_t pid;
	posix_spawn_file_actions_t actions;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
	int code = posix_spawn(&pid, "/usr/sbin/ufw", &actions, NULL, (char *const *)arguments,
			       environment);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (code == 0)
		show_output(ends[0], output, sizeof(output));
	close(ends[0]);
	if (code != 0)
		return error_errno(err, code, "ufw");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status ? error_set(err, EIO, "ufw says: %s", output) : 0;
}

static int run_form(size_t form, const struct errand_permit *row, const char *tag, bool remove,
		    struct error *err)
{
	const char *arguments[ARGUMENTS] = {"ufw"};
	size_t n = 1;
	bool route = strcmp(forms[form].command[0], "route") == 0;
	if (route)
		arguments[n++] = "route";
	if (remove)
		arguments[n++] = "delete";
	for (size_t i = route; forms[form].command[i]; i++)
		arguments[n++] = forms[form].command[i];
	arguments[n++] = row->permit.ifname;
	if (!remove) {
		arguments[n++] = "comment";
		arguments[n++] = tag;
	}
	return ufw(arguments, err);
}

static bool is_form_wanted(size_t form, const struct errand_permit *row)
{
	return row->verb == PERMIT_SET && row->permit.parts & forms[form].part;
}

static int apply_row(const struct errand_permits *request, const struct errand_permit *row,
		     struct error *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *tag = text_format("lanyard:%s:%u", request->instance, row->network);
	wait_for_others();
	if (file_read(rules_path, FILE_LIMIT, &text, err) < 0)
		return row->verb == PERMIT_REMOVE ? 0 : -err->code;
	unsigned has = forms_of(text, request->instance, row->permit.ifname);
	int r = 0;
	for (size_t i = 0; i < FORMS && r == 0; i++) {
		bool wanted = is_form_wanted(i, row), is_there = has & 1u << i;
		if (wanted != is_there)
			r = run_form(i, row, tag, !wanted, err);
	}
	if (r == 0)
		log_info("ufw: %s rules for %s (%s)", row->verb == PERMIT_SET ? "made" : "removed",
			 row->permit.ifname, tag);
	return r;
}

static int apply(const struct errand_permits *request, struct error *err)
{
	int r = 0;
	for (uint32_t i = 0; i < request->count && r == 0; i++)
		if (request->rows[i].permit.owner == PERMIT_UFW)
			r = apply_row(request, &request->rows[i], err);
	return r;
}

const struct permit_form permit_ufw = {PERMIT_UFW, is_active, list, apply};
