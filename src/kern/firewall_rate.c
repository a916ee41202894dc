/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kern/firewall_rate.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "kern/firewall_element.h"
#include "kern/firewall_table.h"
#include "kern/firewall_text.h"

#define KBIT  125   /* bytes */
#define BURST 65536 /* bytes: GSO_MAX_SIZE */

/* As the machine sees it: `in` is what it receives. A port's limit is called WAY_IFNAME. */
static const struct way {
	const char *name; /* of the map too */
	size_t offset;	  /* in struct object_rate */
	const char *hook, *key;
} ways[] = {
	{"in", offsetof(struct object_rate, in), "postrouting", "oifname"},
	{"out", offsetof(struct object_rate, out), "prerouting", "iifname"},
};
#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

size_t firewall_rate_rules(void)
{
	return N_WAYS;
}

char *firewall_rate_text(const char *table, bool replace)
{
	struct text text;
	text_begin(&text);
	firewall_text_head(text.out, "bridge", table, replace);
	for (size_t i = 0; i < N_WAYS; i++)
		fprintf(text.out,
			"\tmap %s { type ifname : limit; }\n"
			"\tchain %s {\n"
			"\t\ttype filter hook %s priority filter; policy accept;\n"
			"\t\tlimit name %s map @%s drop\n"
			"\t}\n",
			ways[i].name, ways[i].hook, ways[i].hook, ways[i].key, ways[i].name);
	fprintf(text.out, "}\n");
	return text_end(&text);
}

static uint32_t *rate_of(struct object_rate *rate, const struct way *way)
{
	return (uint32_t *)((char *)rate + way->offset);
}

static void put_limit(struct netlink *netlink, const char *table, const char *name, uint32_t rate,
		      bool add)
{
	uint16_t type = FIREWALL_TYPE(add ? NFT_MSG_NEWOBJ : NFT_MSG_DELOBJ);
	struct nlmsghdr *message = firewall_table_message(
		netlink, type, add ? NLM_F_CREATE | NLM_F_EXCL : 0, NFPROTO_BRIDGE, 0);
	mnl_attr_put_strz(message, NFTA_OBJ_TABLE, table);
	mnl_attr_put_strz(message, NFTA_OBJ_NAME, name);
	mnl_attr_put_u32(message, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_LIMIT));
	if (!add)
		return;
	struct nlattr *limit = mnl_attr_nest_start(message, NFTA_OBJ_DATA);
	mnl_attr_put_u64(message, NFTA_LIMIT_RATE, htobe64((uint64_t)rate * KBIT));
	mnl_attr_put_u64(message, NFTA_LIMIT_UNIT, htobe64(1)); /* second */
	mnl_attr_put_u32(message, NFTA_LIMIT_BURST, htonl(BURST));
	mnl_attr_put_u32(message, NFTA_LIMIT_TYPE, htonl(NFT_LIMIT_PKT_BYTES));
	mnl_attr_put_u32(message, NFTA_LIMIT_FLAGS, htonl(NFT_LIMIT_F_INV)); /* over */
	mnl_attr_nest_end(message, limit);
}

void firewall_rate_put(struct netlink *netlink, const char *table, const struct object *object,
		       bool add)
{
	struct object_rate rate = object->rate;
	for (size_t i = 0; i < N_WAYS; i++) {
		char name[FIREWALL_NAME_SIZE];
		uint32_t value = *rate_of(&rate, &ways[i]);
		const struct firewall_element element = {.set = ways[i].name,
							 .key = rate.ifname,
							 .key_size = IFNAMSIZ,
							 .object = name};
		if (value == 0)
			continue;
		snprintf(name, sizeof(name), "%s_%.15s", ways[i].name, rate.ifname);
		if (add)
			put_limit(netlink, table, name, value, true);
		firewall_element_put(netlink, NFPROTO_BRIDGE, table, add, &element);
		if (!add)
			put_limit(netlink, table, name, value, false);
	}
}

struct reading {
	struct object_list *list;
	size_t first;		 /* where ours begin in the list */
	const struct way *way;	 /* whose map is read */
	size_t limits, elements; /* how many there are */
	bool whole;
};

static struct object_rate *find(const struct reading *reading, const char *ifname)
{
	for (size_t i = reading->first; i < reading->list->count; i++)
		if (strcmp(reading->list->items[i].rate.ifname, ifname) == 0)
			return &reading->list->items[i].rate;
	return NULL;
}

static struct object_rate *add(struct reading *reading, const char *ifname)
{
	struct object_rate *rate = &object_list_add(reading->list, OBJECT_RATE, 0)->rate;
	memcpy(rate->ifname, ifname, strnlen(ifname, IFNAMSIZ - 1));
	return rate;
}

/* In kbit/s; 0: it is none of ours. */
static uint32_t parse_limit(const struct nlattr *data)
{
	const struct nlattr *part;
	uint64_t rate = 0;
	bool ours = true;
	mnl_attr_for_each_nested (part, data) {
		switch (mnl_attr_get_type(part)) {
		case NFTA_LIMIT_RATE:
			rate = be64toh(mnl_attr_get_u64(part));
			break;
		case NFTA_LIMIT_UNIT:
			ours &= be64toh(mnl_attr_get_u64(part)) == 1;
			break;
		case NFTA_LIMIT_BURST:
			ours &= ntohl(mnl_attr_get_u32(part)) == BURST;
			break;
		case NFTA_LIMIT_TYPE:
			ours &= ntohl(mnl_attr_get_u32(part)) == NFT_LIMIT_PKT_BYTES;
			break;
		case NFTA_LIMIT_FLAGS:
			ours &= ntohl(mnl_attr_get_u32(part)) == NFT_LIMIT_F_INV;
			break;
		}
	}
	return ours && rate % KBIT == 0 && rate / KBIT <= PORT_RATE_MAX ? (uint32_t)(rate / KBIT)
									: 0;
}

static int take_limit(const struct nlmsghdr *message, void *data)
{
	struct reading *reading = data;
	const struct nlattr *attribute;
	const char *name = "";
	uint32_t value = 0;
	size_t i = 0, length = 0;
	mnl_attr_for_each (attribute, message, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attribute) == NFTA_OBJ_NAME)
			name = mnl_attr_get_str(attribute);
		else if (mnl_attr_get_type(attribute) == NFTA_OBJ_DATA)
			value = parse_limit(attribute);
	for (; i < N_WAYS; i++) {
		length = strlen(ways[i].name);
		if (strncmp(name, ways[i].name, length) == 0 && name[length] == '_')
			break;
	}
	reading->limits++;
	if (i == N_WAYS || value == 0 || strlen(name + length + 1) >= IFNAMSIZ) {
		reading->whole = false;
		return 0;
	}
	struct object_rate *rate = find(reading, name + length + 1);
	*rate_of(rate ? rate : add(reading, name + length + 1), &ways[i]) = value;
	return 0;
}

static void take_element(const struct firewall_found *found, void *data)
{
	struct reading *reading = data;
	char ifname[IFNAMSIZ] = "", name[FIREWALL_NAME_SIZE];
	memcpy(ifname, found->key, IFNAMSIZ - 1);
	snprintf(name, sizeof(name), "%s_%s", reading->way->name, ifname);
	struct object_rate *rate = find(reading, ifname);
	reading->elements++;
	if (!rate || *rate_of(rate, reading->way) == 0 || strcmp(found->object, name) != 0)
		reading->whole = false;
}

static void clear(void *data)
{
	struct reading *reading = data;
	reading->list->count = reading->first;
	reading->limits = 0;
}

int firewall_rate_dump(struct netlink *netlink, const char *table, struct object_list *ret,
		       bool *ret_whole, struct error *err)
{
	char buffer[512] __attribute__((aligned(8)));
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	struct reading reading = {.list = ret, .first = ret->count, .whole = true};
	header->nfgen_family = NFPROTO_BRIDGE;
	mnl_attr_put_strz(request, NFTA_OBJ_TABLE, table);
	mnl_attr_put_u32(request, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_LIMIT));
	int code =
		netlink_dump(netlink, FIREWALL_TYPE(NFT_MSG_GETOBJ), header,
			     mnl_nlmsg_get_payload_len(request), clear, take_limit, &reading, err);
	for (size_t i = 0; i < N_WAYS && code == 0; i++) {
		reading.way = &ways[i];
		code = firewall_element_read(netlink, NFPROTO_BRIDGE, table, ways[i].name,
					     take_element, &reading, err);
	}
	*ret_whole = code == 0 && reading.whole && reading.limits == reading.elements;
	return code == -ENOENT ? 0 : code;
}
