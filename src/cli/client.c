/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/paths.h"
#include "cli/output.h"
#include "cli/process.h"
#include "cli/verb.h"
#include "ipc/varlink_client.h"

/* Is there a system instance of this name that we may talk to? */
static bool has_system_instance(const char *instance)
{
	struct paths paths;
	if (paths_init(&paths, true, instance, NULL) < 0)
		return false;
	bool is_there = access(paths.broker, W_OK) == 0;
	paths_done(&paths);
	return is_there;
}

int client_paths(struct invocation *invocation, struct error *err)
{
	if (invocation->has_paths)
		return 0;
	const char *instance = invocation->instance;
	bool system = invocation->system ||
		      (!invocation->user && (geteuid() == 0 || has_system_instance(instance)));
	int result = paths_init(&invocation->paths, system, instance, err);
	if (result < 0)
		return error_prefix(err, "--instance");
	/* Machines are the user's even where the network is the computer's. */
	AUTO_FREE char *own = system ? text_format("system-%s", invocation->paths.instance) : NULL;
	result = paths_init(&invocation->own, false, system ? own : instance, err);
	if (result < 0) {
		paths_done(&invocation->paths);
		return result;
	}
	invocation->has_paths = true;
	return 0;
}

/* In a user instance the socket must be served by us: its folder may lie in /tmp. */
static int check_peer(const struct invocation *invocation, struct varlink_client *client,
		      struct error *err)
{
	uid_t uid = 0;
	int result = descriptor_peer(varlink_client_fd(client), NULL, &uid, NULL);
	if (result < 0)
		return error_errno(err, result, "%s", invocation->paths.broker);
	if (!invocation->paths.system && uid != geteuid())
		return error_set(
			err, EPERM,
			"%s is served by another user (uid %u); remove it or set XDG_RUNTIME_DIR",
			invocation->paths.broker, (unsigned)uid);
	return 0;
}

static int connect_once(struct invocation *invocation, struct error *err)
{
	struct varlink_client *client;
	int result = varlink_client_connect(invocation->paths.broker, &client, err);
	if (result < 0)
		return result;
	result = check_peer(invocation, client, err);
	if (result < 0) {
		varlink_client_free(client);
		return result;
	}
	invocation->client = client;
	return 0;
}

static bool is_absent(int result)
{
	return result == -ENOENT || result == -ECONNREFUSED;
}

static int start_instance(struct invocation *invocation, struct error *err)
{
	AUTO_FREE char *program = paths_program("lanyardd");
	const char *argv[] = {program,	     "--user", "--instance", invocation->paths.instance,
			      "--daemonize", NULL};
	output_detail("starting instance '%s'", invocation->paths.instance);
	AUTO_FREE char *text = NULL;
	int result = process_run(argv, &text, err);
	if (result < 0)
		return result;
	if (result > 0)
		return error_set(err, EIO, "%s",
				 *text ? process_sentence(text, "lanyardd")
				       : "lanyardd could not be started");
	return 0;
}

int client_open_running(struct invocation *invocation, struct error *err)
{
	if (invocation->client)
		return 0;
	int result = client_paths(invocation, err);
	if (result < 0)
		return result;
	result = connect_once(invocation, err);
	if (is_absent(result))
		return error_set(err, ENOENT, "instance '%s' is not running",
				 invocation->paths.instance);
	return result;
}

int client_open(struct invocation *invocation, struct error *err)
{
	if (invocation->client)
		return 0;
	int result = client_paths(invocation, err);
	if (result < 0)
		return result;
	result = connect_once(invocation, err);
	if (!is_absent(result))
		return result;
	if (invocation->paths.system)
		return error_set(err, ENOENT,
				 "no system instance answers on %s; start it as root "
				 "(lanyardd(8)), or use --user",
				 invocation->paths.broker);
	result = start_instance(invocation, err);
	if (result < 0)
		return result;
	result = connect_once(invocation, err);
	return result < 0 ? error_prefix(err, "the instance was started but does not answer") : 0;
}

int client_open_existing(struct invocation *invocation, struct error *err)
{
	int result = client_open_running(invocation, err);
	bool lives_on = invocation->has_paths && !invocation->paths.system &&
			access(invocation->paths.holder, F_OK) == 0;
	return result == -ENOENT && lives_on ? client_open(invocation, err) : result;
}

void client_close(struct invocation *invocation)
{
	varlink_client_free(invocation->client);
	invocation->client = NULL;
	if (invocation->has_paths) {
		paths_done(&invocation->paths);
		paths_done(&invocation->own);
	}
	invocation->has_paths = false;
}

int client_call_fds(struct invocation *invocation, const char *method, json_t *parameters,
		    const int *fds, size_t n_fds, struct varlink_answer *answer, struct error *err)
{
	AUTO_FREE char *name = text_format("io.lanyard.%s", method);
	int result = client_open(invocation, err);
	for (int attempt = 0; result == 0; attempt++) {
		result = varlink_client_call(invocation->client, name, json_incref(parameters), fds,
					     n_fds, answer, err);
		bool is_gone = result == -ECONNRESET || result == -EPIPE;
		if (!is_gone || attempt > 0)
			break;
		varlink_client_free(invocation->client);
		invocation->client = NULL;
		result = client_open(invocation, err);
	}
	json_decref(parameters);
	return result;
}

int client_call(struct invocation *invocation, const char *method, json_t *parameters,
		struct varlink_answer *answer, struct error *err)
{
	return client_call_fds(invocation, method, parameters, NULL, 0, answer, err);
}

void client_print_changes(const json_t *changes, const char *empty_text)
{
	size_t index;
	json_t *change;
	json_array_foreach (changes, index, change) {
		const char *text = json_string_value(json_object_get(change, "text"));
		output_line("%s", text ? text : "?");
	}
	if (json_array_size(changes) == 0 && empty_text)
		output_line("%s", empty_text);
}

int client_change(struct invocation *invocation, const char *method, json_t *parameters,
		  struct varlink_answer *answer, struct error *err)
{
	if (invocation->dry_run)
		json_object_set_new(parameters, "dry_run", json_true());
	int result = client_call(invocation, method, parameters, answer, err);
	if (result < 0)
		return result;
	const json_t *changes = json_object_get(answer->parameters, "changes");
	if (invocation->dry_run || invocation->verbose)
		client_print_changes(changes, invocation->dry_run ? "nothing to do" : NULL);
	if (output_is_json())
		output_json(json_incref(answer->parameters));
	return 0;
}
