/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lanyard: the command line. Reads the words, runs the verb, turns its result into the exit code.
 * What verbs there are is in the tables of the entities.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "cli/client.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/verbs.h"

const struct verb_table verb_tables[] = {
	{"Labs", lab_verbs},
	{"Machines", vm_verbs},
	{"Networks", net_verbs},
	{"Ports", port_verbs},
	{"Reaching in", reach_verbs},
	{"About", about_verbs},
	{0},
};

static int run(struct invocation *invocation, struct error *err)
{
	if (invocation->version) {
		invocation->verb = verb_find(NULL, "version");
		return invocation->verb->run(invocation, err);
	}
	if (invocation->help)
		return help_print(invocation->verb ? invocation->verb->group : invocation->group,
				  invocation->verb ? invocation->verb->name : NULL, err);
	return invocation->verb->run(invocation, err);
}

int main(int argc, char **argv)
{
	struct error err = {0};
	static struct invocation invocation; /* large */
	signal(SIGPIPE, SIG_IGN);
	log_init("lanyard", LOG_LEVEL_WARNING);
	int result = verb_parse(argc, argv, &invocation, &err);
	output_init(&invocation);
	if (result == 0)
		result = run(&invocation, &err);
	if (result < 0) {
		output_error(&err);
		result = exit_code(result);
	}
	client_close(&invocation);
	/* A result that nobody could read is a failure: `lanyard ... >/dev/full`. */
	if (fflush(stdout) != 0 && errno != EPIPE && result == 0) {
		error_errno(&err, errno, "standard output");
		output_error(&err);
		result = exit_code(-EIO);
	}
	return result;
}
