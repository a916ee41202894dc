/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. `filters` is what the kernel has, right as of `generation`, the number that
 * every commit of anybody raises. A change compares with it, and its batch carries that number: if
 * somebody committed in between, the kernel refuses (ERESTART), we read again and try again. So a
 * delete never meets an element that is not there, and nobody's change is lost.
 *
 * The table with its rules is text run by libnftables, once, together with the first elements;
 * whatever is damaged is mended by replacing the table in one transaction.
 */
#include "kern/firewall.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <malloc.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "kern/firewall_elements.h"
#include "kern/firewall_guard.h"
#include "kern/firewall_text.h"

#define TYPE(message)	 ((uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | (message)))
#define TRIES		 20
#define TRANSACTION_SIZE 1024 /* elements in a batch: what an ordinary socket's buffer holds */

int firewall_open(struct firewall *firewall, const char *instance, struct error *err)
{
	*firewall = (struct firewall){0};
	snprintf(firewall->table, sizeof(firewall->table), "lanyard_%s", instance);
	return netlink_open(&firewall->netlink, NETLINK_NETFILTER, err);
}

void firewall_close(struct firewall *firewall)
{
	netlink_close(&firewall->netlink);
	object_list_done(&firewall->filters);
	*firewall = (struct firewall){0};
}

static int store_generation(const struct nlmsghdr *message, void *data)
{
	const struct nlattr *attribute;
	if (message->nlmsg_type != TYPE(NFT_MSG_NEWGEN))
		return 0;
	mnl_attr_for_each (attribute, message, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attribute) == NFTA_GEN_ID)
			*(uint32_t *)data = ntohl(mnl_attr_get_u32(attribute));
	return 0;
}

static struct nlmsghdr *add(struct netlink *netlink, uint16_t type, uint16_t flags, uint8_t family,
			    uint16_t resource)
{
	struct nfgenmsg header = {
		.nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(resource)};
	return netlink_add(netlink, type, flags, &header, sizeof(header));
}

static int generation_get(struct firewall *firewall, uint32_t *ret, struct error *err)
{
	*ret = 0;
	add(&firewall->netlink, TYPE(NFT_MSG_GETGEN), 0, AF_UNSPEC, 0);
	int code = netlink_run(&firewall->netlink, store_generation, ret, NULL, err);
	return code < 0 ? error_prefix(err, "nftables (is the kernel module nf_tables there?)") : 0;
}

static int table_exists(struct firewall *firewall, uint8_t family, bool *ret, struct error *err)
{
	struct error reason = {0};
	struct nlmsghdr *message = add(&firewall->netlink, TYPE(NFT_MSG_GETTABLE), 0, family, 0);
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, firewall->table);
	int code = netlink_run(&firewall->netlink, NULL, NULL, NULL, &reason);
	*ret = code == 0;
	return code < 0 && code != -ENOENT ? error_set(err, code, "nftables: %s", reason.text) : 0;
}

struct rules {
	size_t count;
	uint64_t hash;
};

/* A rule that is replaced or added again has a new handle. */
static int rule_count(const struct nlmsghdr *message, void *data)
{
	struct rules *rules = data;
	const struct nlattr *attribute;
	if (message->nlmsg_type != TYPE(NFT_MSG_NEWRULE))
		return 0;
	rules->count++;
	mnl_attr_for_each (attribute, message, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attribute) == NFTA_RULE_HANDLE)
			rules->hash =
				(rules->hash ^ mnl_attr_get_u64(attribute)) * 0x100000001b3ull + 1;
	return 0;
}

static void rules_clear(void *data)
{
	*(struct rules *)data = (struct rules){0};
}

static int rules_read(struct firewall *firewall, uint8_t family, struct rules *ret,
		      struct error *err)
{
	char buffer[256] __attribute__((aligned(8)));
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->nfgen_family = family;
	mnl_attr_put_strz(request, NFTA_RULE_TABLE, firewall->table);
	int code =
		netlink_dump(&firewall->netlink, TYPE(NFT_MSG_GETRULE), header,
			     mnl_nlmsg_get_payload_len(request), rules_clear, rule_count, ret, err);
	return code == -ENOENT ? 0 : code;
}

/* Many rules, but not which: whoever changes one adds or removes it, or has ours in mind. */
static int guard_read(struct firewall *firewall, struct error *err)
{
	struct rules rules = {0};
	firewall->guard_intact = false;
	int code = table_exists(firewall, NFPROTO_BRIDGE, &firewall->guard_exists, err);
	if (code == 0 && firewall->guard_exists)
		code = rules_read(firewall, NFPROTO_BRIDGE, &rules, err);
	firewall->guard_intact = code == 0 && rules.count == firewall_guard_rules();
	return code;
}

static int table_read(struct firewall *firewall, struct error *err)
{
	struct rules rules = {0};
	bool whole = false;
	firewall->filters.count = 0;
	firewall->intact = false;
	int code = guard_read(firewall, err);
	if (code == 0)
		code = table_exists(firewall, NFPROTO_INET, &firewall->exists, err);
	if (code < 0 || !firewall->exists)
		return code;
	code = rules_read(firewall, NFPROTO_INET, &rules, err);
	if (code == 0)
		code = firewall_elements_dump(&firewall->netlink, firewall->table,
					      &firewall->filters, &whole, err);
	firewall->intact = code == 0 && whole && rules.count == firewall_text_rules() &&
			   (firewall->rules == 0 || firewall->rules == rules.hash);
	if (firewall->intact)
		firewall->rules = rules.hash;
	return code;
}

/* Makes the list right, at the price of one small request when nobody committed anything. */
static int refresh(struct firewall *firewall, struct error *err)
{
	uint32_t before, after;
	for (int i = 0; i < TRIES; i++) {
		int code = generation_get(firewall, &before, err);
		if (code < 0)
			return code;
		if (before == firewall->generation && before != 0)
			return 0;
		firewall->generation = 0;
		code = table_read(firewall, err);
		if (code == 0)
			code = generation_get(firewall, &after, err);
		if (code < 0)
			return code;
		if (before == after) {
			firewall->generation = after;
			return 0;
		}
	}
	return error_set(err, EAGAIN, "nftables: the ruleset changes faster than it can be read");
}

bool firewall_is_current(const struct firewall *firewall, uint32_t generation)
{
	/* an earlier one was ours or has been read since; the number wraps */
	return firewall->generation != 0 && (int32_t)(generation - firewall->generation) <= 0;
}

static bool is_guarded(const struct object *filter)
{
	return filter->filter.mode == NETWORK_BRIDGED;
}

int firewall_dump(struct firewall *firewall, struct object_list *ret, struct error *err)
{
	int code = refresh(firewall, err);
	if (code < 0)
		return code;
	const struct object_list *list = &firewall->filters;
	for (size_t i = 0; i < list->count && firewall->intact; i++)
		if (firewall->guard_intact || !is_guarded(&list->items[i]))
			object_list_add(ret, OBJECT_FILTER, list->items[i].network)->filter =
				list->items[i].filter;
	return 0;
}

static struct object *filter_find(const struct object_list *list, const char *ifname)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].filter.ifname, ifname) == 0)
			return &list->items[i];
	return NULL;
}

static void filter_drop(struct object_list *list, struct object *object)
{
	*object = list->items[--list->count];
}

static void list_copy(struct object_list *to, const struct object_list *from)
{
	to->count = 0;
	for (size_t i = 0; i < from->count; i++)
		object_list_add(to, OBJECT_FILTER, from->items[i].network)->filter =
			from->items[i].filter;
}

static int check(const struct firewall_change *change, struct error *err)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	const struct object_filter *filter = &change->filter->filter;
	size_t length = strnlen(filter->ifname, sizeof(filter->ifname));
	/* the name gets into the text of rules */
	if (length == 0 || length == sizeof(filter->ifname) ||
	    strspn(filter->ifname, allowed) != length)
		return error_set(err, EINVAL, "filter: '%.15s' cannot be a network's interface",
				 filter->ifname);
	if (filter->mode >= FILTER_MODES)
		return error_set(err, EINVAL, "filter on %s: mode %u", filter->ifname,
				 filter->mode);
	return 0;
}

/* Brings list to what it is after the change. */
static int change_one(struct object_list *list, const struct firewall_change *change,
		      struct error *err)
{
	const struct object *filter = change->filter;
	struct object *old = filter_find(list, filter->filter.ifname);
	if (!old && change->verb == FIREWALL_REMOVE)
		return error_set(err, ENOENT, "filter on %s: it is not there",
				 filter->filter.ifname);
	if (old)
		filter_drop(list, old);
	if (change->verb == FIREWALL_ADD)
		object_list_add(list, OBJECT_FILTER, filter->network)->filter = filter->filter;
	return 0;
}

/* At most. */
static size_t count_elements(const struct object_filter *filter)
{
	size_t count = 4;
	for (size_t i = 0; i < NETWORK_PEERS && filter->peers[i][0]; i++)
		count += 2;
	for (size_t i = 0; i < FILTER_PREFIXES && ip_is_set(&filter->nat[i]); i++)
		count += 2;
	return count;
}

/* How many of the changes fit into a transaction, each with what it replaces. */
static size_t count_fitting(const struct firewall *firewall, const struct firewall_change *changes,
			    size_t count)
{
	size_t elements = 0, n = 0;
	for (; n < count; n++) {
		const struct object_filter *filter = &changes[n].filter->filter;
		const struct object *old = filter_find(&firewall->filters, filter->ifname);
		elements += count_elements(filter) + (old ? count_elements(&old->filter) : 0);
		if (elements > TRANSACTION_SIZE)
			break;
	}
	return n;
}

/* All that goes before all that comes: an element may move from one network to another. */
static void put_all(struct firewall *firewall, const struct firewall_change *changes, size_t count)
{
	struct object_list *list = &firewall->filters;
	for (size_t i = 0; i < count; i++) {
		const struct object *old = filter_find(list, changes[i].filter->filter.ifname);
		if (old)
			firewall_elements_put(&firewall->netlink, firewall->table, old, false);
		change_one(list, &changes[i], NULL);
	}
	for (size_t i = 0; i < count; i++)
		if (changes[i].verb == FIREWALL_ADD)
			firewall_elements_put(&firewall->netlink, firewall->table,
					      changes[i].filter, true);
}

static void batch_begin(struct firewall *firewall)
{
	struct nlmsghdr *message =
		add(&firewall->netlink, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	mnl_attr_put_u32(message, NFNL_BATCH_GENID, htonl(firewall->generation));
}

/* On success the generation is known again, unless the kernel did not tell it: then it is read
 * anew. */
static int batch_run(struct firewall *firewall, struct error *err)
{
	uint32_t generation = 0;
	add(&firewall->netlink, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	/* the flags of the first request of the batch decide whether the announcement of the new
	 * generation comes to us too (nf_tables_gen_notify) */
	struct nlmsghdr *begin = (void *)firewall->netlink.buffer;
	struct nlmsghdr *first = (void *)(firewall->netlink.buffer + MNL_ALIGN(begin->nlmsg_len));
	first->nlmsg_flags |= NLM_F_ECHO;
	int code = netlink_run(&firewall->netlink, store_generation, &generation, NULL, err);
	firewall->generation = code < 0 ? 0 : generation;
	return code < 0 ? error_prefix(err, "nftables table %s", firewall->table) : 0;
}

int firewall_run_text(const char *text, struct error *err)
{
	struct nft_ctx *context = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!context)
		return error_set(err, ENOMEM, "libnftables");
	nft_ctx_buffer_error(context);
	nft_ctx_buffer_output(context);
	int code = 0;
	if (nft_run_cmd_from_buffer(context, text) != 0) {
		/* the first line says it, the rest shows the place in the text */
		const char *reason = nft_ctx_get_error_buffer(context);
		code = error_set(err, EIO, "nftables: %.*s", (int)strcspn(reason, "\n"), reason);
	}
	nft_ctx_free(context);
	malloc_trim(0); /* a megabyte that is not needed again */
	return code;
}

/* The whole table with these networks, whatever was there before. */
static int table_replace(struct firewall *firewall, const struct object_list *filters,
			 struct error *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *base = firewall_text_base(firewall->table, firewall->exists);
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return error_errno(err, errno, "nftables text");
	fputs(base, out);
	for (size_t i = 0; i < filters->count; i++) {
		AUTO_FREE char *elements =
			firewall_text_elements(firewall->table, &filters->items[i]);
		fputs(elements, out);
	}
	fclose(out);
	int code = firewall_run_text(text, err);
	firewall->generation = 0;
	firewall->rules = 0;
	return code < 0 ? code : refresh(firewall, err);
}

static int guard_delete(struct firewall *firewall, struct error *err)
{
	batch_begin(firewall);
	struct nlmsghdr *message =
		add(&firewall->netlink, TYPE(NFT_MSG_DELTABLE), 0, NFPROTO_BRIDGE, 0);
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, firewall->table);
	int code = batch_run(firewall, err);
	if (code == 0)
		firewall->guard_exists = firewall->guard_intact = false;
	return code;
}

/* As the list asks for it: there, or not. */
static int guard_apply(struct firewall *firewall, const struct object_list *filters,
		       struct error *err)
{
	bool wanted = false;
	for (size_t i = 0; i < filters->count; i++)
		wanted |= is_guarded(&filters->items[i]);
	if (!wanted)
		return firewall->guard_exists ? guard_delete(firewall, err) : 0;
	if (firewall->guard_intact)
		return 0;
	AUTO_FREE char *text = firewall_guard_text(firewall->table, firewall->guard_exists);
	int code = firewall_run_text(text, err);
	firewall->generation = 0;
	return code < 0 ? code : refresh(firewall, err);
}

static int table_delete(struct firewall *firewall, struct error *err)
{
	batch_begin(firewall);
	struct nlmsghdr *message =
		add(&firewall->netlink, TYPE(NFT_MSG_DELTABLE), 0, NFPROTO_INET, 0);
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, firewall->table);
	int code = batch_run(firewall, err);
	if (code == 0) {
		firewall->exists = firewall->intact = false;
		firewall->rules = 0;
	}
	return code;
}

static int elements_apply(struct firewall *firewall, const struct firewall_change *changes,
			  size_t count, struct error *err)
{
	int code = 0;
	for (size_t done = 0; done < count && code == 0;) {
		size_t n = count_fitting(firewall, changes + done, count - done);
		batch_begin(firewall);
		put_all(firewall, changes + done, n);
		done += n;
		code = batch_run(firewall, err);
		if (code == 0 && done < count)
			code = refresh(firewall, err);
	}
	return code;
}

static int apply_once(struct firewall *firewall, const struct firewall_change *changes,
		      size_t count, struct error *err)
{
	struct object_list after = {0};
	int code = refresh(firewall, err);
	if (code < 0)
		return code;
	list_copy(&after, &firewall->filters);
	for (size_t i = 0; i < count && code == 0; i++)
		code = change_one(&after, &changes[i], err);
	if (code == 0 && after.count == 0)
		code = firewall->exists ? table_delete(firewall, err) : 0;
	else if (code == 0 && !firewall->intact)
		code = table_replace(firewall, &after, err);
	else if (code == 0)
		code = elements_apply(firewall, changes, count, err);
	if (code == 0 && after.count == 0)
		firewall->filters.count = 0;
	if (code == 0)
		code = guard_apply(firewall, &after, err);
	object_list_done(&after);
	return code;
}

int firewall_apply(struct firewall *firewall, const struct firewall_change *changes, size_t count,
		   struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		int code = check(&changes[i], err);
		if (code < 0)
			return code;
	}
	struct error reason = {0};
	for (int i = 0; i < TRIES; i++) {
		int code = apply_once(firewall, changes, count, &reason);
		if (code == 0)
			return 0;
		if (code != -ENOENT)
			firewall->generation = 0; /* the list may be ahead of the kernel */
		if (code != -ERESTART)
			return error_set(err, code, "%s", reason.text);
	}
	return error_set(err, EAGAIN, "nftables: somebody else changes the ruleset all the time");
}
