/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is wanted: the networks' definitions and the ports, in memory and on disk. Networks are YAML
 * files, ports JSON files. What lasts (networks, named taps, veths) lies in the state folder and is
 * synced; ports that end with somebody's descriptor, namespace or interface lie in the runtime
 * folder, which is on tmpfs and never synced, and so does all of a network whose uplink is not
 * confirmed. Knows nothing of the kernel.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/paths.h"
#include "broker/port_index.h"
#include "model/network.h"
#include "model/port.h"

struct state {
	const struct paths *paths;
	struct network **networks;
	size_t n_networks, networks_room;
	struct port **ports; /* each made by state_add_port */
	size_t n_ports, ports_room;
	struct port_index index; /* of these */
	/* Ids of networks that were removed from this copy: what they have in the kernel is still
	 * there when the others are made. */
	uint32_t *left_ids;
	size_t n_left_ids, left_ids_room;
};

void state_init(struct state *state, const struct paths *paths);
void state_done(struct state *state);
void state_copy(const struct state *from, struct state *ret);

/* Reads both folders (made if missing). A file that cannot be used is logged by its name and
 * skipped; one that lies where it does not belong, as those of older versions may, is moved. */
int state_load(struct state *state, struct error *err);

struct network *state_network(const struct state *state, const char *name);
struct port *state_port(const struct state *state, const char *id); /* by id or by interface */
struct port *state_port_ifname(const struct state *state, const char *ifname);
/* One of this MAC on this network but the one of this id; NULL: none. */
struct port *state_port_mac(const struct state *state, const struct mac *mac, const char *network,
			    const char *but);

/* Takes the network; gives it an id and an interface name when it has none. One of the same name is
 * replaced. */
struct network *state_put_network(struct state *state, struct network *network);
void state_remove_network(struct state *state, const char *name);

/* Copies the port. creator: the uid that asked for it. */
struct port *state_add_port(struct state *state, const struct port *port, uid_t creator);
/* The one of the same id, which is there, becomes this. */
struct port *state_put_port(struct state *state, const struct port *port);
void state_remove_port(struct state *state, const char *id);
uid_t state_port_creator(const struct port *port);

/* Whether a port of the present model is in the kernel as well (missing.h). */
enum port_presence {
	PORT_THERE,	/* as far as is known */
	PORT_SET_ASIDE, /* to be tried by itself */
	PORT_MISSING,	/* could not be made, which was said */
};
enum port_presence state_port_presence(const struct port *port);
void state_port_set_presence(struct port *port, enum port_presence presence);
/* How many are somebody's. */
size_t state_networks_of(const struct state *state, uid_t owner);
size_t state_ports_of(const struct state *state, uid_t creator);
/* Machines that somebody has plugged in, the one of this name left out (NULL: none); a port without
 * a machine's name is one of its own. */
size_t state_machines_of(const struct state *state, uid_t creator, const char *but);

/* Writes what differs between the two, what lasts synced to the disk; removes what is no more. When
 * it fails, the files are again as before. A broker that is killed meanwhile leaves what lasts as
 * before, or a note by which the next one goes on. */
int state_persist(const struct state *before, const struct state *after, struct error *err);
/* One that lasts is on the disk when it returns. */
int state_write_port(const struct state *state, const struct port *port, struct error *err);
void state_unlink_port(const struct state *state, const char *id);
