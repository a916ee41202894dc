/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The web proxy of a lab: who has it, and what a machine's environment says of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "model/lab.h"
#include "model/schema.h"

AUTO_DEFINE(lab)

static const char text[] = "proxy: { http: http://10.20.0.1:3128, no_proxy: [ 192.0.2.0/24 ] }\n"
			   "networks:\n"
			   "  lab: { ipv4: 10.20.0.1/24, ipv6: 'fd00:20::/64' }\n"
			   "  other: { ipv4: 10.21.0.1/24, ipv6: none, domain: other.example }\n"
			   "machines:\n"
			   "  all: { nics: [ lab ] }\n"
			   "  nothing: { nics: [ other ], proxy: none }\n"
			   "  own: { nics: [ lab, other ], proxy: 'https://proxy.example' }\n"
			   "  usual: { nics: [ other ], proxy: }\n";

static struct lab *parsed(void)
{
	struct lab *lab = NULL;
	struct error err = {0};
	if (lab_parse("lanyard.yaml", NULL, text, strlen(text), "default", &lab, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < lab->n_networks; i++)
		assert_int_equal(network_settle(lab->networks[i], &err), 0);
	return lab;
}

static void whose_it_is(void **state)
{
	static const char *const http[] = {"http://10.20.0.1:3128", "", "https://proxy.example",
					   "http://10.20.0.1:3128"};
	static const char *const https[] = {"", "", "https://proxy.example", ""};
	AUTO(lab) struct lab *lab = parsed();
	(void)state;
	for (size_t i = 0; i < lab->n_machines; i++) {
		assert_string_equal(lab->machines[i]->proxy.http, http[i]);
		assert_string_equal(lab->machines[i]->proxy.https, https[i]);
	}
}

static void environment(void **state)
{
	AUTO(lab) struct lab *lab = parsed();
	(void)state;
	AUTO_FREE char *one = proxy_environment(&lab->machines[0]->proxy, lab->networks, 1);
	assert_string_equal(one, "http_proxy=http://10.20.0.1:3128\n"
				 "HTTP_PROXY=http://10.20.0.1:3128\n"
				 "no_proxy=localhost,127.0.0.1,::1,.lab.internal,10.20.0.0/24,"
				 "fd00:20::/64,all,own,192.0.2.0/24\n"
				 "NO_PROXY=localhost,127.0.0.1,::1,.lab.internal,10.20.0.0/24,"
				 "fd00:20::/64,all,own,192.0.2.0/24\n");
	AUTO_FREE char *none = proxy_environment(&lab->machines[1]->proxy, lab->networks, 2);
	assert_string_equal(none, "");
	AUTO_FREE char *both = proxy_environment(&lab->machines[2]->proxy, lab->networks, 2);
	assert_non_null(strstr(both, "\nHTTPS_PROXY=https://proxy.example\n"));
	assert_non_null(strstr(both, "\nno_proxy=localhost,127.0.0.1,::1,.lab.internal,"
				     "10.20.0.0/24,fd00:20::/64,all,own,.other.example,"
				     "10.21.0.0/24,nothing,own,usual\n"));
}

/* What is stored of a machine is the same machine again. */
static void stored(void **state)
{
	AUTO(lab) struct lab *lab = parsed();
	(void)state;
	for (size_t i = 0; i < lab->n_machines; i++) {
		struct machine *again = machine_new();
		struct node *node = NULL;
		struct error err = {0};
		json_t *json = schema_encode(&machine_schema, lab->machines[i]);
		assert_int_equal(node_from_json("machine", json, &node, &err), 0);
		assert_int_equal(schema_decode(&machine_schema, node, again, true, &err), 0);
		assert_memory_equal(&again->proxy, &lab->machines[i]->proxy, sizeof(again->proxy));
		node_free(node);
		json_decref(json);
		machine_free(again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whose_it_is),
		cmocka_unit_test(environment),
		cmocka_unit_test(stored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
