/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nss/hostname.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "model/lease.h"
#include "model/name.h"
#include "nss/lines.h"

#define INSTANCE_MAX 64
#define ATTEMPTS     3 /* while dnsmasq is writing its file */

/* Where an answer comes from; the smallest is the best. */
struct source {
	bool is_lease;
	char instance[INSTANCE_MAX];
	char ifname[16];
};

struct search {
	/* what is looked for: a label, perhaps with its domain, or an address */
	const struct ip *address;
	char label[NAME_SIZE];
	char domain[DOMAIN_SIZE]; /* "": of any network */
	uint64_t now;
	/* the network being read */
	struct source source;
	char network_domain[DOMAIN_SIZE];
	struct hostname candidate;
	/* the best so far */
	struct source best;
	struct hostname *answer;
	int trouble; /* -errno of what kept us from looking everywhere */
};

/* What means this host, or what programs ask for without being told to, is nobody's machine. */
static bool is_reserved(const char *label)
{
	static const char *const words[] = {
		"localhost",	 "localhost4",	   "localhost6",     "localdomain", "broadcasthost",
		"ip6-localhost", "ip6-loopback",   "wpad",	     "isatap",	    "ip6-allnodes",
		"ip6-localnet",	 "ip6-allrouters", "ip6-mcastprefix"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(label, words[i]) == 0)
			return true;
	return false;
}

/* A machine that calls itself as the host does. */
static bool is_this_host(const char *label)
{
	char own[256];
	if (gethostname(own, sizeof(own)) < 0)
		return false;
	own[sizeof(own) - 1] = '\0';
	own[strcspn(own, ".")] = '\0';
	return strcasecmp(own, label) == 0;
}

/* Machines' addresses are unicast ones of more than one link's meaning, and not ourselves. */
static bool is_answerable(const struct ip *ip)
{
	static const uint8_t zero[15];
	if (ip->family == AF_INET)
		return ip->bytes[0] != 0 && ip->bytes[0] != 127 && ip->bytes[0] < 224 &&
		       !ip_is_link_local(ip);
	return ip->bytes[0] != 0xff && !ip_is_link_local(ip) && memcmp(ip->bytes, zero, 15) != 0;
}

static int source_compare(const struct source *a, const struct source *b)
{
	if (a->is_lease != b->is_lease)
		return a->is_lease ? 1 : -1;
	int order = strcmp(a->instance, b->instance);
	return order ? order : strcmp(a->ifname, b->ifname);
}

static void add_address(struct hostname *hostname, const struct ip *address)
{
	for (size_t i = 0; i < hostname->count; i++)
		if (ip_equal(&hostname->addresses[i], address))
			return;
	if (hostname->count < HOSTNAME_ADDRESSES)
		hostname->addresses[hostname->count++] = *address;
}

static bool take(struct search *search, const char *label, const struct ip *address)
{
	struct hostname *hostname = &search->candidate;
	if (!is_answerable(address) || is_reserved(label) || !name_is_label(label))
		return false;
	if (search->address ? !ip_equal(search->address, address) : strcmp(label, search->label))
		return false;
	/* of other networks' gateways too, and often of the LAN's */
	if (!search->address && !search->domain[0] && strcmp(label, "gateway") == 0)
		return false;
	if (hostname->count == 0) {
		snprintf(hostname->alias, sizeof(hostname->alias), "%s", label);
		snprintf(hostname->name, sizeof(hostname->name), "%s.%s", label,
			 search->network_domain);
	}
	if (strcmp(hostname->alias, label) == 0)
		add_address(hostname, address);
	return true;
}

/* IP NAME.DOMAIN NAME [ALIAS...] */
static void take_record(struct search *search, char *line, size_t length)
{
	char *rest = NULL, *word;
	struct ip address;
	if (strlen(line) != length || !(word = strtok_r(line, " \t", &rest)) ||
	    ip_parse(word, &address, NULL) < 0)
		return;
	while ((word = strtok_r(NULL, " \t", &rest)))
		if (strlen(word) < NAME_SIZE && !strchr(word, '.') && take(search, word, &address))
			return;
}

static void take_lease(struct search *search, const char *line, size_t length)
{
	struct lease lease;
	if (!lease_parse_line(line, length, &lease) || !lease.name[0] ||
	    (lease.expires && lease.expires <= search->now) || is_this_host(lease.name))
		return;
	take(search, lease.name, &lease.address);
}

static void note_trouble(struct search *search, int code)
{
	if (code == -EMFILE || code == -ENFILE || code == -ENOMEM)
		search->trouble = code;
}

static void read_records(struct search *search, int folder)
{
	struct lines lines;
	size_t length;
	int result = lines_open(&lines, folder, "hosts");
	note_trouble(search, result);
	if (result < 0)
		return;
	for (char *line; (line = lines_next(&lines, &length));)
		take_record(search, line, length);
	lines_close(&lines);
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* dnsmasq writes its file in place: what was read while it did may lack something. */
static void read_leases(struct search *search, int folder)
{
	struct lines lines;
	struct stat before, after;
	size_t length;
	bool again = true;
	for (int i = 0; again && i < ATTEMPTS; i++) {
		int result = lines_open(&lines, folder, "leases");
		note_trouble(search, result);
		if (result < 0)
			return;
		again = fstat(lines.fd, &before) == 0;
		for (char *line; (line = lines_next(&lines, &length));)
			take_lease(search, line, length);
		again = again && search->candidate.count == 0 && fstat(lines.fd, &after) == 0 &&
			!is_same_file(&before, &after);
		lines_close(&lines);
	}
}

/* Interface and domain, which stand at the beginning of the configuration. */
static bool read_network(struct search *search, int folder)
{
	struct lines lines;
	size_t length;
	struct source *source = &search->source;
	int result = lines_open(&lines, folder, "dnsmasq.conf");
	note_trouble(search, result);
	if (result < 0)
		return false;
	source->ifname[0] = search->network_domain[0] = '\0';
	for (char *line; (!source->ifname[0] || !search->network_domain[0]) &&
			 (line = lines_next(&lines, &length));) {
		if (strncmp(line, "interface=", 10) == 0 && name_is_interface(line + 10))
			snprintf(source->ifname, sizeof(source->ifname), "%s", line + 10);
		else if (strncmp(line, "domain=", 7) == 0 && name_is_domain(line + 7))
			snprintf(search->network_domain, sizeof(search->network_domain), "%s",
				 line + 7);
	}
	lines_close(&lines);
	return source->ifname[0] && search->network_domain[0];
}

static void keep_best(struct search *search)
{
	if (search->candidate.count == 0 ||
	    (search->answer->count && source_compare(&search->best, &search->source) <= 0))
		return;
	search->best = search->source;
	*search->answer = search->candidate;
}

static void search_network(struct search *search, int folder)
{
	search->candidate.count = 0;
	search->source.is_lease = false;
	if (!read_network(search, folder) ||
	    (search->domain[0] && strcmp(search->domain, search->network_domain) != 0))
		return;
	read_records(search, folder);
	if (search->candidate.count == 0) {
		search->source.is_lease = true;
		read_leases(search, folder);
	}
	keep_best(search);
}

/* A folder that only its owner writes; who that is was decided by the one above, and at the top by
 * root, whose /run it is. */
static int open_folder(struct search *search, int above, const char *name)
{
	struct stat status;
	int fd = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		note_trouble(search, -errno);
		return -1;
	}
	if (fstat(fd, &status) == 0 && !(status.st_mode & 022))
		return fd;
	close(fd);
	return -1;
}

/* For each folder in it that is meant; takes the descriptor. */
static void each_folder(struct search *search, int fd, bool (*is_meant)(const char *name),
			void (*visit)(struct search *search, int folder, const char *name))
{
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	if (!folder) {
		if (fd >= 0) {
			note_trouble(search, -ENOMEM);
			close(fd);
		}
		return;
	}
	for (struct dirent *entry; (entry = readdir(folder));) {
		int inside = is_meant(entry->d_name)
				     ? open_folder(search, dirfd(folder), entry->d_name)
				     : -1;
		if (inside < 0)
			continue;
		visit(search, inside, entry->d_name);
		close(inside);
	}
	closedir(folder);
}

static bool is_number(const char *name)
{
	return name[0] && strspn(name, "0123456789") == strlen(name);
}

static bool is_instance(const char *name)
{
	return name[0] != '.' && strlen(name) < INSTANCE_MAX;
}

static void visit_network(struct search *search, int folder, const char *name)
{
	(void)name;
	search_network(search, folder);
}

static void visit_instance(struct search *search, int folder, const char *name)
{
	snprintf(search->source.instance, sizeof(search->source.instance), "%s", name);
	each_folder(search, open_folder(search, folder, "services"), is_number, visit_network);
}

static int run(struct search *search, const char *root)
{
	search->answer->count = 0;
	search->now = (uint64_t)time(NULL);
	each_folder(search, open_folder(search, AT_FDCWD, root), is_instance, visit_instance);
	if (search->answer->count)
		return 0;
	return search->trouble ? search->trouble : -ENOENT;
}

int hostname_by_name(const char *root, const char *name, struct hostname *ret)
{
	struct search search = {.answer = ret};
	char text[NAME_SIZE + DOMAIN_SIZE];
	size_t length = strnlen(name, sizeof(text));
	if (length == sizeof(text))
		return -ENOENT;
	for (size_t i = 0; i <= length; i++)
		text[i] = (char)tolower((unsigned char)name[i]);
	char *dot = strchr(text, '.');
	if (dot) {
		if (length && text[length - 1] == '.')
			text[length - 1] = '\0';
		*dot = '\0';
		/* What the world may answer is not ours to answer, whatever domain somebody has
		 * chosen for a network; and so no file is opened for it. */
		if (!name_is_private(dot + 1) || strlen(dot + 1) >= sizeof(search.domain))
			return -ENOENT;
		memcpy(search.domain, dot + 1, strlen(dot + 1) + 1);
	}
	if (strlen(text) >= sizeof(search.label) || !name_is_label(text) || is_reserved(text))
		return -ENOENT;
	memcpy(search.label, text, strlen(text) + 1);
	return run(&search, root);
}

int hostname_by_address(const char *root, const struct ip *address, struct hostname *ret)
{
	struct search search = {.answer = ret, .address = address};
	return is_answerable(address) ? run(&search, root) : -ENOENT;
}
