/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Machines: making, checking, and their keys. */
#include "model/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/file.h"
#include "model/name.h"
#include "model/port.h"
#include "model/schema.h"

#define MEBIBYTE	  ((uint64_t)1 << 20)
#define MEMORY_DEFAULT	  (256 * MEBIBYTE)
#define MEMORY_LEAST	  (64 * MEBIBYTE)
#define MEMORY_MOST	  ((uint64_t)1 << 42)
#define CPUS_MAX	  255
#define QUEUES_MAX	  8
#define ARGUMENTS_MAX	  64
#define ARGUMENT_SIZE_MAX 4096

struct machine *machine_new(void)
{
	struct machine *machine = memory_zero(1, sizeof(*machine));
	snprintf(machine->driver, sizeof(machine->driver), "qemu");
	snprintf(machine->image, sizeof(machine->image), "tiny");
	snprintf(machine->accel, sizeof(machine->accel), "auto");
	machine->memory = MEMORY_DEFAULT;
	machine->cpus = 1;
	return machine;
}

void machine_done(struct machine *machine)
{
	if (!machine)
		return;
	free(machine->nics);
	machine->nics = NULL;
	machine->n_nics = 0;
	for (size_t i = 0; i < machine->n_arguments; i++)
		free(machine->arguments[i]);
	free(machine->arguments);
	machine->arguments = NULL;
	machine->n_arguments = 0;
}

void machine_free(struct machine *machine)
{
	machine_done(machine);
	free(machine);
}

bool machine_has_user_data(const struct machine *machine)
{
	return machine->cloud_init[0] && strcmp(machine->cloud_init, MACHINE_CLOUD_INIT) != 0;
}

static int check_nic(const struct nic *nic, struct error *err)
{
	int r = name_check(nic->network, "network", err);
	if (r < 0)
		return r;
	if (nic->queues < 1 || nic->queues > QUEUES_MAX)
		return error_set(err, EINVAL, "queues %u is not from 1 to %d", nic->queues,
				 QUEUES_MAX);
	return 0;
}

int machine_settle(struct machine *machine, struct error *err)
{
	int r = name_check(machine->name, "machine", err);
	if (r < 0)
		return r;
	if (machine->memory < MEMORY_LEAST)
		r = error_set(err, EINVAL, "memory %llu is too small; at least 64M",
			      (unsigned long long)machine->memory);
	else if (machine->cpus < 1 || machine->cpus > CPUS_MAX)
		r = error_set(err, EINVAL, "cpus %u is not from 1 to %d", machine->cpus, CPUS_MAX);
	else if (strcmp(machine->name, "localhost") == 0)
		r = error_set(err, EINVAL,
			      "is called like every machine calls itself; choose "
			      "another name");
	else if (!machine->image[0])
		r = error_set(err, EINVAL, "has no image; write 'tiny' or the path of a disk");
	else if (machine->cloud_init[0] && strcmp(machine->image, "tiny") == 0)
		r = error_set(err, EINVAL,
			      "has cloud_init, which is for a disk; the image tiny has none");
	else if (machine->n_nics > MACHINE_NICS)
		r = error_set(err, EINVAL, "has %zu NICs; at most %d", machine->n_nics,
			      MACHINE_NICS);
	for (size_t i = 0; r == 0 && i < machine->n_nics; i++)
		if ((r = check_nic(&machine->nics[i], err)) < 0 ||
		    (r = vlans_settle(&machine->nics[i].vlans, err)) < 0)
			error_prefix(err, "NIC %zu", i + 1);
	return r < 0 ? error_prefix(err, "machine '%s'", machine->name) : 0;
}

/* nics: a list of maps; a name alone is a NIC on that network. */
static int decode_nic(const struct node *node, struct nic *nic, struct error *err)
{
	*nic = (struct nic){.queues = 1, .model = "virtio"};
	if (node->kind != NODE_SCALAR)
		return schema_decode(&nic_schema, node, nic, false, err);
	if (name_check(node->text, "network", err) < 0)
		return node_prefix(node, err);
	snprintf(nic->network, sizeof(nic->network), "%s", node->text);
	return 0;
}

static int decode_nics(const struct node *node, void *object, struct error *err)
{
	struct machine *machine = object;
	char text[NODE_DESCRIBE_SIZE];
	if (node->kind != NODE_LIST && node->kind != NODE_NULL)
		return node_error(node, err, EINVAL,
				  "%s is no list of NICs; write [ { network: lab } ]",
				  node_describe(node, text));
	if (node->n_children > MACHINE_NICS)
		return node_error(node, err, EINVAL, "%zu NICs are too many; at most %d",
				  node->n_children, MACHINE_NICS);
	free(machine->nics);
	machine->nics = memory_zero(node->n_children, sizeof(struct nic));
	machine->n_nics = node->n_children;
	for (size_t i = 0; i < node->n_children; i++) {
		int r = decode_nic(node->children[i], &machine->nics[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static json_t *encode_nics(const void *object)
{
	const struct machine *machine = object;
	json_t *list = json_array();
	for (size_t i = 0; i < machine->n_nics; i++)
		json_array_append_new(list, schema_encode(&nic_schema, &machine->nics[i]));
	return list;
}

static int decode_arguments(const struct node *node, void *object, struct error *err)
{
	struct machine *machine = object;
	char text[NODE_DESCRIBE_SIZE];
	if ((node->kind != NODE_LIST && node->kind != NODE_NULL) ||
	    node->n_children > ARGUMENTS_MAX)
		return node_error(node, err, EINVAL, "arguments are a list of up to %d words",
				  ARGUMENTS_MAX);
	for (size_t i = 0; i < node->n_children; i++)
		if (node->children[i]->kind != NODE_SCALAR ||
		    strlen(node->children[i]->text) > ARGUMENT_SIZE_MAX)
			return node_error(node->children[i], err, EINVAL,
					  "%s is no argument; write a word, in quotes if need be",
					  node_describe(node->children[i], text));
	for (size_t i = 0; i < machine->n_arguments; i++)
		free(machine->arguments[i]);
	free(machine->arguments);
	machine->arguments = memory_zero(node->n_children, sizeof(char *));
	machine->n_arguments = node->n_children;
	for (size_t i = 0; i < node->n_children; i++)
		machine->arguments[i] = text_copy(node->children[i]->text);
	return 0;
}

static json_t *encode_arguments(const void *object)
{
	const struct machine *machine = object;
	if (machine->n_arguments == 0)
		return NULL;
	json_t *list = json_array();
	for (size_t i = 0; i < machine->n_arguments; i++)
		json_array_append_new(list, json_string(machine->arguments[i]));
	return list;
}

static int decode_proxy(const struct node *node, void *object, struct error *err)
{
	return proxy_decode(node, &((struct machine *)object)->proxy, err);
}

static json_t *encode_proxy(const void *object)
{
	return proxy_encode(&((const struct machine *)object)->proxy);
}

/* true, false, or a path. */
static int decode_cloud_init(const struct node *node, void *object, struct error *err)
{
	struct machine *machine = object;
	char text[NODE_DESCRIBE_SIZE];
	memset(machine->cloud_init, 0, sizeof(machine->cloud_init));
	if (node->kind == NODE_NULL || (node->kind == NODE_SCALAR && !strcmp(node->text, "false")))
		return 0;
	if (node->kind != NODE_SCALAR || strlen(node->text) >= sizeof(machine->cloud_init) ||
	    (strcmp(node->text, MACHINE_CLOUD_INIT) != 0 && !strchr(node->text, '/') &&
	     !strchr(node->text, '.')))
		return node_error(node, err, EINVAL,
				  "cloud_init %s is neither true, false nor the path of a file "
				  "with user data",
				  node_describe(node, text));
	memcpy(machine->cloud_init, node->text, strlen(node->text));
	return 0;
}

static json_t *encode_cloud_init(const void *object)
{
	const struct machine *machine = object;
	return machine->cloud_init[0] ? json_string(machine->cloud_init) : NULL;
}

static const char *const drivers[] = {"qemu", NULL};
static const char *const accels[] = {"auto", "kvm", "tcg", NULL};
static const char *const models[] = {"virtio", "e1000e", "rtl8139", NULL};

#define MEMBER(name)                                                                               \
	.offset = offsetof(struct machine, name), .size = sizeof(((struct machine *)0)->name)

static const struct schema_key machine_keys[] = {
	{.key = "name", .type = SCHEMA_NAME, MEMBER(name), .read_only = true, .help = "its name"},
	{.key = "lab",
	 .type = SCHEMA_NAME,
	 MEMBER(lab),
	 .read_only = true,
	 .help = "the lab that defines it"},
	{.key = "driver",
	 .type = SCHEMA_WORD,
	 MEMBER(driver),
	 .words = drivers,
	 .fallback = "qemu",
	 .help = "what runs it"},
	{.key = "image",
	 .type = SCHEMA_TEXT,
	 MEMBER(image),
	 .fallback = "tiny",
	 .help = "tiny (built here), or the path of a disk"},
	{.key = "memory",
	 .type = SCHEMA_BYTES,
	 MEMBER(memory),
	 .min = MEMORY_LEAST,
	 .max = MEMORY_MOST,
	 .fallback = "256M",
	 .help = "memory, with a unit: 256M, 1G"},
	{.key = "cpus",
	 .type = SCHEMA_COUNT,
	 MEMBER(cpus),
	 .min = 1,
	 .max = CPUS_MAX,
	 .fallback = "1",
	 .help = "virtual processors"},
	{.key = "accel",
	 .type = SCHEMA_WORD,
	 MEMBER(accel),
	 .words = accels,
	 .fallback = "auto",
	 .help = "acceleration by the processor"},
	{.key = "nics",
	 .type = SCHEMA_CUSTOM,
	 .decode = decode_nics,
	 .encode = encode_nics,
	 .help = "list of { network, address, ipv6, mac, queues, rate_in, rate_out, vlan, "
		 "trunk, model }; one "
		 "on the only network when left out"},
	{.key = "proxy",
	 .type = SCHEMA_CUSTOM,
	 .decode = decode_proxy,
	 .encode = encode_proxy,
	 .help = "the web proxy that it is told of: a URL, { http, https, no_proxy }, or none; the "
		 "lab's when left out"},
	{.key = "cloud_init",
	 .type = SCHEMA_CUSTOM,
	 .decode = decode_cloud_init,
	 .encode = encode_cloud_init,
	 .help = "tell cloud-init on its disk name, keys and proxy; a path: with this user data"},
	{.key = "arguments",
	 .type = SCHEMA_CUSTOM,
	 .decode = decode_arguments,
	 .encode = encode_arguments,
	 .help = "list of words for the hypervisor, unchanged"},
};

const struct schema machine_schema = {
	.entity = "machine",
	.help = "A virtual machine.",
	.keys = machine_keys,
	.n_keys = sizeof(machine_keys) / sizeof(machine_keys[0]),
};

#undef MEMBER
#define MEMBER(name) .offset = offsetof(struct nic, name), .size = sizeof(((struct nic *)0)->name)

static const struct schema_key nic_keys[] = {
	{.key = "network",
	 .type = SCHEMA_NAME,
	 MEMBER(network),
	 .required = true,
	 .help = "the network it is on"},
	{.key = "address",
	 .type = SCHEMA_ADDRESS,
	 MEMBER(ipv4),
	 .min = 4,
	 .max = 4,
	 .help = "its IPv4 address; chosen and kept when left out"},
	{.key = "ipv6",
	 .type = SCHEMA_ADDRESS,
	 MEMBER(ipv6),
	 .min = 6,
	 .max = 6,
	 .help = "its IPv6 address; made of the MAC when left out"},
	{.key = "mac",
	 .type = SCHEMA_MAC,
	 MEMBER(mac),
	 .help = "its MAC; hashed from instance, lab and machine when left out"},
	{.key = "queues",
	 .type = SCHEMA_COUNT,
	 MEMBER(queues),
	 .min = 1,
	 .max = QUEUES_MAX,
	 .fallback = "1",
	 .help = "queue pairs"},
	{.key = "rate_in",
	 .type = SCHEMA_RATE,
	 MEMBER(rate_in),
	 .min = PORT_RATE_MIN,
	 .max = PORT_RATE_MAX,
	 .fallback = "none",
	 .help = "what it may receive: 500kbit, 10mbit, 1gbit a second"},
	{.key = "rate_out",
	 .type = SCHEMA_RATE,
	 MEMBER(rate_out),
	 .min = PORT_RATE_MIN,
	 .max = PORT_RATE_MAX,
	 .fallback = "none",
	 .help = "what it may send"},
	VLAN_KEYS(MEMBER(vlans.native), MEMBER(vlans.tagged)),
	{.key = "model",
	 .type = SCHEMA_WORD,
	 MEMBER(model),
	 .words = models,
	 .fallback = "virtio",
	 .help = "what the guest sees"},
};

const struct schema nic_schema = {
	.entity = "NIC",
	.help = "A machine's network card.",
	.keys = nic_keys,
	.n_keys = sizeof(nic_keys) / sizeof(nic_keys[0]),
};
