/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kern/firewall_table.h"

#include <arpa/inet.h>
#include <errno.h>

#include "base/error.h"

struct nlmsghdr *firewall_table_message(struct netlink *netlink, uint16_t type, uint16_t flags,
					uint8_t family, uint16_t resource)
{
	struct nfgenmsg header = {
		.nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(resource)};
	return netlink_add(netlink, type, flags, &header, sizeof(header));
}

int firewall_table_take_generation(const struct nlmsghdr *message, void *data)
{
	const struct nlattr *attribute;
	if (message->nlmsg_type != FIREWALL_TYPE(NFT_MSG_NEWGEN))
		return 0;
	mnl_attr_for_each (attribute, message, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attribute) == NFTA_GEN_ID)
			*(uint32_t *)data = ntohl(mnl_attr_get_u32(attribute));
	return 0;
}

int firewall_table_generation(struct netlink *netlink, uint32_t *ret, struct error *err)
{
	*ret = 0;
	firewall_table_message(netlink, FIREWALL_TYPE(NFT_MSG_GETGEN), 0, AF_UNSPEC, 0);
	int code = netlink_run(netlink, firewall_table_take_generation, ret, NULL, err);
	return code < 0 ? error_prefix(err, "nftables (is the kernel module nf_tables there?)") : 0;
}

int firewall_table_exists(struct netlink *netlink, uint8_t family, const char *table, bool *ret,
			  struct error *err)
{
	struct error reason = {0};
	struct nlmsghdr *message =
		firewall_table_message(netlink, FIREWALL_TYPE(NFT_MSG_GETTABLE), 0, family, 0);
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, table);
	int code = netlink_run(netlink, NULL, NULL, NULL, &reason);
	*ret = code == 0;
	return code < 0 && code != -ENOENT ? error_set(err, code, "nftables: %s", reason.text) : 0;
}

static int count_rule(const struct nlmsghdr *message, void *data)
{
	struct firewall_rules *rules = data;
	const struct nlattr *attribute;
	if (message->nlmsg_type != FIREWALL_TYPE(NFT_MSG_NEWRULE))
		return 0;
	rules->count++;
	mnl_attr_for_each (attribute, message, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attribute) == NFTA_RULE_HANDLE)
			rules->hash =
				(rules->hash ^ mnl_attr_get_u64(attribute)) * 0x100000001b3ull + 1;
	return 0;
}

static void clear(void *data)
{
	*(struct firewall_rules *)data = (struct firewall_rules){0};
}

int firewall_table_rules(struct netlink *netlink, uint8_t family, const char *table,
			 struct firewall_rules *ret, struct error *err)
{
	char buffer[256] __attribute__((aligned(8)));
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	clear(ret);
	header->nfgen_family = family;
	mnl_attr_put_strz(request, NFTA_RULE_TABLE, table);
	int code = netlink_dump(netlink, FIREWALL_TYPE(NFT_MSG_GETRULE), header,
				mnl_nlmsg_get_payload_len(request), clear, count_rule, ret, err);
	return code == -ENOENT ? 0 : code;
}
