/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the steward makes of others' files, and that it gives them back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "steward/form.h"

static const struct errand errand = {.version = ERRAND_VERSION,
				     .verb = ERRAND_KEEP,
				     .nic = "eth0",
				     .bridge = "ly-lan",
				     .mac = {{2, 0, 0, 0, 0, 0x42}},
				     .mtu = 1500};

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
}

static void interfaces_there_and_back(void **state)
{
	static const char *const files[] = {
		"auto lo eth0\niface lo inet loopback\niface eth0 inet dhcp\n",
		"allow-hotplug eth0\niface eth0 inet static\n\taddress 192.0.2.2/24\n",
		"# eth0 is old\nauto eth0 eth1\n\tiface eth0 inet dhcp\n\niface eth1 inet manual",
		"auto\teth0\niface  eth0  inet6 auto\niface eth0 inet dhcp",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		AUTO_FREE char *onto = form_ifupdown_onto(files[i], &errand);
		assert_non_null(onto);
		has(onto, "iface");
		has(onto, "master ly-lan");
		assert_null(form_ifupdown_onto(onto, &errand)); /* once is enough */
		AUTO_FREE char *off = form_ifupdown_off(onto, "ly-lan");
		assert_non_null(off);
		assert_string_equal(off, files[i]);
		assert_null(form_ifupdown_off(off, "ly-lan"));
		assert_null(form_ifupdown_off(onto, "ly-other"));
	}
}

static void interfaces_of_others(void **state)
{
	(void)state;
	assert_null(form_ifupdown_onto("", &errand));
	assert_null(form_ifupdown_onto("auto eth00\niface eth00 inet dhcp\n", &errand));
	assert_null(form_ifupdown_onto("# auto eth0\n#iface eth0 inet dhcp\n", &errand));
	AUTO_FREE char *onto = form_ifupdown_onto("auto eth0 eth00\n", &errand);
	has(onto, "\nauto ly-lan eth00\n");
}

static void networkd_settings(void **state)
{
	(void)state;
	AUTO_FREE char *text = form_networkd_settings(
		"[Match]\nName=eth*\n[Link]\nMTUBytes=1400\n[Network]\nDHCP=yes\n\n[Route]\n"
		"Gateway=192.0.2.1",
		"ly-lan", "[DHCPv4]\nIAID=7\n");
	has(text, "[Match]\nName=ly-lan\n\n[Network]\nDHCP=yes\n\n[Route]\nGateway=192.0.2.1\n");
	has(text, "IAID=7");
	assert_null(strstr(text, "eth"));
	assert_null(strstr(text, "MTUBytes"));
}

static void bad_errands(void **state)
{
	struct errand bad;
	(void)state;
	assert_int_equal(errand_check(&errand, NULL), 0);
	bad = errand;
	bad.verb = ERRAND_VERBS;
	assert_true(errand_check(&bad, NULL) < 0);
	bad = errand;
	memset(bad.nic, 'x', sizeof(bad.nic));
	assert_true(errand_check(&bad, NULL) < 0);
	bad = errand;
	strcpy(bad.nic, "../etc");
	assert_true(errand_check(&bad, NULL) < 0);
	bad = errand;
	strcpy(bad.bridge, "br0");
	assert_true(errand_check(&bad, NULL) < 0);
	bad = errand;
	bad.mac.bytes[0] = 1;
	assert_true(errand_check(&bad, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interfaces_there_and_back),
		cmocka_unit_test(interfaces_of_others),
		cmocka_unit_test(networkd_settings),
		cmocka_unit_test(bad_errands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
