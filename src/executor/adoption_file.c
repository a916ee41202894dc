/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FOLDER/adopted-NIC: what must survive the executor and must not survive the computer's restart.
 * One word and its value a line; objects as hexadecimal bytes behind the name of their kind.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "executor/adoption.h"
#include "executor/operations.h"

#define PREFIX	 "adopted-"
#define FILE_MAX (64u << 20)

struct adoption *adoption_new(struct adoptions *adoptions, const char *nic, const char *bridge,
			      uint32_t network)
{
	struct adoption *adoption = memory_zero(1, sizeof(*adoption));
	snprintf(adoption->nic, sizeof(adoption->nic), "%s", nic);
	snprintf(adoption->bridge, sizeof(adoption->bridge), "%s", bridge);
	snprintf(adoption->tag, sizeof(adoption->tag), "lanyard-%s-uplink-%u",
		 adoptions->operations->instance, network);
	adoption->network = network;
	adoption->all = adoptions;
	adoption->pipe = -1;
	adoption->next = adoptions->first;
	adoptions->first = adoption;
	return adoption;
}

void adoption_free(struct adoption *adoption)
{
	if (!adoption)
		return;
	adoption_unwatch(adoption);
	for (struct adoption **at = &adoption->all->first; *at; at = &(*at)->next) {
		if (*at != adoption)
			continue;
		*at = adoption->next;
		break;
	}
	object_list_done(&adoption->before);
	object_list_done(&adoption->now);
	free(adoption);
}

static char *path_of(const struct adoption *adoption)
{
	return text_format("%s/" PREFIX "%s", adoption->all->folder, adoption->nic);
}

static void print_bytes(FILE *file, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	for (size_t i = 0; i < size; i++)
		fprintf(file, "%02x", at[i]);
	fputc('\n', file);
}

static void print_objects(FILE *file, const char *word, const struct object_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct object *object = &list->items[i];
		fprintf(file, "%s %s ", word, object_types[object->kind].name);
		print_bytes(file, &object->bridge, object_types[object->kind].size);
	}
}

static void print_all(FILE *file, const struct adoption *adoption)
{
	fprintf(file, "nic %s\nbridge %s\nnetwork %u\n", adoption->nic, adoption->bridge,
		adoption->network);
	fprintf(file, "moved %d\nconfirmed %d\nby-hand %d\n", adoption->moved, adoption->confirmed,
		adoption->by_hand);
	fprintf(file, "deadline %llu\nsince %llu\n", (unsigned long long)adoption->deadline,
		(unsigned long long)adoption->since);
	fputs("session ", file);
	print_bytes(file, &adoption->session, sizeof(adoption->session));
	for (size_t i = 0; i < adoption->n_gateways; i++) {
		fputs("gateway ", file);
		print_bytes(file, &adoption->gateways[i], sizeof(adoption->gateways[i]));
	}
	print_objects(file, "before", &adoption->before);
	print_objects(file, "now", &adoption->now);
}

int adoption_write(const struct adoption *adoption, struct error *err)
{
	AUTO_FREE char *path = path_of(adoption);
	struct text text;
	text_begin(&text);
	print_all(text.out, adoption);
	AUTO_FREE char *bytes = text_end(&text);
	return file_write_atomic(path, bytes, text.count, 0600, false, err);
}

void adoption_unlink(const struct adoption *adoption)
{
	AUTO_FREE char *path = path_of(adoption);
	if (unlink(path) < 0 && errno != ENOENT)
		log_warning("%s: %m", path);
}

/* Reading. False: not what we wrote. */

static bool read_bytes(const char *text, void *ret, size_t size)
{
	uint8_t *at = ret;
	for (size_t i = 0; i < size; i++) {
		unsigned byte;
		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return false;
		at[i] = (uint8_t)byte;
	}
	return text[2 * size] == '\0';
}

static bool read_object(struct object_list *list, const char *value)
{
	const char *space = strchr(value, ' ');
	for (int kind = 0; space && kind < OBJECT_KINDS; kind++) {
		const struct object_type *type = &object_types[kind];
		if (strncmp(value, type->name, (size_t)(space - value)) != 0 ||
		    type->name[space - value] != '\0')
			continue;
		struct object *object = object_list_add(list, (enum object_kind)kind, 0);
		if (strlen(space + 1) == 2 * type->size &&
		    read_bytes(space + 1, &object->bridge, type->size) &&
		    object_check(object, NULL) == 0)
			return true;
		list->count--;
	}
	return false;
}

static bool read_gateway(struct adoption *adoption, const char *value)
{
	if (adoption->n_gateways == ADOPTION_GATEWAYS || strlen(value) != 2 * sizeof(struct ip))
		return false;
	struct ip *gateway = &adoption->gateways[adoption->n_gateways++];
	return read_bytes(value, gateway, sizeof(*gateway));
}

static bool read_line(struct adoption *adoption, const char *word, const char *value)
{
	if (strcmp(word, "before") == 0)
		return read_object(&adoption->before, value);
	if (strcmp(word, "now") == 0)
		return read_object(&adoption->now, value);
	if (strcmp(word, "gateway") == 0)
		return read_gateway(adoption, value);
	if (strcmp(word, "session") == 0)
		return strlen(value) == 2 * sizeof(adoption->session) &&
		       read_bytes(value, &adoption->session, sizeof(adoption->session));
	if (strcmp(word, "bridge") == 0 && strlen(value) < IFNAMSIZ)
		memcpy(adoption->bridge, value, strlen(value) + 1);
	else if (strcmp(word, "network") == 0)
		adoption->network = (uint32_t)strtoul(value, NULL, 10);
	else if (strcmp(word, "moved") == 0)
		adoption->moved = *value == '1';
	else if (strcmp(word, "confirmed") == 0)
		adoption->confirmed = *value == '1';
	else if (strcmp(word, "by-hand") == 0)
		adoption->by_hand = *value == '1';
	else if (strcmp(word, "deadline") == 0)
		adoption->deadline = strtoull(value, NULL, 10);
	else if (strcmp(word, "since") == 0)
		adoption->since = strtoull(value, NULL, 10);
	else
		return strcmp(word, "nic") == 0 && strcmp(value, adoption->nic) == 0;
	return true;
}

static void read_file(struct adoptions *adoptions, const char *nic)
{
	AUTO_FREE char *path = text_format("%s/" PREFIX "%s", adoptions->folder, nic);
	AUTO_FREE char *text = NULL;
	struct error err = {0};
	if (file_read(path, FILE_MAX, &text, &err) < 0) {
		log_error("%s", err.text);
		return;
	}
	struct adoption *adoption = adoption_new(adoptions, nic, "", 0);
	char *rest = text, *line;
	bool good = true;
	while (good && (line = strsep(&rest, "\n")) && (*line || rest)) {
		char *value = strchr(line, ' ');
		if (value)
			*value++ = '\0';
		good = value && read_line(adoption, line, value);
	}
	if (!good || !adoption->bridge[0]) {
		log_error("%s: damaged, or of another version: left alone", path);
		adoption_free(adoption);
		return;
	}
	snprintf(adoption->tag, sizeof(adoption->tag), "lanyard-%s-uplink-%u",
		 adoptions->operations->instance, adoption->network);
}

void adoptions_read(struct adoptions *adoptions)
{
	DIR *folder = opendir(adoptions->folder);
	const struct dirent *entry;
	while (folder && (entry = readdir(folder))) {
		const char *nic = entry->d_name + strlen(PREFIX);
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 && strlen(nic) < IFNAMSIZ)
			read_file(adoptions, nic);
	}
	if (folder)
		closedir(folder);
}
