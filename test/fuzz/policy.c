/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Policies. What is accepted gives somebody rights, whose places and values can be told. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "model/policy.h"

AUTO_DEFINE(policy)

static bool is_member(const char *group, void *data)
{
	(void)data;
	return group[0] == 's';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(policy) struct policy *policy = NULL;
	struct policy_grant grant;
	struct error err = {0};
	char place[POLICY_PLACE_SIZE], value[POLICY_VALUE_SIZE];
	int r = policy_parse("fuzz/policy.yaml", (const char *)data, size, &policy, &err);
	if (r < 0 && (err.code != -r || strncmp(err.text, "fuzz/policy.yaml:", 17) != 0))
		abort();
	if (r < 0)
		return 0;
	policy_resolve(policy, "alice", is_member, NULL, &grant);
	for (size_t i = 0; i < POLICY_KEYS; i++)
		if (!policy_place(policy, &grant, (enum policy_key)i, place)[0] ||
		    !policy_value(&grant, (enum policy_key)i, value)[0])
			abort();
	return 0;
}
