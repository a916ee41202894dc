/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/dhcp_schema.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "model/network.h"
#include "model/schema.h"

#define DAY 86400u

static const struct range_key {
	const char *key, *example, *other; /* other: what a range of the other family is told */
	int family;
} range_keys[] = {
	{"range", "10.20.0.100-10.20.0.199", "a range is of IPv4 addresses; 'range6' is of IPv6's",
	 AF_INET},
	{"range6", "fd00:20::1000-fd00:20::1fff or stateless",
	 "range6 is of IPv6 addresses; 'range' is of IPv4's", AF_INET6},
};

static int parse_range(const struct node *node, const struct range_key *key, struct ip *ret_first,
		       struct ip *ret_last, struct error *err)
{
	char text[NODE_DESCRIBE_SIZE], first[IP_TEXT_SIZE];
	const char *hyphen = node->kind == NODE_SCALAR ? strchr(node->text, '-') : NULL;
	if (!hyphen || (size_t)(hyphen - node->text) >= sizeof(first))
		return node_error(node, err, EINVAL, "%s %s is not understood; write it like %s",
				  key->key, node_describe(node, text), key->example);
	memcpy(first, node->text, (size_t)(hyphen - node->text));
	first[hyphen - node->text] = '\0';
	struct ip a, b;
	if (ip_parse(first, &a, err) < 0 || ip_parse(hyphen + 1, &b, err) < 0)
		return node_prefix(node, err);
	if (a.family != key->family || b.family != key->family)
		return node_error(node, err, EINVAL, "%s", key->other);
	*ret_first = a;
	*ret_last = b;
	return 0;
}

static json_t *encode_pair(const struct ip *first, const struct ip *last)
{
	char from[IP_TEXT_SIZE], to[IP_TEXT_SIZE];
	return ip_is_set(first) ? json_sprintf("%s-%s", ip_format(first, from), ip_format(last, to))
				: NULL;
}

static int decode_range(const struct node *node, void *object, struct error *err)
{
	struct network *network = object;
	struct ip first = {0}, last = {0};
	int r = node->kind == NODE_NULL ? 0 : parse_range(node, &range_keys[0], &first, &last, err);
	network->dhcp_first = first;
	network->dhcp_last = last;
	return r;
}

static json_t *encode_range(const void *object)
{
	const struct network *network = object;
	return encode_pair(&network->dhcp_first, &network->dhcp_last);
}

static int decode_range6(const struct node *node, void *object, struct error *err)
{
	struct network *network = object;
	struct ip first = {0}, last = {0};
	network->dhcp6_stateless = node->kind == NODE_SCALAR && !strcmp(node->text, "stateless");
	int r = node->kind == NODE_NULL || network->dhcp6_stateless
			? 0
			: parse_range(node, &range_keys[1], &first, &last, err);
	network->dhcp6_first = first;
	network->dhcp6_last = last;
	return r;
}

static json_t *encode_range6(const void *object)
{
	const struct network *network = object;
	return network->dhcp6_stateless ? json_string("stateless")
					: encode_pair(&network->dhcp6_first, &network->dhcp6_last);
}

static int decode_ntp(const char *text, void *item, struct error *err)
{
	return ip_parse(text, item, err);
}

static json_t *encode_ntp(const void *item)
{
	char text[IP_TEXT_SIZE];
	return ip_is_set(item) ? json_string(ip_format(item, text)) : NULL;
}

static const struct schema_list ntp = {"the address of a time server", sizeof(struct ip),
				       decode_ntp, encode_ntp};

static int decode_options(const struct node *node, void *object, struct error *err)
{
	return dhcp_options_decode(node, ((struct network *)object)->dhcp_extra.options, err);
}

static json_t *encode_options(const void *object)
{
	return dhcp_options_encode(((const struct network *)object)->dhcp_extra.options);
}

#define EXTRA(member)                                                                              \
	.offset = offsetof(struct network, dhcp_extra.member),                                     \
	.size = sizeof(((struct network *)0)->dhcp_extra.member)

static const struct schema_key dhcp_keys[] = {
	{.key = "range",
	 .type = SCHEMA_CUSTOM,
	 .help = "first and last address to hand out, FIRST-LAST; chosen when left out",
	 .decode = decode_range,
	 .encode = encode_range},
	{.key = "range6",
	 .type = SCHEMA_CUSTOM,
	 .help = "what DHCPv6 hands out beside reserved addresses: FIRST-LAST, or stateless: no "
		 "addresses at all",
	 .decode = decode_range6,
	 .encode = encode_range6},
	{.key = "lease",
	 .type = SCHEMA_SECONDS,
	 .offset = offsetof(struct network, lease_seconds),
	 .size = sizeof(uint32_t),
	 .min = 120, /* dnsmasq's least */
	 .max = 365 * DAY,
	 .fallback = "1h",
	 .help = "how long a machine keeps its address without asking again"},
	{.key = "boot",
	 .type = SCHEMA_TEXT,
	 EXTRA(boot),
	 .help = "the file that machines boot from the network"},
	{.key = "tftp",
	 .type = SCHEMA_ADDRESS,
	 EXTRA(tftp),
	 .help = "the server that has this file; the gateway when left out"},
	{.key = "ntp",
	 .type = SCHEMA_LIST,
	 EXTRA(ntp),
	 .list = &ntp,
	 .help = "time servers, by address"},
	{.key = "options",
	 .type = SCHEMA_CUSTOM,
	 .decode = decode_options,
	 .encode = encode_options,
	 .help = "other options of DHCP for IPv4, { NUMBER: VALUE }"},
};

const struct schema dhcp_schema = {
	.entity = "dhcp map",
	.help = "Addresses by DHCP (and DHCPv6 for reservations).",
	.keys = dhcp_keys,
	.n_keys = sizeof(dhcp_keys) / sizeof(dhcp_keys[0]),
};

static bool is_one_of(const struct node *node, const char *const words[3])
{
	for (size_t i = 0; node->kind == NODE_SCALAR && i < 3; i++)
		if (!strcmp(node->text, words[i]))
			return true;
	return false;
}

/* Without DHCP there is no range and no lease to keep: written as false, it is read back the same.
 */
int dhcp_decode(const struct node *node, void *object, struct error *err)
{
	static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no",
									       "off"};
	struct network *network = object;
	char text[NODE_DESCRIBE_SIZE];
	bool off = is_one_of(node, no);
	if (node->kind != NODE_NULL && node->kind != NODE_MAP && !off && !is_one_of(node, yes))
		return node_error(node, err, EINVAL,
				  "dhcp %s is not understood; write true, false, or "
				  "{ range: FIRST-LAST, lease: 1h }",
				  node_describe(node, text));
	network->dhcp = !off;
	if (node->kind == NODE_MAP)
		return schema_decode(&dhcp_schema, node, network, true, err);
	if (node->kind == NODE_SCALAR && !off)
		return 0;
	network->dhcp_first = network->dhcp_last = (struct ip){0};
	network->dhcp6_first = network->dhcp6_last = (struct ip){0};
	network->dhcp6_stateless = false;
	network->dhcp_extra = (struct dhcp_extra){0};
	return schema_set(&dhcp_schema, network, "lease", "", err);
}

json_t *dhcp_encode(const void *object)
{
	const struct network *network = object;
	return network->dhcp ? schema_encode(&dhcp_schema, network) : json_false();
}
