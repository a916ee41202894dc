/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The module that glibc loads: every function with every size of buffer, and files of all kinds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

static char root[] = "/tmp/lanyard-nss.XXXXXX";
#define NSS_ROOT root
#include "nss/module.c"

#define BUFFER_SIZE 1024

static char *path_of(const char *name)
{
	return text_format("%s/default/services/%s", root, name);
}

static void put(const char *name, const char *text, size_t length)
{
	AUTO_FREE char *path = path_of(name);
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, length), length);
	close(fd);
}

static void make_network(const char *id, const char *name, const char *domain, const char *hosts,
			 const char *leases)
{
	AUTO_FREE char *folder = path_of(id);
	AUTO_FREE char *conf =
		text_format("# Written\ninterface=ly-%s\nuser=root\ndomain=%s\n", name, domain);
	AUTO_FREE char *conf_name = text_format("%s/dnsmasq.conf", id);
	AUTO_FREE char *hosts_name = text_format("%s/hosts", id);
	AUTO_FREE char *leases_name = text_format("%s/leases", id);
	mkdir(folder, 0755);
	put(conf_name, conf, strlen(conf));
	put(hosts_name, hosts, strlen(hosts));
	put(leases_name, leases, strlen(leases));
}

static int set_up(void **state)
{
	(void)state;
	umask(022);
	if (!mkdtemp(root) || chmod(root, 0755) < 0)
		return -1;
	AUTO_FREE char *services = path_of("");
	services[strlen(services) - 1] = '\0';
	if (directory_make(services, 0755, NULL) < 0)
		return -1;
	make_network("7", "lab", "lab.internal",
		     "10.20.0.1 gateway.lab.internal gateway\n"
		     "10.20.0.10 web.lab.internal web\n"
		     "fd00:20::10 web.lab.internal web\n"
		     "10.20.0.12 alone.lab.internal alone other\n"
		     "127.0.0.1 trick.lab.internal trick\n"
		     "10.20.0.13 localhost.lab.internal localhost\n",
		     "1 ba:ad:ca:fe:00:0b 10.20.0.90 old *\n"
		     "0 ba:ad:ca:fe:00:0c 10.20.0.91 Guest 01:02\n"
		     "99999999999 ba:ad:ca:fe:00:0d 10.20.0.92 both *\n"
		     "duid 00:01\n"
		     "99999999999 16909060 fd00:20::92 both 00:04\n"
		     "99999999999 ba:ad:ca:fe:00:0e 10.20.0.93 * *\n"
		     "99999999999 ba:ad:ca:fe:00:0f 10.20.0.94 wpad *\n"
		     "99999999999 ba:ad:ca:fe:00:10 10.20.0.95 cut");
	make_network("12", "a", "a.internal", "10.30.0.10 db.a.internal db\n",
		     "0 ba:ad:ca:fe:01:0c 10.30.0.91 web *\n0 ba:ad:ca:fe:01:0d 10.30.0.92 both "
		     "*\n");
	make_network("3", "world", "github.com", "10.40.0.10 www.github.com www\n", "");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	AUTO_FREE char *command = text_format("rm -rf '%s'", root);
	return system(command);
}

static char *joined(const struct hostent *host)
{
	char text[512] = "", address[INET6_ADDRSTRLEN];
	size_t used = 0;
	for (char **at = host->h_addr_list; *at; at++)
		used += (size_t)snprintf(
			text + used, sizeof(text) - used, " %s",
			inet_ntop(host->h_addrtype, *at, address, sizeof(address)));
	return text_format("%s (%s)%s", host->h_name, host->h_aliases[0] ? host->h_aliases[0] : "",
			   text);
}

/* What gethostbyname2 says, in one line. */
static char *ask(const char *name, int family)
{
	char buffer[BUFFER_SIZE];
	struct hostent host;
	int code = 0, h = 0;
	enum nss_status status = _nss_lanyard_gethostbyname2_r(name, family, &host, buffer,
							       sizeof(buffer), &code, &h);
	if (status == NSS_STATUS_SUCCESS)
		return joined(&host);
	return text_format("status %d, h_errno %d", status, h);
}

static void expect(const char *name, int family, const char *answer)
{
	AUTO_FREE char *found = ask(name, family);
	assert_string_equal(found, answer);
}

#define NOTHING	  "status 0, h_errno 1"
#define NO_FAMILY "status 0, h_errno 4"

static void forward(void **state)
{
	(void)state;
	expect("web", AF_INET, "web.lab.internal (web) 10.20.0.10");
	expect("WEB.Lab.internal.", AF_INET6, "web.lab.internal (web) fd00:20::10");
	expect("web.a.internal", AF_INET, "web.a.internal (web) 10.30.0.91");
	expect("web.a.internal", AF_INET6, NO_FAMILY);
	expect("guest", AF_INET, "guest.lab.internal (guest) 10.20.0.91");
	expect("both", AF_INET, "both.a.internal (both) 10.30.0.92");
	expect("both.lab.internal", AF_INET6, "both.lab.internal (both) fd00:20::92");
	expect("alone", AF_INET, "alone.lab.internal (alone) 10.20.0.12");
	expect("other", AF_INET, "other.lab.internal (other) 10.20.0.12");
	expect("www", AF_INET, "www.github.com (www) 10.40.0.10");
	expect("gateway.lab.internal", AF_INET, "gateway.lab.internal (gateway) 10.20.0.1");
}

static void not_answered(void **state)
{
	(void)state;
	static const char *const names[] = {"old",
					    "old.lab.internal",
					    "cut",
					    "trick",
					    "localhost",
					    "wpad",
					    "localhost.lab.internal",
					    "gateway",
					    "www.github.com",
					    "github.com",
					    "",
					    ".",
					    "..",
					    "web.",
					    "web..",
					    "web.lab",
					    "-",
					    "web lab",
					    "*",
					    "nobody",
					    "nobody.lab.internal",
					    "../7",
					    "web.lab.internal.internal"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		expect(names[i], AF_INET, NOTHING);
	char *large = memory_zero(1, 100001);
	memset(large, 'a', 100000);
	expect(large, AF_INET, NOTHING);
	free(large);
}

static char *ask_address(const char *text)
{
	char buffer[BUFFER_SIZE];
	uint8_t bytes[16];
	struct hostent host;
	int code = 0, h = 0, family = strchr(text, ':') ? AF_INET6 : AF_INET;
	inet_pton(family, text, bytes);
	enum nss_status status =
		_nss_lanyard_gethostbyaddr_r(bytes, family == AF_INET ? 4 : 16, family, &host,
					     buffer, sizeof(buffer), &code, &h);
	if (status == NSS_STATUS_SUCCESS)
		return joined(&host);
	return text_format("status %d, h_errno %d", status, h);
}

static void reverse(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"10.20.0.10", "web.lab.internal (web) 10.20.0.10"},
		{"fd00:20::10", "web.lab.internal (web) fd00:20::10"},
		{"10.20.0.91", "guest.lab.internal (guest) 10.20.0.91"},
		{"fd00:20::92", "both.lab.internal (both) fd00:20::92"},
		{"10.20.0.1", "gateway.lab.internal (gateway) 10.20.0.1"},
		{"10.20.0.90", NOTHING},
		{"10.20.0.93", NOTHING},
		{"10.20.0.94", NOTHING},
		{"127.0.0.1", NOTHING},
		{"::1", NOTHING},
		{"192.0.2.1", NOTHING},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO_FREE char *found = ask_address(cases[i][0]);
		assert_string_equal(found, cases[i][1]);
	}
	struct hostent host;
	char buffer[BUFFER_SIZE];
	int code = 0, h = 0;
	assert_int_equal(_nss_lanyard_gethostbyaddr2_r("abc", 3, AF_INET, &host, buffer,
						       sizeof(buffer), &code, &h, NULL),
			 NSS_STATUS_UNAVAIL);
	assert_int_equal(code, EAFNOSUPPORT);
}

/* Each function with one buffer, exactly as large as said and anywhere in memory. */
enum { BY_NAME, BY_NAME2, BY_NAME3, BY_NAME4, BY_NAME4_OWN, BY_ADDRESS, BY_ADDRESS2, FUNCTIONS };

static enum nss_status call(int function, char *buffer, size_t size, int *code, int *h)
{
	static const uint8_t address[] = {10, 20, 0, 10};
	struct hostent host;
	struct gaih_addrtuple own = {.family = 99}, *tuple = function == BY_NAME4_OWN ? &own : NULL;
	int32_t ttl = -1;
	char *canon = NULL;
	switch (function) {
	case BY_NAME:
		return _nss_lanyard_gethostbyname_r("web", &host, buffer, size, code, h);
	case BY_NAME2:
		return _nss_lanyard_gethostbyname2_r("web", AF_INET6, &host, buffer, size, code, h);
	case BY_NAME3:
		return _nss_lanyard_gethostbyname3_r("web", AF_INET, &host, buffer, size, code, h,
						     &ttl, &canon);
	case BY_ADDRESS:
		return _nss_lanyard_gethostbyaddr_r(address, 4, AF_INET, &host, buffer, size, code,
						    h);
	case BY_ADDRESS2:
		return _nss_lanyard_gethostbyaddr2_r(address, 4, AF_INET, &host, buffer, size, code,
						     h, &ttl);
	default:
		return _nss_lanyard_gethostbyname4_r("web", &tuple, buffer, size, code, h, &ttl);
	}
}

static void every_buffer_size(void **state)
{
	(void)state;
	for (int function = 0; function < FUNCTIONS; function++) {
		bool worked = false;
		for (size_t shift = 0; shift < 8; shift++)
			for (size_t size = 0; size < 300; size++) {
				int code = 0, h = 12345;
				char *memory = malloc(shift + size + 1);
				memory[shift + size] = 'x';
				errno = 77;
				enum nss_status status =
					call(function, memory + shift, size, &code, &h);
				assert_int_equal(memory[shift + size], 'x');
				if (status == NSS_STATUS_SUCCESS) {
					assert_int_equal(h, NETDB_SUCCESS);
					assert_int_equal(errno, 77);
					worked = true;
				} else {
					assert_int_equal(status, NSS_STATUS_TRYAGAIN);
					assert_int_equal(code, ERANGE);
					assert_int_equal(h, NETDB_INTERNAL);
				}
				free(memory);
			}
		assert_true(worked);
	}
}

static void tuples(void **state)
{
	(void)state;
	char buffer[BUFFER_SIZE];
	struct gaih_addrtuple own, *first = &own;
	int code = 0, h = 0;
	assert_int_equal(_nss_lanyard_gethostbyname4_r("web.lab.internal", &first, buffer,
						       sizeof(buffer), &code, &h, NULL),
			 NSS_STATUS_SUCCESS);
	assert_ptr_equal(first, &own);
	assert_string_equal(own.name, "web.lab.internal");
	assert_int_equal(own.family, AF_INET);
	assert_int_equal(own.next->family, AF_INET6);
	assert_int_equal(own.next->scopeid, 0);
	assert_null(own.next->next);
}

/* Nothing here may wait, crash, or say something. */
static void hostile_files(void **state)
{
	(void)state;
	AUTO_FREE char *hosts = path_of("20/hosts");
	AUTO_FREE char *leases = path_of("20/leases");
	AUTO_FREE char *elsewhere = path_of("7/hosts");
	make_network("20", "b", "b.internal", "", "");

	unlink(hosts);
	assert_int_equal(mkfifo(hosts, 0644), 0);
	expect("x.b.internal", AF_INET, NOTHING);
	unlink(hosts);
	assert_int_equal(symlink(elsewhere, hosts), 0);
	expect("web.b.internal", AF_INET, NOTHING);
	unlink(hosts);
	assert_int_equal(mkdir(hosts, 0755), 0);
	expect("x.b.internal", AF_INET, NOTHING);
	rmdir(hosts);
	put("20/hosts", "10.9.0.1 x.b.internal x\n", 24);
	expect("x.b.internal", AF_INET, "x.b.internal (x) 10.9.0.1");
	chmod(hosts, 0666);
	expect("x.b.internal", AF_INET, NOTHING);
	if (geteuid() == 0) {
		chmod(hosts, 0644);
		assert_int_equal(chown(hosts, 4321, 4321), 0);
		expect("x.b.internal", AF_INET, NOTHING);
	}
	unlink(hosts);

	size_t large = 3 << 20;
	char *bytes = memory_zero(1, large);
	put("20/leases", bytes, large);
	expect("x.b.internal", AF_INET, NOTHING);
	memset(bytes, 'a', large);
	static const char good[] = "\n0 ba:ad:ca:fe:00:0c 10.9.0.2 x *\n";
	memcpy(bytes + large - sizeof(good) + 1, good, sizeof(good) - 1);
	put("20/leases", bytes, large);
	expect("x.b.internal", AF_INET, "x.b.internal (x) 10.9.0.2");
	srandom(7);
	for (int i = 0; i < 20; i++) {
		for (size_t j = 0; j < 5000; j++)
			bytes[j] = (char)(random() >> 8);
		put("20/leases", bytes, 5000);
		put("20/hosts", bytes, 5000);
		put("20/dnsmasq.conf", bytes, 5000);
		expect("x.b.internal", AF_INET, NOTHING);
	}
	free(bytes);
	unlink(leases);
	expect("x.b.internal", AF_INET, NOTHING);
}

static void foreign_folder(void **state)
{
	(void)state;
	AUTO_FREE char *folder = path_of("12");
	chmod(folder, 0777);
	expect("db", AF_INET, NOTHING);
	chmod(folder, 0755);
	expect("db", AF_INET, "db.a.internal (db) 10.30.0.10");
}

static void *thread(void *data)
{
	(void)data;
	for (int i = 0; i < 200; i++)
		expect(i % 2 ? "web" : "db", AF_INET,
		       i % 2 ? "web.lab.internal (web) 10.20.0.10"
			     : "db.a.internal (db) 10.30.0.10");
	return NULL;
}

/* Many at once, each with the smallest stack that a thread may have. */
static void threads(void **state)
{
	(void)state;
	pthread_t all[8];
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 128 << 10);
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&all[i], &attributes, thread, NULL), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(all[i], NULL);
	pthread_attr_destroy(&attributes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forward),	  cmocka_unit_test(not_answered),
		cmocka_unit_test(reverse),	  cmocka_unit_test(every_buffer_size),
		cmocka_unit_test(tuples),	  cmocka_unit_test(hostile_files),
		cmocka_unit_test(foreign_folder), cmocka_unit_test(threads),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
