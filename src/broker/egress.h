/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's interfaces that packets of a system instance leave by. */
#pragma once

#include "broker/state.h"
#include "model/object.h"

/* Where one of the listed networks forwards: appends a forwarding object (network 0) for the
 * interface of each default route, because the answers come in there. Without a route, or where it
 * cannot be asked: nothing. */
void egress_expand(struct object_list *list);

/* Networks that the LAN finds by proxy: the host answers for every address that DHCP may hand out
 * and for those that are reserved, where it has an address of the LAN's prefix (which is then one
 * more way out, as by egress_via), else on its way out. Comes after egress_expand. */
void egress_proxy(const struct state *state, struct object_list *list);

/* Networks that name no MTU and reach beyond the host get that of the default routes' interfaces
 * where it is smaller than theirs (a VPN, PPPoE). */
void egress_fit(const struct state *state, struct object_list *list);

/* More ways out, that networks name (`via`): they forward too. Where we alone are why the host
 * forwards at all, a fence keeps it from being a router between them and its other interfaces.
 * Comes after egress_proxy, whose way out is a default route's. */
void egress_via(const struct state *state, struct object_list *list);

/* In a user instance nothing outside has a route to a network: what is routed leaves it translated,
 * as everything does by its uplink. */
void egress_translate(const struct state *state, struct object_list *list);
