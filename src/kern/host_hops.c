/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kern/host_hops.h"

#include <string.h>

bool host_hops_include(const struct nlattr *hops, uint32_t ifindex)
{
	const uint8_t *at = mnl_attr_get_payload(hops);
	size_t left = mnl_attr_get_payload_len(hops);
	struct rtnexthop hop;
	while (left >= sizeof(hop)) {
		memcpy(&hop, at, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > left)
			break;
		if ((uint32_t)hop.rtnh_ifindex == ifindex)
			return true;
		size_t step = RTNH_ALIGN(hop.rtnh_len);
		at += step;
		left -= step > left ? left : step;
	}
	return false;
}

void host_hops_change(uint8_t *at, size_t left, uint32_t from, uint32_t to)
{
	struct rtnexthop hop;
	while (left >= sizeof(hop)) {
		memcpy(&hop, at, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > left)
			return;
		if ((uint32_t)hop.rtnh_ifindex == from)
			hop.rtnh_ifindex = (int)to;
		hop.rtnh_flags &= HOST_ROUTE_FLAGS;
		memcpy(at, &hop, sizeof(hop));
		size_t step = RTNH_ALIGN(hop.rtnh_len);
		at += step;
		left -= step > left ? left : step;
	}
}
