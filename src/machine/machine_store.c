/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/machine_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/paths.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "driver/cloud_seed.h"
#include "model/name.h"
#include "model/node.h"
#include "model/schema.h"

#define DEFINITION_MAX (256u * 1024)

AUTO_DEFINE(machine)
AUTO_DEFINE(machine_entry)

int lock_take(const char *path, const char *what, struct error *err)
{
	bool has_said = false;
	for (;;) {
		AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return error_errno(err, errno, "%s", path);
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			if (errno != EWOULDBLOCK)
				return error_errno(err, errno, "%s", path);
			if (!has_said)
				output_note("waiting for another lanyard that works on %s", what);
			has_said = true;
			while (flock(fd, LOCK_EX) < 0)
				if (errno != EINTR)
					return error_errno(err, errno, "%s", path);
		}
		/* Its last holder may have removed the file meanwhile. */
		struct stat status;
		if (fstat(fd, &status) == 0 && status.st_nlink > 0)
			return TAKE_FD(fd);
	}
}

/* The folder is called like the machine, unless its sockets' paths became too long for an address.
 */
static char *folder_of(const struct paths *own, const char *name)
{
	char *folder = text_format("%s/%s", own->machines, name);
	if (strlen(folder) + sizeof("/console.sock") <=
	    sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return folder;
	free(folder);
	return text_format("%s/=%012llx", own->machines,
			   (unsigned long long)(name_hash(name, 0) & 0xffffffffffffu));
}

struct machine_entry *machine_entry_new(const struct paths *own, struct machine *machine)
{
	struct machine_entry *entry = memory_zero(1, sizeof(*entry));
	entry->machine = machine;
	entry->definition = schema_encode(&machine_schema, machine);
	entry->folder = folder_of(own, machine->name);
	entry->definition_file = text_format("%s/definition.json", entry->folder);
	entry->running_file = text_format("%s/running.json", entry->folder);
	entry->pid_file = text_format("%s/pid", entry->folder);
	entry->qmp = text_format("%s/qmp.sock", entry->folder);
	entry->console = text_format("%s/console.sock", entry->folder);
	entry->console_log = text_format("%s/console.log", entry->folder);
	entry->seed = text_format("%s/seed", entry->folder);
	entry->cloud = text_format("%s/cloud", entry->folder);
	entry->lock = -1;
	return entry;
}

void machine_entry_free(struct machine_entry *entry)
{
	if (!entry)
		return;
	char *texts[] = {
		entry->folder, entry->definition_file, entry->running_file, entry->pid_file,
		entry->qmp,    entry->console,	       entry->console_log,  entry->seed,
		entry->cloud};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free(texts[i]);
	machine_free(entry->machine);
	json_decref(entry->definition);
	if (entry->lock >= 0)
		close(entry->lock);
	free(entry);
}

void machine_list_done(struct machine_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		machine_entry_free(list->items[i]);
	free(list->items);
	*list = (struct machine_list){0};
}

void machine_list_add(struct machine_list *list, struct machine_entry *entry)
{
	list->items = memory_grow(list->items, &list->room, list->count + 1,
				  sizeof(struct machine_entry *));
	list->items[list->count++] = entry;
}

struct machine_entry *machine_list_find(const struct machine_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i]->machine->name, name) == 0)
			return list->items[i];
	return NULL;
}

static int read_json(const char *path, json_t **ret, struct error *err)
{
	AUTO_FREE char *text = NULL;
	ssize_t length = file_read(path, DEFINITION_MAX, &text, err);
	if (length < 0)
		return (int)length;
	json_error_t where;
	*ret = json_loadb(text, (size_t)length, 0, &where);
	return *ret ? 0 : error_set(err, EBADMSG, "%s:%d: %s", path, where.line, where.text);
}

static int decode_machine(const char *path, const json_t *json, struct machine **ret,
			  struct error *err)
{
	AUTO(machine) struct machine *machine = machine_new();
	struct node *node = NULL;
	int result = node_from_json(path, json, &node, err);
	if (result == 0)
		result = schema_decode(&machine_schema, node, machine, true, err);
	node_free(node);
	if (result == 0)
		*ret = TAKE(machine);
	return result;
}

static int load_folder(const struct paths *own, const char *folder, struct machine_entry **ret,
		       struct error *err)
{
	AUTO_FREE char *path = text_format("%s/%s/definition.json", own->machines, folder);
	json_t *json = NULL;
	struct machine *machine;
	int result = read_json(path, &json, err);
	if (result == 0)
		result = decode_machine(path, json, &machine, err);
	json_decref(json);
	if (result == 0)
		*ret = machine_entry_new(own, machine);
	return result;
}

static int is_visible(const struct dirent *item)
{
	return item->d_name[0] != '.' && !strchr(item->d_name, '.');
}

int machine_store_list(const struct paths *own, struct machine_list *ret, struct error *err)
{
	*ret = (struct machine_list){0};
	struct dirent **items = NULL;
	int count = scandir(own->machines, &items, is_visible, alphasort);
	if (count < 0 && errno != ENOENT)
		return error_errno(err, errno, "%s", own->machines);
	for (int i = 0; i < count; i++) {
		struct machine_entry *entry;
		struct error trouble = {0};
		int result = load_folder(own, items[i]->d_name, &entry, &trouble);
		if (result == 0)
			machine_list_add(ret, entry);
		else if (result != -ENOENT)
			output_note("lanyard: %s", trouble.text);
		free(items[i]);
	}
	free(items);
	return 0;
}

int machine_store_load(const struct paths *own, const char *name, struct machine_entry **ret,
		       struct error *err)
{
	struct machine_list list;
	int result = machine_store_list(own, &list, err);
	struct nearest nearest = {.typed = name};
	*ret = NULL;
	for (size_t i = 0; result == 0 && i < list.count; i++) {
		if (strcmp(list.items[i]->machine->name, name) == 0) {
			*ret = list.items[i];
			list.items[i] = list.items[--list.count];
			break;
		}
		nearest_feed(&nearest, list.items[i]->machine->name);
	}
	if (result == 0 && !*ret)
		result = error_set(err, ENOENT,
				   "there is no machine '%s'%s; 'lanyard vm list' lists them", name,
				   nearest_text(&nearest));
	machine_list_done(&list);
	return result;
}

int machine_store_stopped(const char *name, int code, struct error *err)
{
	return error_set(err, code, "machine '%s' does not run; 'lanyard vm start %s' starts it",
			 name, name);
}

int machine_store_explain(const struct paths *own, const char *name, int result, struct error *err)
{
	AUTO(machine_entry) struct machine_entry *entry = NULL;
	if ((result != -ENOENT && result != -ENODEV) ||
	    machine_store_load(own, name, &entry, NULL) < 0 || machine_entry_pid(entry) > 0)
		return result;
	return machine_store_stopped(name, ENOENT, err);
}

static int write_json(const char *path, const json_t *json, struct error *err)
{
	AUTO_FREE char *text = json_dumps(json, JSON_INDENT(2));
	return file_write_atomic(path, text, strlen(text), 0600, false, err);
}

/* The runtime directory may be gone: a user instance removes it when it ends. */
static int make_folder(const struct machine_entry *entry, struct error *err)
{
	AUTO_FREE char *parent = text_copy(entry->folder);
	*strrchr(parent, '/') = '\0';
	AUTO_FREE char *runtime = text_copy(parent);
	*strrchr(runtime, '/') = '\0';
	int result = directory_make(runtime, 0700, err);
	if (result == 0)
		result = directory_make(parent, 0700, err);
	return result;
}

int machine_entry_save(const struct machine_entry *entry, struct error *err)
{
	int result = make_folder(entry, err);
	if (result == 0)
		result = directory_make(entry->folder, 0700, err);
	if (result == 0)
		result = write_json(entry->definition_file, entry->definition, err);
	return result < 0 ? error_prefix(err, "machine '%s'", entry->machine->name) : 0;
}

static void forget_cloud(const struct machine_entry *entry)
{
	static const char *const names[] = {CLOUD_SEED_META, CLOUD_SEED_VENDOR, CLOUD_SEED_USER};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		AUTO_FREE char *path = text_format("%s/%s", entry->cloud, names[i]);
		unlink(path);
	}
	rmdir(entry->cloud);
}

void machine_entry_forget(const struct machine_entry *entry)
{
	const char *files[] = {entry->running_file,   entry->pid_file,	  entry->qmp,
			       entry->console,	      entry->console_log, entry->seed,
			       entry->definition_file};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(files[i]);
	forget_cloud(entry);
	rmdir(entry->folder);
	AUTO_FREE char *path = text_format("%s.lock", entry->folder);
	if (entry->lock >= 0)
		unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

int machine_entry_lock(struct machine_entry *entry, struct error *err)
{
	AUTO_FREE char *path = text_format("%s.lock", entry->folder);
	AUTO_FREE char *what = text_format("machine '%s'", entry->machine->name);
	int result = make_folder(entry, err);
	if (result < 0)
		return result;
	entry->lock = lock_take(path, what, err);
	return entry->lock < 0 ? entry->lock : 0;
}

pid_t machine_entry_pid(const struct machine_entry *entry)
{
	AUTO_CLOSE int fd = open(entry->pid_file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	if (fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	char text[24] = "";
	if (lock.l_pid > 0)
		return lock.l_pid;
	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? (pid_t)atoi(text) : 0;
}

json_t *machine_entry_running(const struct machine_entry *entry)
{
	json_t *running = NULL;
	if (machine_entry_pid(entry) == 0)
		return NULL;
	/* A start that was interrupted before the file was written: it runs, with what is not
	 * known. */
	if (read_json(entry->running_file, &running, NULL) < 0)
		return json_object();
	return running;
}

json_t *machine_entry_last(const struct machine_entry *entry)
{
	json_t *last = NULL;
	return read_json(entry->running_file, &last, NULL) < 0 ? NULL : last;
}

int machine_entry_set_running(const struct machine_entry *entry, json_t *running, struct error *err)
{
	return write_json(entry->running_file, running, err);
}
