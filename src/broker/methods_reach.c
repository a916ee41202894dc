/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the host reaches machines: leases, connections, published ports. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "broker/broker.h"
#include "broker/leases.h"
#include "broker/methods.h"
#include "broker/publications.h"
#include "broker/sight.h"

#define CONNECT_SECONDS 20

int methods_list_leases(struct varlink_call *call, json_t *parameters, void *data,
			struct error *err)
{
	struct broker *broker = data;
	const char *network = methods_text(parameters, "network");
	if (network && !methods_network(&broker->state, network, err))
		return -err->code;
	varlink_reply(call, json_pack("{s:o}", "leases", leases_json(sight_of(broker), network)));
	return 0;
}

static int check_port(const json_t *parameters, const char *key, uint16_t *ret, struct error *err)
{
	json_int_t value = json_integer_value(json_object_get(parameters, key));
	if (value < 1 || value > 65535)
		return error_set(err, EINVAL,
				 "parameters.%s: %lld is no TCP port; write 1 to 65535", key,
				 (long long)value);
	*ret = (uint16_t)value;
	return 0;
}

/* A connection on its way: the call is kept until the kernel says how it went. */
struct attempt {
	struct varlink_call *call;
	int fd;
	sd_event_source *source, *timer;
	char *what; /* "web (10.20.0.10) port 22" */
};

static void attempt_free(struct attempt *attempt)
{
	sd_event_source_disable_unref(attempt->source);
	sd_event_source_disable_unref(attempt->timer);
	if (attempt->fd >= 0)
		close(attempt->fd);
	free(attempt->what);
	free(attempt);
}

static void attempt_fail(struct attempt *attempt, int code)
{
	struct error err = {0};
	static const struct {
		int code;
		const char *hint;
	} hints[] = {
		{ECONNREFUSED, "; nothing listens there (yet)"},
		{EHOSTUNREACH, "; is the machine running?"},
		{ETIMEDOUT, "; is the machine running, and does its firewall let it in?"},
	};
	const char *hint = "";
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (hints[i].code == code)
			hint = hints[i].hint;
	error_set(&err, code, "%s: %s%s", attempt->what, strerror(code), hint);
	varlink_fail(attempt->call, &err);
	attempt_free(attempt);
}

static int on_connected(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct attempt *attempt = data;
	int code = 0;
	socklen_t length = sizeof(code);
	(void)source;
	(void)events;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) < 0)
		code = errno;
	if (code) {
		attempt_fail(attempt, code);
		return 0;
	}
	/* A stream that a simple program can use: blocking. */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	attempt->source = sd_event_source_disable_unref(attempt->source);
	int given = TAKE_FD(attempt->fd);
	varlink_reply_fds(attempt->call, json_pack("{s:i}", "descriptor", 0), &given, 1);
	attempt_free(attempt);
	return 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	attempt_fail(data, ETIMEDOUT);
	return 0;
}

static void on_gone(struct varlink_call *call, void *data)
{
	struct attempt *attempt = data;
	varlink_call_drop(call);
	attempt_free(attempt);
}

int methods_connect(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	const char *name = methods_text(parameters, "name");
	struct ip address;
	uint16_t port = 0;
	char text[IP_TEXT_SIZE];
	int r = check_port(parameters, "port", &port, err);
	if (r == 0)
		r = leases_resolve(sight_of(broker), name, methods_text(parameters, "network"),
				   &address, NULL, err);
	if (r == 0)
		r = broker_ensure(broker, err);
	if (r < 0)
		return r;
	AUTO_CLOSE int fd = executor_client_open(broker->executor, &address, port, err);
	if (fd < 0)
		return fd;
	struct attempt *attempt = memory_zero(1, sizeof(*attempt));
	attempt->call = call;
	attempt->what = text_format("%.255s (%s) port %u", name, ip_format(&address, text), port);
	attempt->fd = TAKE_FD(fd);
	r = sd_event_add_io(broker->event, &attempt->source, attempt->fd, EPOLLOUT, on_connected,
			    attempt);
	if (r >= 0)
		r = sd_event_add_time_relative(broker->event, &attempt->timer, CLOCK_MONOTONIC,
					       CONNECT_SECONDS * 1000000ull, 0, on_timeout,
					       attempt);
	if (r < 0) {
		attempt_free(attempt);
		return error_errno(err, r, "event loop");
	}
	varlink_call_on_disconnect(call, on_gone, attempt);
	return 0;
}

static int host_address(const json_t *parameters, struct ip *ret, struct error *err)
{
	const char *text = methods_text(parameters, "host_address");
	int r = ip_parse(text ? text : "127.0.0.1", ret, err);
	return r < 0 ? error_prefix(err, "parameters.host_address") : 0;
}

int methods_publish(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	struct publication what = {0};
	const char *network = methods_text(parameters, "network");
	int r = host_address(parameters, &what.host, err);
	if (r == 0)
		r = check_port(parameters, "host_port", &what.host_port, err);
	if (r == 0)
		r = check_port(parameters, "port", &what.port, err);
	if (r < 0)
		return r;
	const char *name = methods_text(parameters, "name");
	if (strlen(name) >= sizeof(what.name) ||
	    (network && strlen(network) >= sizeof(what.network)))
		return error_set(err, EINVAL, "parameters.name: too long for a name");
	strcpy(what.name, name);
	strcpy(what.network, network ? network : "");
	what.owner = authorise_uid(broker);
	r = authorise_publish(broker, &what, err);
	if (r == 0)
		r = broker_ensure(broker, err);
	if (r == 0)
		r = publications_add(broker->publications, &what,
				     methods_flag(parameters, "dry_run"), err);
	if (r < 0)
		return r;
	varlink_reply(call, json_pack("{s:o}", "published", publication_json(&what)));
	return 0;
}

int methods_unpublish(struct varlink_call *call, json_t *parameters, void *data, struct error *err)
{
	struct broker *broker = data;
	struct ip host;
	uint16_t port = 0;
	int r = host_address(parameters, &host, err);
	if (r == 0)
		r = check_port(parameters, "host_port", &port, err);
	if (r == 0)
		r = publications_remove(broker->publications, &host, port,
					methods_flag(parameters, "dry_run"), err);
	if (r < 0)
		return r;
	varlink_reply(call, NULL);
	broker_consider_end(broker);
	return 0;
}

int methods_list_published(struct varlink_call *call, json_t *parameters, void *data,
			   struct error *err)
{
	struct broker *broker = data;
	(void)parameters;
	(void)err;
	varlink_reply(call,
		      json_pack("{s:o}", "published", publications_json(broker->publications)));
	return 0;
}
