/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's interfaces that packets of a system instance leave by. */
#pragma once

#include "model/object.h"

/* Where one of the listed networks forwards: appends a forwarding object (network 0) for the
 * interface of each default route, because the answers come in there. Without a route, or where it
 * cannot be asked: nothing. */
void egress_expand(struct object_list *list);
