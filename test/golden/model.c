/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Labs and what comes of them: labs/NAME.yaml gives the plan in NAME.plan, or the sentence in
 * NAME.error. With REGENERATE=1 the expected files are written anew; read the difference before
 * keeping them.
 */
#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "model/lab.h"
#include "model/plan.h"

AUTO_DEFINE(lab)

#define SIZE_MAX_LAB (1u << 20)
#define NESTING	     (10u << 20)

static int settle(struct lab *lab, struct error *err)
{
	AUTO_FREE struct ip *taken = memory_zero(lab->n_networks * 2, sizeof(struct ip));
	size_t n = 0;
	for (size_t i = 0; i < lab->n_networks; i++) {
		taken[n++] = lab->networks[i]->ipv4[0];
		taken[n++] = lab->networks[i]->ipv6[0];
	}
	for (size_t i = 0; i < lab->n_networks; i++) {
		struct network *network = lab->networks[i];
		bool chosen = network->ipv4_choice == FAMILY_AUTO;
		network->id = (uint32_t)i + 1;
		network_ifname(network->name, network->id, network->ifname);
		taken[2 * i] = taken[2 * i + 1] = (struct ip){0};
		int r = network_allocate(network, "default", taken, n, err);
		if (r == 0)
			r = network_settle(network, err);
		if (r < 0)
			return r;
		if (chosen)
			taken[2 * i] = network->ipv4[0];
		taken[2 * i + 1] = network->ipv6[0];
	}
	return 0;
}

/* The plan from nothing, with what has to be true of every lab. */
static char *plan_of(const struct lab *lab)
{
	struct object_list wanted = {0}, actual = {0};
	struct plan plan;
	object_expand(lab->networks, lab->n_networks, NULL, 0, &wanted);
	for (size_t i = 0; i < wanted.count; i++) {
		struct error err = {0};
		if (object_check(&wanted.items[i], &err) < 0)
			fail_msg("%s", err.text);
	}
	plan_build(&wanted, &actual, &plan);
	char *text = plan_text(&plan);
	plan_done(&plan);

	object_expand(lab->networks, lab->n_networks, NULL, 0, &actual);
	plan_build(&wanted, &actual, &plan);
	assert_int_equal(plan.count, 0);
	plan_done(&plan);

	object_list_done(&wanted);
	object_list_done(&actual);
	return text;
}

/* The text of the expected file and which of the two it is. */
static char *outcome(const char *name, const char *text, size_t length, const char **ret_kind)
{
	AUTO(lab) struct lab *lab = NULL;
	AUTO_FREE char *file = text_format("labs/%s.yaml", name);
	struct error err = {0};
	int r = lab_parse(file, NULL, text, length, "default", &lab, &err);
	if (r == 0)
		r = settle(lab, &err);
	*ret_kind = r < 0 ? "error" : "plan";
	if (r < 0) {
		assert_int_equal(r, -err.code);
		return text_format("%s\n", err.text);
	}
	return plan_of(lab);
}

static bool compare(const char *name, const char *kind, const char *got)
{
	AUTO_FREE char *path = text_format("%s/labs/%s.%s", TEST_DATA, name, kind);
	AUTO_FREE char *expected = NULL;
	if (getenv("REGENERATE")) {
		AUTO_FREE char *other = text_format("%s/labs/%s.%s", TEST_DATA, name,
						    kind[0] == 'p' ? "error" : "plan");
		unlink(other);
		return file_write_atomic(path, got, strlen(got), 0644, false, NULL) == 0;
	}
	if (file_read(path, SIZE_MAX_LAB, &expected, NULL) < 0) {
		print_error("%s: no %s was expected, but got:\n%s", name, kind, got);
		return false;
	}
	if (!strcmp(expected, got))
		return true;
	print_error("%s: expected\n%sgot\n%s", name, expected, got);
	return false;
}

static bool try_lab(const char *path)
{
	AUTO_FREE char *text = NULL, *got = NULL, *name = text_copy(strrchr(path, '/') + 1);
	const char *kind;
	*strrchr(name, '.') = '\0';
	ssize_t length = file_read(path, SIZE_MAX_LAB, &text, NULL);
	assert_true(length >= 0);
	got = outcome(name, text, (size_t)length, &kind);
	return compare(name, kind, got);
}

static void all_labs(void **state)
{
	(void)state;
	glob_t found;
	AUTO_FREE char *pattern = text_format("%s/labs/*.yaml", TEST_DATA);
	size_t bad = 0;
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++)
		bad += !try_lab(found.gl_pathv[i]);
	print_message("%zu labs, %zu not as expected\n", found.gl_pathc, bad);
	globfree(&found);
	assert_int_equal(bad, 0);
}

static void assert_refused(const char *text, size_t length, const char *expected)
{
	const char *kind;
	AUTO_FREE char *got = outcome("hostile", text, length, &kind);
	assert_string_equal(kind, "error");
	assert_string_equal(got, expected);
}

/* Ten megabytes of one character each: refused at once, at the place where it goes too far. */
static void nesting(void **state)
{
	(void)state;
	AUTO_FREE char *text = memory_zero(NESTING + 1, 1);
	memset(text, '[', NESTING);
	assert_refused(text, NESTING, "labs/hostile.yaml:1:17: nested too deeply\n");
	memset(text, '{', NESTING);
	assert_refused(text, NESTING,
		       "labs/hostile.yaml:1:2: a key is a word, followed by a colon\n");
	for (size_t i = 0; i < NESTING; i += 2)
		memcpy(text + i, "- ", 2);
	assert_refused(text, NESTING, "labs/hostile.yaml:1:33: nested too deeply\n");
	memset(text, '\0', NESTING);
	assert_refused(text, NESTING,
		       "labs/hostile.yaml:1:1: not YAML: control characters are not allowed\n");
	memset(text, ' ', NESTING);
	assert_refused(text, NESTING,
		       "labs/hostile.yaml:1:1: the file is empty; it needs "
		       "'networks:' and 'machines:'\n");
}

static void too_many(void **state)
{
	(void)state;
	const size_t n = 200000;
	AUTO_FREE char *text = memory_zero(n * 8 + 1, 1);
	size_t used = 0;
	for (size_t i = 0; i < n; i++)
		used += (size_t)sprintf(text + used, "a%zx:\n", i & 0xfffff);
	assert_refused(text, used, "labs/hostile.yaml:10001:1: too many keys in one map\n");
	used = 0;
	for (size_t i = 0; i < n; i++)
		used += (size_t)sprintf(text + used, "- a\n");
	assert_refused(text, used, "labs/hostile.yaml:100000:3: too many values in one file\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_labs),
		cmocka_unit_test(nesting),
		cmocka_unit_test(too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
