/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steward is root: what it takes for an errand about names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "base/error.h"
#include "ipc/errand.h"
#include "ipc/errand_names.h"

static struct errand_names good(void)
{
	struct errand_names errand = {.version = ERRAND_VERSION,
				      .verb = ERRAND_NAMES,
				      .ifname = "ly-lab",
				      .domain = "lab.internal"};
	assert_int_equal(ip_parse_prefix("10.20.0.1/24", &errand.servers[0], NULL), 0);
	return errand;
}

static int check(const struct errand_names *errand)
{
	struct error err = {0};
	return errand_names_check(errand, sizeof(*errand), &err);
}

static void taken(void **state)
{
	(void)state;
	struct errand_names errand = good();
	assert_int_equal(check(&errand), 0);
	assert_int_equal(ip_parse_prefix("fd00::1/64", &errand.servers[1], NULL), 0);
	assert_int_equal(check(&errand), 0);
	memset(errand.servers, 0, sizeof(errand.servers)); /* to be forgotten */
	memset(errand.domain, 'x', sizeof(errand.domain));
	assert_int_equal(check(&errand), 0);
}

static void refused(void **state)
{
	(void)state;
	static const char *const domains[] = {"",
					      "com",
					      "github.com",
					      "internal.com",
					      "local",
					      "notinternal",
					      "lab..internal",
					      ".internal",
					      "Lab.internal",
					      "lab.internal.",
					      "a b.internal"};
	struct errand_names errand;
	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
		errand = good();
		strncpy(errand.domain, domains[i], sizeof(errand.domain) - 1);
		memset(errand.domain + strlen(domains[i]), 0,
		       sizeof(errand.domain) - strlen(domains[i]));
		assert_int_equal(check(&errand), -EBADMSG);
	}
	errand = good();
	memset(errand.domain, 'a', sizeof(errand.domain));
	assert_int_equal(check(&errand), -EBADMSG);
	errand = good();
	memset(errand.ifname, 'a', sizeof(errand.ifname));
	assert_int_equal(check(&errand), -EBADMSG);
	errand = good();
	strcpy(errand.ifname, "../../x");
	assert_int_equal(check(&errand), -EBADMSG);
	errand = good();
	errand.servers[0].length = 33;
	assert_int_equal(check(&errand), -EBADMSG);
	errand = good();
	errand.servers[1].family = 77;
	assert_int_equal(check(&errand), -EBADMSG);
	errand = good();
	errand.verb = ERRAND_WHO;
	assert_int_equal(check(&errand), -EBADMSG);
	errand = good();
	assert_int_equal(errand_names_check(&errand, sizeof(errand) - 1, NULL), -EBADMSG);
	assert_int_equal(errand_names_check(&errand, sizeof(errand) + 1, NULL), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(taken), cmocka_unit_test(refused)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
