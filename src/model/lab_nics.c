/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What ties a lab's machines to its networks: every NIC gets a MAC, and its network a reservation,
 * so that a machine has its address and name before it boots. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "model/lab_reader.h"
#include "model/name.h"

#define MAC_PROBES 1000

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
static int need_network(struct lab_reader *reader, const struct plug *plug)
{
	struct lab *lab = reader->lab;
	AUTO_FREE const char **names = memory_zero(lab->n_networks, sizeof(char *));
	for (size_t i = 0; i < lab->n_networks; i++)
		names[i] = lab->networks[i]->name;
	const char *near = name_nearest(plug->nic->network, names, lab->n_networks);
	const struct node *node = lab_at_key(plug->node, "network");
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

static int find_plug(struct lab_reader *reader, size_t machine_index, size_t index,
		     struct plug *ret)
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

static int given_mac(struct lab_reader *reader, const struct plug *plug)
{
	take_reserved_mac(plug);
	if (!mac_is_set(&plug->nic->mac))
		return 0;
	const struct machine *owner = mac_owner(reader->lab, plug->nic, true);
	char text[MAC_TEXT_SIZE];
	if (owner)
		return node_error(lab_at_key(plug->node, "mac"), reader->err, EEXIST,
				  "machine '%s': MAC %s is used by machine '%s' already; leave it "
				  "out to have one chosen",
				  plug->machine->name, mac_format(&plug->nic->mac, text),
				  owner->name);
	return 0;
}

static int hashed_mac(struct lab_reader *reader, const struct plug *plug)
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
		at = lab_at_key(plug->node, "mac");
	else if (ip_is_set(&given->ipv4) && ip_is_set(&wanted->ipv4) &&
		 !ip_equal(&given->ipv4, &wanted->ipv4))
		at = lab_at_key(plug->node, "address");
	else if (ip_is_set(&given->ipv6) && ip_is_set(&wanted->ipv6) &&
		 !ip_equal(&given->ipv6, &wanted->ipv6))
		at = lab_at_key(plug->node, "ipv6");
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

/* The key of the address that a NIC asks for; NULL: it asks for none. */
static const char *address_key(const struct nic *nic)
{
	return ip_is_set(&nic->ipv4) ? "address" : ip_is_set(&nic->ipv6) ? "ipv6" : NULL;
}

/* What a network promises is said by whom it belongs to. */
static int refuse_address(struct lab_reader *reader, const struct plug *plug)
{
	const struct nic *nic = plug->nic;
	const char *key = address_key(nic);
	if (!key)
		return 0;
	return node_error(lab_at_key(plug->node, key), reader->err, EINVAL,
			  "machine '%s': the network '%s' is not this file's, so no address is "
			  "promised here; 'lanyard net reserve %s %s ADDRESS' does that",
			  plug->machine->name, nic->network, nic->network, plug->machine->name);
}

static int check_vlans(struct lab_reader *reader, const struct plug *plug)
{
	const struct vlans *vlans = &plug->nic->vlans;
	const char *key = vlans->native ? "vlan" : "trunk";
	if (!plug->network || network_check_vlans(plug->network, vlans, reader->err) == 0)
		return 0;
	error_prefix(reader->err, "machine '%s'", plug->machine->name);
	return node_prefix(lab_at_key(plug->node, key), reader->err);
}

/* In another VLAN it has no address of the network. */
static int refuse_there(struct lab_reader *reader, const struct plug *plug)
{
	const struct nic *nic = plug->nic;
	const char *key = address_key(nic);
	if (!key)
		return 0;
	return node_error(lab_at_key(plug->node, key), reader->err, EINVAL,
			  "machine '%s': in VLAN %u nobody gives out addresses of network '%s'; "
			  "leave it out",
			  plug->machine->name, nic->vlans.native, nic->network);
}

static int reserve(struct lab_reader *reader, const struct plug *plug)
{
	const struct nic *nic = plug->nic;
	struct reservation wanted = {
		.mac = nic->mac, .ipv4 = nic->ipv4, .ipv6 = nic->ipv6, .automatic = true};
	char name[NAME_SIZE + 8];
	if (!plug->network)
		return refuse_address(reader, plug);
	if (nic->vlans.native)
		return refuse_there(reader, plug);
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
	if (network_reserve(plug->network, &wanted, reader->err) < 0) {
		const char *key = address_key(nic);
		return node_prefix(lab_at_key(plug->node, key ? key : "mac"), reader->err);
	}
	return 0;
}

/* Given MACs before hashed ones, so that a hashed one makes way; both before reservations. */
int lab_plug(struct lab_reader *reader)
{
	static int (*const rounds[])(struct lab_reader * reader, const struct plug *plug) = {
		check_vlans, given_mac, hashed_mac, reserve};
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
