/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/machine_seed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/verb.h"
#include "driver/cloud_seed.h"
#include "driver/seed.h"
#include "ipc/varlink_client.h"
#include "machine/keys.h"
#include "machine/machine_store.h"
#include "model/schema.h"

#define USER_DATA_MAX (1u << 20)

AUTO_DEFINE(network)
AUTO_DEFINE(node)

static ssize_t read_user_data(const struct machine *machine, char **ret, struct error *err)
{
	ssize_t length = file_read(machine->cloud_init, USER_DATA_MAX, ret, err);
	if (length == -EFBIG)
		return error_set(err, EINVAL,
				 "cloud_init %s is no user data: it has more than %u MiB",
				 machine->cloud_init, USER_DATA_MAX >> 20);
	return length < 0 ? error_prefix(err, "cloud_init") : length;
}

int machine_seed_check(const struct machine_entry *entry, struct error *err)
{
	AUTO_FREE char *text = NULL;
	if (!machine_has_user_data(entry->machine))
		return 0;
	ssize_t length = read_user_data(entry->machine, &text, err);
	return length < 0 ? (int)length : 0;
}

static bool is_on(const struct machine *machine, const char *network)
{
	for (size_t i = 0; i < machine->n_nics; i++)
		if (strcmp(machine->nics[i].network, network) == 0)
			return true;
	return false;
}

/* What is needed of it. NULL for what makes no sense. */
static struct network *decode_network(const json_t *said)
{
	static const char *const keys[] = {"name", "domain", "ipv4", "ipv6", "reservations"};
	json_t *json = json_object();
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		json_object_set(json, keys[i], json_object_get(said, keys[i]));
	AUTO(network) struct network *network = network_new();
	AUTO(node) struct node *node = NULL;
	struct error ignored = {0};
	int result = node_from_json("network", json, &node, &ignored);
	if (result == 0)
		result = schema_decode(&network_schema, node, network, true, &ignored);
	json_decref(json);
	return result == 0 ? TAKE(network) : NULL;
}

/* Those that the machine has a NIC on; room for as many as there are NICs. */
static size_t collect_networks(const json_t *list, const struct machine *machine,
			       struct network **ret)
{
	size_t index, n = 0;
	json_t *json;
	json_array_foreach (list, index, json) {
		const char *name = json_string_value(json_object_get(json, "name"));
		struct network *network =
			name && is_on(machine, name) ? decode_network(json) : NULL;
		if (network)
			ret[n++] = network;
	}
	return n;
}

int machine_seed_prepare(struct invocation *invocation, const struct machine_entry *entry,
			 struct machine_seed *ret, struct error *err)
{
	const struct machine *machine = entry->machine;
	struct network *networks[MACHINE_NICS];
	struct varlink_answer answer = {0};
	int result = machine->n_nics == 0
			     ? 0
			     : client_call(invocation, "ListNetworks", NULL, &answer, err);
	size_t n =
		collect_networks(json_object_get(answer.parameters, "networks"), machine, networks);
	ret->environment = proxy_environment(&machine->proxy, networks, n);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(networks[i]->name, machine->nics[0].network) == 0)
			memcpy(ret->domain, networks[i]->domain, sizeof(ret->domain));
		network_free(networks[i]);
	}
	varlink_answer_done(&answer);
	return result;
}

static int write_text(const char *path, const char *text, struct error *err)
{
	return file_write_atomic(path, text, strlen(text), 0600, false, err);
}

int machine_seed_write(struct invocation *invocation, const struct machine_entry *entry,
		       const struct machine_seed *seed, struct error *err)
{
	const char *name = entry->machine->name;
	AUTO_FREE char *authorized = NULL, *host_key = NULL, *text = NULL;
	AUTO_FREE char *names = seed->domain[0] ? text_format("%s,%s.%s", name, name, seed->domain)
						: text_copy(name);
	int result = keys_authorized(&invocation->own, &authorized, err);
	if (result == 0)
		result = keys_host(&invocation->own, name, names, &host_key, err);
	struct seed tiny = {.hostname = name,
			    .authorized_keys = authorized,
			    .host_key = host_key,
			    .environment = seed->environment};
	if (result == 0)
		result = seed_text(&tiny, &text, err);
	return result == 0 ? write_text(entry->seed, text, err) : result;
}

static int write_user_data(const struct machine *machine, const char *path, struct error *err)
{
	AUTO_FREE char *text = NULL;
	ssize_t length = machine_has_user_data(machine) ? read_user_data(machine, &text, err) : 0;
	return length < 0 ? (int)length
			  : file_write_atomic(path, text ? text : "", (size_t)length, 0600, false,
					      err);
}

int machine_seed_write_cloud(struct invocation *invocation, const struct machine_entry *entry,
			     const struct machine_seed *seed, struct error *err)
{
	const struct machine *machine = entry->machine;
	AUTO_FREE char *authorized = NULL;
	AUTO_FREE char *instance = text_format("lanyard-%s-%s-%s", invocation->paths.instance,
					       machine->lab, machine->name);
	AUTO_FREE char *hostname = seed->domain[0]
					   ? text_format("%s.%s", machine->name, seed->domain)
					   : text_copy(machine->name);
	int result = keys_authorized(&invocation->own, &authorized, err);
	struct cloud_seed cloud = {.instance = instance,
				   .hostname = hostname,
				   .authorized_keys = authorized,
				   .environment = seed->environment,
				   .http = machine->proxy.http,
				   .https = machine->proxy.https};
	if (result == 0)
		result = directory_make(entry->cloud, 0700, err);
	if (result < 0)
		return result;
	AUTO_FREE char *meta = cloud_seed_meta(&cloud), *vendor = cloud_seed_vendor(&cloud);
	AUTO_FREE char *meta_file = text_format("%s/" CLOUD_SEED_META, entry->cloud);
	AUTO_FREE char *vendor_file = text_format("%s/" CLOUD_SEED_VENDOR, entry->cloud);
	AUTO_FREE char *user_file = text_format("%s/" CLOUD_SEED_USER, entry->cloud);
	result = write_text(meta_file, meta, err);
	if (result == 0)
		result = write_text(vendor_file, vendor, err);
	return result == 0 ? write_user_data(machine, user_file, err) : result;
}

void machine_seed_done(struct machine_seed *seed)
{
	free(seed->environment);
	*seed = (struct machine_seed){0};
}
