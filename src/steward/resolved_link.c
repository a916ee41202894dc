/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "steward/resolved_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "kern/link.h"
#include "model/ip.h"

#define LINK	  "org.freedesktop.resolve1.Link"
#define PATH_SIZE 128
#define KEPT_MAX  65536

#define AUTO_MESSAGE __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message

/* Beside the instances' folders, in root's: what stands in it is told to the resolver. */
static char *kept_path(const char *nic)
{
	return text_format("/run/lanyard/.resolved-%s", nic);
}

/* One property between a message and lines of text, "NAME VALUE" each. */

static int write_servers(sd_bus_message *value, const char *name, FILE *out)
{
	int r = sd_bus_message_enter_container(value, 'a', "(iay)");
	while (r >= 0 && (r = sd_bus_message_enter_container(value, 'r', "iay")) > 0) {
		char text[INET6_ADDRSTRLEN];
		const void *bytes;
		size_t size;
		int family;
		r = sd_bus_message_read(value, "i", &family);
		if (r >= 0)
			r = sd_bus_message_read_array(value, 'y', &bytes, &size);
		if (r >= 0 && inet_ntop(family, bytes, text, sizeof(text)))
			fprintf(out, "%s %s\n", name, text);
		if (r >= 0)
			r = sd_bus_message_exit_container(value);
	}
	return r;
}

static int write_domains(sd_bus_message *value, const char *name, FILE *out)
{
	const char *domain;
	int routes, r = sd_bus_message_enter_container(value, 'a', "(sb)");
	while (r >= 0 && (r = sd_bus_message_read(value, "(sb)", &domain, &routes)) > 0)
		fprintf(out, "%s %s%s\n", name, routes ? "~" : "", domain);
	return r;
}

static int write_flag(sd_bus_message *value, const char *name, FILE *out)
{
	int flag = 0, r = sd_bus_message_read(value, "b", &flag);
	fprintf(out, "%s %d\n", name, flag);
	return r;
}

static int write_word(sd_bus_message *value, const char *name, FILE *out)
{
	const char *word = "";
	int r = sd_bus_message_read(value, "s", &word);
	fprintf(out, "%s %s\n", name, word);
	return r;
}

static int append_server(sd_bus_message *message, const char *text)
{
	struct ip ip;
	if (ip_parse(text, &ip, NULL) < 0)
		return 0;
	int r = sd_bus_message_open_container(message, 'r', "iay");
	if (r >= 0)
		r = sd_bus_message_append(message, "i", (int)ip.family);
	if (r >= 0)
		r = sd_bus_message_append_array(message, 'y', ip.bytes,
						ip.family == AF_INET ? 4 : 16);
	return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_domain(sd_bus_message *message, const char *text)
{
	bool routes = text[0] == '~';
	return sd_bus_message_append(message, "(sb)", text + routes, (int)routes);
}

static int append_flag(sd_bus_message *message, const char *text)
{
	return sd_bus_message_append(message, "b", text[0] == '1');
}

static int append_word(sd_bus_message *message, const char *text)
{
	return sd_bus_message_append(message, "s", text);
}

/* What a link object has, and the method that gives it to a link. */
static const struct property {
	const char *name, *type, *item; /* item: of an array */
	const char *method;
	int (*write)(sd_bus_message *value, const char *name, FILE *out);
	int (*append)(sd_bus_message *message, const char *text);
} properties[] = {
	{"DefaultRoute", "b", NULL, "SetLinkDefaultRoute", write_flag, append_flag},
	{"Domains", "a(sb)", "(sb)", "SetLinkDomains", write_domains, append_domain},
	{"DNSSEC", "s", NULL, "SetLinkDNSSEC", write_word, append_word},
	{"DNSOverTLS", "s", NULL, "SetLinkDNSOverTLS", write_word, append_word},
	{"LLMNR", "s", NULL, "SetLinkLLMNR", write_word, append_word},
	{"MulticastDNS", "s", NULL, "SetLinkMulticastDNS", write_word, append_word},
	{"DNS", "a(iay)", "(iay)", "SetLinkDNS", write_servers, append_server},
};
#define PROPERTIES (sizeof(properties) / sizeof(properties[0]))

static int append_lines(sd_bus_message *message, const struct property *property, const char *text)
{
	size_t length = strlen(property->name);
	int r = 0;
	for (const char *at = text; r >= 0 && *at; at += strcspn(at, "\n"), at += *at == '\n') {
		if (strncmp(at, property->name, length) != 0 || at[length] != ' ')
			continue;
		const char *begin = at + length + 1;
		AUTO_FREE char *value = strndup(begin, strcspn(begin, "\n"));
		r = value ? property->append(message, value) : -ENOMEM;
	}
	return r;
}

static int set_property(sd_bus *bus, const struct property *property, int ifindex, const char *text,
			sd_bus_error *failure)
{
	AUTO_MESSAGE *message = NULL;
	int r = sd_bus_message_new_method_call(bus, &message, RESOLVED_MANAGER, property->method);
	if (r >= 0)
		r = sd_bus_message_append(message, "i", ifindex);
	if (r >= 0 && property->item)
		r = sd_bus_message_open_container(message, 'a', property->item);
	if (r >= 0)
		r = append_lines(message, property, text);
	if (r >= 0 && property->item)
		r = sd_bus_message_close_container(message);
	return r < 0 ? r : sd_bus_call(bus, message, RESOLVED_USEC, failure, NULL);
}

static int set_all(sd_bus *bus, int ifindex, const char *text, sd_bus_error *failure)
{
	int r = 0;
	for (size_t i = 0; r >= 0 && i < PROPERTIES; i++)
		r = set_property(bus, &properties[i], ifindex, text, failure);
	return r;
}

static int find_link(sd_bus *bus, int ifindex, char ret_path[PATH_SIZE], sd_bus_error *failure)
{
	AUTO_MESSAGE *reply = NULL;
	const char *path;
	int r = sd_bus_call_method(bus, RESOLVED_MANAGER, "GetLink", failure, &reply, "i", ifindex);
	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &path);
	if (r >= 0)
		snprintf(ret_path, PATH_SIZE, "%s", path);
	return r;
}

/* All of a link as text, the caller's. */
static int get_all(sd_bus *bus, int ifindex, char **ret, sd_bus_error *failure)
{
	char path[PATH_SIZE];
	struct text text;
	int r = find_link(bus, ifindex, path, failure);
	text_begin(&text);
	for (size_t i = 0; r >= 0 && i < PROPERTIES; i++) {
		AUTO_MESSAGE *value = NULL;
		r = sd_bus_get_property(bus, RESOLVED_SERVICE, path, LINK, properties[i].name,
					failure, &value, properties[i].type);
		if (r >= 0)
			r = properties[i].write(value, properties[i].name, text.out);
	}
	*ret = text_end(&text);
	return r;
}

static bool has_servers(const char *text)
{
	return strstr(text, "\nDNS ") != NULL;
}

int resolved_link_copy(sd_bus *bus, const struct link *nic, int bridge, sd_bus_error *failure)
{
	AUTO_FREE char *has = NULL, *text = NULL;
	AUTO_FREE char *path = kept_path(nic->name);
	int r = get_all(bus, bridge, &has, failure);
	if (r >= 0)
		r = get_all(bus, nic->ifindex, &text, failure);
	if (r < 0 || has_servers(has) || !has_servers(text))
		return r;
	r = file_write_atomic(path, text, strlen(text), 0600, false, NULL);
	return r < 0 ? r : set_all(bus, bridge, text, failure);
}

int resolved_link_return(sd_bus *bus, const struct link *nic, sd_bus_error *failure)
{
	AUTO_FREE char *has = NULL, *text = NULL;
	AUTO_FREE char *path = kept_path(nic->name);
	if (file_read(path, KEPT_MAX, &text, NULL) < 0)
		return 0;
	unlink(path);
	int r = get_all(bus, nic->ifindex, &has, failure);
	return r < 0 || has_servers(has) ? r : set_all(bus, nic->ifindex, text, failure);
}
