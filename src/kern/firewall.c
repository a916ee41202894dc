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
#include "base/text.h"
#include "kern/firewall_elements.h"
#include "kern/firewall_guard.h"
#include "kern/firewall_rate.h"
#include "kern/firewall_table.h"
#include "kern/firewall_text.h"

#define TRIES		 20
#define TRANSACTION_SIZE 1024 /* elements in a batch: what an ordinary socket's buffer holds */
#define RATES_AT_ONCE	 (TRANSACTION_SIZE / 8) /* each up to four that go, four that come */

int firewall_open(struct firewall *firewall, const char *instance, struct error *err)
{
	*firewall = (struct firewall){0};
	snprintf(firewall->table, sizeof(firewall->table), "lanyard_%s", instance);
	snprintf(firewall->rate_table, sizeof(firewall->rate_table), "lanyard-rate_%s", instance);
	return netlink_open(&firewall->netlink, NETLINK_NETFILTER, err);
}

void firewall_close(struct firewall *firewall)
{
	netlink_close(&firewall->netlink);
	object_list_done(&firewall->filters);
	object_list_done(&firewall->rates);
	*firewall = (struct firewall){0};
}

/* Many rules, but not which: whoever changes one adds or removes it, or has ours in mind. */
static int bridge_read(struct firewall *firewall, const char *table, size_t rules, bool *ret_exists,
		       bool *ret_intact, struct error *err)
{
	struct firewall_rules found = {0};
	*ret_intact = false;
	int code =
		firewall_table_exists(&firewall->netlink, NFPROTO_BRIDGE, table, ret_exists, err);
	if (code == 0 && *ret_exists)
		code = firewall_table_rules(&firewall->netlink, NFPROTO_BRIDGE, table, &found, err);
	*ret_intact = code == 0 && found.count == rules;
	return code;
}

static int rates_read(struct firewall *firewall, struct error *err)
{
	bool whole = false;
	firewall->rates.count = 0;
	int code = bridge_read(firewall, firewall->rate_table, firewall_rate_rules(),
			       &firewall->rates_exist, &firewall->rates_intact, err);
	if (code < 0 || !firewall->rates_intact)
		return code;
	code = firewall_rate_dump(&firewall->netlink, firewall->rate_table, &firewall->rates,
				  &whole, err);
	firewall->rates_intact = code == 0 && whole;
	if (!firewall->rates_intact)
		firewall->rates.count = 0;
	return code;
}

static int table_read(struct firewall *firewall, struct error *err)
{
	struct firewall_rules rules = {0};
	bool whole = false;
	firewall->filters.count = 0;
	firewall->intact = false;
	int code = bridge_read(firewall, firewall->table, firewall_guard_rules(),
			       &firewall->guard_exists, &firewall->guard_intact, err);
	if (code == 0)
		code = rates_read(firewall, err);
	if (code == 0)
		code = firewall_table_exists(&firewall->netlink, NFPROTO_INET, firewall->table,
					     &firewall->exists, err);
	if (code < 0 || !firewall->exists)
		return code;
	code = firewall_table_rules(&firewall->netlink, NFPROTO_INET, firewall->table, &rules, err);
	if (code == 0)
		code = firewall_elements_dump(&firewall->netlink, firewall->table,
					      &firewall->filters, &whole, err);
	firewall->intact = code == 0 && whole && rules.count == firewall_text_rules() &&
			   (firewall->rules == 0 || firewall->rules == rules.hash);
	if (firewall->intact)
		firewall->rules = rules.hash;
	return code;
}

/* Reads it again; remembers what went missing meanwhile. */
static int table_look(struct firewall *firewall, struct error *err)
{
	bool intact = firewall->intact, guard_intact = firewall->guard_intact,
	     rates_intact = firewall->rates_intact;
	firewall->met_others |= firewall->generation != 0;
	firewall->generation = 0;
	int code = table_read(firewall, err);
	firewall->met_loss |= (intact && !firewall->intact) ||
			      (guard_intact && !firewall->guard_intact) ||
			      (rates_intact && !firewall->rates_intact);
	return code;
}

/* Makes the list right, at the price of one small request when nobody committed anything. */
static int refresh(struct firewall *firewall, struct error *err)
{
	uint32_t before, after;
	for (int i = 0; i < TRIES; i++) {
		int code = firewall_table_generation(&firewall->netlink, &before, err);
		if (code < 0)
			return code;
		if (before == firewall->generation && before != 0)
			return 0;
		code = table_look(firewall, err);
		if (code == 0)
			code = firewall_table_generation(&firewall->netlink, &after, err);
		if (code < 0)
			return code;
		if (before == after) {
			firewall->generation = after;
			return 0;
		}
	}
	return error_set(err, EAGAIN, "nftables: the ruleset changes faster than it can be read");
}

static void list_append(struct object_list *to, const struct object_list *from)
{
	for (size_t i = 0; i < from->count; i++)
		*object_list_add(to, from->items[i].kind, 0) = from->items[i];
}

void firewall_known(const struct firewall *firewall, enum object_kind kind, struct object_list *ret)
{
	list_append(ret, kind == OBJECT_RATE ? &firewall->rates : &firewall->filters);
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
	firewall_known(firewall, OBJECT_RATE, ret);
	firewall->met_others = firewall->met_loss = false;
	return 0;
}

/* Both kinds begin with their key. */
static const char *key_of(const struct object *object)
{
	return object->kind == OBJECT_RATE ? object->rate.ifname : object->filter.ifname;
}

static struct object *find(const struct object_list *list, const struct object *key)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(key_of(&list->items[i]), key_of(key)) == 0)
			return &list->items[i];
	return NULL;
}

static void drop(struct object_list *list, struct object *object)
{
	*object = list->items[--list->count];
}

static void list_copy(struct object_list *to, const struct object_list *from)
{
	to->count = 0;
	list_append(to, from);
}

static int check(const struct firewall_change *change, struct error *err)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	const struct object *object = change->object;
	const char *what = object_types[object->kind].name, *ifname = key_of(object);
	size_t length = strnlen(ifname, IFNAMSIZ);
	/* the name gets into the text of rules, and into names of objects */
	if (length == 0 || length == IFNAMSIZ || strspn(ifname, allowed) != length)
		return error_set(err, EINVAL, "%s: '%.15s' cannot be an interface of ours", what,
				 ifname);
	if (object->kind == OBJECT_FILTER && object->filter.mode >= FILTER_MODES)
		return error_set(err, EINVAL, "filter on %s: mode %u", ifname, object->filter.mode);
	return 0;
}

/* Brings list to what it is after the change. */
static int change_one(struct object_list *list, const struct firewall_change *change,
		      struct error *err)
{
	const struct object *object = change->object;
	struct object *old = find(list, object);
	if (!old && change->verb == FIREWALL_REMOVE)
		return error_set(err, ENOENT, "%s on %s: it is not there",
				 object_types[object->kind].name, key_of(object));
	if (old)
		drop(list, old);
	if (change->verb == FIREWALL_ADD)
		*object_list_add(list, OBJECT_FILTER, 0) = *object;
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
		const struct object *old = find(&firewall->filters, changes[n].object);
		elements += count_elements(&changes[n].object->filter) +
			    (old ? count_elements(&old->filter) : 0);
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
		const struct object *old = find(list, changes[i].object);
		if (old)
			firewall_elements_put(&firewall->netlink, firewall->table, old, false);
		change_one(list, &changes[i], NULL);
	}
	for (size_t i = 0; i < count; i++)
		if (changes[i].verb == FIREWALL_ADD)
			firewall_elements_put(&firewall->netlink, firewall->table,
					      changes[i].object, true);
}

static void batch_begin(struct firewall *firewall)
{
	struct nlmsghdr *message = firewall_table_message(&firewall->netlink, NFNL_MSG_BATCH_BEGIN,
							  0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	mnl_attr_put_u32(message, NFNL_BATCH_GENID, htonl(firewall->generation));
}

/* On success the generation is known again, unless the kernel did not tell it: then it is read
 * anew. */
static int batch_run(struct firewall *firewall, struct error *err)
{
	uint32_t generation = 0;
	firewall_table_message(&firewall->netlink, NFNL_MSG_BATCH_END, 0, AF_UNSPEC,
			       NFNL_SUBSYS_NFTABLES);
	/* the flags of the first request of the batch decide whether the announcement of the new
	 * generation comes to us too (nf_tables_gen_notify) */
	struct nlmsghdr *begin = (void *)firewall->netlink.buffer;
	struct nlmsghdr *first = (void *)(firewall->netlink.buffer + MNL_ALIGN(begin->nlmsg_len));
	first->nlmsg_flags |= NLM_F_ECHO;
	int code = netlink_run(&firewall->netlink, firewall_table_take_generation, &generation,
			       NULL, err);
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
	AUTO_FREE char *base = firewall_text_base(firewall->table, firewall->exists);
	struct text text;
	text_begin(&text);
	fputs(base, text.out);
	for (size_t i = 0; i < filters->count; i++) {
		AUTO_FREE char *elements =
			firewall_text_elements(firewall->table, &filters->items[i]);
		fputs(elements, text.out);
	}
	AUTO_FREE char *rules = text_end(&text);
	int code = firewall_run_text(rules, err);
	firewall->generation = 0;
	firewall->rules = 0;
	return code < 0 ? code : refresh(firewall, err);
}

static int remove_table(struct firewall *firewall, uint8_t family, const char *table,
			struct error *err)
{
	batch_begin(firewall);
	struct nlmsghdr *message = firewall_table_message(
		&firewall->netlink, FIREWALL_TYPE(NFT_MSG_DELTABLE), 0, family, 0);
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, table);
	return batch_run(firewall, err);
}

static int guard_delete(struct firewall *firewall, struct error *err)
{
	int code = remove_table(firewall, NFPROTO_BRIDGE, firewall->table, err);
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
	int code = remove_table(firewall, NFPROTO_INET, firewall->table, err);
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

static int filters_apply(struct firewall *firewall, const struct firewall_change *changes,
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

static int rates_delete(struct firewall *firewall, struct error *err)
{
	int code = remove_table(firewall, NFPROTO_BRIDGE, firewall->rate_table, err);
	if (code == 0) {
		firewall->rates_exist = firewall->rates_intact = false;
		firewall->rates.count = 0;
	}
	return code;
}

/* The old one goes in the same transaction: the kernel changes no limit in place. */
static void rate_put(struct firewall *firewall, const struct firewall_change *change)
{
	const struct object *old = find(&firewall->rates, change->object);
	if (old)
		firewall_rate_put(&firewall->netlink, firewall->rate_table, old, false);
	if (change->verb == FIREWALL_ADD)
		firewall_rate_put(&firewall->netlink, firewall->rate_table, change->object, true);
	change_one(&firewall->rates, change, NULL);
}

static int rates_put(struct firewall *firewall, const struct firewall_change *changes, size_t count,
		     struct error *err)
{
	int code = 0;
	for (size_t done = 0; done < count && code == 0;) {
		size_t end = done + RATES_AT_ONCE < count ? done + RATES_AT_ONCE : count;
		batch_begin(firewall);
		for (; done < end; done++)
			rate_put(firewall, &changes[done]);
		code = batch_run(firewall, err);
		if (code == 0 && done < count)
			code = refresh(firewall, err);
	}
	return code;
}

/* The whole table with these rates, whatever was there before. */
static int rates_replace(struct firewall *firewall, const struct object_list *rates,
			 struct error *err)
{
	AUTO_FREE char *text = firewall_rate_text(firewall->rate_table, firewall->rates_exist);
	AUTO_FREE struct firewall_change *changes = memory_zero(rates->count, sizeof(*changes));
	for (size_t i = 0; i < rates->count; i++)
		changes[i] = (struct firewall_change){FIREWALL_ADD, &rates->items[i]};
	int code = firewall_run_text(text, err);
	firewall->generation = 0;
	if (code == 0)
		code = refresh(firewall, err);
	return code < 0 ? code : rates_put(firewall, changes, rates->count, err);
}

/* Where somebody removed the table, all that was in it comes back, not only what is asked for. */
static int rates_apply(struct firewall *firewall, const struct firewall_change *changes,
		       size_t count, struct error *err)
{
	struct object_list after = {0};
	list_copy(&after, &firewall->rates);
	int code = refresh(firewall, err);
	if (code == 0 && firewall->rates_intact)
		list_copy(&after, &firewall->rates);
	for (size_t i = 0; i < count && code == 0; i++)
		code = change_one(&after, &changes[i], err);
	if (code == 0 && after.count == 0)
		code = firewall->rates_exist ? rates_delete(firewall, err) : 0;
	else if (code == 0 && !firewall->rates_intact)
		code = rates_replace(firewall, &after, err);
	else if (code == 0)
		code = rates_put(firewall, changes, count, err);
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
		int code = (changes->object->kind == OBJECT_RATE ? rates_apply : filters_apply)(
			firewall, changes, count, &reason);
		if (code == 0)
			return 0;
		if (code != -ENOENT)
			firewall->generation = 0; /* the list may be ahead of the kernel */
		if (code != -ERESTART)
			return error_set(err, code, "%s", reason.text);
	}
	return error_set(err, EAGAIN, "nftables: somebody else changes the ruleset all the time");
}
