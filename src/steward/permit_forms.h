/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steward's part of the permits: ufw and firewalld, one struct of functions each. What is done
 * there carries the tag `lanyard:INSTANCE:ID`, and only what carries it is removed.
 */
#pragma once

#include <stdbool.h>

#include "ipc/errand_permits.h"

struct error;

struct permit_form {
	enum permit_owner owner;
	bool (*is_active)(void);
	/* Appends what is there, at any time (also while it is inactive). */
	int (*list)(struct errand_permits *answer, struct error *err);
	/* All rows of its owner. */
	int (*apply)(const struct errand_permits *request, struct error *err);
};
extern const struct permit_form permit_ufw, permit_firewalld;

/* Adds parts to the answer's row of an interface, or a new one. */
void permit_add(struct errand_permits *answer, enum permit_owner owner, const char *ifname,
		uint32_t network, uint8_t parts);
/* The id behind `lanyard:INSTANCE:`; false: another tag. */
bool permit_tag_parse(const char *tag, const char *instance, uint32_t *ret_network);
/* Carries the request out; it becomes the answer. */
void permit_serve(struct errand_permits *errand);
