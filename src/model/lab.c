/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lab file: networks first, then machines, then what ties them together: every NIC gets a MAC,
 * and its network a reservation, so that a machine has its address and name before it boots.
 */
#include "model/lab.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "model/name.h"
#include "model/schema.h"

#define MAC_PROBES 1000

AUTO_DEFINE(node)
AUTO_DEFINE(lab)
AUTO_DEFINE(network)
AUTO_DEFINE(machine)

/* The file's keys. */
struct document {
	char name[NAME_SIZE];
	const struct node *networks, *machines;
	struct proxy proxy;
};

struct reader {
	const char *instance;
	struct lab *lab;
	const struct proxy *proxy;	   /* of machines that have none of their own */
	const struct node **machine_nodes; /* in the order of lab->machines */
	struct error *err;
};

void lab_free(struct lab *lab)
{
	if (!lab)
		return;
	for (size_t i = 0; i < lab->n_networks; i++)
		network_free(lab->networks[i]);
	for (size_t i = 0; i < lab->n_places; i++)
		free(lab->image_places[i]);
	for (size_t i = 0; i < lab->n_machines; i++)
		machine_free(lab->machines[i]);
	for (size_t i = 0; i < lab->n_needs; i++)
		free(lab->needs[i].place);
	free(lab->needs);
	free(lab->image_places);
	free(lab->networks);
	free(lab->machines);
	free(lab);
}

struct network *lab_network(const struct lab *lab, const char *name)
{
	for (size_t i = 0; i < lab->n_networks; i++)
		if (!strcmp(lab->networks[i]->name, name))
			return lab->networks[i];
	return NULL;
}

static int decode_section(const struct node *node, const char *what, const struct node **ret,
			  struct error *err)
{
	char text[NODE_DESCRIBE_SIZE];
	if (node->kind != NODE_MAP && node->kind != NODE_NULL)
		return node_error(node, err, EINVAL,
				  "%ss are %s; they have to be a map of NAME: { ... }", what,
				  node_describe(node, text));
	*ret = node;
	return 0;
}

static int decode_networks(const struct node *node, void *object, struct error *err)
{
	return decode_section(node, "network", &((struct document *)object)->networks, err);
}

static int decode_machines(const struct node *node, void *object, struct error *err)
{
	return decode_section(node, "machine", &((struct document *)object)->machines, err);
}

static int decode_proxy(const struct node *node, void *object, struct error *err)
{
	return proxy_decode(node, &((struct document *)object)->proxy, err);
}

static json_t *encode_nothing(const void *object)
{
	(void)object;
	return NULL;
}

static const struct schema_key lab_keys[] = {
	{.key = "name",
	 .type = SCHEMA_NAME,
	 .offset = offsetof(struct document, name),
	 .size = NAME_SIZE,
	 .help = "the lab's name; its folder's when left out"},
	{.key = "networks",
	 .type = SCHEMA_CUSTOM,
	 .decode = decode_networks,
	 .encode = encode_nothing,
	 .help = "map of the networks, by name"},
	{.key = "machines",
	 .type = SCHEMA_CUSTOM,
	 .decode = decode_machines,
	 .encode = encode_nothing,
	 .help = "map of the machines, by name"},
	{.key = "proxy",
	 .type = SCHEMA_CUSTOM,
	 .decode = decode_proxy,
	 .encode = encode_nothing,
	 .help = "the web proxy that its machines are told of"},
};

const struct schema lab_schema = {
	.entity = "lab",
	.help = "A file that describes networks and machines together.",
	.keys = lab_keys,
	.n_keys = sizeof(lab_keys) / sizeof(lab_keys[0]),
};

/* The name of the folder that the file is in, made a label. */
static void name_by_folder(const char *file, char name[NAME_SIZE])
{
	const char *end = strrchr(file, '/');
	const char *begin = end;
	while (begin && begin > file && begin[-1] != '/')
		begin--;
	size_t n = 0;
	for (const char *c = begin; c && c < end && n < NAME_SIZE - 1; c++) {
		char lower = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
		bool good = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9');
		if (good)
			name[n++] = lower;
		else if (n > 0 && name[n - 1] != '-')
			name[n++] = '-';
	}
	while (n > 0 && name[n - 1] == '-')
		n--;
	memset(name + n, 0, NAME_SIZE - n);
	if (n == 0)
		snprintf(name, NAME_SIZE, "lab");
}

static int check_entity_name(const struct node *node, const char *what, struct error *err)
{
	int r = name_check(node->key, what, err);
	return r < 0 ? error_prefix(err, "%s", node->key_place) : r;
}

/* Networks */

/* Where a key of a map was written; the map itself when it was not. */
static const struct node *at_key(const struct node *map, const char *key)
{
	const struct node *child = key ? node_child(map, key) : NULL;
	return child ? child : map;
}

static int check_overlap(struct reader *reader, const struct node *node,
			 const struct network *network)
{
	for (size_t i = 0; i < reader->lab->n_networks; i++) {
		const struct network *other = reader->lab->networks[i];
		struct ip own, theirs;
		char text[IP_TEXT_SIZE], other_text[IP_TEXT_SIZE];
		if (!network_overlaps(network, other, &own, &theirs))
			continue;
		const char *key = own.family == AF_INET6 ? "ipv6" : "ipv4";
		ip_format_prefix(&own, text);
		return node_error(at_key(node, key), reader->err, EEXIST,
				  "%s overlaps with %s of network '%s'; choose another prefix, or "
				  "auto",
				  text, ip_format_prefix(&theirs, other_text), other->name);
	}
	return 0;
}

static int check_network(struct reader *reader, const struct node *node,
			 const struct network *network)
{
	const char *key = NULL;
	if (network_check(network, &key, reader->err) < 0)
		return node_prefix(at_key(node, key), reader->err);
	for (size_t i = 0; i < network->n_reservations; i++)
		if (network->reservations[i].automatic)
			return node_error(at_key(node, "reservations"), reader->err, EINVAL,
					  "'automatic' of a reservation is not yours to set; leave "
					  "it out");
	return check_overlap(reader, node, network);
}

static int read_network(struct reader *reader, const struct node *node)
{
	struct lab *lab = reader->lab;
	AUTO(network) struct network *network = network_new();
	int r = check_entity_name(node, "network", reader->err);
	if (r < 0)
		return r;
	memcpy(network->name, node->key, strlen(node->key));
	memcpy(network->lab, lab->name, sizeof(network->lab));
	if ((r = schema_decode(&network_schema, node, network, false, reader->err)) < 0 ||
	    (r = check_network(reader, node, network)) < 0)
		return r;
	lab->networks[lab->n_networks++] = TAKE(network);
	return 0;
}

/* Machines */

/* A machine that says nothing about NICs has one on the only network. Among several it has to
 * choose. */
static int add_default_nic(const struct lab *lab, const struct node *node, struct machine *machine,
			   struct error *err)
{
	if (node_child(node, "nics"))
		return 0;
	if (lab->n_networks != 1)
		return error_set(err, EINVAL,
				 "machine '%s': the lab has %s; write nics: [ { network: %s } ], "
				 "or nics: [] for none",
				 machine->name, lab->n_networks ? "several networks" : "no network",
				 lab->n_networks ? lab->networks[0]->name : "NAME");
	machine->nics = memory_zero(1, sizeof(struct nic));
	machine->n_nics = 1;
	machine->nics[0] = (struct nic){.queues = 1, .model = "virtio"};
	memcpy(machine->nics[0].network, lab->networks[0]->name, NAME_SIZE);
	return 0;
}

static int read_machine(struct reader *reader, const struct node *node)
{
	struct lab *lab = reader->lab;
	AUTO(machine) struct machine *machine = machine_new();
	int r = check_entity_name(node, "machine", reader->err);
	if (r < 0)
		return r;
	memcpy(machine->name, node->key, strlen(node->key));
	memcpy(machine->lab, lab->name, sizeof(machine->lab));
	if ((r = schema_decode(&machine_schema, node, machine, false, reader->err)) < 0)
		return r;
	const struct node *own = node_child(node, "proxy");
	if (!own || own->kind == NODE_NULL)
		machine->proxy = *reader->proxy;
	if (add_default_nic(lab, node, machine, reader->err) < 0 ||
	    machine_settle(machine, reader->err) < 0)
		return node_prefix(node, reader->err);
	reader->machine_nodes[lab->n_machines] = node;
	lab->image_places[lab->n_places++] = text_copy(at_key(node, "image")->place);
	lab->machines[lab->n_machines++] = TAKE(machine);
	return 0;
}

/* NICs: MAC and reservation. */

/* One NIC with what is needed to speak of it. */
struct plug {
	struct machine *machine;
	struct nic *nic;
	size_t index;		 /* in the machine */
	size_t same_before;	 /* NICs of the machine on the same network before this one */
	struct network *network; /* NULL: it is not the lab's */
	const struct node *node; /* the NIC's, or the machine's */
};

/* A network that the file does not define is taken to be there, unless the name is a mistake. */
static int need_network(struct reader *reader, const struct plug *plug)
{
	struct lab *lab = reader->lab;
	AUTO_FREE const char **names = memory_zero(lab->n_networks, sizeof(char *));
	for (size_t i = 0; i < lab->n_networks; i++)
		names[i] = lab->networks[i]->name;
	const char *near = name_nearest(plug->nic->network, names, lab->n_networks);
	const struct node *node = at_key(plug->node, "network");
	if (near)
		return node_error(node, reader->err, ENOENT,
				  "machine '%s': there is no network '%s'; did you mean '%s'?",
				  plug->machine->name, plug->nic->network, near);
	for (size_t i = 0; i < lab->n_needs; i++)
		if (lab->needs[i].nic == plug->nic)
			return 0;
	lab->needs =
		memory_grow(lab->needs, &lab->need_room, lab->n_needs + 1, sizeof(*lab->needs));
	lab->needs[lab->n_needs++] = (struct lab_need){
		.machine = plug->machine, .nic = plug->nic, .place = text_copy(node->place)};
	return 0;
}

static int find_plug(struct reader *reader, size_t machine_index, size_t index, struct plug *ret)
{
	struct machine *machine = reader->lab->machines[machine_index];
	const struct node *nics = node_child(reader->machine_nodes[machine_index], "nics");
	*ret = (struct plug){.machine = machine, .nic = &machine->nics[index], .index = index};
	ret->node = nics && index < nics->n_children ? nics->children[index]
						     : reader->machine_nodes[machine_index];
	for (size_t i = 0; i < index; i++)
		if (!strcmp(machine->nics[i].network, ret->nic->network))
			ret->same_before++;
	ret->network = lab_network(reader->lab, ret->nic->network);
	return ret->network ? 0 : need_network(reader, ret);
}

/* A reservation that the file has for the machine says its MAC too. */
static void take_reserved_mac(const struct plug *plug)
{
	const struct reservation *reservation =
		plug->network ? network_reservation(plug->network, plug->machine->name) : NULL;
	if (plug->same_before == 0 && !mac_is_set(&plug->nic->mac) && reservation)
		plug->nic->mac = reservation->mac;
}

/* Whose NIC has the same MAC; before_only: among those that come earlier in the file. */
static const struct machine *mac_owner(const struct lab *lab, const struct nic *nic,
				       bool before_only)
{
	for (size_t i = 0; i < lab->n_machines; i++)
		for (size_t j = 0; j < lab->machines[i]->n_nics; j++) {
			const struct nic *other = &lab->machines[i]->nics[j];
			if (other == nic && before_only)
				return NULL;
			if (other != nic && mac_equal(&other->mac, &nic->mac))
				return lab->machines[i];
		}
	return NULL;
}

static bool is_reserved_mac(const struct plug *plug)
{
	for (size_t i = 0; plug->network && i < plug->network->n_reservations; i++)
		if (mac_equal(&plug->network->reservations[i].mac, &plug->nic->mac))
			return true;
	return false;
}

static int given_mac(struct reader *reader, const struct plug *plug)
{
	take_reserved_mac(plug);
	if (!mac_is_set(&plug->nic->mac))
		return 0;
	const struct machine *owner = mac_owner(reader->lab, plug->nic, true);
	char text[MAC_TEXT_SIZE];
	if (owner)
		return node_error(at_key(plug->node, "mac"), reader->err, EEXIST,
				  "machine '%s': MAC %s is used by machine '%s' already; leave it "
				  "out to have one chosen",
				  plug->machine->name, mac_format(&plug->nic->mac, text),
				  owner->name);
	return 0;
}

static int hashed_mac(struct reader *reader, const struct plug *plug)
{
	if (mac_is_set(&plug->nic->mac))
		return 0;
	AUTO_FREE char *text = text_format("%s/%s/%s/%zu", reader->instance, reader->lab->name,
					   plug->machine->name, plug->index);
	for (unsigned probe = 0; probe < MAC_PROBES; probe++) {
		plug->nic->mac = mac_hash(text, probe);
		if (!mac_owner(reader->lab, plug->nic, false) && !is_reserved_mac(plug))
			return 0;
	}
	return node_error(plug->node, reader->err, EADDRNOTAVAIL,
			  "machine '%s': no MAC is free; write one", plug->machine->name);
}

/* What the file reserves under the machine's name is the machine's; the NIC may add to it, not
 * contradict. */
static int merge(const struct plug *plug, const struct reservation *given,
		 struct reservation *wanted, struct error *err)
{
	const struct node *at = NULL;
	if (given->automatic)
		return node_error(
			plug->node, err, EEXIST,
			"machine '%s': the name '%s' on network '%s' belongs to another NIC; "
			"rename the machine",
			plug->machine->name, wanted->name, plug->network->name);
	if (mac_is_set(&given->mac) && !mac_equal(&given->mac, &wanted->mac))
		at = at_key(plug->node, "mac");
	else if (ip_is_set(&given->ipv4) && ip_is_set(&wanted->ipv4) &&
		 !ip_equal(&given->ipv4, &wanted->ipv4))
		at = at_key(plug->node, "address");
	else if (ip_is_set(&given->ipv6) && ip_is_set(&wanted->ipv6) &&
		 !ip_equal(&given->ipv6, &wanted->ipv6))
		at = at_key(plug->node, "ipv6");
	if (at)
		return node_error(at, err, EEXIST,
				  "machine '%s' differs from the reservation '%s' of network '%s'; "
				  "write it in one place only",
				  plug->machine->name, given->name, plug->network->name);
	wanted->automatic = false;
	if (!ip_is_set(&wanted->ipv4))
		wanted->ipv4 = given->ipv4;
	if (!ip_is_set(&wanted->ipv6))
		wanted->ipv6 = given->ipv6;
	return 0;
}

/* What a network promises is said by whom it belongs to. */
static int refuse_address(struct reader *reader, const struct plug *plug)
{
	const struct nic *nic = plug->nic;
	if (!ip_is_set(&nic->ipv4) && !ip_is_set(&nic->ipv6))
		return 0;
	return node_error(at_key(plug->node, ip_is_set(&nic->ipv4) ? "address" : "ipv6"),
			  reader->err, EINVAL,
			  "machine '%s': the network '%s' is not this file's, so no address is "
			  "promised here; 'lanyard net reserve %s %s ADDRESS' does that",
			  plug->machine->name, nic->network, nic->network, plug->machine->name);
}

static int reserve(struct reader *reader, const struct plug *plug)
{
	const struct nic *nic = plug->nic;
	struct reservation wanted = {
		.mac = nic->mac, .ipv4 = nic->ipv4, .ipv6 = nic->ipv6, .automatic = true};
	char name[NAME_SIZE + 8];
	if (!plug->network)
		return refuse_address(reader, plug);
	snprintf(name, sizeof(name), "%s", plug->machine->name);
	if (plug->same_before > 0)
		snprintf(name, sizeof(name), "%s-%zu", plug->machine->name, plug->index + 1);
	if (name_check(name, "machine with several NICs on a network", reader->err) < 0)
		return node_prefix(plug->node, reader->err);
	memcpy(wanted.name, name, strlen(name));
	const struct reservation *given = network_reservation(plug->network, wanted.name);
	int r = given ? merge(plug, given, &wanted, reader->err) : 0;
	if (r < 0)
		return r;
	if (network_reserve(plug->network, &wanted, reader->err) < 0)
		return node_prefix(at_key(plug->node, ip_is_set(&nic->ipv4)   ? "address"
						      : ip_is_set(&nic->ipv6) ? "ipv6"
									      : "mac"),
				   reader->err);
	return 0;
}

/* Given MACs before hashed ones, so that a hashed one makes way; both before reservations. */
static int plug_all(struct reader *reader)
{
	static int (*const rounds[])(struct reader * reader,
				     const struct plug *plug) = {given_mac, hashed_mac, reserve};
	for (size_t k = 0; k < sizeof(rounds) / sizeof(rounds[0]); k++)
		for (size_t i = 0; i < reader->lab->n_machines; i++)
			for (size_t j = 0; j < reader->lab->machines[i]->n_nics; j++) {
				struct plug plug;
				int r = find_plug(reader, i, j, &plug);
				if (r < 0 || (r = rounds[k](reader, &plug)) < 0)
					return r;
			}
	return 0;
}

static size_t count(const struct node *section)
{
	return section ? section->n_children : 0;
}

static int read_lab(struct reader *reader, const struct document *document)
{
	struct lab *lab = reader->lab;
	int r = 0;
	lab->networks = memory_zero(count(document->networks), sizeof(struct network *));
	lab->machines = memory_zero(count(document->machines), sizeof(struct machine *));
	lab->image_places = memory_zero(count(document->machines), sizeof(char *));
	for (size_t i = 0; r == 0 && i < count(document->networks); i++)
		r = read_network(reader, document->networks->children[i]);
	for (size_t i = 0; r == 0 && i < count(document->machines); i++)
		r = read_machine(reader, document->machines->children[i]);
	return r == 0 ? plug_all(reader) : r;
}

int lab_parse(const char *file, const char *path, const char *text, size_t length,
	      const char *instance, struct lab **ret, struct error *err)
{
	AUTO(node) struct node *node = NULL;
	int r = node_from_yaml(file, text, length, &node, err);
	if (r < 0)
		return r;
	if (node->kind == NODE_NULL)
		return node_error(node, err, EINVAL,
				  "the file is empty; it needs 'networks:' and 'machines:'");
	struct document document = {0};
	if ((r = schema_decode(&lab_schema, node, &document, false, err)) < 0)
		return r;
	AUTO(lab) struct lab *lab = memory_zero(1, sizeof(*lab));
	if (document.name[0])
		memcpy(lab->name, document.name, sizeof(lab->name));
	else
		name_by_folder(path ? path : file, lab->name);
	AUTO_FREE const struct node **machine_nodes =
		memory_zero(count(document.machines), sizeof(struct node *));
	struct reader reader = {.instance = instance,
				.lab = lab,
				.proxy = &document.proxy,
				.machine_nodes = machine_nodes,
				.err = err};
	if ((r = read_lab(&reader, &document)) < 0)
		return r;
	*ret = TAKE(lab);
	return 0;
}
