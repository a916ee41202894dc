/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lanyard setup: the administrator's answers become a list of steps, which is shown, and carried
 * out only after a yes. A question compares its answer with what is there and adds the steps that
 * lack, so the same answers again add none; what setup put into files of others carries its tag,
 * and goes by another answer.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct error;
struct invocation;

#define SETUP_NETWORK "default" /* the network that the packages make */
#define SETUP_BRIDGE  "ly-default"
#define SETUP_TAG     "# by lanyard setup"

struct setup_step {
	char *what;  /* for people: "let members of group pupils plug in" */
	char **argv; /* a command, or NULL: the file gets this text */
	char *path;
	char *text; /* NULL: the file is removed */
	char *line; /* what is added to the file or taken out of it, for people */
};

struct setup {
	struct invocation *invocation;
	json_t *networks;  /* of the computer's instance */
	const char *group; /* whose machines stand in the default network */
	struct setup_step *steps;
	size_t n_steps, room;
};

struct setup_question {
	const char *option;
	const char *ask;
	/* What is proposed; fresh memory. */
	char *(*proposal)(struct setup *setup);
	/* Adds the steps that lead there. -EINVAL for an answer that is none. */
	int (*plan)(struct setup *setup, const char *answer, struct error *err);
};

extern const struct setup_question setup_questions[]; /* ended by one without option */

/* A command, its words ended by NULL. */
void setup_add_command(struct setup *setup, const char *what, ...) __attribute__((sentinel));
/* A file's new text (NULL: it goes); takes text. line: what differs. */
void setup_add_file(struct setup *setup, const char *what, const char *path, char *text,
		    const char *line);
/* A line at the end of a file, unless it is there; what stands there with our tag goes. line NULL:
 * only that. A file that becomes empty goes. */
int setup_add_line(struct setup *setup, const char *what, const char *path, const char *line,
		   struct error *err);
/* The text of a file, "" where there is none; fresh memory. NULL with err. */
char *setup_text(const char *path, struct error *err);

void setup_print(const struct setup *setup);
json_t *setup_json(const struct setup *setup);
/* One step after the other; the first that fails ends it. */
int setup_carry_out(const struct setup *setup, struct error *err);
void setup_done(struct setup *setup);
