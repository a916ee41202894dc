/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/holding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "broker/broker.h"

#define STRIKES_MAX 2

static int by_ifname(const void *a, const void *b)
{
	const struct object *const *one = a, *const *other = b;
	return strncmp((*one)->port.ifname, (*other)->port.ifname, IFNAMSIZ);
}

/* These cannot be made again: their other end was in somebody's hand. */
static bool is_held(const struct port *port)
{
	return port->kind == PORT_TAP || port->kind == PORT_NETNS;
}

/* With the fields that an audit line has (audit.h). */
static void tell(enum log_level level, const struct port *port, const char *what)
{
	char uid[16];
	snprintf(uid, sizeof(uid), "%u", (unsigned)state_port_creator(port));
	const struct log_field fields[] = {
		{"NETWORK", port->network}, {"PORT", port->id}, {"CALLER_UID", uid}};
	log_fields(level, fields, sizeof(fields) / sizeof(fields[0]),
		   "port %s%s%s on network %s (asked for by uid %s) %s", port->id,
		   port->machine[0] ? " of " : "", port->machine, port->network, uid, what);
}

static void drop(struct broker *broker, const struct port *port, const char *why)
{
	char id[PORT_ID_SIZE];
	memcpy(id, port->id, sizeof(id));
	tell(LOG_LEVEL_INFO, port, why);
	state_unlink_port(&broker->state, id);
	state_remove_port(&broker->state, id);
}

static void strike(struct broker *broker, struct port *port, const struct object_port *actual)
{
	char mac[MAC_TEXT_SIZE], text[128];
	struct error err = {0};
	if (++port->strikes >= STRIKES_MAX) {
		drop(broker, port, "is closed: its holder changed the interface's MAC again");
		return;
	}
	snprintf(text, sizeof(text),
		 "is set back: its holder set the MAC %s; the next time it is closed",
		 mac_format(&actual->hwaddr, mac));
	tell(LOG_LEVEL_WARNING, port, text);
	if (state_write_port(&broker->state, port, &err) < 0)
		log_warning("port %s: %s", port->id, err.text);
}

static void examine(struct broker *broker, struct port *port, const struct object_port *actual)
{
	struct mac wanted = port_hwaddr(port);
	if (port->kind == PORT_TAP && actual->persistent)
		drop(broker, port, "is closed: its holder made the interface persistent");
	else if (port->kind == PORT_TAP &&
		 (actual->owner != (uint32_t)-1 || actual->group != (uint32_t)-1))
		drop(broker, port, "is closed: its holder changed the interface's owner");
	else if ((port->kind == PORT_TAP || port->kind == PORT_TAP_NAMED) &&
		 !mac_equal(&wanted, &actual->hwaddr))
		strike(broker, port, actual);
}

void holding_examine(struct broker *broker, const struct object_list *actual, bool judge)
{
	if (broker->state.n_ports == 0)
		return;
	const struct object **found = calloc(actual->count + 1, sizeof(*found));
	if (!found)
		return;
	size_t count = 0;
	for (size_t i = 0; i < actual->count; i++)
		if (actual->items[i].kind == OBJECT_PORT)
			found[count++] = &actual->items[i];
	qsort(found, count, sizeof(*found), by_ifname);
	for (size_t i = broker->state.n_ports; i-- > 0;) {
		struct port *port = broker->state.ports[i];
		struct object key = {.kind = OBJECT_PORT};
		memcpy(key.port.ifname, port->ifname, IFNAMSIZ);
		const struct object *pointer = &key,
				    **item = count ? bsearch(&pointer, found, count, sizeof(*found),
							     by_ifname)
						   : NULL;
		if (item && judge)
			examine(broker, port, &(*item)->port);
		else if (!item && is_held(port))
			drop(broker, port, "is gone with its holder");
	}
	free(found);
}
