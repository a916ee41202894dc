/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lanyard publish, unpublish, published: ports of the host that lead to ports of machines. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/output.h"
#include "ipc/varlink_client.h"
#include "verbs/host_port.h"
#include "verbs/verbs.h"

char *publish_end(const json_t *published, const char *host, const char *port)
{
	return host_port_text(json_string_value(json_object_get(published, host)),
			      (int)json_integer_value(json_object_get(published, port)));
}

static void print_published(const json_t *published)
{
	AUTO_FREE char *outside = publish_end(published, "host_address", "host_port");
	AUTO_FREE char *inside = publish_end(published, "name", "port");
	output_line("%s leads to %s", outside, inside);
}

void publish_print_list(const json_t *published)
{
	size_t index;
	json_t *one;
	json_array_foreach (published, index, one)
		print_published(one);
}

/* --dry-run, as other verbs' changes. */
static void intend(const char *what, const char *host, int host_port, const char *name, int port)
{
	AUTO_FREE char *outside = host_port_text(host, host_port);
	AUTO_FREE char *inside = name ? host_port_text(name, port) : NULL;
	AUTO_FREE char *text =
		text_format("%s %s%s%s", what, outside, inside ? " to " : "", inside ? inside : "");
	output_line("%s", text);
	if (output_is_json())
		output_json(json_pack("{s:[{s:s,s:s,s:s,s:s}]}", "changes", "phase", "prepare",
				      "operation", what, "object", outside, "text", text));
}

int publish_run(struct invocation *invocation, struct error *err)
{
	AUTO_FREE char *host = NULL, *name = NULL;
	int host_port, port;
	int result = host_port_split_address(invocation->arguments[0], &host, &host_port, err);
	if (result == 0 && !strchr(invocation->arguments[1], ':'))
		result = error_set(err, EINVAL, "'%s' is not of the form NAME:PORT",
				   invocation->arguments[1]);
	if (result == 0)
		result = host_port_split(invocation->arguments[1], &name, &port, err);
	if (result < 0)
		return result;
	json_t *parameters =
		json_pack("{s:i,s:s,s:i}", "host_port", host_port, "name", name, "port", port);
	if (host)
		json_object_set_new(parameters, "host_address", json_string(host));
	if (verb_given(invocation, "network"))
		json_object_set_new(parameters, "network",
				    json_string(verb_value(invocation, "network")));
	if (invocation->dry_run)
		json_object_set_new(parameters, "dry_run", json_true());
	struct varlink_answer answer = {0};
	result = client_call(invocation, "Publish", parameters, &answer, err);
	json_t *published = json_object_get(answer.parameters, "published");
	if (result == 0 && invocation->dry_run)
		intend("publish", host, host_port, name, port);
	else if (result == 0 && output_is_json())
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
	int result = host_port_split_address(invocation->arguments[0], &host, &host_port, err);
	if (result < 0)
		return result;
	json_t *parameters = json_pack("{s:i}", "host_port", host_port);
	if (host)
		json_object_set_new(parameters, "host_address", json_string(host));
	if (invocation->dry_run)
		json_object_set_new(parameters, "dry_run", json_true());
	result = client_call(invocation, "Unpublish", parameters, NULL, err);
	AUTO_FREE char *outside = host_port_text(host, host_port);
	if (result == 0 && invocation->dry_run)
		intend("unpublish", host, host_port, NULL, 0);
	else if (result == 0)
		output_line("%s is no longer published", outside);
	return result;
}

int published_run(struct invocation *invocation, struct error *err)
{
	struct varlink_answer answer = {0};
	int result = client_call(invocation, "ListPublished", NULL, &answer, err);
	static const char *const keys[] = {"host_address", "host_port", NULL};
	json_t *list = output_sorted(json_object_get(answer.parameters, "published"), keys);
	if (result == 0 && output_is_json())
		output_json(json_incref(list));
	else if (result == 0 && json_array_size(list) == 0)
		output_note("no port is published; 'lanyard publish HOSTPORT NAME:PORT' does that");
	publish_print_list(list);
	json_decref(list);
	varlink_answer_done(&answer);
	return result;
}
