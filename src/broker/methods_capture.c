/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Capture: the frames of a port or a network, into the caller's pipe. The executor starts the
 * process that writes them, and no frame passes the broker; it holds the other end of that
 * process's socket, and keeps the call until the report comes. So a capture ends with its call,
 * and with the broker. One whose caller is gone counts until its process has ended.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "broker/broker.h"
#include "broker/methods.h"
#include "broker/naming.h"
#include "broker/sight.h"
#include "ipc/capture_order.h"

#define CAPTURES_MAX 64 /* under way at once: each is a process and a buffer of the kernel's */
#define OF_ONE_USER  8

struct capture {
	struct capture *next;
	uid_t uid;
	struct varlink_call *call; /* NULL: its caller is gone */
	char ifname[IFNAMSIZ];
	int fd;
	sd_event_source *source;
};

static struct capture *under_way;

/* What is captured. */
struct subject {
	const struct network *network; /* all of it, or */
	const struct port *port;
};

/* Which. */

static int find_named(struct broker *broker, const char *name, const char *network,
		      struct subject *ret, struct error *err)
{
	struct error why = {0};
	const struct state *sight = sight_of(broker);
	const struct port *machine = sight_port_of(broker, name, network, &why);
	ret->network = network ? NULL : state_network(sight, naming_received(broker, name));
	ret->port = sight_port_named(broker, name);
	if (ret->port || (ret->network && why.code == ENOENT)) {
		ret->network = ret->port ? NULL : ret->network;
		return 0;
	}
	if (ret->network)
		return error_set(err, EINVAL,
				 "'%s' is a machine and a network; '--network %s' alone is the "
				 "network, %s%s%s the machine",
				 name, name, machine ? "'" : "", machine ? machine->id : "a port",
				 machine ? "'" : "");
	ret->port = machine;
	if (machine || why.code != ENOENT)
		return machine ? 0 : error_set(err, why.code, "%s", why.text);
	return error_set(err, ENOENT,
			 "there is no machine, port or network '%.64s'%s%s; 'lanyard status' shows "
			 "them",
			 name, network ? " on network " : "", network ? network : "");
}

static int find_subject(struct broker *broker, const json_t *parameters, struct subject *ret,
			struct error *err)
{
	const char *of = methods_text(parameters, "of");
	const char *network = methods_text(parameters, "network");
	if (!of && !network)
		return error_set(err, EINVAL, "parameters.of: a machine, a port or a network");
	if (of)
		return find_named(broker, of, network, ret, err);
	ret->network = methods_network(sight_of(broker), network, err);
	return ret->network ? 0 : -err->code;
}

static const char *ifname_of(const struct subject *subject)
{
	return subject->port ? subject->port->ifname : subject->network->ifname;
}

/* Its end. */

static void capture_free(struct capture *capture)
{
	struct capture **place = &under_way;
	while (*place != capture)
		place = &(*place)->next;
	*place = capture->next;
	sd_event_source_disable_unref(capture->source);
	close(capture->fd);
	free(capture);
}

static void answer(struct capture *capture, const struct capture_report *report)
{
	static const char *const words[CAPTURE_ENDS] = {
		[CAPTURE_COUNTED] = "counted",
		[CAPTURE_READER] = "reader",
		[CAPTURE_INTERFACE] = "interface",
		[CAPTURE_FINISHED] = "finished",
	};
	struct error err = {0};
	const char *end = report->end < CAPTURE_ENDS ? words[report->end] : NULL;
	if (end) {
		varlink_reply(capture->call,
			      json_pack("{s:s, s:s, s:I, s:I}", "interface", capture->ifname, "end",
					end, "frames", (json_int_t)report->frames, "lost",
					(json_int_t)report->lost));
		return;
	}
	error_set(&err, report->code ? report->code : EIO, "%s: the capture failed: %s",
		  capture->ifname,
		  report->code ? strerror(report->code) : "its process was ended from outside");
	varlink_fail(capture->call, &err);
}

static int on_report(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct capture *capture = data;
	struct capture_report report = {0};
	(void)source;
	(void)events;
	ssize_t got = recv(fd, &report, sizeof(report), MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got != (ssize_t)sizeof(report))
		report = (struct capture_report){.end = CAPTURE_FAILED};
	if (capture->call)
		answer(capture, &report);
	capture_free(capture);
	return 0;
}

static void on_gone(struct varlink_call *call, void *data)
{
	struct capture *capture = data;
	varlink_call_drop(call);
	capture->call = NULL;
	shutdown(capture->fd, SHUT_WR);
}

static void on_finish(struct varlink_call *call, void *data)
{
	const struct capture *capture = data;
	(void)call;
	(void)send(capture->fd, "f", 1, MSG_NOSIGNAL); /* it may have ended a moment ago */
}

/* Its beginning. */

static int check_limits(uid_t uid, struct error *err)
{
	size_t all = 0, own = 0;
	for (const struct capture *one = under_way; one; one = one->next) {
		all++;
		own += one->uid == uid;
	}
	if (own >= OF_ONE_USER)
		return error_set(err, EBUSY, "%zu captures of yours are under way; end one of them",
				 own);
	if (all >= CAPTURES_MAX)
		return error_set(err, EBUSY, "%zu captures are under way already", all);
	return 0;
}

static int read_number(const json_t *parameters, const char *key, uint32_t most, uint32_t *ret,
		       struct error *err)
{
	const json_t *value = json_object_get(parameters, key);
	if (!json_is_integer(value))
		return 0;
	if (json_integer_value(value) < 1 || json_integer_value(value) > most)
		return error_set(err, EINVAL, "parameters.%s: %lld is not between 1 and %u", key,
				 (long long)json_integer_value(value), most);
	*ret = (uint32_t)json_integer_value(value);
	return 0;
}

static int begin(struct broker *broker, struct varlink_call *call, int fd, const char *ifname,
		 struct error *err)
{
	struct capture *capture = memory_zero(1, sizeof(*capture));
	capture->next = under_way;
	under_way = capture;
	capture->uid = varlink_call_peer(call)->uid;
	capture->fd = fd;
	snprintf(capture->ifname, sizeof(capture->ifname), "%s", ifname);
	int r = sd_event_add_io(broker->event, &capture->source, fd, EPOLLIN, on_report, capture);
	if (r < 0) {
		capture_free(capture);
		return error_errno(err, r, "event loop");
	}
	capture->call = call;
	varlink_call_on_disconnect(call, on_gone, capture);
	varlink_call_on_finish(call, on_finish, capture);
	if (varlink_call_wants_more(call))
		varlink_reply_more(call, json_pack("{s:s}", "interface", ifname));
	return 0;
}

static int permit(struct broker *broker, const json_t *parameters, uid_t uid, struct subject *ret,
		  struct error *err)
{
	int r = find_subject(broker, parameters, ret, err);
	if (r == 0 && ret->port)
		audit_port(broker, ret->port);
	if (r == 0)
		r = authorise_capture(broker, ret->network, ret->port, err);
	return r == 0 ? check_limits(uid, err) : r;
}

int methods_capture(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	struct capture_order order = {.snap = RECORD_SNAP_MAX};
	struct subject subject = {0};
	int r = read_number(parameters, "snap", RECORD_SNAP_MAX, &order.snap, err);
	if (r == 0)
		r = read_number(parameters, "count", INT32_MAX, &order.count, err);
	if (r == 0)
		r = permit(broker, parameters, varlink_call_peer(call)->uid, &subject, err);
	if (r < 0)
		return r;
	if (subject.network && subject.network->openvswitch)
		return error_set(
			err, EOPNOTSUPP,
			"network '%s' is on the Open vSwitch bridge %s, which shows its "
			"frames to nobody; 'lanyard capture MACHINE' captures those of one "
			"port, and ovs-vsctl can mirror them",
			subject.network->name, subject.network->bridge);
	const char *ifname = ifname_of(&subject);
	if (methods_flag(parameters, "dry_run")) {
		varlink_reply(call, json_pack("{s:s}", "interface", ifname));
		return 0;
	}
	const json_t *index = json_object_get(parameters, "descriptor");
	if (!index)
		return error_set(err, EINVAL, "parameters.descriptor: the write end of a pipe");
	AUTO_CLOSE int pipe = varlink_call_take_fd(call, json_integer_value(index), err);
	if (pipe < 0)
		return pipe;
	r = broker_ensure(broker, err);
	if (r == 0)
		r = executor_client_capture(broker->executor, ifname, &order, pipe, err);
	return r < 0 ? r : begin(broker, call, r, ifname, err);
}
