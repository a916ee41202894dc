/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of `lanyard setup`: commands, and lines of files. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/paths.h"
#include "cli/output.h"
#include "cli/process.h"
#include "verbs/setup.h"

#define WORDS_MAX 16
#define TEXT_MAX  1048576

static struct setup_step *add(struct setup *setup, const char *what)
{
	setup->steps =
		memory_grow(setup->steps, &setup->room, setup->n_steps + 1, sizeof(*setup->steps));
	struct setup_step *step = &setup->steps[setup->n_steps++];
	*step = (struct setup_step){.what = text_copy(what)};
	return step;
}

void setup_add_command(struct setup *setup, const char *what, ...)
{
	struct setup_step *step = add(setup, what);
	step->argv = memory_zero(WORDS_MAX + 1, sizeof(char *));
	va_list words;
	va_start(words, what);
	const char *word;
	for (size_t i = 0; i < WORDS_MAX && (word = va_arg(words, const char *)); i++)
		step->argv[i] = text_copy(word);
	va_end(words);
}

void setup_add_file(struct setup *setup, const char *what, const char *path, char *text,
		    const char *line)
{
	struct setup_step *step = add(setup, what);
	step->path = text_copy(path);
	step->text = text;
	step->line = text_copy(line);
}

char *setup_text(const char *path, struct error *err)
{
	char *text = NULL;
	ssize_t length = file_read(path, TEXT_MAX, &text, err);
	return length == -ENOENT ? text_copy("") : text;
}

/* Copies the text without the lines that carry our tag; true: there was one. */
static bool drop_tagged(const char *text, char *ret)
{
	bool found = false;
	while (*text) {
		size_t length = strcspn(text, "\n");
		length += text[length] == '\n';
		if (memmem(text, length, SETUP_TAG, strlen(SETUP_TAG))) {
			found = true;
		} else {
			memcpy(ret, text, length);
			ret += length;
		}
		text += length;
	}
	*ret = '\0';
	return found;
}

int setup_add_line(struct setup *setup, const char *what, const char *path, const char *line,
		   struct error *err)
{
	AUTO_FREE char *text = setup_text(path, err);
	if (!text)
		return -err->code;
	size_t size = strlen(text) + (line ? strlen(line) : 0) + sizeof(SETUP_TAG) + 4;
	AUTO_FREE char *now = memory_zero(size, 1);
	bool had = drop_tagged(text, now);
	size_t used = strlen(now);
	if (line)
		snprintf(now + used, size - used, "%s%s %s\n",
			 used && now[used - 1] != '\n' ? "\n" : "", line, SETUP_TAG);
	if (strcmp(text, now) == 0 || (!line && !had))
		return 0;
	AUTO_FREE char *shown = line ? text_format("%s %s", line, SETUP_TAG)
				     : text_copy("(without the line of lanyard setup)");
	setup_add_file(setup, what, path, *now ? TAKE(now) : NULL, shown);
	return 0;
}

static char *joined(char *const *words)
{
	char *all = text_copy("");
	for (; *words; words++) {
		const char *slash = strrchr(*words, '/');
		/* our own program by its name alone; arguments as they are */
		const char *word = *all || !slash ? *words : slash + 1;
		char *more = text_format("%s%s%s", all, *all ? " " : "", word);
		free(all);
		all = more;
	}
	return all;
}

/* "usermod -a -G kvm alice" or "FILE: LINE". */
static char *step_text(const struct setup_step *step)
{
	if (step->argv)
		return joined(step->argv);
	return step->text ? text_format("%s: %s", step->path, step->line)
			  : text_format("rm %s", step->path);
}

void setup_print(const struct setup *setup)
{
	for (size_t i = 0; i < setup->n_steps; i++) {
		AUTO_FREE char *text = step_text(&setup->steps[i]);
		output_line("- %s\n    %s", setup->steps[i].what, text);
	}
}

json_t *setup_json(const struct setup *setup)
{
	json_t *list = json_array();
	for (size_t i = 0; i < setup->n_steps; i++) {
		AUTO_FREE char *text = step_text(&setup->steps[i]);
		json_array_append_new(
			list, json_pack("{s:s,s:s}", "what", setup->steps[i].what, "how", text));
	}
	return json_pack("{s:o}", "steps", list);
}

static int run_command(const struct setup_step *step, struct error *err)
{
	AUTO_FREE char *said = NULL;
	int code = process_run((const char *const *)(const void *)step->argv, &said, err);
	if (code > 0)
		return error_set(err, EIO, "%s", process_sentence(said, step->argv[0]));
	return code;
}

/* Its mode stays; a new one is for everybody to read. */
static int write_file(const struct setup_step *step, struct error *err)
{
	struct stat status = {.st_mode = 0644};
	AUTO_FREE char *folder = text_copy(step->path);
	*strrchr(folder, '/') = '\0';
	if (!step->text)
		return unlink(step->path) == 0 || errno == ENOENT
			       ? 0
			       : error_errno(err, errno, "%s", step->path);
	/* a folder that is there is as its owner wants it */
	if (access(folder, F_OK) < 0 && directory_make(folder, 0755, err) < 0)
		return -err->code;
	if (stat(step->path, &status) < 0 && errno != ENOENT)
		return error_errno(err, errno, "%s", step->path);
	return file_write_atomic(step->path, step->text, strlen(step->text), status.st_mode & 07777,
				 true, err);
}

int setup_carry_out(const struct setup *setup, struct error *err)
{
	for (size_t i = 0; i < setup->n_steps; i++) {
		const struct setup_step *step = &setup->steps[i];
		int result = step->argv ? run_command(step, err) : write_file(step, err);
		if (result < 0)
			return error_prefix(err, "could not %s (%zu of %zu steps are done)",
					    step->what, i, setup->n_steps);
		output_line("done: %s", step->what);
	}
	return 0;
}

void setup_done(struct setup *setup)
{
	for (size_t i = 0; i < setup->n_steps; i++) {
		struct setup_step *step = &setup->steps[i];
		for (char **word = step->argv; word && *word; word++)
			free(*word);
		free(step->argv);
		free(step->what);
		free(step->path);
		free(step->text);
		free(step->line);
	}
	free(setup->steps);
	json_decref(setup->networks);
}
