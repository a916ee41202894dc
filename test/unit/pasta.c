/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The uplink's command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "svc/pasta.h"

static void is(const struct pasta_argv *argv, const char *expected)
{
	char text[1024] = "";
	for (size_t i = 0; argv->items[i]; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
			 argv->items[i]);
	assert_string_equal(text, expected);
}

#define ALWAYS                                                                                     \
	"pasta -f -q -I ly-up -t none -u none -T none -U none --no-map-gw --dns-forward "          \
	"169.254.1.1 "                                                                             \
	"--config-net "
#define FOUR "-a 169.254.2.1 -n 16 -g 169.254.2.2 "
#define SIX  "-a fd6c:616e:7961:7264::1 -g fe80::1 "

static void test_families(void **state)
{
	struct pasta_argv argv;
	(void)state;
	pasta_argv(&argv, 42, 1000, 1, 1);
	is(&argv, ALWAYS FOUR SIX "42");
	pasta_argv(&argv, 4194304, 1000, 1, 0);
	is(&argv, ALWAYS FOUR "-4 4194304");
	pasta_argv(&argv, 1, 1000, 0, 1);
	is(&argv, ALWAYS SIX "-6 1");
	pasta_argv(&argv, 42, 0, 1, 1);
	is(&argv, ALWAYS "--runas 0:0 " FOUR SIX "42");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_families)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
