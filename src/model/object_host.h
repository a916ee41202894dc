/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of the host's configuration names an interface, as objects: which list is wanted when a NIC
 * goes into a bridge of ours, and which when it leaves. Pure; plan compares these lists with what
 * the kernel shows, forwards and backwards by the same code.
 */
#pragma once

#include "model/object.h"

/* The names of object_host_link.settings: "ipv4/rp_filter", below /proc/sys/net, the interface
 * comes after "conf/". NULL beyond the last one. */
const char *object_host_setting(size_t index);
/* The index of a setting by its name, or -1. */
int object_host_setting_index(const char *name);

/* Everything that stood on the NIC, on the bridge; the NIC a port of it. before: what the host had,
 * with the NIC's link. bridge: the bridge's link as it is. */
void object_host_onto(const struct object_list *before, const char *nic,
		      const struct object_host_link *bridge, struct object_list *ret);

/* Everything that stands on the bridge now, on the NIC; the NIC's link as it was before. */
void object_host_off(const struct object_list *before, const struct object_list *now,
		     const char *nic, const char *bridge, struct object_list *ret);

/* The link of an interface in a list, or NULL. */
struct object_host_link *object_host_link(const struct object_list *list, const char *ifname);

/* "address 192.0.2.2/24 on eth0", "route default via 192.0.2.1 on eth0" */
void object_host_describe(const struct object *object, char *text, size_t size);

/* An attribute of the message of an address, route or rule: its bytes and *ret_size, or NULL. */
const void *object_host_attribute(const struct object_host *host, size_t header, uint16_t type,
				  size_t *ret_size);
/* A default route's gateway; false for others. */
bool object_host_gateway(const struct object *object, struct ip *ret);
/* An address's own one, with its prefix length. */
bool object_host_address(const struct object *object, struct ip *ret);
