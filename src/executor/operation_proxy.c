/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answering on the LAN for machines of a routed network whose prefix is a part of the LAN's. */
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "executor/operations.h"
#include "kern/neighbour.h"

/* Only for what is behind a bridge of ours: the host must not take others' addresses. */
static bool is_behind(const struct operations *operations, const struct object *object)
{
	const struct links *links = &operations->links;
	for (size_t i = 0; i < links->count; i++) {
		const struct known_link *bridge = &links->items[i];
		if (bridge->label.role != LABEL_BRIDGE || bridge->label.network != object->network)
			continue;
		for (size_t j = 0; j < bridge->n_addresses; j++)
			if (ip_contains(&bridge->addresses[j], &object->proxy.address))
				return true;
	}
	return false;
}

static int proxy_create(struct operations *operations, const struct run *run, size_t *ret_done,
			struct error *err)
{
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		const struct object *object = &run->tasks[i].object;
		int ifindex = link_index(object->proxy.ifname);
		char text[IP_TEXT_SIZE];
		if (!is_behind(operations, object)) {
			log_warning("refused: proxy for %s",
				    ip_format(&object->proxy.address, text));
			return error_set(err, EPERM, "the address is none of the network's");
		}
		if (ifindex <= 0)
			return error_set(err, ENODEV, "there is no interface '%s'",
					 object->proxy.ifname);
		int result = neighbour_proxy_set(&operations->route, ifindex,
						 &object->proxy.address, true, err);
		if (result < 0)
			return result;
	}
	return 0;
}

static int proxy_remove(struct operations *operations, const struct run *run, size_t *ret_done,
			struct error *err)
{
	for (size_t i = 0; i < run->count; i++, ++*ret_done) {
		const struct object_proxy *proxy = &run->tasks[i].object.proxy;
		int ifindex = link_index(proxy->ifname);
		if (ifindex <= 0)
			continue;
		int result = neighbour_proxy_set(&operations->route, ifindex, &proxy->address,
						 false, err);
		if (result < 0 && result != -ENOENT && result != -ENODEV)
			return result;
	}
	return 0;
}

struct dump {
	const struct operations *operations;
	struct object_list *ret;
};

/* Whose it is follows from the prefix; of a network that is gone it is nobody's. */
static int take(int ifindex, const struct ip *address, void *data)
{
	struct dump *dump = data;
	const struct links *links = &dump->operations->links;
	char ifname[IF_NAMESIZE];
	uint32_t network = 0;
	if (!if_indextoname((unsigned)ifindex, ifname))
		return 0;
	for (size_t i = 0; i < links->count; i++)
		for (size_t j = 0;
		     links->items[i].label.role == LABEL_BRIDGE && j < links->items[i].n_addresses;
		     j++)
			if (ip_contains(&links->items[i].addresses[j], address))
				network = links->items[i].label.network;
	struct object_proxy *proxy = &object_list_add(dump->ret, OBJECT_PROXY, network)->proxy;
	memcpy(proxy->ifname, ifname, strnlen(ifname, IFNAMSIZ));
	proxy->address = *address;
	return 0;
}

/* A user instance has no LAN. */
int operation_proxy_dump(struct operations *operations, struct object_list *ret, struct error *err)
{
	struct dump dump = {operations, ret};
	return operations->user ? 0 : neighbour_proxy_dump(&operations->route, take, &dump, err);
}

const struct operation_type operation_proxy = {
	{[PLAN_CREATE] = proxy_create, [PLAN_CHANGE] = proxy_create, [PLAN_DELETE] = proxy_remove},
};
