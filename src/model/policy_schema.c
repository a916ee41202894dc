/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of a policy's rule. A key is here only if something holds it. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "model/name.h"
#include "model/policy.h"
#include "model/port.h"

#define PORTS_MAX 65535

static int copy(const char *text, char *item, size_t size, struct error *err)
{
	if (strlen(text) >= size)
		return error_set(err, EINVAL, "'%.40s...' is too long", text);
	memset(item, 0, size);
	memcpy(item, text, strlen(text));
	return 0;
}

static json_t *encode_text(const void *item)
{
	const char *text = item;
	return text[0] ? json_string(text) : NULL;
}

static int decode_plug(const char *text, void *item, struct error *err)
{
	int r = strcmp(text, "*") == 0 ? 0 : name_check(text, "network", err);
	return r < 0 ? r : copy(text, item, NAME_SIZE, err);
}

static int decode_interface(const char *text, void *item, struct error *err)
{
	char name[IFNAMSIZ];
	size_t length = strlen(text);
	bool open_end = length > 0 && text[length - 1] == '*';
	snprintf(name, sizeof(name), "%.*s", (int)(length - open_end), text);
	if (length > IFNAMSIZ || !name_is_interface(name))
		return error_set(err, EINVAL,
				 "'%.40s' is no name of an interface; write it like tap2, or tap* "
				 "for all that begin so",
				 text);
	return copy(text, item, IFNAMSIZ + 1, err);
}

static int decode_prefix(const char *text, void *item, struct error *err)
{
	struct ip *prefix = item;
	int r = ip_parse_prefix(text, prefix, err);
	if (r == 0)
		*prefix = ip_network(prefix);
	return r;
}

static json_t *encode_prefix(const void *item)
{
	char text[IP_TEXT_SIZE];
	return ip_is_set(item) ? json_string(ip_format_prefix(item, text)) : NULL;
}

static int decode_domain(const char *text, void *item, struct error *err)
{
	if (strcmp(text, "*") != 0 && !name_is_domain(text))
		return error_set(err, EINVAL,
				 "'%.64s' is no domain; write it like internal, or * for any",
				 text);
	return copy(text, item, NAME_SIZE, err);
}

#define MACS_FORM "like ba:ad:ca:00:00:00-ba:ad:ca:ff:ff:ff"

static int decode_macs(const char *text, void *item, struct error *err)
{
	struct policy_macs *macs = item;
	char first[MAC_TEXT_SIZE];
	const char *hyphen = strchr(text, '-');
	size_t length = hyphen ? (size_t)(hyphen - text) : strlen(text);
	if (length >= sizeof(first))
		return error_set(err, EINVAL, "'%.40s' is no range of MACs; write it " MACS_FORM,
				 text);
	memcpy(first, text, length);
	first[length] = '\0';
	int r = mac_parse(first, &macs->first, err);
	if (r == 0)
		r = mac_parse(hyphen ? hyphen + 1 : first, &macs->last, err);
	if (r == 0 && memcmp(&macs->first, &macs->last, sizeof(struct mac)) > 0)
		r = error_set(err, EINVAL, "the range '%.40s' ends before it begins", text);
	macs->is_set = r == 0;
	return r;
}

static json_t *encode_macs(const void *item)
{
	const struct policy_macs *macs = item;
	char first[MAC_TEXT_SIZE], last[MAC_TEXT_SIZE];
	if (!macs->is_set)
		return NULL;
	if (mac_equal(&macs->first, &macs->last))
		return json_string(mac_format(&macs->first, first));
	return json_sprintf("%s-%s", mac_format(&macs->first, first),
			    mac_format(&macs->last, last));
}

static int decode_address(const char *text, void *item, struct error *err)
{
	return ip_parse(text, item, err);
}

static json_t *encode_address(const void *item)
{
	char text[IP_TEXT_SIZE];
	return ip_is_set(item) ? json_string(ip_format(item, text)) : NULL;
}

static int decode_ports(const char *text, void *item, struct error *err)
{
	struct policy_ports *ports = item;
	unsigned first = 0, last = 0;
	int end = 0;
	if (sscanf(text, "%5u-%5u%n", &first, &last, &end) != 2 || text[end]) {
		end = 0;
		if (sscanf(text, "%5u%n", &first, &end) != 1 || text[end])
			first = 0;
		last = first;
	}
	if (first < 1 || last > PORTS_MAX || first > last || text[0] < '0' || text[0] > '9')
		return error_set(err, EINVAL,
				 "'%.40s' is no range of TCP ports; write it like 1024-65535",
				 text);
	*ports = (struct policy_ports){(uint16_t)first, (uint16_t)last};
	return 0;
}

static json_t *encode_ports(const void *item)
{
	const struct policy_ports *ports = item;
	if (!ports->first)
		return NULL;
	return ports->first == ports->last ? json_sprintf("%u", ports->first)
					   : json_sprintf("%u-%u", ports->first, ports->last);
}

static const struct schema_list plug_list = {"the name of a network, or '*'", NAME_SIZE,
					     decode_plug, encode_text};
static const struct schema_list interface_list = {"the name of an interface, or PREFIX*",
						  IFNAMSIZ + 1, decode_interface, encode_text};
static const struct schema_list prefix_list = {"a prefix like 10.0.0.0/8", sizeof(struct ip),
					       decode_prefix, encode_prefix};
static const struct schema_list domain_list = {"a domain, or '*'", NAME_SIZE, decode_domain,
					       encode_text};
static const struct schema_list macs_list = {"a MAC or a range " MACS_FORM,
					     sizeof(struct policy_macs), decode_macs, encode_macs};
static const struct schema_list address_list = {"an address of the host", sizeof(struct ip),
						decode_address, encode_address};
static const struct schema_list ports_list = {"a range of ports like 1024-65535",
					      sizeof(struct policy_ports), decode_ports,
					      encode_ports};

#define MEMBER(name)                                                                               \
	.offset = offsetof(struct policy_rights, name),                                            \
	.size = sizeof(((struct policy_rights *)0)->name)

/* In the order of enum policy_key. */
static const struct schema_key policy_keys[] = {
	[POLICY_USE] = {.key = "use",
			.type = SCHEMA_BOOL,
			MEMBER(use),
			.fallback = "false",
			.help = "may see networks and plug machines into them; members of group "
				"lanyard may where no rule says it"},
	[POLICY_CONNECTIONS] = {.key = "connections",
				.type = SCHEMA_COUNT,
				MEMBER(connections),
				.min = 1,
				.max = 500,
				.fallback = "32",
				.help = "how many calls of theirs are served at a time"},
	[POLICY_NETWORKS] = {.key = "networks",
			     .type = SCHEMA_COUNT,
			     MEMBER(networks),
			     .max = 1000,
			     .fallback = "2",
			     .help = "how many networks of their own they may have"},
	[POLICY_PORTS] = {.key = "ports",
			  .type = SCHEMA_COUNT,
			  MEMBER(ports),
			  .max = 1000,
			  .fallback = "12",
			  .help = "how many ports they may have at a time"},
	[POLICY_MACHINES] = {.key = "machines",
			     .type = SCHEMA_COUNT,
			     MEMBER(machines),
			     .max = 1000,
			     .fallback = "1000",
			     .help = "how many machines they may have plugged in at a time"},
	[POLICY_PUBLISHED] = {.key = "published",
			      .type = SCHEMA_COUNT,
			      MEMBER(published),
			      .max = 1000,
			      .fallback = "4",
			      .help = "how many ports of the host they may publish"},
	[POLICY_PLUG] = {.key = "plug",
			 .type = SCHEMA_LIST,
			 MEMBER(plug),
			 .list = &plug_list,
			 .fallback = "*",
			 .help = "which of root's networks they may see and plug into; * is all "
				 "but the bridged ones"},
	[POLICY_INTERFACES] = {.key = "interfaces",
			       .type = SCHEMA_LIST,
			       MEMBER(interfaces),
			       .list = &interface_list,
			       .help = "which names they may choose for their taps (tap2, tap*); "
				       "none when left out"},
	[POLICY_ADDRESSES] = {.key = "addresses",
			      .type = SCHEMA_LIST,
			      MEMBER(addresses),
			      .list = &prefix_list,
			      .fallback = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7",
			      .help = "prefixes in which those of their networks lie"},
	[POLICY_IPV4_LENGTH] = {.key = "ipv4-length",
				.type = SCHEMA_COUNT,
				MEMBER(ipv4_length),
				.min = 8,
				.max = 30,
				.fallback = "22",
				.help = "shortest prefix length of their IPv4 networks, so that "
					"one does not take all; 22 is 1,022 machines"},
	[POLICY_DOMAINS] = {.key = "domains",
			    .type = SCHEMA_LIST,
			    MEMBER(domains),
			    .list = &domain_list,
			    .fallback = "internal",
			    .help = "domains below which those of their networks lie"},
	[POLICY_MACS] = {.key = "macs",
			 .type = SCHEMA_LIST,
			 MEMBER(macs),
			 .list = &macs_list,
			 .help = "MACs that they may choose for their ports; any when left out"},
	[POLICY_VLANS] = {.key = "vlans",
			  .type = SCHEMA_LIST,
			  MEMBER(vlans),
			  .list = &vlan_range_list,
			  .help = "VLANs that they may choose for their ports on root's networks "
				  "and on bridges of the host (10, 20-29); none when left out"},
	[POLICY_RATE] = {.key = "rate",
			 .type = SCHEMA_RATE,
			 MEMBER(rate),
			 .min = PORT_RATE_MIN,
			 .max = PORT_RATE_MAX,
			 .fallback = "none",
			 .help = "what each port of theirs may send, and receive, at most: 20mbit; "
				 "none is no limit"},
	[POLICY_PUBLISH_ON] = {.key = "publish-on",
			       .type = SCHEMA_LIST,
			       MEMBER(publish_on),
			       .list = &address_list,
			       .fallback = "127.0.0.1,::1",
			       .help = "addresses of the host on which they may publish; 0.0.0.0 "
				       "and :: are any"},
	[POLICY_PUBLISH_PORTS] = {.key = "publish-ports",
				  .type = SCHEMA_LIST,
				  MEMBER(publish_ports),
				  .list = &ports_list,
				  .fallback = "1024-65535",
				  .help = "ports of the host that they may publish"},
	[POLICY_MAY_BRIDGE] = {.key = "may-bridge",
			       .type = SCHEMA_BOOL,
			       MEMBER(may_bridge),
			       .fallback = "false",
			       .help = "plug into bridged networks, and have such ones: into the "
				       "LAN"},
	[POLICY_MAY_ROUTE] = {.key = "may-route",
			      .type = SCHEMA_BOOL,
			      MEMBER(may_route),
			      .fallback = "false",
			      .help = "have networks of mode routed or open, and routes by their "
				      "machines"},
	[POLICY_MAY_CAPTURE] = {.key = "may-capture",
				.type = SCHEMA_BOOL,
				MEMBER(may_capture),
				.fallback = "true",
				.help = "capture the frames of their own ports and networks"},
	[POLICY_MAY_SEE_OTHERS] = {.key = "may-see-others",
				   .type = SCHEMA_BOOL,
				   MEMBER(may_see_others),
				   .fallback = "false",
				   .help = "see networks, ports and published ports of others"},
};
static_assert(sizeof(policy_keys) / sizeof(policy_keys[0]) == POLICY_KEYS, "an entry for each key");

const struct schema policy_schema = {
	.entity = "rule",
	.help = "What a user, a group or everyone may in a system instance.",
	.keys = policy_keys,
	.n_keys = POLICY_KEYS,
};
