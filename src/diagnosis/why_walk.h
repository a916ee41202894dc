/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The walk of `lanyard why` from one end to another: one step after the other is looked at or
 * tried, until one is broken. A machine's own packets are imitated by a throw-away guest on its
 * network.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/ip.h"

struct error;
struct examination;

enum end_kind { END_MACHINE, END_HOST, END_WORLD };

struct end {
	enum end_kind kind;
	const char *name;
	int port;		/* 0: none */
	const json_t *plug;	/* a machine's port */
	const json_t *network;	/* a machine's network */
	struct ip addresses[2]; /* IPv4 and IPv6; family 0: none, or not known yet */
	bool guessed;		/* the IPv6 one follows from the MAC, nobody has said it */
};

struct walk {
	struct examination *examination;
	struct end from, to;
	int family;    /* 4 or 6, the present one; 0 before the ways part */
	json_t *steps; /* {step, ok, text, remedy, family} */
	bool broken;
	bool skipped; /* this family: a machine has none of its addresses */
};

/* Finds out what a word means: "host", a machine, an address or a name of the world. -ENOENT. */
int why_resolve(const struct examination *examination, const char *word, struct end *ret,
		struct error *err);

/* One step: ok with what was seen, or broken with what mends it. Does nothing when broken. */
#define step_ok(walk, ...)     step_say(walk, true, __VA_ARGS__)
#define step_broken(walk, ...) step_say(walk, false, __VA_ARGS__)
void step_say(struct walk *walk, bool ok, const char *step, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Of the last step; like those of examination. */
void step_remedy(struct walk *walk, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A check of doctor as a step: broken with its first warning or error. */
void step_check(struct walk *walk, const char *step, const char *id, const char *fine);

/* From the machine's plug to its bridge, and its address on the segment. */
void walk_plug(struct walk *walk, struct end *end);
/* Between two plugs on one bridge that knows VLANs. */
void walk_vlan(struct walk *walk);
void walk_segment(struct walk *walk, struct end *end);
/* From network to the other end, in the walk's family. */
void walk_way(struct walk *walk);
