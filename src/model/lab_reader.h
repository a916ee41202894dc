/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to lab.c and lab_nics.c, which read a lab's file together. */
#pragma once

#include "model/lab.h"
#include "model/node.h"

struct lab_reader {
	const char *instance;
	struct lab *lab;
	const struct proxy *proxy;	   /* of machines that have none of their own */
	const struct node **machine_nodes; /* in the order of lab->machines */
	struct error *err;
};

/* Where a key of a map was written; the map itself when it was not. */
const struct node *lab_at_key(const struct node *map, const char *key);
/* Every NIC gets a MAC, and its network a reservation. */
int lab_plug(struct lab_reader *reader);
