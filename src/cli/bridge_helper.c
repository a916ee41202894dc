/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lanyard-bridge-helper: QEMU's bridge helper protocol without any privilege. QEMU and libvirt's
 * session connections run it as the user; it asks the broker for a tap and hands its descriptor
 * over. The port ends with the QEMU that holds it.
 *
 *   HELPER [--use-vnet] --fd=N --br=NETWORK [--user|--system] [--instance=NAME] [--machine=NAME]
 * [--mac=MAC]
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "cli/client.h"
#include "cli/verb.h"
#include "ipc/varlink_client.h"
#include "model/port.h"

/* The command line's verbs are no business of this program. */
const struct verb_table verb_tables[] = {{0}};

struct request {
	struct invocation invocation;
	const char *network, *machine, *mac;
	int fd;
};

enum { WORD_VNET, WORD_FD, WORD_BR, WORD_USER, WORD_SYSTEM, WORD_INSTANCE, WORD_MACHINE, WORD_MAC };

static const struct option words[] = {
	/* Our taps always have vnet headers; QEMU looks for itself (TUNGETIFF). */
	{"use-vnet", no_argument, NULL, WORD_VNET},
	{"fd", required_argument, NULL, WORD_FD},
	{"br", required_argument, NULL, WORD_BR},
	{"user", no_argument, NULL, WORD_USER},
	{"system", no_argument, NULL, WORD_SYSTEM},
	{"instance", required_argument, NULL, WORD_INSTANCE},
	{"machine", required_argument, NULL, WORD_MACHINE},
	{"mac", required_argument, NULL, WORD_MAC},
	{0},
};

static int read_words(int argc, char **argv, struct request *request)
{
	const char *values[sizeof(words) / sizeof(words[0])] = {0};
	int word;
	while ((word = getopt_long(argc, argv, "", words, NULL)) >= 0) {
		if (word == '?')
			return -EINVAL;
		values[word] = optarg ? optarg : "";
	}
	request->invocation.user = values[WORD_USER];
	request->invocation.system = values[WORD_SYSTEM];
	request->invocation.instance = values[WORD_INSTANCE];
	request->machine = values[WORD_MACHINE];
	request->mac = values[WORD_MAC];
	request->network = values[WORD_BR];
	char *end = NULL;
	long fd = values[WORD_FD] ? strtol(values[WORD_FD], &end, 10) : -1;
	if (!request->network || !*request->network || fd < 0 || fd > 65535 || *end ||
	    optind < argc)
		return -EINVAL;
	request->fd = (int)fd;
	/* "ly-lab" is the interface of network "lab": virt-manager shows interfaces. */
	if (strncmp(request->network, "ly-", 3) == 0 && request->network[3])
		request->network += 3;
	return 0;
}

static int serve(struct request *request, struct error *err)
{
	json_t *port = json_pack("{s:s,s:s}", "kind", port_kind_name(PORT_TAP), "network",
				 request->network);
	if (request->machine)
		json_object_set_new(port, "machine", json_string(request->machine));
	if (request->mac)
		json_object_set_new(port, "mac", json_string(request->mac));
	struct varlink_answer answer = {0};
	int result = client_call(&request->invocation, "AddPort", json_pack("{s:o}", "port", port),
				 &answer, err);
	AUTO_CLOSE int tap = -1;
	if (result == 0) {
		const json_t *index =
			json_array_get(json_object_get(answer.parameters, "descriptors"), 0);
		tap = varlink_answer_take_fd(
			&answer, json_is_integer(index) ? json_integer_value(index) : -1, err);
		result = tap < 0 ? tap : 0;
	}
	varlink_answer_done(&answer);
	if (result < 0)
		return result;
	ssize_t sent = descriptor_send(request->fd, "", 1, &tap, 1, 0);
	return sent < 0 ? error_errno(err, (int)sent, "descriptor %d", request->fd) : 0;
}

int main(int argc, char **argv)
{
	static struct request request;
	struct error err = {0};
	signal(SIGPIPE, SIG_IGN);
	if (read_words(argc, argv, &request) < 0) {
		fprintf(stderr, "usage: lanyard-bridge-helper [--use-vnet] --fd=N --br=NETWORK\n"
				"       [--user|--system] [--instance=NAME] [--machine=NAME] "
				"[--mac=MAC]\n");
		return 2;
	}
	int result = serve(&request, &err);
	if (result < 0)
		fprintf(stderr, "lanyard-bridge-helper: network '%s': %s\n", request.network,
			err.text);
	client_close(&request.invocation);
	return result < 0;
}
