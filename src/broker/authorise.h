/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may do what. Who calls is what the kernel says of the peer, never what a message claims.
 *
 * Theory of operation. A user instance is its owner's and root's alone. In a system instance root
 * may do all; for others every call passes four gates: the right that its method needs, the
 * networks and ports that the caller can see at all (sight.h: what is outside does not
 * exist for them), whose the thing is that is named (its owner changes it), and, at the one place
 * where a candidate becomes the model, what the policy says to all that it would change
 * (authorise_change), so that no method can forget it. broker->caller is whose call is being
 * served; NULL stands for the broker itself, for root and for a user instance's owner, who are not
 * asked.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "model/policy.h"

struct broker;
struct error;
struct network;
struct port;
struct publication;
struct state;
struct varlink_peer;

/* What a method needs; a later one includes those before. */
enum right {
	RIGHT_ASK,  /* what answers here: everybody who reaches the socket */
	RIGHT_USE,  /* what belongs to the caller, or is for all: the gates below say which */
	RIGHT_ROOT, /* what concerns the host itself */
	RIGHTS,
};

/* What is asked of a network that a call names. */
enum access {
	ACCESS_NONE, /* it names none */
	ACCESS_SEE,
	ACCESS_OWN,
};

/* Sets broker->caller for this peer; authorise_end takes it away again. */
void authorise_begin(struct broker *broker, const struct varlink_peer *peer);
void authorise_end(struct broker *broker);

/* The method's right. -EACCES with the rule that refuses. */
int authorise(struct broker *broker, uid_t uid, enum right right, struct error *err);

/* The network of this name (NULL: 0). -ENOENT where the caller sees none, -EACCES where it is not
 * theirs. */
int authorise_network(struct broker *broker, const char *name, enum access access,
		      struct error *err);

/* Who owns what the caller makes; whether they may change what somebody owns. */
uid_t authorise_uid(const struct broker *broker);
bool authorise_owns(const struct broker *broker, uid_t owner);
bool authorise_sees(const struct broker *broker, uid_t owner);
/* A port is changed by who added it and by the owner of its network. */
int authorise_own_port(struct broker *broker, const struct port *port, struct error *err);

/* Into the host's own bridges. */
bool authorise_may_bridge(const struct broker *broker);

/* Whether the candidate's networks and ports may differ from the model's as they do. */
int authorise_change(struct broker *broker, const struct state *candidate, struct error *err);
/* The same, of a change of this network that is to come later, when nobody is asked any more. */
int authorise_planned(struct broker *broker, const struct network *before,
		      const struct state *candidate, struct error *err);
/* Before a lab of so many networks is looked at in depth. */
int authorise_lab(struct broker *broker, size_t n_networks, struct error *err);
/* What it does not say of its rate, or says anew to be unlimited, is what the policy gives. */
void authorise_fill_rate(const struct broker *broker, const struct port *before, struct port *port);
/* A port before it is settled; fills what the caller may not choose. */
int authorise_port(struct broker *broker, struct port *port, struct error *err);
/* -EACCES when the caller has as many ports, or other machines plugged in, in the model, or a
 * candidate for it, as the policy gives. */
int authorise_port_count(struct broker *broker, const struct state *model, const struct port *port,
			 struct error *err);
/* Whether what has this address is theirs: their network, or a port of theirs has the MAC of the
 * lease. Root's is all. */
bool authorise_is_machine_of(const struct broker *broker, uid_t uid, const char *network,
			     const struct ip *address);
/* To see the frames of a port, their own, or with port NULL of a whole network, their own and not
 * in the LAN. */
int authorise_capture(struct broker *broker, const struct network *network, const struct port *port,
		      struct error *err);
/* One more publication, of what is at the address. */
int authorise_publish(struct broker *broker, const struct publication *publication,
		      struct error *err);
