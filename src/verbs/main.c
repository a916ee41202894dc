/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lanyard: the command line. Reads the words, runs the verb, turns its result into the exit code.
 * What verbs there are is in the tables of the entities.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "cli/client.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "verbs/doctor_hint.h"
#include "verbs/help.h"
#include "verbs/verbs.h"

const struct verb_table verb_tables[] = {
	{"Labs", lab_verbs},
	{"Machines", vm_verbs},
	{"Networks", net_verbs},
	{"Ports", port_verbs},
	{"Class rooms", seat_verbs},
	{"The host's NICs", uplink_verbs},
	{"Reaching in", reach_verbs},
	{"Rights", can_verbs},
	{"Faults", doctor_verbs},
	{"The computer", setup_verbs},
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

/* A closed descriptor 0 to 2 would be the next socket or file that is opened, and what is printed
 * would go there. Ones that fail as a closed one does take their place. */
static void fill_standard_descriptors(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			while (open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0 &&
			       errno == EINTR)
				continue;
}

/* `lanyard ... | head` has had enough: no failure. */
static bool is_reader_gone(void)
{
	struct pollfd poller = {.fd = STDOUT_FILENO, .events = POLLOUT};
	struct stat status;
	return fstat(STDOUT_FILENO, &status) == 0 &&
	       (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode)) && poll(&poller, 1, 0) > 0 &&
	       (poller.revents & (POLLERR | POLLHUP));
}

int main(int argc, char **argv)
{
	struct error err = {0};
	static struct invocation invocation; /* large */
	fill_standard_descriptors();
	signal(SIGPIPE, SIG_IGN);
	log_init("lanyard", LOG_LEVEL_WARNING);
	int result = verb_parse(argc, argv, &invocation, &err);
	output_init(&invocation);
	if (result == 0)
		result = run(&invocation, &err);
	if (result < 0) {
		output_error(&err);
		doctor_hint(&invocation, &err);
		result = exit_code(result);
	}
	client_close(&invocation);
	output_finish(invocation.verb && invocation.verb->no_dry_run && !invocation.help);
	/* A result that nobody could read is a failure: `lanyard ... >/dev/full`. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && !is_reader_gone() && result == 0) {
		fprintf(stderr, "lanyard: standard output could not be written: %m\n");
		result = exit_code(-EIO);
	}
	return result;
}
