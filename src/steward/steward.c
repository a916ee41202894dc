/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lanyard-steward: does to what others own what the system broker asks for: a closed list of typed
 * operations, each in its owner's documented form. It is root because those files and that D-Bus
 * are root's. It ends when nobody has asked for a while, and keeps nothing in memory.
 */
#include "steward/form.h"
#include "steward/member_watch.h"
#include "steward/permit_forms.h"
#include "steward/resolved.h"
#include "steward/switch_members.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/paths.h"
#include "ipc/errand_names.h"

#define IDLE_MS	    30000
#define ALLOWED_MAX 64

/* In the order in which they are asked. */
static const struct form *const forms[] = {&form_networkd, &form_ifupdown, &form_networkmanager};

static const struct form *form_of(const char *nic)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (forms[i]->manages(nic))
			return forms[i];
	return NULL;
}

static int carry_out(const struct form *form, const struct errand *request, char *ret_text,
		     struct error *err)
{
	const struct {
		int (*run)(const struct errand *request, char *ret_text, struct error *err);
		const char *name;
	} deeds[ERRAND_VERBS] = {
		[ERRAND_KEEP] = {form->keep, "kept"},
		[ERRAND_FORGET] = {form->forget, "forgot"},
		[ERRAND_HOLD] = {form->hold, "held"},
		[ERRAND_RELEASE] = {form->release, "released"},
	};
	if (!deeds[request->verb].run)
		return 0;
	int r = deeds[request->verb].run(request, ret_text, err);
	log_info("%s %s for %s: %s", deeds[request->verb].name, request->bridge,
		 errand_manager_name(form->manager),
		 r < 0	       ? err->text
		 : ret_text[0] ? ret_text
			       : "done");
	return r == -ENOENT ? -ENODEV : r; /* which would mean that there is no steward */
}

static int serve(const struct errand *request, struct errand_answer *answer, struct error *err)
{
	int r = errand_check(request, err);
	if (r < 0)
		return r;
	if (request->verb == ERRAND_UNCLAIM)
		return form_networkmanager_unclaim(request, err);
	const struct form *form = form_of(request->nic);
	answer->manager = form ? form->manager : MANAGER_NONE;
	/* nobody: our own definition does it at the next start */
	return form ? carry_out(form, request, answer->text, err) : 0;
}

static uid_t broker_uid(void)
{
	const struct passwd *entry = getpwnam(BROKER_USER);
	return entry ? entry->pw_uid : 0;
}

union request {
	struct errand errand;
	struct errand_permits permits;
	struct errand_names names;
	struct errand_members members;
	struct errand_switch ports;
};

static void handle_permits(int socket, union request *request, size_t size)
{
	struct errand_permits *errand = &request->permits;
	struct error err = {0};
	if (errand_permits_check(errand, size, &err) < 0) {
		log_warning("refused: %s", err.text);
		return;
	}
	permit_serve(errand);
	send(socket, errand, errand_permits_size(errand), MSG_NOSIGNAL);
}

static void handle_names(int socket, union request *request, size_t size)
{
	const struct errand_names *errand = &request->names;
	struct errand_answer answer = {0};
	struct error err = {0};
	answer.code = errand_names_check(errand, size, &err);
	if (answer.code == 0)
		answer.code = resolved_serve(errand, &err);
	snprintf(answer.text, sizeof(answer.text), "%s", err.text);
	send(socket, &answer, sizeof(answer), MSG_NOSIGNAL);
}

static void handle_members(int socket, union request *request, size_t size)
{
	struct errand_members *errand = &request->members;
	struct error err = {0};
	if (errand_members_check(errand, size, &err) < 0) {
		log_warning("refused: %s", err.text);
		return;
	}
	members_serve(errand);
	send(socket, errand, errand_members_size(errand), MSG_NOSIGNAL);
}

static void handle_switch(int socket, union request *request, size_t size)
{
	struct errand_switch *errand = &request->ports;
	struct error err = {0};
	if (errand_switch_check(errand, size, &err) < 0) {
		log_warning("refused: %s", err.text);
		return;
	}
	members_show(errand);
	send(socket, errand, errand_switch_size(errand), MSG_NOSIGNAL);
}

static void handle_watch(int socket, union request *request, size_t size)
{
	const struct errand_members *errand = &request->members;
	struct error err = {0};
	if (errand_members_check(errand, size, &err) < 0)
		log_warning("refused: %s", err.text);
	else
		member_watch_start(socket, errand);
}

/* Errands of their own form. Those about a service that may hang are done aside. */
static const struct deed {
	uint32_t verb;
	bool aside;
	void (*handle)(int socket, union request *request, size_t size);
} own_deeds[] = {
	{ERRAND_PERMITS, false, handle_permits}, {ERRAND_NAMES, true, handle_names},
	{ERRAND_MEMBERS, true, handle_members},	 {ERRAND_SWITCH, true, handle_switch},
	{ERRAND_WATCH, false, handle_watch},
};

/* In a process of its own, and nobody's child: a service that hangs keeps nobody waiting. */
static void do_aside(const struct deed *deed, int socket, union request *request, size_t size)
{
	pid_t child = fork();
	if (child > 0) {
		waitpid(child, NULL, 0);
		return;
	}
	if (child == 0 && fork() > 0)
		_exit(0);
	deed->handle(socket, request, size);
	if (child == 0)
		_exit(0);
}

static const struct deed *own_deed(const union request *request, ssize_t size)
{
	for (size_t i = 0; size >= 8 && i < sizeof(own_deeds) / sizeof(own_deeds[0]); i++)
		if (own_deeds[i].verb == request->errand.verb)
			return &own_deeds[i];
	return NULL;
}

static void handle(int socket)
{
	union request request;
	struct errand_answer answer = {0};
	struct error err = {0};
	uid_t uid;
	if (descriptor_peer(socket, NULL, &uid, NULL) < 0 || (uid != 0 && uid != broker_uid())) {
		log_warning("refused a connection of uid %u", (unsigned)uid);
		return;
	}
	ssize_t got = recv(socket, &request, sizeof(request), MSG_TRUNC);
	const struct deed *deed = own_deed(&request, got);
	if (deed) {
		if (deed->aside)
			do_aside(deed, socket, &request, (size_t)got);
		else
			deed->handle(socket, &request, (size_t)got);
		return;
	}
	answer.code = got == (ssize_t)sizeof(request.errand)
			      ? serve(&request.errand, &answer, &err)
			      : error_set(&err, EBADMSG, "bad request");
	if (answer.code < 0)
		snprintf(answer.text, sizeof(answer.text), "%s", err.text);
	send(socket, &answer, sizeof(answer), MSG_NOSIGNAL);
}

/* Handed over by a service manager, else our own. */
static int listen_at(const struct paths *paths, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	AUTO_FREE char *path = errand_path(paths);
	if (sd_listen_fds(1) == 1)
		return SD_LISTEN_FDS_START;
	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ENAMETOOLONG, "%s: too long for a socket", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	unlink(path);
	mode_t mask = umask(0177);
	int r = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (r == 0)
		r = lchown(path, broker_uid(), (gid_t)-1);
	if (r == 0)
		r = listen(fd, 4);
	return r < 0 ? error_errno(err, errno, "%s", path) : TAKE_FD(fd);
}

static int run(const struct paths *paths, int idle)
{
	struct error err = {0};
	AUTO_CLOSE int listening = listen_at(paths, &err);
	if (listening < 0) {
		log_error("%s", err.text);
		return 1;
	}
	struct pollfd pollers[] = {{.fd = listening, .events = POLLIN}, {.events = POLLIN}};
	for (;;) {
		pollers[1].fd = member_watch_descriptor();
		if (poll(pollers, 2, pollers[1].fd >= 0 ? -1 : idle) <= 0)
			break;
		if (pollers[1].fd >= 0 && pollers[1].revents)
			member_watch_ended();
		AUTO_CLOSE int socket =
			pollers[0].revents ? accept4(listening, NULL, NULL, SOCK_CLOEXEC) : -1;
		if (socket >= 0)
			handle(socket);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"system", no_argument, NULL, 's'},
						{"instance", required_argument, NULL, 'i'},
						{"stay", no_argument, NULL, 'k'},
						{"allow-name", required_argument, NULL, 'a'},
						{"dns-forward", required_argument, NULL, 'd'},
						{"verbose", no_argument, NULL, 'v'},
						{0}};
	static const char *allowed[ALLOWED_MAX + 1];
	size_t n_allowed = 0;
	const char *instance = NULL;
	bool system = false;
	int idle = IDLE_MS;
	log_init("lanyard-steward", LOG_LEVEL_INFO);
	for (int c; (c = getopt_long(argc, argv, "v", options, NULL)) != -1;) {
		if (c == '?')
			return 2;
		system |= c == 's';
		instance = c == 'i' ? optarg : instance;
		idle = c == 'k' ? -1 : idle;
		if (c == 'a' && n_allowed < ALLOWED_MAX)
			allowed[n_allowed++] = optarg;
	}
	members_allow(allowed);
	if (!system || geteuid() != 0) {
		fputs("usage (as root): lanyard-steward --system [--instance NAME] [--stay] "
		      "[--allow-name PATTERN]...\n",
		      stderr);
		return 2;
	}
	struct paths paths;
	struct error err = {0};
	signal(SIGPIPE, SIG_IGN);
	int r = paths_init(&paths, true, instance, &err);
	if (r < 0)
		log_error("%s", err.text);
	else
		r = run(&paths, idle);
	paths_done(&paths);
	return r < 0 ? 1 : r;
}
