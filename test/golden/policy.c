/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Policies and what comes of them: policies/NAME.yaml gives the rights of two people in
 * NAME.rights, or the sentence in NAME.error. alice is in the groups students and staff, bob in
 * none but lanyard. With REGENERATE=1 the expected files are written anew; read the difference
 * before keeping them.
 */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "model/policy.h"

AUTO_DEFINE(policy)

#define SIZE_MAX_FILE (1u << 20)

static const struct person {
	const char *name, *groups[3];
} people[] = {
	{"alice", {"students", "staff", NULL}},
	{"bob", {POLICY_GROUP, NULL}},
};

static bool is_member(const char *group, void *data)
{
	const struct person *person = data;
	for (size_t i = 0; person->groups[i]; i++)
		if (!strcmp(person->groups[i], group))
			return true;
	return false;
}

static void add_person(FILE *file, const struct policy *policy, const struct person *person)
{
	struct policy_grant grant;
	char place[POLICY_PLACE_SIZE], value[POLICY_VALUE_SIZE];
	policy_resolve(policy, person->name, is_member, (void *)person, &grant);
	for (size_t i = 0; i < POLICY_KEYS; i++)
		fprintf(file, "%s %s: %s (%s)\n", person->name, policy_schema.keys[i].key,
			policy_value(&grant, (enum policy_key)i, value),
			policy_place(policy, &grant, (enum policy_key)i, place));
}

static char *outcome(const char *name, const char *text, size_t length, const char **ret_kind)
{
	AUTO(policy) struct policy *policy = NULL;
	AUTO_FREE char *place = text_format("policies/%s.yaml", name);
	struct error err = {0};
	char *result = NULL;
	size_t size = 0;
	int r = policy_parse(place, text, length, &policy, &err);
	*ret_kind = r < 0 ? "error" : "rights";
	if (r < 0) {
		assert_int_equal(r, -err.code);
		return text_format("%s\n", err.text);
	}
	FILE *file = open_memstream(&result, &size);
	for (size_t i = 0; i < sizeof(people) / sizeof(people[0]); i++)
		add_person(file, policy, &people[i]);
	fclose(file);
	return result;
}

static bool compare(const char *name, const char *kind, const char *got)
{
	AUTO_FREE char *path = text_format("%s/policies/%s.%s", TEST_DATA, name, kind);
	AUTO_FREE char *other = text_format("%s/policies/%s.%s", TEST_DATA, name,
					    kind[0] == 'r' ? "error" : "rights");
	AUTO_FREE char *expected = NULL;
	if (getenv("REGENERATE")) {
		unlink(other);
		return file_write_atomic(path, got, strlen(got), 0644, false, NULL) == 0;
	}
	if (file_read(path, SIZE_MAX_FILE, &expected, NULL) >= 0 && !strcmp(expected, got))
		return true;
	print_error("%s: expected\n%sgot\n%s", name, expected ? expected : "no such thing\n", got);
	return false;
}

static void policies(void **state)
{
	(void)state;
	glob_t found;
	size_t wrong = 0;
	AUTO_FREE char *pattern = text_format("%s/policies/*.yaml", TEST_DATA);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		AUTO_FREE char *text = NULL;
		const char *kind, *base = strrchr(found.gl_pathv[i], '/') + 1;
		AUTO_FREE char *name = text_format("%.*s", (int)(strlen(base) - 5), base);
		ssize_t length = file_read(found.gl_pathv[i], SIZE_MAX_FILE, &text, NULL);
		assert_true(length >= 0);
		AUTO_FREE char *got = outcome(name, text, (size_t)length, &kind);
		wrong += !compare(name, kind, got);
	}
	globfree(&found);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(policies)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
