/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kern/firewall_elements.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "kern/firewall_element.h"
#include "kern/firewall_text.h"

static void put(struct netlink *netlink, const char *table, bool add,
		const struct firewall_element *element)
{
	firewall_element_put(netlink, NFPROTO_INET, table, add, element);
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
	char comment[FIREWALL_COMMENT_SIZE];
	snprintf(comment, sizeof(comment), "%s/%u", ifname, prefix->length);
	put(netlink, table, add,
	    &(struct firewall_element){
		    .set = set, .key = first.bytes, .key_size = size, .comment = comment});
	size_t i = size;
	while (i > 0 && ++after.bytes[i - 1] == 0)
		i--;
	if (i > 0) /* else it goes to the end of the address space */
		put(netlink, table, add,
		    &(struct firewall_element){
			    .set = set, .key = after.bytes, .key_size = size, .end = true});
}

/* Both directions; the comment says whose it is. */
static void put_peer(struct netlink *netlink, const char *table, bool add, const char *ifname,
		     const char *peer)
{
	char keys[3 * IFNAMSIZ] = {0};
	struct firewall_element element = {
		.set = "same", .key_size = 2 * IFNAMSIZ, .comment = ifname};
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
	char key[2 * IFNAMSIZ] = {0}, comment[FIREWALL_COMMENT_SIZE];
	memcpy(key, filter->ifname, IFNAMSIZ);
	key[IFNAMSIZ - 1] = '\0';
	memcpy(key + IFNAMSIZ, key, IFNAMSIZ);
	if (mode->ours) {
		put(netlink, table, add,
		    &(struct firewall_element){.set = "ours", .key = key, .key_size = IFNAMSIZ});
		put(netlink, table, add,
		    &(struct firewall_element){
			    .set = "same", .key = key, .key_size = 2 * IFNAMSIZ});
	}
	for (size_t i = 0; i < NETWORK_PEERS; i++)
		put_peer(netlink, table, add, key, filter->peers[i]);
	for (size_t i = 0; i < FILTER_PREFIXES; i++)
		put_prefix(netlink, table, add, &filter->nat[i], key);
	snprintf(comment, sizeof(comment), "network %u", object->network);
	struct firewall_element from = {.set = "from",
					.key = key,
					.key_size = IFNAMSIZ,
					.chain = mode->from,
					.verdict = verdict,
					.comment = comment};
	struct firewall_element to = {.set = "to",
				      .key = key,
				      .key_size = IFNAMSIZ,
				      .chain = mode->to,
				      .verdict = verdict};
	put(netlink, table, add, &from);
	put(netlink, table, add, &to);
}

struct reading {
	struct object_list *list;
	size_t first; /* where ours begin in the list */
	int family;   /* of nat4 and nat6 */
	size_t count; /* of elements of this set */
	size_t peers; /* of which so many join two networks */
	bool whole;
	void (*take)(struct reading *reading, const struct firewall_found *found);
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
static void take_from(struct reading *reading, const struct firewall_found *found)
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

static void take_to(struct reading *reading, const struct firewall_found *found)
{
	struct object *object = find(reading, (const char *)found->key);
	if (object && strcmp(firewall_modes[object->filter.mode].to, found->chain) != 0)
		reading->whole = false;
}

static void take_ours(struct reading *reading, const struct firewall_found *found)
{
	struct object *object = find(reading, (const char *)found->key);
	if (object && !firewall_modes[object->filter.mode].ours)
		reading->whole = false;
}

static void take_peer(struct reading *reading, const struct firewall_found *found)
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
static void take_same(struct reading *reading, const struct firewall_found *found)
{
	if (memcmp(found->key, found->key + IFNAMSIZ, IFNAMSIZ) == 0)
		take_ours(reading, found);
	else
		take_peer(reading, found);
}

static void take_prefix(struct reading *reading, const struct firewall_found *found)
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

static void take_one(const struct firewall_found *found, void *data)
{
	struct reading *reading = data;
	reading->count++;
	reading->take(reading, found);
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
		void (*take)(struct reading *reading, const struct firewall_found *found);
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
		reading.count = 0;
		int code = firewall_element_read(netlink, NFPROTO_INET, table, sets[i].set,
						 take_one, &reading, err);
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
