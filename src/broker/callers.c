/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/callers.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "ipc/varlink_server.h"

#define GROUPS_MAX	65536
#define CONNECTIONS_MAX 2048 /* 64 users with as many as the policy gives them by default */

struct entry {
	struct caller caller; /* first */
	gid_t *groups;
	size_t n_groups;
};

struct callers {
	struct policy_file *file;
	struct entry **entries;
	size_t count, room;
};

static void entry_free(struct entry *entry)
{
	free(entry->groups);
	free(entry);
}

void callers_free(struct callers *callers)
{
	if (!callers)
		return;
	for (size_t i = 0; i < callers->count; i++)
		entry_free(callers->entries[i]);
	policy_file_free(callers->file);
	free(callers->entries);
	free(callers);
}

static struct entry **find(const struct callers *callers, uid_t uid)
{
	for (size_t i = 0; i < callers->count; i++)
		if (callers->entries[i]->caller.uid == uid)
			return &callers->entries[i];
	return NULL;
}

/* As a new login would give them. */
static void look_up(struct entry *entry)
{
	const struct passwd *account = getpwuid(entry->caller.uid);
	entry->n_groups = 0;
	snprintf(entry->caller.name, sizeof(entry->caller.name), "uid %u",
		 (unsigned)entry->caller.uid);
	if (!account)
		return;
	snprintf(entry->caller.name, sizeof(entry->caller.name), "%s", account->pw_name);
	gid_t primary = account->pw_gid;
	int count = 64;
	free(entry->groups);
	entry->groups = memory_zero((size_t)count, sizeof(gid_t));
	while (getgrouplist(entry->caller.name, primary, entry->groups, &count) < 0) {
		if (count > GROUPS_MAX)
			return;
		free(entry->groups);
		entry->groups = memory_zero((size_t)count, sizeof(gid_t));
	}
	entry->n_groups = (size_t)count;
}

bool caller_has_group(const struct caller *caller, gid_t group)
{
	const struct entry *entry = (const struct entry *)caller;
	for (size_t i = 0; i < entry->n_groups; i++)
		if (entry->groups[i] == group)
			return true;
	return false;
}

static bool is_member(const char *name, void *data)
{
	const struct group *group = getgrnam(name);
	return group && caller_has_group(data, group->gr_gid);
}

static void resolve(const struct callers *callers, struct entry *entry)
{
	policy_resolve(policy_file_policy(callers->file), entry->caller.name, is_member, entry,
		       &entry->caller.grant);
}

static void enter(struct callers *callers, uid_t uid)
{
	struct entry **found = find(callers, uid), *entry = found ? *found : NULL;
	if (!entry) {
		entry = memory_zero(1, sizeof(*entry));
		entry->caller.uid = uid;
		callers->entries = memory_grow(callers->entries, &callers->room, callers->count + 1,
					       sizeof(struct entry *));
		callers->entries[callers->count++] = entry;
	}
	entry->caller.connections++;
	look_up(entry);
	resolve(callers, entry);
}

static void leave(struct callers *callers, uid_t uid)
{
	struct entry **found = find(callers, uid), *entry = found ? *found : NULL;
	if (!entry || --entry->caller.connections > 0)
		return;
	*found = callers->entries[--callers->count];
	entry_free(entry);
}

struct caller *callers_find(const struct callers *callers, uid_t uid)
{
	struct entry **found = find(callers, uid);
	return found ? &(*found)->caller : NULL;
}

static void on_policy(void *data)
{
	const struct callers *callers = data;
	for (size_t i = 0; i < callers->count; i++)
		resolve(callers, callers->entries[i]);
}

struct callers *callers_new(sd_event *event, const char *path)
{
	struct callers *callers = memory_zero(1, sizeof(*callers));
	callers->file = policy_file_new(event, path, on_policy, callers);
	return callers;
}

void callers_count(struct callers *callers, const struct varlink_peer *peer, bool connected)
{
	if (!callers || peer->uid == 0)
		return;
	if (connected)
		enter(callers, peer->uid);
	else
		leave(callers, peer->uid);
}

static size_t on_share(uid_t uid, void *data)
{
	const struct caller *caller = callers_find(data, uid);
	return caller ? caller->grant.rights.connections : 1;
}

void callers_limit(struct callers *callers, struct varlink_server *server)
{
	if (!callers)
		return;
	varlink_server_set_limits(server, CONNECTIONS_MAX, CONNECTIONS_MAX);
	varlink_server_set_share(server, on_share, callers);
}

const struct policy_file *callers_file(const struct callers *callers)
{
	return callers->file;
}
