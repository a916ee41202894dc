/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of ports. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/port.h"
#include "model/schema.h"

#define NOBODY ((uint32_t)-1)

static int decode_id(const struct node *node, const char *key, uint32_t *member, struct error *err)
{
	char text[NODE_DESCRIBE_SIZE];
	*member = NOBODY;
	if (node->kind == NODE_NULL)
		return 0;
	size_t length = node->kind == NODE_SCALAR ? strlen(node->text) : 0;
	unsigned long long value = length && length <= 10 ? strtoull(node->text, NULL, 10) : NOBODY;
	if (!length || strspn(node->text, "0123456789") != length || value >= NOBODY)
		return node_error(node, err, EINVAL, "%s %s is not a numeric id", key,
				  node_describe(node, text));
	*member = (uint32_t)value;
	return 0;
}

static int decode_owner(const struct node *node, void *object, struct error *err)
{
	return decode_id(node, "owner", &((struct port *)object)->owner, err);
}

static int decode_group(const struct node *node, void *object, struct error *err)
{
	return decode_id(node, "group", &((struct port *)object)->group, err);
}

static json_t *encode_id(uint32_t id)
{
	return id == NOBODY ? NULL : json_integer(id);
}

static json_t *encode_owner(const void *object)
{
	return encode_id(((const struct port *)object)->owner);
}

static json_t *encode_group(const void *object)
{
	return encode_id(((const struct port *)object)->group);
}

static const char *const kinds[] = {
	[PORT_TAP] = "tap",   [PORT_TAP_NAMED] = "tap-named", [PORT_NETNS] = "netns",
	[PORT_VETH] = "veth", [PORT_ADOPT] = "adopt",	      [PORT_KINDS] = NULL,
};
static_assert(sizeof(enum port_kind) == sizeof(int), "SCHEMA_CHOICE is an int");

#define MEMBER(name) .offset = offsetof(struct port, name), .size = sizeof(((struct port *)0)->name)

static const struct schema_key port_keys[] = {
	{.key = "id",
	 .type = SCHEMA_TEXT,
	 MEMBER(id),
	 .read_only = true,
	 .help = "its short name within the instance"},
	{.key = "network",
	 .type = SCHEMA_NAME,
	 MEMBER(network),
	 .required = true,
	 .help = "the network it is on"},
	{.key = "kind",
	 .type = SCHEMA_CHOICE,
	 MEMBER(kind),
	 .words = kinds,
	 .fallback = "tap",
	 .help = "what is plugged in"},
	{.key = "ifname",
	 .type = SCHEMA_TEXT,
	 MEMBER(ifname),
	 .help = "name of the end on the switch; ly + id when left out"},
	{.key = "peer",
	 .type = SCHEMA_TEXT,
	 MEMBER(peer),
	 .help = "name of the other end (netns, veth)"},
	{.key = "machine",
	 .type = SCHEMA_NAME,
	 MEMBER(machine),
	 .help = "the machine whose NIC it is"},
	{.key = "mac",
	 .type = SCHEMA_MAC,
	 MEMBER(mac),
	 .help = "the MAC of the machine's NIC; hashed when left out"},
	{.key = "queues",
	 .type = SCHEMA_COUNT,
	 MEMBER(queues),
	 .min = 1,
	 .max = PORT_QUEUES_MAX,
	 .fallback = "1",
	 .help = "queue pairs of a tap"},
	{.key = "owner",
	 .type = SCHEMA_CUSTOM,
	 .decode = decode_owner,
	 .encode = encode_owner,
	 .help = "the user (uid) who may open a named tap"},
	{.key = "group",
	 .type = SCHEMA_CUSTOM,
	 .decode = decode_group,
	 .encode = encode_group,
	 .help = "the group (gid) that may open a named tap"},
	{.key = "down",
	 .type = SCHEMA_BOOL,
	 MEMBER(down),
	 .fallback = "false",
	 .help = "plugged, but without carrier"},
	{.key = "isolated",
	 .type = SCHEMA_BOOL,
	 MEMBER(isolated),
	 .fallback = "false",
	 .help = "does not reach other isolated ports"},
	{.key = "rate_in",
	 .type = SCHEMA_RATE,
	 MEMBER(rate_in),
	 .min = PORT_RATE_MIN,
	 .max = PORT_RATE_MAX,
	 .fallback = "none",
	 .help = "what the machine may receive: 500kbit, 10mbit, 1gbit a second"},
	{.key = "rate_out",
	 .type = SCHEMA_RATE,
	 MEMBER(rate_out),
	 .min = PORT_RATE_MIN,
	 .max = PORT_RATE_MAX,
	 .fallback = "none",
	 .help = "what the machine may send"},
	VLAN_KEYS(MEMBER(vlans.native), MEMBER(vlans.tagged)),
	{.key = "strikes",
	 .type = SCHEMA_COUNT,
	 MEMBER(strikes),
	 .read_only = true,
	 .help = "how often its holder changed the interface"},
};

const struct schema port_schema = {
	.entity = "port",
	.help = "Where one NIC is plugged in.",
	.keys = port_keys,
	.n_keys = sizeof(port_keys) / sizeof(port_keys[0]),
};
