/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lanyard publish, unpublish, published: ports of the host that lead to ports of machines. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/client.h"
#include "cli/host_port.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "ipc/varlink_client.h"

static void print_published(const json_t *published)
{
	AUTO_FREE char *address = output_member(published, "host_address");
	AUTO_FREE char *host_port = output_member(published, "host_port");
	AUTO_FREE char *name = output_member(published, "name");
	AUTO_FREE char *port = output_member(published, "port");
	output_line("%s:%s leads to %s:%s", address, host_port, name, port);
}

int publish_run(struct invocation *invocation, struct error *err)
{
	AUTO_FREE char *host = NULL, *name = NULL;
	int host_port, port;
	int result = host_port_split(invocation->arguments[0], &host, &host_port, err);
	if (result == 0 && !strchr(invocation->arguments[1], ':'))
		result = error_set(err, EINVAL, "'%s' is not of the form NAME:PORT",
				   invocation->arguments[1]);
	if (result == 0)
		result = host_port_split(invocation->arguments[1], &name, &port, err);
	if (result < 0)
		return result;
	if (invocation->dry_run) {
		output_line("publish %s:%d as %s:%d", name, port, host ? host : "127.0.0.1",
			    host_port);
		return 0;
	}
	json_t *parameters =
		json_pack("{s:i,s:s,s:i}", "host_port", host_port, "name", name, "port", port);
	if (host)
		json_object_set_new(parameters, "host_address", json_string(host));
	if (verb_given(invocation, "network"))
		json_object_set_new(parameters, "network",
				    json_string(verb_value(invocation, "network")));
	struct varlink_answer answer = {0};
	result = client_call(invocation, "Publish", parameters, &answer, err);
	json_t *published = json_object_get(answer.parameters, "published");
	if (result == 0 && output_is_json())
		output_json(json_incref(published));
	else if (result == 0)
		print_published(published);
	varlink_answer_done(&answer);
	return result;
}

int unpublish_run(struct invocation *invocation, struct error *err)
{
	AUTO_FREE char *host = NULL;
	int host_port;
	int result = host_port_split(invocation->arguments[0], &host, &host_port, err);
	if (result < 0)
		return result;
	if (invocation->dry_run) {
		output_line("unpublish %s:%d", host ? host : "127.0.0.1", host_port);
		return 0;
	}
	json_t *parameters = json_pack("{s:i}", "host_port", host_port);
	if (host)
		json_object_set_new(parameters, "host_address", json_string(host));
	result = client_call(invocation, "Unpublish", parameters, NULL, err);
	if (result == 0)
		output_line("port %d is no longer published", host_port);
	return result;
}

int published_run(struct invocation *invocation, struct error *err)
{
	struct varlink_answer answer = {0};
	int result = client_call(invocation, "ListPublished", NULL, &answer, err);
	json_t *list = json_object_get(answer.parameters, "published"), *published;
	size_t index;
	if (result == 0 && output_is_json())
		output_json(json_incref(list));
	json_array_foreach (list, index, published)
		print_published(published);
	varlink_answer_done(&answer);
	return result;
}
