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
#include "steward/keyfile.h"

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

static const char profile[] =
	"# mine\n[connection]\nid=cable\nuuid=11111111-2222-3333-4444-555555555555\n"
	"type=ethernet\nautoconnect-priority=-999\ninterface-name=eth0\nzone=home\n\n"
	"[ethernet]\nmac-address=02:00:00:00:00:42\nwake-on-lan=64\n\n"
	"[802-1x]\neap=tls;\nidentity=me\n\n"
	"[ipv4]\naddress1=192.0.2.2/24,192.0.2.1\nmethod=manual\nroute-metric=7\n\n"
	"[ipv6]\naddr-gen-mode = stable-privacy\nmethod=auto\n\n[proxy]\n\n"
	"[.nmmeta]\nnm-generated=true\n";

static char *remembered(void)
{
	const struct keyfile_note note = {.uuid = "11111111-2222-3333-4444-555555555555",
					  .file = "/run/x.nmconnection",
					  .metric = "100",
					  .token = "::1:2:3:4"};
	return keyfile_remember(profile, &note);
}

static void networkmanager_bridge(void **state)
{
	(void)state;
	AUTO_FREE char *text = remembered();
	AUTO_FREE char *bridge = keyfile_bridge(text, &errand);
	assert_string_equal(
		bridge,
		"# Written by Lanyard (lanyard uplink add), removed by lanyard uplink remove.\n"
		"[connection]\nid=ly-lan\nuuid=ac20c3d8-8323-82e3-a440-709b78e8d808\n"
		"type=bridge\ninterface-name=ly-lan\n"
		"zone=home\n\n"
		"[ethernet]\ncloned-mac-address=02:00:00:00:00:42\nmtu=1500\n\n"
		"[bridge]\nstp=false\nmulticast-snooping=false\n\n"
		"[ipv4]\naddress1=192.0.2.2/24,192.0.2.1\nmethod=manual\nroute-metric=7\n\n"
		"[ipv6]\nroute-metric=100\naddr-gen-mode=eui64\ntoken=::1:2:3:4\nmethod=auto\n\n"
		"[proxy]\n\n");
}

static void networkmanager_port(void **state)
{
	(void)state;
	AUTO_FREE char *text = remembered();
	AUTO_FREE char *port = keyfile_port(text, &errand);
	assert_string_equal(
		port,
		"# Written by Lanyard (lanyard uplink add), removed by lanyard uplink remove.\n"
		"[connection]\nid=ly-lan port eth0\nuuid=d1fb6f38-e78e-89fa-a38c-392c21d064e9\n"
		"type=ethernet\n"
		"interface-name=eth0\nmaster=ac20c3d8-8323-82e3-a440-709b78e8d808\nslave-type="
		"bridge\n"
		"autoconnect-priority=999\n\n"
		"[ethernet]\nmac-address=02:00:00:00:00:42\nwake-on-lan=64\n\n"
		"[802-1x]\neap=tls;\nidentity=me\n\n");
}

static void networkmanager_there_and_back(void **state)
{
	(void)state;
	const struct keyfile_note none = {0};
	AUTO_FREE char *text = remembered(), *empty = keyfile_remember(NULL, &none);
	assert_string_equal(keyfile_recall(text), profile);
	assert_string_equal(keyfile_recall(empty), "");
	assert_string_equal(keyfile_recall("damaged"), "");
	AUTO_FREE char *file = keyfile_value(text, "lanyard", "file");
	AUTO_FREE char *mode = keyfile_value(text, "ipv6", "addr-gen-mode");
	assert_string_equal(file, "/run/x.nmconnection");
	assert_string_equal(mode, "stable-privacy");
	assert_null(keyfile_value(text, "lanyard", "checkpoint"));
	assert_null(keyfile_value(text, "ipv4", "addr-gen-mode"));
	assert_null(keyfile_value("", "ipv4", "method"));
	char bridge[KEYFILE_UUID_SIZE], port[KEYFILE_UUID_SIZE];
	keyfile_uuid(false, &errand, bridge);
	keyfile_uuid(true, &errand, port);
	assert_string_not_equal(bridge, port);
	assert_int_equal(strlen(port), KEYFILE_UUID_SIZE - 1);
}

static void bad_errands(void **state)
{
	struct errand bad;
	(void)state;
	assert_int_equal(errand_check(&errand, NULL), 0);
	bad = errand;
	bad.verb = ERRAND_UNCLAIM;
	memset(bad.bridge, 0, sizeof(bad.bridge));
	assert_int_equal(errand_check(&bad, NULL), 0);
	bad.verb = ERRAND_HOLD;
	assert_true(errand_check(&bad, NULL) < 0);
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
		cmocka_unit_test(networkmanager_bridge),
		cmocka_unit_test(networkmanager_port),
		cmocka_unit_test(networkmanager_there_and_back),
		cmocka_unit_test(bad_errands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
