/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "executor/resolvers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "model/ip.h"

#define FILE_MAX   65536u
#define SERVER_MAX (IP_TEXT_SIZE + 16u)

static void clear(char **items)
{
	for (size_t i = 0; i <= RESOLVERS_MAX; i++) {
		free(items[i]);
		items[i] = NULL;
	}
}

/* It becomes a line of a configuration: an address, perhaps with %INTERFACE. */
static bool is_server(const char *text)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	char address[SERVER_MAX];
	struct ip ip;
	size_t length = strcspn(text, "%");
	if (strlen(text) >= sizeof(address))
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	const char *zone = text[length] ? text + length + 1 : "";
	return ip_parse(address, &ip, NULL) == 0 && strspn(zone, allowed) == strlen(zone);
}

static void parse(char *text, char **ret)
{
	size_t count = 0;
	for (char *rest, *line = strtok_r(text, "\n", &rest); line && count < RESOLVERS_MAX;
	     line = strtok_r(NULL, "\n", &rest)) {
		char word[16], server[SERVER_MAX];
		if (sscanf(line, "%15s %61s", word, server) == 2 &&
		    strcmp(word, "nameserver") == 0 && is_server(server))
			ret[count++] = text_copy(server);
	}
}

static bool is_same(char *const *a, char *const *b)
{
	size_t i = 0;
	while (a[i] && b[i] && strcmp(a[i], b[i]) == 0)
		i++;
	return !a[i] && !b[i];
}

/* Whether it says something else now. */
static bool read_again(struct resolvers *resolvers)
{
	char *now[RESOLVERS_MAX + 1] = {0};
	AUTO_FREE char *text = NULL;
	if (file_read(resolvers->path, FILE_MAX, &text, NULL) > 0)
		parse(text, now);
	if (is_same(now, resolvers->items)) {
		clear(now);
		return false;
	}
	clear(resolvers->items);
	memcpy(resolvers->items, now, sizeof(now));
	return true;
}

static void watch(struct resolvers *resolvers);

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static int on_file(sd_event_source *source, const struct inotify_event *event, void *data)
{
	(void)source;
	struct resolvers *resolvers = data;
	if (event->len == 0 || (strcmp(event->name, name_of(resolvers->path)) != 0 &&
				strcmp(event->name, name_of(resolvers->target)) != 0))
		return 0;
	watch(resolvers); /* it may link to another file now */
	if (read_again(resolvers))
		resolvers->changed(resolvers->data);
	return 0;
}

static void watch_folder(struct resolvers *resolvers, size_t which, const char *path)
{
	const uint32_t mask = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE;
	AUTO_FREE char *folder = text_copy(path);
	folder[name_of(folder) - folder] = '\0';
	int result = sd_event_add_inotify(resolvers->event, &resolvers->sources[which], folder,
					  mask, on_file, resolvers);
	if (result < 0)
		log_warning("%s: changes will not be noticed: %s", path, strerror(-result));
}

static void watch(struct resolvers *resolvers)
{
	char *target = realpath(resolvers->path, NULL);
	if (resolvers->target && target && strcmp(target, resolvers->target) == 0) {
		free(target);
		return;
	}
	free(resolvers->target);
	resolvers->target = target ? target : text_copy(resolvers->path);
	if (!resolvers->sources[0])
		watch_folder(resolvers, 0, resolvers->path);
	resolvers->sources[1] = sd_event_source_disable_unref(resolvers->sources[1]);
	if (strcmp(resolvers->target, resolvers->path) != 0)
		watch_folder(resolvers, 1, resolvers->target);
}

void resolvers_set(struct resolvers *resolvers, const struct ip *address)
{
	char text[IP_TEXT_SIZE];
	resolvers->items[0] = text_copy(ip_format(address, text));
}

void resolvers_watch(struct resolvers *resolvers, sd_event *event, const char *path,
		     void (*changed)(void *data), void *data)
{
	resolvers->event = event;
	resolvers->path = path;
	resolvers->changed = changed;
	resolvers->data = data;
	watch(resolvers);
	read_again(resolvers);
}

void resolvers_done(struct resolvers *resolvers)
{
	for (size_t i = 0; i < 2; i++)
		resolvers->sources[i] = sd_event_source_disable_unref(resolvers->sources[i]);
	clear(resolvers->items);
	free(resolvers->target);
	resolvers->target = NULL;
}
