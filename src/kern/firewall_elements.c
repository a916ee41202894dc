/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NFT_MSG_NEWSETELEM and its brothers (linux/netfilter/nf_tables.h). Numbers are big endian. */
#include "kern/firewall_elements.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "kern/firewall_text.h"
#include "kern/netlink.h"

#define COMMENT_SIZE  48
#define TYPE(message) ((uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | (message)))

struct element {
	const char *set;
	const void *key;
	size_t key_size;
	bool end; /* the first address after an interval */
	const char *chain;
	int32_t verdict;
	const char *comment;
};

/* User data as nft(8) shows it: type 0 (comment), length, text with its NUL. */
static void put_comment(struct nlmsghdr *message, const char *comment)
{
	char data[COMMENT_SIZE + 2];
	int length = snprintf(data + 2, COMMENT_SIZE, "%s", comment);
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

static void put(struct netlink *netlink, const char *table, bool add, const struct element *element)
{
	struct nfgenmsg header = {.nfgen_family = NFPROTO_INET};
	struct nlmsghdr *message =
		netlink_add(netlink, TYPE(add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM),
			    add ? NLM_F_CREATE | NLM_F_EXCL : 0, &header, sizeof(header));
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
	if (element->comment && add)
		put_comment(message, element->comment);
	mnl_attr_nest_end(message, one);
	mnl_attr_nest_end(message, list);
}

/* An interval is two elements: its first address, and the first one after it. */
static void put_prefix(struct netlink *netlink, const char *table, bool add,
		       const struct ip *prefix, const char *ifname)
{
	const char *set = prefix->family == AF_INET ? "nat4" : "nat6";
	if (!ip_is_set(prefix))
		return;
	struct ip first = ip_network(prefix), after = ip_last(prefix);
	size_t size = prefix->family == AF_INET ? 4 : 16;
	char comment[COMMENT_SIZE];
	snprintf(comment, sizeof(comment), "%s/%u", ifname, prefix->length);
	put(netlink, table, add,
	    &(struct element){
		    .set = set, .key = first.bytes, .key_size = size, .comment = comment});
	size_t i = size;
	while (i > 0 && ++after.bytes[i - 1] == 0)
		i--;
	if (i > 0) /* else it goes to the end of the address space */
		put(netlink, table, add,
		    &(struct element){
			    .set = set, .key = after.bytes, .key_size = size, .end = true});
}

/* Both directions; the comment says whose it is. */
static void put_peer(struct netlink *netlink, const char *table, bool add, const char *ifname,
		     const char *peer)
{
	char keys[3 * IFNAMSIZ] = {0};
	struct element element = {.set = "same", .key_size = 2 * IFNAMSIZ, .comment = ifname};
	if (!peer[0])
		return;
	snprintf(keys, IFNAMSIZ, "%s", ifname);
	snprintf(keys + IFNAMSIZ, IFNAMSIZ, "%s", peer);
	snprintf(keys + 2 * IFNAMSIZ, IFNAMSIZ, "%s", ifname);
	element.key = keys;
	put(netlink, table, add, &element);
	element.key = keys + IFNAMSIZ;
	put(netlink, table, add, &element);
}

void firewall_elements_put(struct netlink *netlink, const char *table, const struct object *object,
			   bool add)
{
	const struct object_filter *filter = &object->filter;
	const struct firewall_mode *mode = &firewall_modes[filter->mode];
	int32_t verdict = mode->jumps ? NFT_JUMP : NFT_GOTO;
	char key[2 * IFNAMSIZ] = {0}, comment[COMMENT_SIZE];
	memcpy(key, filter->ifname, IFNAMSIZ);
	key[IFNAMSIZ - 1] = '\0';
	memcpy(key + IFNAMSIZ, key, IFNAMSIZ);
	if (mode->ours) {
		put(netlink, table, add,
		    &(struct element){.set = "ours", .key = key, .key_size = IFNAMSIZ});
		put(netlink, table, add,
		    &(struct element){.set = "same", .key = key, .key_size = 2 * IFNAMSIZ});
	}
	for (size_t i = 0; i < NETWORK_PEERS; i++)
		put_peer(netlink, table, add, key, filter->peers[i]);
	for (size_t i = 0; i < FILTER_PREFIXES; i++)
		put_prefix(netlink, table, add, &filter->nat[i], key);
	snprintf(comment, sizeof(comment), "network %u", object->network);
	struct element from = {.set = "from",
			       .key = key,
			       .key_size = IFNAMSIZ,
			       .chain = mode->from,
			       .verdict = verdict,
			       .comment = comment};
	struct element to = {.set = "to",
			     .key = key,
			     .key_size = IFNAMSIZ,
			     .chain = mode->to,
			     .verdict = verdict};
	put(netlink, table, add, &from);
	put(netlink, table, add, &to);
}

/* What the kernel says about one element. */
struct found {
	uint8_t key[2 * IFNAMSIZ];
	size_t key_size;
	bool end;
	char chain[32];
	char comment[COMMENT_SIZE];
};

static void found_verdict(const struct nlattr *data, struct found *found)
{
	const struct nlattr *verdict, *part;
	mnl_attr_for_each_nested (verdict, data) {
		if (mnl_attr_get_type(verdict) != NFTA_DATA_VERDICT)
			continue;
		mnl_attr_for_each_nested (part, verdict)
			if (mnl_attr_get_type(part) == NFTA_VERDICT_CHAIN)
				snprintf(found->chain, sizeof(found->chain), "%.*s",
					 (int)mnl_attr_get_payload_len(part),
					 (char *)mnl_attr_get_payload(part));
	}
}

static void found_key(const struct nlattr *key, struct found *found)
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

static void found_comment(const struct nlattr *data, struct found *found)
{
	const char *bytes = mnl_attr_get_payload(data);
	int size = mnl_attr_get_payload_len(data);
	if (size > 2 && bytes[0] == 0)
		snprintf(found->comment, sizeof(found->comment), "%.*s", size - 2, bytes + 2);
}

static struct found found_parse(const struct nlattr *element)
{
	struct found found = {0};
	const struct nlattr *part;
	mnl_attr_for_each_nested (part, element) {
		switch (mnl_attr_get_type(part)) {
		case NFTA_SET_ELEM_KEY:
			found_key(part, &found);
			break;
		case NFTA_SET_ELEM_DATA:
			found_verdict(part, &found);
			break;
		case NFTA_SET_ELEM_USERDATA:
			found_comment(part, &found);
			break;
		case NFTA_SET_ELEM_FLAGS:
			found.end = ntohl(mnl_attr_get_u32(part)) & NFT_SET_ELEM_INTERVAL_END;
			break;
		}
	}
	return found;
}

struct reading {
	struct object_list *list;
	size_t first; /* where ours begin in the list */
	int family;   /* of nat4 and nat6 */
	size_t count; /* of elements of this set */
	size_t peers; /* of which so many join two networks */
	bool whole;
	void (*take)(struct reading *reading, const struct found *found);
};

static struct object *find(struct reading *reading, const char *ifname)
{
	for (size_t i = reading->first; i < reading->list->count; i++)
		if (strcmp(reading->list->items[i].filter.ifname, ifname) == 0)
			return &reading->list->items[i];
	reading->whole = false;
	return NULL;
}

/* "from" is read first: it names the networks. */
static void take_from(struct reading *reading, const struct found *found)
{
	unsigned network = 0;
	uint8_t mode = 0;
	while (mode < FILTER_MODES && strcmp(firewall_modes[mode].from, found->chain) != 0)
		mode++;
	if (mode == FILTER_MODES || sscanf(found->comment, "network %u", &network) != 1) {
		reading->whole = false;
		return;
	}
	struct object_filter *filter =
		&object_list_add(reading->list, OBJECT_FILTER, network)->filter;
	memcpy(filter->ifname, found->key, IFNAMSIZ - 1);
	filter->mode = mode;
}

static void take_to(struct reading *reading, const struct found *found)
{
	struct object *object = find(reading, (const char *)found->key);
	if (object && strcmp(firewall_modes[object->filter.mode].to, found->chain) != 0)
		reading->whole = false;
}

static void take_ours(struct reading *reading, const struct found *found)
{
	struct object *object = find(reading, (const char *)found->key);
	if (object && !firewall_modes[object->filter.mode].ours)
		reading->whole = false;
}

static void take_peer(struct reading *reading, const struct found *found)
{
	char first[IFNAMSIZ] = "", second[IFNAMSIZ] = "";
	memcpy(first, found->key, IFNAMSIZ - 1);
	memcpy(second, found->key + IFNAMSIZ, IFNAMSIZ - 1);
	struct object *owner = find(reading, found->comment);
	size_t n = 0;
	while (owner && n < NETWORK_PEERS && owner->filter.peers[n][0])
		n++;
	reading->peers++;
	if (!owner || n == NETWORK_PEERS)
		reading->whole = false;
	else if (strcmp(first, found->comment) == 0)
		memcpy(owner->filter.peers[n], second, IFNAMSIZ);
	else if (strcmp(second, found->comment) != 0)
		reading->whole = false;
}

/* A network and itself, or two peers. */
static void take_same(struct reading *reading, const struct found *found)
{
	if (memcmp(found->key, found->key + IFNAMSIZ, IFNAMSIZ) == 0)
		take_ours(reading, found);
	else
		take_peer(reading, found);
}

static void take_prefix(struct reading *reading, const struct found *found)
{
	char ifname[IFNAMSIZ] = "";
	unsigned length = 0;
	if (found->end)
		return;
	struct object *object = NULL;
	if (sscanf(found->comment, "%15[^/]/%u", ifname, &length) == 2)
		object = find(reading, ifname);
	if (!object || length > 128) {
		reading->whole = false;
		return;
	}
	struct ip *ip = object->filter.nat;
	while (ip < object->filter.nat + FILTER_PREFIXES - 1 && ip_is_set(ip))
		ip++;
	if (ip_is_set(ip))
		reading->whole = false;
	*ip = (struct ip){.family = (uint16_t)reading->family, .length = (uint8_t)length};
	memcpy(ip->bytes, found->key, reading->family == AF_INET ? 4 : 16);
}

static int take_message(const struct nlmsghdr *message, void *data)
{
	struct reading *reading = data;
	const struct nlattr *attribute, *element;
	mnl_attr_for_each (attribute, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested (element, attribute) {
			struct found found = found_parse(element);
			reading->count++;
			reading->take(reading, &found);
		}
	}
	return 0;
}

static int read_set(struct netlink *netlink, const char *table, const char *set,
		    struct reading *reading, struct error *err)
{
	char buffer[512] __attribute__((aligned(8)));
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->nfgen_family = NFPROTO_INET;
	mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_SET, set);
	reading->count = 0;
	return netlink_dump(netlink, TYPE(NFT_MSG_GETSETELEM), header,
			    mnl_nlmsg_get_payload_len(request), NULL, take_message, reading, err);
}

static int by_prefix(const void *a, const void *b)
{
	return ip_compare(a, b);
}

static int by_text(const void *a, const void *b)
{
	return strncmp(a, b, IFNAMSIZ);
}

/* Sets have no order, objects have one. Returns the number of peers. */
static size_t sort(struct object_filter *filter)
{
	size_t prefixes = 0, peers = 0;
	while (prefixes < FILTER_PREFIXES && ip_is_set(&filter->nat[prefixes]))
		prefixes++;
	while (peers < NETWORK_PEERS && filter->peers[peers][0])
		peers++;
	qsort(filter->nat, prefixes, sizeof(filter->nat[0]), by_prefix);
	qsort(filter->peers, peers, IFNAMSIZ, by_text);
	return peers;
}

int firewall_elements_dump(struct netlink *netlink, const char *table, struct object_list *ret,
			   bool *ret_whole, struct error *err)
{
	static const struct {
		const char *set;
		int family;
		void (*take)(struct reading *reading, const struct found *found);
	} sets[] = {
		{"from", 0, take_from},		{"to", 0, take_to},
		{"ours", 0, take_ours},		{"same", 0, take_same},
		{"nat4", AF_INET, take_prefix}, {"nat6", AF_INET6, take_prefix},
	};
	struct reading reading = {.list = ret, .first = ret->count, .whole = true};
	size_t counts[4] = {0}, ours = 0, peers = 0;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		reading.family = sets[i].family;
		reading.take = sets[i].take;
		int code = read_set(netlink, table, sets[i].set, &reading, err);
		if (code == -ENOENT) {
			reading.whole = false;
			continue;
		}
		if (code < 0)
			return error_prefix(err, "nftables set %s", sets[i].set);
		if (i < 4)
			counts[i] = reading.count;
	}
	for (size_t i = reading.first; i < ret->count; i++) {
		ours += firewall_modes[ret->items[i].filter.mode].ours;
		peers += sort(&ret->items[i].filter);
	}
	*ret_whole = reading.whole && counts[0] == counts[1] && counts[2] == ours &&
		     counts[3] == ours + reading.peers && reading.peers == 2 * peers;
	return 0;
}
