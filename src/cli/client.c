/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/client.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/paths.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/process.h"
#include "cli/verb.h"
#include "ipc/varlink_client.h"

/* By the accounts' database and not by this process, as the broker sees it: no new login is needed.
 */
static bool is_member(void)
{
	gid_t groups[NGROUPS_MAX];
	int count = NGROUPS_MAX;
	const struct group *group = getgrnam("lanyard");
	gid_t wanted = group ? group->gr_gid : 0;
	const struct passwd *account = group ? getpwuid(geteuid()) : NULL;
	if (!account || getgrouplist(account->pw_name, account->pw_gid, groups, &count) < 0)
		return false;
	for (int i = 0; i < count; i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

/* What the broker says of its policy; 1: we may use it, 0: we may not, -1: it does not say. */
static int ask_rights(const struct paths *paths)
{
	struct varlink_client *client = NULL;
	struct varlink_answer answer = {0};
	int result = -1;
	if (varlink_client_connect(paths->broker, &client, NULL) < 0)
		return -1;
	if (varlink_client_call(client, "io.lanyard.GetRights", NULL, NULL, 0, &answer, NULL) >= 0)
		result = json_is_true(json_object_get(answer.parameters, "use"));
	varlink_answer_done(&answer);
	varlink_client_free(client);
	return result;
}

/* Does the broker of a system instance listen to us? Where there is no policy, the group decides.
 */
static bool is_allowed(const struct paths *paths)
{
	int said = access(paths->policy, F_OK) == 0 ? ask_rights(paths) : -1;
	return said >= 0 ? said > 0 : is_member();
}

/* Is there a system instance of this name that we may talk to? */
static bool has_system_instance(const char *instance)
{
	struct paths paths;
	if (paths_init(&paths, true, instance, NULL) < 0)
		return false;
	bool is_there = access(paths.broker, W_OK) == 0 && is_allowed(&paths);
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
		return error_set(err, result == exit_code(-EPERM) ? EPERM : EIO, "%s",
				 *text ? process_sentence(text, "lanyardd")
				       : "lanyardd could not be started");
	return 0;
}

/* -ECONNREFUSED and the like (is_absent): it does not run. */
static int open_once(struct invocation *invocation, struct error *err)
{
	if (invocation->client)
		return 0;
	int result = client_paths(invocation, err);
	return result < 0 ? result : connect_once(invocation, err);
}

int client_open_running(struct invocation *invocation, struct error *err)
{
	int result = open_once(invocation, err);
	if (is_absent(result) && invocation->has_paths)
		return error_set(err, ENOENT,
				 invocation->paths.system
					 ? "instance '%s' is not running"
					 : "instance '%s' is not running; 'lanyard net add' or "
					   "'lanyard up' starts it",
				 invocation->paths.instance);
	return result;
}

int client_open(struct invocation *invocation, struct error *err)
{
	int result = open_once(invocation, err);
	if (!is_absent(result) || !invocation->has_paths)
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

/* Are networks defined, which the instance will make as soon as it runs? */
static bool has_definitions(const struct paths *paths)
{
	AUTO_FREE char *path = text_format("%s/networks", paths->state);
	DIR *folder = opendir(path);
	bool found = false;
	for (const struct dirent *item; folder && !found && (item = readdir(folder));)
		found = item->d_name[0] != '.';
	if (folder)
		closedir(folder);
	return found;
}

int client_open_existing(struct invocation *invocation, struct error *err)
{
	int result = client_open_running(invocation, err);
	bool lives_on = invocation->has_paths && !invocation->paths.system &&
			(access(invocation->paths.holder, F_OK) == 0 ||
			 has_definitions(&invocation->paths));
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

/* Methods that only ask, by the beginnings of their names. */
static bool is_question(const char *method)
{
	static const char *const beginnings[] = {"Get", "List", "Status", "Plan", "Check"};
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
		if (strncmp(method, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}

/* One call, as it travels. */
struct call {
	const char *method; /* without the interface's name */
	json_t *parameters;
	const int *fds;
	size_t n_fds;
	bool more;
	client_said *said;
	void *data;
};

static int call_once(struct varlink_client *client, const struct call *call,
		     struct varlink_answer *answer, struct error *err)
{
	AUTO_FREE char *name = text_format("io.lanyard.%s", call->method);
	json_t *parameters = json_incref(call->parameters);
	if (!call->more)
		return varlink_client_call(client, name, parameters, call->fds, call->n_fds, answer,
					   err);
	int result =
		varlink_client_start_fds(client, name, parameters, call->fds, call->n_fds, err);
	if (result < 0)
		return result;
	while ((result = varlink_client_next(client, answer, err)) > 0)
		if (call->said)
			call->said(answer->parameters, call->data);
	return result;
}

/* The message's field is the command line's word: "parameters.port.mtu: mtu 1 is too small". */
static void plain_words(struct error *err)
{
	static const char prefix[] = "parameters.";
	if (strncmp(err->text, prefix, strlen(prefix)) != 0)
		return;
	size_t length = strcspn(err->text, ": ");
	if (strncmp(err->text + length, ": ", 2) != 0 || memchr(err->text, '[', length))
		return;
	const char *key = err->text + length;
	while (key[-1] != '.')
		key--;
	size_t key_length = (size_t)(err->text + length - key);
	const char *sentence = err->text + length + 2;
	bool says_key = strncmp(sentence, key, key_length) == 0 && sentence[key_length] == ' ';
	memmove(err->text, says_key ? sentence : key, strlen(says_key ? sentence : key) + 1);
}

/* What a user instance answers that owns nothing: nobody has to start it for that. Without a list:
 * methods for what is there, of which nothing is. */
static const struct {
	const char *method, *list;
} nothing[] = {
	{"ListNetworks", "networks"},
	{"ListPorts", "ports"},
	{"ListLeases", "leases"},
	{"ListPublished", "published"},
	{"ListUplinks", "uplinks"},
	{"Check", "checks"},
	{"Plan", "changes"},
	{"SetNetwork", NULL},
	{"RemoveNetwork", NULL},
	{"AddPort", NULL},
	{"AddPorts", NULL},
	{"SetPort", NULL},
	{"RemovePort", NULL},
	{"RemovePorts", NULL},
	{"Reserve", NULL},
	{"Unreserve", NULL},
	{"Capture", NULL},
	{"Connect", NULL},
	{"Publish", NULL},
	{"Unpublish", NULL},
};

#define N_NOTHING (sizeof(nothing) / sizeof(nothing[0]))

/* 1: answered, nothing is there; 0: somebody has to be asked. */
static int answer_from_nothing(struct invocation *invocation, const struct call *call,
			       struct varlink_answer *answer, struct error *err)
{
	size_t i = 0;
	while (i < N_NOTHING && strcmp(call->method, nothing[i].method) != 0)
		i++;
	if (i == N_NOTHING || client_paths(invocation, err) < 0 || invocation->paths.system)
		return 0;
	int result = client_open_existing(invocation, err);
	if (result != -ENOENT || !nothing[i].list)
		return result;
	const char *network = json_string_value(json_object_get(call->parameters, "network"));
	if (network)
		return error_set(err, ENOENT, "there is no network '%s'", network);
	answer->parameters = json_pack("{s:[]}", nothing[i].list);
	return 1;
}

static int call_again(struct invocation *invocation, const struct call *call,
		      struct varlink_answer *answer, struct error *err)
{
	int result = answer_from_nothing(invocation, call, answer, err);
	if (result > 0)
		return 0;
	if (result == 0)
		result = client_open(invocation, err);
	for (int attempt = 0; result == 0; attempt++) {
		result = call_once(invocation->client, call, answer, err);
		/* An error that the broker answered may be about a connection of its own. */
		if (result != -ECONNRESET || answer->error)
			break;
		bool is_safe =
			varlink_client_is_unheard(invocation->client) || is_question(call->method);
		varlink_client_free(invocation->client);
		invocation->client = NULL;
		if (!is_safe || attempt > 0)
			return error_set(err, ECONNRESET,
					 "the broker went away in the middle of it; look with "
					 "'lanyard status' whether it was done before you say it "
					 "again");
		varlink_answer_done(answer);
		result = client_open(invocation, err);
	}
	if (result < 0)
		plain_words(err);
	return result;
}

static int call_and_drop(struct invocation *invocation, const struct call *call,
			 struct varlink_answer *answer, struct error *err)
{
	struct varlink_answer unused = {0};
	int result = call_again(invocation, call, answer ? answer : &unused, err);
	varlink_answer_done(&unused);
	json_decref(call->parameters);
	return result;
}

int client_call_fds(struct invocation *invocation, const char *method, json_t *parameters,
		    const int *fds, size_t n_fds, struct varlink_answer *answer, struct error *err)
{
	const struct call call = {
		.method = method, .parameters = parameters, .fds = fds, .n_fds = n_fds};
	return call_and_drop(invocation, &call, answer, err);
}

int client_call_more(struct invocation *invocation, const char *method, json_t *parameters,
		     client_said *said, void *data, struct varlink_answer *answer,
		     struct error *err)
{
	const struct call call = {.method = method,
				  .parameters = parameters,
				  .more = true,
				  .said = said,
				  .data = data};
	return call_and_drop(invocation, &call, answer, err);
}

int client_call_more_fd(struct invocation *invocation, const char *method, json_t *parameters,
			int fd, client_said *said, void *data, struct varlink_answer *answer,
			struct error *err)
{
	const struct call call = {.method = method,
				  .parameters = parameters,
				  .fds = &fd,
				  .n_fds = 1,
				  .more = true,
				  .said = said,
				  .data = data};
	return call_and_drop(invocation, &call, answer, err);
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
