/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands under a network's key `dhcp`: true, false, or a map with ranges and lease. */
#pragma once

#include <jansson.h>

struct error;
struct node;

/* As in struct schema_key; object is a struct network. */
int dhcp_decode(const struct node *node, void *object, struct error *err);
json_t *dhcp_encode(const void *object);
