/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lanyard capture: frames as pcap, on standard output or in a file. They come by a pipe of ours,
 * whose other end the call hands over; when we go, and the pipe with us, it is over there too.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "cli/client.h"
#include "cli/output.h"
#include "ipc/varlink_client.h"
#include "machine/machine_store.h"
#include "model/pcap.h"
#include "verbs/verbs.h"

#define PIPE_SIZE  (1 << 20) /* as much as an ordinary user may (fs.pipe-max-size) */
#define CHUNK_SIZE 65536

struct stream {
	const struct invocation *invocation;
	const char *file; /* NULL: standard output */
	int pipe[2];
	int to;
	int signals;
	bool is_file;
	size_t length;		 /* of bytes, read and not yet written */
	struct pcap_place place; /* of what is written */
	bool began, is_interrupted, is_over;
	struct error err;
	char bytes[CHUNK_SIZE];
};

static int open_output(struct stream *stream)
{
	struct stat status;
	stream->to = stream->file
			     ? open(stream->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
			     : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (stream->to < 0 || fstat(stream->to, &status) < 0)
		return error_errno(&stream->err, errno, "%s",
				   stream->file ? stream->file : "standard output");
	stream->is_file = S_ISREG(status.st_mode);
	return 0;
}

static void take_bytes(struct stream *stream)
{
	/* a pipe that is writable takes so much without a wait */
	size_t size = stream->is_file ? sizeof(stream->bytes) : PIPE_BUF;
	ssize_t got = read(stream->pipe[0], stream->bytes, size);
	if (got < 0 && errno == EINTR)
		return;
	stream->is_over = got <= 0;
	stream->length = got > 0 ? (size_t)got : 0;
}

static void give_bytes(struct stream *stream)
{
	size_t given = 0;
	while (given < stream->length) {
		ssize_t put = write(stream->to, stream->bytes + given, stream->length - given);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0) {
			stream->is_over = true;
			if (errno != EPIPE)
				error_errno(&stream->err, errno, "%s",
					    stream->file ? stream->file : "standard output");
			break;
		}
		pcap_follow(&stream->place, stream->bytes + given, (size_t)put);
		given += (size_t)put;
	}
	stream->length = 0;
}

/* Ctrl-C: what has arrived until now still comes, then the stream's end. A second one ends it at
 * once. */
static void interrupt(struct stream *stream)
{
	struct signalfd_siginfo ignored;
	stream->is_over = read(stream->signals, &ignored, sizeof(ignored)) < 0 ||
			  stream->is_interrupted ||
			  shutdown(varlink_client_fd(stream->invocation->client), SHUT_WR) < 0;
	stream->is_interrupted = true;
}

/* Whatever has ended it: the file has no part of a frame at its end. */
static void trim(const struct stream *stream)
{
	off_t end = stream->is_file ? lseek(stream->to, 0, SEEK_CUR) : -1;
	if (end >= 0 && stream->place.rest > 0 &&
	    ftruncate(stream->to, end - (off_t)stream->place.rest) < 0)
		output_note("the last frame is not whole: %m");
}

static void step(struct stream *stream)
{
	struct pollfd polls[] = {
		{.fd = stream->signals, .events = POLLIN},
		{.fd = stream->to, .events = stream->length ? POLLOUT : 0},
		{.fd = stream->length ? -1 : stream->pipe[0], .events = POLLIN},
	};
	if (poll(polls, sizeof(polls) / sizeof(polls[0]), -1) < 0)
		return;
	if (polls[0].revents)
		interrupt(stream);
	else if (polls[1].revents & POLLOUT)
		give_bytes(stream);
	else if (polls[1].revents) /* nobody reads it any more */
		stream->is_over = true;
	else if (polls[2].revents)
		take_bytes(stream);
}

/* From the first reply on; returns when there is nothing more to copy. */
static void copy(const json_t *parameters, void *data)
{
	struct stream *stream = data;
	sigset_t ends, before;
	(void)parameters;
	stream->began = true;
	close(TAKE_FD(stream->pipe[1]));
	/* may wait for a reader, which Ctrl-C ends as usual */
	stream->is_over = open_output(stream) < 0;
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, &before);
	AUTO_CLOSE int signals = signalfd(-1, &ends, SFD_CLOEXEC);
	stream->signals = signals;
	while (!stream->is_over)
		step(stream);
	trim(stream);
	/* which ends it there, if it has not ended yet */
	close(TAKE_FD(stream->pipe[0]));
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static int add_number(const struct invocation *invocation, const char *key, json_t *parameters,
		      struct error *err)
{
	const char *text = verb_value(invocation, key);
	char *end;
	if (!text)
		return 0;
	long number = strtol(text, &end, 10);
	if (*end || end == text || number < 1)
		return error_set(err, EINVAL, "--%s %.40s: not a number from 1 on", key, text);
	json_object_set_new(parameters, key, json_integer(number));
	return 0;
}

static int describe(const struct invocation *invocation, json_t *parameters, struct error *err)
{
	int result = add_number(invocation, "count", parameters, err);
	if (result == 0)
		result = add_number(invocation, "snap", parameters, err);
	if (result == 0 && !invocation->n_arguments && !verb_given(invocation, "network"))
		result = error_set(err, EINVAL,
				   "say of what: a machine, a port or a network; 'lanyard status' "
				   "shows them");
	if (invocation->n_arguments)
		json_object_set_new(parameters, "of", json_string(invocation->arguments[0]));
	if (verb_given(invocation, "network"))
		json_object_set_new(parameters, "network",
				    json_string(verb_value(invocation, "network")));
	return result;
}

static int check_output(const char *file, struct error *err)
{
	if (!file && isatty(STDOUT_FILENO))
		return error_set(err, EINVAL,
				 "frames are not for a terminal; write '| tcpdump -n -r -' behind "
				 "it, or -w FILE");
	if (!file && output_is_json())
		return error_set(err, EINVAL,
				 "with --json, which takes standard output, frames need -w FILE");
	return 0;
}

static void print_end(const json_t *answer, json_int_t frames)
{
	json_int_t lost = json_integer_value(json_object_get(answer, "lost"));
	AUTO_FREE char *interface = output_member(answer, "interface");
	AUTO_FREE char *end = output_member(answer, "end");
	if (strcmp(end, "interface") == 0)
		output_note("%s is gone", interface);
	output_note("%lld frame%s captured", (long long)frames, frames == 1 ? "" : "s");
	if (lost > 0)
		output_note("%lld frame%s lost: the reader was too slow", (long long)lost,
			    lost == 1 ? "" : "s");
}

static int intend(struct invocation *invocation, json_t *parameters, struct error *err)
{
	struct varlink_answer answer = {0};
	json_object_set_new(parameters, "dry_run", json_true());
	int result = client_call(invocation, "Capture", parameters, &answer, err);
	AUTO_FREE char *interface = output_member(answer.parameters, "interface");
	if (result == 0)
		output_line("capture from %s", interface);
	if (result == 0 && output_is_json())
		output_json(json_incref(answer.parameters));
	varlink_answer_done(&answer);
	return result;
}

static int capture_frames(struct invocation *invocation, json_t *parameters, struct stream *stream,
			  struct error *err)
{
	struct varlink_answer answer = {0};
	json_object_set_new(parameters, "descriptor", json_integer(0));
	int result = client_call_more_fd(invocation, "Capture", parameters, stream->pipe[1], copy,
					 stream, &answer, err);
	if (result == -ECONNRESET && stream->began)
		error_set(err, ECONNRESET, "the capture has ended, because the broker has");
	if (stream->err.code) {
		*err = stream->err;
		result = -err->code;
	}
	/* those that have arrived */
	json_int_t frames = (json_int_t)stream->place.frames;
	if (result == 0) {
		json_object_set_new(answer.parameters, "frames", json_integer(frames));
		print_end(answer.parameters, frames);
	}
	if (result == 0 && output_is_json())
		output_json(json_incref(answer.parameters));
	varlink_answer_done(&answer);
	return result;
}

static int explain(const struct invocation *invocation, int result, struct error *err)
{
	return invocation->n_arguments
		       ? machine_store_explain(&invocation->own, invocation->arguments[0], result,
					       err)
		       : result;
}

int capture_run(struct invocation *invocation, struct error *err)
{
	static struct stream stream; /* large */
	json_t *parameters = json_object();
	const char *file = verb_value(invocation, "write");
	stream = (struct stream){.invocation = invocation,
				 .file = file && strcmp(file, "-") != 0 ? file : NULL,
				 .pipe = {-1, -1},
				 .to = -1};
	int result = describe(invocation, parameters, err);
	if (result == 0 && invocation->dry_run)
		return explain(invocation, intend(invocation, parameters, err), err);
	if (result == 0)
		result = check_output(stream.file, err);
	if (result == 0 && pipe2(stream.pipe, O_CLOEXEC) < 0)
		result = error_errno(err, errno, "pipe");
	if (result < 0) {
		json_decref(parameters);
		return result;
	}
	fcntl(stream.pipe[1], F_SETPIPE_SZ, PIPE_SIZE);
	result = explain(invocation, capture_frames(invocation, parameters, &stream, err), err);
	const int fds[] = {stream.pipe[0], stream.pipe[1], stream.to};
	descriptor_close_all(fds, sizeof(fds) / sizeof(fds[0]));
	return result;
}
