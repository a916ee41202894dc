/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NFT_MSG_NEWSETELEM and its brothers. Numbers are big endian. */
#include "kern/firewall_element.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "kern/firewall_table.h"
#include "kern/netlink.h"

/* User data as nft(8) shows it: type 0 (comment), length, text with its NUL. */
static void put_comment(struct nlmsghdr *message, const char *comment)
{
	char data[FIREWALL_COMMENT_SIZE + 2];
	int length = snprintf(data + 2, FIREWALL_COMMENT_SIZE, "%s", comment);
	data[0] = 0;
	data[1] = (char)(length + 1);
	mnl_attr_put(message, NFTA_SET_ELEM_USERDATA, (size_t)length + 3, data);
}

static void put_verdict(struct nlmsghdr *message, int32_t verdict, const char *chain)
{
	struct nlattr *data = mnl_attr_nest_start(message, NFTA_SET_ELEM_DATA);
	struct nlattr *body = mnl_attr_nest_start(message, NFTA_DATA_VERDICT);
	mnl_attr_put_u32(message, NFTA_VERDICT_CODE, htonl((uint32_t)verdict));
	mnl_attr_put_strz(message, NFTA_VERDICT_CHAIN, chain);
	mnl_attr_nest_end(message, body);
	mnl_attr_nest_end(message, data);
}

void firewall_element_put(struct netlink *netlink, uint8_t family, const char *table, bool add,
			  const struct firewall_element *element)
{
	uint16_t type = FIREWALL_TYPE(add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM);
	struct nlmsghdr *message = firewall_table_message(
		netlink, type, add ? NLM_F_CREATE | NLM_F_EXCL : 0, family, 0);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, element->set);
	struct nlattr *list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
	struct nlattr *one = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
	if (element->end)
		mnl_attr_put_u32(message, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
	struct nlattr *key = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);
	mnl_attr_put(message, NFTA_DATA_VALUE, element->key_size, element->key);
	mnl_attr_nest_end(message, key);
	if (element->chain && add)
		put_verdict(message, element->verdict, element->chain);
	if (element->object && add)
		mnl_attr_put_strz(message, NFTA_SET_ELEM_OBJREF, element->object);
	if (element->comment && add)
		put_comment(message, element->comment);
	mnl_attr_nest_end(message, one);
	mnl_attr_nest_end(message, list);
}

static void take_name(const struct nlattr *attribute, char ret[FIREWALL_NAME_SIZE])
{
	snprintf(ret, FIREWALL_NAME_SIZE, "%.*s", (int)mnl_attr_get_payload_len(attribute),
		 (char *)mnl_attr_get_payload(attribute));
}

static void take_verdict(const struct nlattr *data, struct firewall_found *found)
{
	const struct nlattr *verdict, *part;
	mnl_attr_for_each_nested (verdict, data) {
		if (mnl_attr_get_type(verdict) != NFTA_DATA_VERDICT)
			continue;
		mnl_attr_for_each_nested (part, verdict)
			if (mnl_attr_get_type(part) == NFTA_VERDICT_CHAIN)
				take_name(part, found->chain);
	}
}

static void take_key(const struct nlattr *key, struct firewall_found *found)
{
	const struct nlattr *value;
	mnl_attr_for_each_nested (value, key) {
		size_t size = mnl_attr_get_payload_len(value);
		if (mnl_attr_get_type(value) != NFTA_DATA_VALUE || size > sizeof(found->key))
			continue;
		memcpy(found->key, mnl_attr_get_payload(value), size);
		found->key_size = size;
	}
}

static void take_comment(const struct nlattr *data, struct firewall_found *found)
{
	const char *bytes = mnl_attr_get_payload(data);
	int size = mnl_attr_get_payload_len(data);
	if (size > 2 && bytes[0] == 0)
		snprintf(found->comment, sizeof(found->comment), "%.*s", size - 2, bytes + 2);
}

static struct firewall_found parse(const struct nlattr *element)
{
	struct firewall_found found = {0};
	const struct nlattr *part;
	mnl_attr_for_each_nested (part, element) {
		switch (mnl_attr_get_type(part)) {
		case NFTA_SET_ELEM_KEY:
			take_key(part, &found);
			break;
		case NFTA_SET_ELEM_DATA:
			take_verdict(part, &found);
			break;
		case NFTA_SET_ELEM_OBJREF:
			take_name(part, found.object);
			break;
		case NFTA_SET_ELEM_USERDATA:
			take_comment(part, &found);
			break;
		case NFTA_SET_ELEM_FLAGS:
			found.end = ntohl(mnl_attr_get_u32(part)) & NFT_SET_ELEM_INTERVAL_END;
			break;
		}
	}
	return found;
}

struct reading {
	void (*take)(const struct firewall_found *found, void *data);
	void *data;
};

static int take_message(const struct nlmsghdr *message, void *data)
{
	const struct reading *reading = data;
	const struct nlattr *attribute, *element;
	mnl_attr_for_each (attribute, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested (element, attribute) {
			struct firewall_found found = parse(element);
			reading->take(&found, reading->data);
		}
	}
	return 0;
}

int firewall_element_read(struct netlink *netlink, uint8_t family, const char *table,
			  const char *set,
			  void (*take)(const struct firewall_found *found, void *data), void *data,
			  struct error *err)
{
	char buffer[512] __attribute__((aligned(8)));
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	struct reading reading = {take, data};
	header->nfgen_family = family;
	mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_SET, set);
	return netlink_dump(netlink, FIREWALL_TYPE(NFT_MSG_GETSETELEM), header,
			    mnl_nlmsg_get_payload_len(request), NULL, take_message, &reading, err);
}
