/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Until an uplink is confirmed: the deadline, and the checks that may confirm it. The checks wait
 * for answers of the network, so they run in a process of their own, which writes a line when what
 * they say changes ("ok", or a sentence) and dies with the executor.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "executor/adoption.h"
#include "executor/operations.h"
#include "kern/host.h"
#include "kern/link.h"
#include "kern/netlink.h"

#define SECOND	    1000000ull
#define ANSWER_WAIT 1000 /* milliseconds */
#define ACCURACY    10000
#define OK	    "ok"

/* In the process of the checks */

static bool check_carrier(const struct adoption *adoption, struct netlink *netlink, char *text)
{
	struct host_nic nic;
	bool good = host_nic(netlink, adoption->nic, &nic, NULL) == 0 && nic.carrier;
	if (!good)
		snprintf(text, UPLINK_REPORT_SIZE, "%s has no carrier (is the cable in?)",
			 adoption->nic);
	return good;
}

static bool check_gateways(const struct adoption *adoption, char *text)
{
	char ip[IP_TEXT_SIZE];
	int ifindex = link_index(adoption->bridge);
	for (size_t i = 0; i < adoption->n_gateways; i++) {
		const struct ip *gateway = &adoption->gateways[i];
		if (ifindex > 0 && hail_neighbour(ifindex, gateway, ANSWER_WAIT, NULL) == 1)
			continue;
		snprintf(text, UPLINK_REPORT_SIZE, "the gateway %s does not answer on %s",
			 ip_format(gateway, ip), adoption->bridge);
		return false;
	}
	return true;
}

/* The kernel has heard an acknowledgement since the move, or the other end answers a ping. */
static bool check_session(const struct adoption *adoption, char *text)
{
	const struct hail_session *session = &adoption->session;
	char ip[IP_TEXT_SIZE];
	if (!session->peer.family)
		return true;
	int age = hail_session_age(session, NULL);
	if (age >= 0 && (uint64_t)age * 1000 < clock_usec(CLOCK_BOOTTIME) - adoption->since)
		return true;
	if (hail_echo(&session->peer, ANSWER_WAIT, NULL) == 1)
		return true;
	snprintf(text, UPLINK_REPORT_SIZE, "%s, where you called from, is not heard of",
		 ip_format(&session->peer, ip));
	return false;
}

static void say(int out, const char *text, char *last)
{
	if (strcmp(text, last) == 0)
		return;
	snprintf(last, UPLINK_REPORT_SIZE, "%s", text);
	if (dprintf(out, "%s\n", text) < 0)
		_exit(1);
}

static void check_all(const struct adoption *adoption, struct netlink *netlink, char *text)
{
	bool good = check_carrier(adoption, netlink, text) && check_gateways(adoption, text) &&
		    check_session(adoption, text);
	if (good && !adoption->n_gateways && !adoption->session.peer.family)
		snprintf(text, UPLINK_REPORT_SIZE,
			 "there is nobody to ask: no gateway answered before");
	else if (good)
		snprintf(text, UPLINK_REPORT_SIZE, OK);
}

__attribute__((noreturn)) static void run_checks(const struct adoption *adoption, int out,
						 pid_t parent)
{
	static const struct timespec rest = {.tv_nsec = 500000000};
	char text[UPLINK_REPORT_SIZE], last[UPLINK_REPORT_SIZE] = "";
	struct netlink netlink;
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	/* the executor's sockets must not live longer than it does */
	dup2(out, STDIN_FILENO);
	out = STDIN_FILENO;
	syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, 0);
	if (netlink_open(&netlink, NETLINK_ROUTE, NULL) < 0)
		_exit(1);
	for (;;) {
		check_all(adoption, &netlink, text);
		say(out, text, last);
		if (strcmp(text, OK) == 0)
			_exit(0);
		nanosleep(&rest, NULL);
	}
}

/* In the executor */

static void stop_checks(struct adoption *adoption)
{
	adoption->checks = sd_event_source_disable_unref(adoption->checks);
	if (adoption->pipe >= 0)
		close(adoption->pipe);
	adoption->pipe = -1;
	if (adoption->child > 0) {
		kill(adoption->child, SIGKILL);
		waitpid(adoption->child, NULL, 0);
	}
	adoption->child = 0;
}

void adoption_unwatch(struct adoption *adoption)
{
	stop_checks(adoption);
	adoption->timer = sd_event_source_disable_unref(adoption->timer);
}

/* Zero behind its end: it travels in records. */
static void report(struct adoption *adoption, const char *text)
{
	memset(adoption->report, 0, sizeof(adoption->report));
	snprintf(adoption->report, sizeof(adoption->report), "%s", text);
}

static void passed(struct adoption *adoption)
{
	struct adoptions *all = adoption->all;
	struct error err = {0};
	char text[256];
	stop_checks(adoption);
	report(adoption, "all checks pass");
	if (adoption->by_hand)
		return;
	snprintf(text, sizeof(text), "uplink %s: all checks pass, it stays", adoption->nic);
	if (adoptions_confirm(all, adoption->nic, &err) < 0)
		log_error("%s", err.text);
	log_info("%s", text);
	all->told(text, all->data);
}

static int on_line(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct adoption *adoption = data;
	char text[UPLINK_REPORT_SIZE * 2];
	(void)source;
	(void)events;
	ssize_t got = read(fd, text, sizeof(text) - 1);
	if (got <= 0) {
		stop_checks(adoption);
		return 0;
	}
	text[got] = '\0';
	char *rest = text, *line;
	while ((line = strsep(&rest, "\n")) && *line) {
		if (strcmp(line, OK) == 0) {
			passed(adoption);
			return 0;
		}
		report(adoption, line);
		log_info("uplink %s: %s", adoption->nic, line);
	}
	return 0;
}

static void start_checks(struct adoption *adoption)
{
	int ends[2];
	pid_t parent = getpid();
	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	adoption->child = fork();
	if (adoption->child == 0)
		run_checks(adoption, ends[1], parent);
	close(ends[1]);
	adoption->pipe = ends[0];
	if (adoption->child < 0 || sd_event_add_io(adoption->all->event, &adoption->checks, ends[0],
						   EPOLLIN, on_line, adoption) < 0) {
		log_error("uplink %s: the checks cannot run: %m", adoption->nic);
		stop_checks(adoption);
	}
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *data)
{
	struct adoption *adoption = data;
	struct adoptions *all = adoption->all;
	struct error err = {0};
	char text[256];
	(void)source;
	(void)usec;
	snprintf(text, sizeof(text), "uplink %s was not confirmed in time: all is as before%s%s",
		 adoption->nic, adoption->report[0] ? "; " : "", adoption->report);
	if (adoption_go_back(adoption, true, &err) < 0) {
		log_error("going back: %s; trying again", err.text);
		adoption->deadline = clock_usec(CLOCK_BOOTTIME) + SECOND;
		adoption_watch(adoption);
		return 0;
	}
	log_warning("%s", text);
	all->told(text, all->data);
	return 0;
}

void adoption_watch(struct adoption *adoption)
{
	if (adoption->confirmed)
		return;
	if (!adoption->timer &&
	    sd_event_add_time(adoption->all->event, &adoption->timer, CLOCK_BOOTTIME,
			      adoption->deadline, ACCURACY, on_deadline, adoption) < 0)
		log_error("uplink %s: no timer: %m", adoption->nic);
	if (adoption->moved && adoption->pipe < 0)
		start_checks(adoption);
}
