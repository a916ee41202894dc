/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lanyard port: where NICs are plugged in, for hypervisors and namespaces that we do not start. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/nsfs.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/process.h"
#include "cli/settings.h"
#include "cli/table.h"
#include "ipc/varlink_client.h"
#include "model/port.h"
#include "model/schema.h"
#include "verbs/collection.h"
#include "verbs/verbs.h"

static json_t *read_settings(const struct invocation *invocation, struct error *err)
{
	struct port port = {.queues = 1, .owner = (uint32_t)-1, .group = (uint32_t)-1};
	json_t *settings = settings_read(&port_schema, &port, invocation->arguments + 1,
					 invocation->n_arguments - 1, err);
	if (!settings)
		error_prefix(err, "port");
	return settings;
}

/* A network namespace by PID or path ("/run/netns/NAME" may be given as NAME). */
static int open_namespace(const char *text, struct error *err)
{
	char path[512];
	if (text[strspn(text, "0123456789")] == '\0')
		snprintf(path, sizeof(path), "/proc/%s/ns/net", text);
	else
		snprintf(path, sizeof(path), "%s%s", strchr(text, '/') ? "" : "/run/netns/", text);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT && text[strspn(text, "0123456789")] == '\0')
		return error_set(err, ENOENT, "network namespace '%s': there is no such process",
				 text);
	if (fd < 0)
		return error_errno(err, errno, "network namespace '%s': %s", text, path);
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return error_set(err, EINVAL,
				 "'%s' is no network namespace; name a process, a path like "
				 "/proc/PID/ns/net, or one of 'ip netns'",
				 text);
	return TAKE_FD(fd);
}

/* What each way of plugging adds to the port's definition. */
static int describe_netns(const struct invocation *invocation, json_t *port, int *ret_fd,
			  struct error *err)
{
	*ret_fd = open_namespace(verb_value(invocation, "netns"), err);
	if (*ret_fd < 0)
		return *ret_fd;
	json_object_set_new(port, "kind", json_string(port_kind_name(PORT_NETNS)));
	json_object_set_new(port, "netns", json_integer(0));
	if (!json_object_get(port, "peer"))
		json_object_set_new(port, "peer", json_string("eth0"));
	return 0;
}

static int describe_tap(const struct invocation *invocation, json_t *port, int *ret_fd,
			struct error *err)
{
	(void)ret_fd, (void)err;
	json_object_set_new(port, "kind", json_string(port_kind_name(PORT_TAP_NAMED)));
	json_object_set_new(port, "ifname", json_string(verb_value(invocation, "tap")));
	/* The caller owns it, unless the definition says otherwise. */
	if (!json_object_get(port, "owner") && !json_object_get(port, "group"))
		json_object_set_new(port, "owner", json_integer((json_int_t)geteuid()));
	return 0;
}

/* Its name is the other end's, which a hypervisor bridges onto. */
static int describe_veth(const struct invocation *invocation, json_t *port, int *ret_fd,
			 struct error *err)
{
	(void)ret_fd, (void)err;
	json_object_set_new(port, "kind", json_string(port_kind_name(PORT_VETH)));
	json_object_set_new(port, "peer", json_string(verb_value(invocation, "veth")));
	return 0;
}

static int describe_adopt(const struct invocation *invocation, json_t *port, int *ret_fd,
			  struct error *err)
{
	(void)ret_fd, (void)err;
	json_object_set_new(port, "kind", json_string(port_kind_name(PORT_ADOPT)));
	json_object_set_new(port, "ifname", json_string(verb_value(invocation, "adopt")));
	return 0;
}

static int describe_run(const struct invocation *invocation, json_t *port, int *ret_fd,
			struct error *err)
{
	(void)ret_fd;
	if (invocation->n_rest == 0)
		return error_set(
			err, EINVAL,
			"--run needs a command: lanyard port add NETWORK --run -- COMMAND");
	json_object_set_new(port, "kind", json_string(port_kind_name(PORT_TAP)));
	return 0;
}

static const struct way {
	const char *option;
	int (*describe)(const struct invocation *invocation, json_t *port, int *ret_fd,
			struct error *err);
} ways[] = {
	{"netns", describe_netns}, {"tap", describe_tap}, {"veth", describe_veth},
	{"adopt", describe_adopt}, {"run", describe_run},
};

static const struct way *find_way(const struct invocation *invocation, struct error *err)
{
	const struct way *found = NULL;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (!verb_given(invocation, ways[i].option))
			continue;
		if (found) {
			error_set(err, EINVAL, "--%s and --%s exclude each other", found->option,
				  ways[i].option);
			return NULL;
		}
		found = &ways[i];
	}
	if (!found)
		error_set(err, EINVAL,
			  "say what is plugged in: --netns PATH|PID, --tap NAME, --veth NAME, "
			  "--adopt NAME or "
			  "--run -- COMMAND");
	return found;
}

/* Becomes the command, which inherits the tap's queues. Their numbers are in LANYARD_FDS ("5:6").
 */
static int run_command(struct invocation *invocation, struct varlink_answer *answer,
		       struct error *err)
{
	AUTO_FREE char *numbers = text_copy("");
	size_t index;
	json_t *number;
	json_array_foreach (json_object_get(answer->parameters, "descriptors"), index, number) {
		int fd = varlink_answer_take_fd(answer, json_integer_value(number), err);
		if (fd < 0)
			return fd;
		fcntl(fd, F_SETFD, 0);
		char *more = text_format("%s%s%d", numbers, *numbers ? ":" : "", fd);
		free(numbers);
		numbers = more;
	}
	const json_t *port = json_object_get(answer->parameters, "port");
	AUTO_FREE char *id = output_member(port, "id");
	AUTO_FREE char *ifname = output_member(port, "ifname");
	AUTO_FREE char *mac = output_member(port, "mac");
	setenv("LANYARD_FDS", numbers, 1);
	setenv("LANYARD_PORT", id, 1);
	setenv("LANYARD_IFNAME", ifname, 1);
	setenv("LANYARD_MAC", mac, 1);
	return process_become((const char *const *)invocation->rest, err);
}

static void print_added(const json_t *port)
{
	AUTO_FREE char *id = output_member(port, "id");
	AUTO_FREE char *ifname = output_member(port, "ifname");
	AUTO_FREE char *network = output_member(port, "network");
	AUTO_FREE char *mac = output_member(port, "mac");
	output_line("port %s added to network %s: interface %s%s%s", id, network, ifname,
		    *mac ? ", MAC " : "", mac);
}

static int add_port(struct invocation *invocation, json_t *port, int fd, struct error *err)
{
	struct varlink_answer answer = {0};
	json_t *parameters = json_pack("{s:o}", "port", port);
	if (invocation->dry_run)
		json_object_set_new(parameters, "dry_run", json_true());
	bool runs = verb_given(invocation, "run") && !invocation->dry_run;
	int result = client_call_fds(invocation, "AddPort", parameters, &fd, fd >= 0, &answer, err);
	/* CAP_NET_ADMIN over it has only who owns the user namespace above it. */
	if ((result == -EPERM || result == -EACCES) && fd >= 0 && !invocation->paths.system)
		result = error_set(err, EPERM,
				   "network namespace '%s' is outside of your instance, which has "
				   "no right over it; start it inside: lanyard exec -- unshare "
				   "-Urn COMMAND",
				   verb_value(invocation, "netns"));
	if (result == 0 && runs)
		result = run_command(invocation, &answer, err);
	else if (result == 0 && output_is_json())
		output_json(json_incref(answer.parameters));
	else if (result == 0 && invocation->dry_run)
		client_print_changes(json_object_get(answer.parameters, "changes"),
				     "nothing to do");
	else if (result == 0)
		print_added(json_object_get(answer.parameters, "port"));
	varlink_answer_done(&answer);
	return result;
}

static int add_run(struct invocation *invocation, struct error *err)
{
	const struct way *way = find_way(invocation, err);
	if (!way)
		return -EINVAL;
	if (invocation->rest && !verb_given(invocation, "run"))
		return error_set(err, EINVAL, "a command after '--' needs --run");
	json_t *port = read_settings(invocation, err);
	if (!port)
		return -EINVAL;
	json_object_set_new(port, "network", json_string(invocation->arguments[0]));
	AUTO_CLOSE int fd = -1;
	int result = way->describe(invocation, port, &fd, err);
	if (result < 0) {
		json_decref(port);
		return result;
	}
	return add_port(invocation, port, fd, err);
}

void port_print_table(const json_t *ports, const char *note)
{
	static const char *const columns[] = {"id", "network", "kind", "ifname", "machine", "mac"};
	static const char *const titles[] = {"ID",	"NETWORK", "KIND",  "INTERFACE",
					     "MACHINE", "MAC",	   "STATE", "OWNER"};
	static const char *const spare[] = {"KIND", "MAC", "INTERFACE", NULL};
	bool owners = collection_has_others(ports, "creator");
	struct table table;
	table_init(&table, titles, sizeof(titles) / sizeof(titles[0]) - !owners);
	table.spare = spare;
	size_t index;
	json_t *port;
	json_array_foreach (ports, index, port) {
		table_add_members(&table, port, columns, sizeof(columns) / sizeof(columns[0]));
		const char *state = json_string_value(json_object_get(port, "state"));
		table_add(&table, state						? state
				  : json_is_true(json_object_get(port, "down")) ? "down"
										: "up");
		if (owners)
			collection_add_owner(&table, port, "creator");
	}
	table_print(&table, note);
}

static int list_run(struct invocation *invocation, struct error *err)
{
	json_t *parameters = invocation->n_arguments
				     ? json_pack("{s:s}", "network", invocation->arguments[0])
				     : NULL;
	struct varlink_answer answer = {0};
	int result = client_call(invocation, "ListPorts", parameters, &answer, err);
	if (result == 0) {
		static const char *const keys[] = {"network", "machine", "ifname", "id", NULL};
		json_t *ports = output_sorted(json_object_get(answer.parameters, "ports"), keys);
		if (output_is_json())
			output_json(json_incref(ports));
		else
			port_print_table(ports, "nothing is plugged in; 'lanyard port add' or "
						"'lanyard vm start' does that");
		json_decref(ports);
	}
	varlink_answer_done(&answer);
	return result;
}

static const struct collection ports = {.what = "port",
					.group = "port",
					.lists = "ListPorts",
					.member = "ports",
					.removes = "RemovePort",
					.key = "id",
					.asks = "port"};

static int show_run(struct invocation *invocation, struct error *err)
{
	return collection_show(invocation, &ports, err);
}

static int set_run(struct invocation *invocation, struct error *err)
{
	json_t *settings = read_settings(invocation, err);
	if (!settings)
		return -EINVAL;
	struct varlink_answer answer = {0};
	json_t *parameters =
		json_pack("{s:s,s:o}", "id", invocation->arguments[0], "settings", settings);
	int result = client_change(invocation, "SetPort", parameters, &answer, err);
	if (result == 0 && !invocation->dry_run)
		output_line("port %s %s", invocation->arguments[0],
			    json_array_size(json_object_get(answer.parameters, "changes"))
				    ? "changed"
				    : "was like this already");
	varlink_answer_done(&answer);
	return result;
}

static int remove_run(struct invocation *invocation, struct error *err)
{
	return collection_remove(invocation, &ports, NULL, err);
}

static const struct verb_option add_options[] = {
	{"netns", 0, "PID|PATH|NAME", "an interface inside this network namespace", COMPLETE_FILE},
	{"tap", 0, "NAME", "a persistent tap of this name, owned by you", COMPLETE_NOTHING},
	{"veth", 0, "NAME",
	 "a quiet interface of this name, for a hypervisor that bridges onto one",
	 COMPLETE_NOTHING},
	{"adopt", 0, "NAME", "an interface that somebody else made", COMPLETE_NOTHING},
	{"run", 0, NULL, "run the command after -- with a tap's descriptors", COMPLETE_NOTHING},
	{0},
};

#define PORT_CALLED                                                                                \
	"A port is called by its id, its interface, or the name of a machine that has no other "   \
	"port."

const struct verb port_verbs[] = {
	{.group = "port",
	 .name = "add",
	 .arguments = "NETWORK [KEY=VALUE]... [-- COMMAND]",
	 .help = "plug something into a network",
	 .details = "With --run the command inherits the tap's queues; LANYARD_FDS holds their "
		    "numbers (\"5:6\"),\n"
		    "LANYARD_MAC, LANYARD_IFNAME and LANYARD_PORT what else it needs. The port "
		    "ends with it. Plugged by --netns, an interface has the MAC of its port; bring "
		    "it up inside.",
	 .examples = "lanyard port add lab --netns 4711 machine=router\n"
		     "lanyard port add lab --tap tap0\n"
		     "lanyard port add lab --veth vbox0\n"
		     "lanyard port add lab --run -- sh -c 'qemu-system-x86_64 -netdev "
		     "tap,id=n0,fd=$LANYARD_FDS ...'\n",
	 .options = add_options,
	 .min = 1,
	 .max = -1,
	 .rest = REST_AFTER,
	 .completes = {COMPLETE_NETWORK, COMPLETE_PORT_KEY, COMPLETE_PORT_KEY},
	 .run = add_run},
	{.group = "port",
	 .name = "list",
	 .arguments = "[NETWORK]",
	 .help = "list the ports",
	 .max = 1,
	 .completes = {COMPLETE_NETWORK},
	 .run = list_run},
	{.group = "port",
	 .name = "show",
	 .arguments = "ID",
	 .help = "show everything about a port",
	 .details = PORT_CALLED,
	 .min = 1,
	 .max = 1,
	 .completes = {COMPLETE_PORT},
	 .run = show_run},
	{.group = "port",
	 .name = "set",
	 .arguments = "ID KEY=VALUE...",
	 .help = "change a port, live",
	 .details = PORT_CALLED,
	 .examples = "lanyard port set 1ri80d down=true\n"
		     "lanyard port set 1ri80d network=school\n"
		     "lanyard port set 1ri80d rate_in=20mbit rate_out=5mbit\n",
	 .min = 2,
	 .max = -1,
	 .completes = {COMPLETE_PORT, COMPLETE_PORT_KEY, COMPLETE_PORT_KEY},
	 .run = set_run},
	{.group = "port",
	 .name = "remove",
	 .arguments = "ID...",
	 .help = "remove ports; their machines lose the link",
	 .details = PORT_CALLED,
	 .min = 1,
	 .max = -1,
	 .completes = {COMPLETE_PORT, COMPLETE_PORT, COMPLETE_PORT},
	 .run = remove_run},
	{0},
};
