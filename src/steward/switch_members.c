/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A batch is at most two transactions: first what goes, then what comes. In
 * between ovs-vswitchd has to notice where the interface of a port is a new one of the same name:
 * with its userspace datapath it would go on reading the old one. That a row is there says nothing:
 * the interface's number (ofport) says that ovs-vswitchd has plugged it in, so it is waited for.
 */
#include "steward/switch_members.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "steward/ovsdb.h"
#include "svc/openvswitch.h"

#define PATIENCE_MS 5000

struct work {
	struct ovsdb ovsdb;
	struct openvswitch before;
	json_t *answer; /* which holds what `before` borrows */
	struct errand_members *errand;
	struct timespec end;
};

static const char *const *allowed;

void members_allow(const char *const *patterns)
{
	allowed = patterns;
}

static bool is_allowed(const char *name)
{
	for (const char *const *pattern = allowed; pattern && *pattern; pattern++)
		if (fnmatch(*pattern, name, 0) == 0)
			return true;
	return false;
}

static int look(struct ovsdb *ovsdb, struct openvswitch *ret, json_t **ret_answer,
		struct error *err)
{
	const json_t *results = NULL;
	int r = ovsdb_transact(ovsdb, openvswitch_look(), ret_answer, &results, err);
	if (r == 0)
		r = openvswitch_read(results, ret, err);
	return r;
}

static int run(struct work *work, json_t *operations, struct error *err)
{
	json_t *answer = NULL;
	const json_t *results;
	if (json_array_size(operations) == 0) {
		json_decref(operations);
		return 0;
	}
	int r = ovsdb_transact(&work->ovsdb, operations, &answer, &results, err);
	json_decref(answer);
	return r;
}

static unsigned left_ms(const struct work *work)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	long ms = (work->end.tv_sec - now.tv_sec) * 1000 +
		  (work->end.tv_nsec - now.tv_nsec) / 1000000;
	return ms > 0 ? (unsigned)ms : 1;
}

static int nobody_plugs(const char *what, struct error *err)
{
	return error_set(err, ETIMEDOUT,
			 "%s is in Open vSwitch's database, and ovs-vswitchd does not look at it; "
			 "'systemctl status openvswitch-switch' says whether it runs",
			 what);
}

static bool is_ours(const struct openvswitch_port *port, const char *instance)
{
	uint32_t network;
	return openvswitch_parse_tag(port->tag, instance, &network);
}

static int check(const struct work *work, const struct errand_member *row, struct error *err)
{
	const char *name = row->member.ifname, *bridge = row->member.bridge;
	const struct openvswitch_port *port = openvswitch_port(&work->before, name);
	if (row->verb == MEMBER_REMOVE)
		return 0;
	if (strncmp(name, "ly", 2) != 0 && !is_allowed(name))
		return error_set(err, EPERM,
				 "interface '%s': to plug it into Open vSwitch, lanyard-steward "
				 "needs --allow-name %s (/etc/default/lanyard-executor, "
				 "lanyardd(8))",
				 name, name);
	if (!is_allowed(bridge))
		return error_set(err, EPERM,
				 "bridge '%s' is not ours; to plug into it, lanyard-steward needs "
				 "--allow-name %s (/etc/default/lanyard-executor, lanyardd(8))",
				 bridge, bridge);
	if (!openvswitch_has_bridge(&work->before, bridge))
		return error_set(err, ENODEV, "Open vSwitch has no bridge '%s'", bridge);
	if (port && !is_ours(port, work->errand->instance))
		return error_set(err, EEXIST,
				 "interface '%s' is a port of the Open vSwitch bridge %s already, "
				 "and not one of ours",
				 name, port->bridge);
	return 0;
}

/* It has to go first, and ovs-vswitchd has to see that. */
static bool is_stale(const struct errand_member *row, const struct openvswitch_port *port)
{
	return port && row->verb != MEMBER_REMOVE &&
	       (row->verb == MEMBER_MAKE || strcmp(port->bridge, row->member.bridge) != 0);
}

static int wait_for_switch(struct work *work, int64_t asked, struct error *err)
{
	struct openvswitch now = {0};
	json_t *answer = NULL;
	int r = look(&work->ovsdb, &now, &answer, err);
	int64_t done = now.done;
	openvswitch_done(&now);
	json_decref(answer);
	if (r < 0 || done >= asked)
		return r;
	json_t *operations = json_array();
	openvswitch_wait_beyond(operations, done, left_ms(work));
	r = run(work, operations, err);
	if (r == -ETIMEDOUT)
		return nobody_plugs("a change", err);
	return r < 0 ? r : wait_for_switch(work, asked, err);
}

static int take_out(struct work *work, struct error *err)
{
	json_t *operations = json_array();
	bool stale = false;
	for (uint32_t i = 0; i < work->errand->count; i++) {
		const struct errand_member *row = &work->errand->rows[i];
		const struct openvswitch_port *port =
			openvswitch_port(&work->before, row->member.ifname);
		bool goes =
			port && row->verb == MEMBER_REMOVE && is_ours(port, work->errand->instance);
		if (goes || is_stale(row, port))
			openvswitch_remove(operations, port);
		stale |= is_stale(row, port);
	}
	if (stale)
		openvswitch_count(operations);
	int r = run(work, operations, err);
	return r < 0 || !stale ? r : wait_for_switch(work, work->before.asked + 1, err);
}

static int put_in(struct work *work, struct error *err)
{
	json_t *operations = json_array(), *waits = json_array();
	for (uint32_t i = 0; i < work->errand->count; i++) {
		const struct errand_member *row = &work->errand->rows[i];
		const struct openvswitch_port *port =
			openvswitch_port(&work->before, row->member.ifname);
		char tag[OPENVSWITCH_TAG];
		if (row->verb == MEMBER_REMOVE)
			continue;
		openvswitch_tag(work->errand->instance, row->network, tag);
		if (port && !is_stale(row, port))
			openvswitch_update(operations, port, &row->member, tag);
		else
			openvswitch_insert(operations, &row->member, tag, port);
		openvswitch_wait(waits, row->member.ifname, left_ms(work));
	}
	int r = run(work, operations, err);
	if (r < 0) {
		json_decref(waits);
		return r;
	}
	r = run(work, waits, err);
	return r == -ETIMEDOUT ? nobody_plugs("a port", err) : r;
}

/* What was asked for is read back. */
static int confirm(const struct errand_members *errand, const struct openvswitch *now,
		   struct error *err)
{
	for (uint32_t i = 0; i < errand->count; i++) {
		const struct errand_member *row = &errand->rows[i];
		const struct openvswitch_port *port = openvswitch_port(now, row->member.ifname);
		if (row->verb == MEMBER_REMOVE || (port && port->number > 0))
			continue;
		return error_set(err, EIO, "Open vSwitch does not take %s into %s: %s",
				 row->member.ifname, row->member.bridge,
				 !port		  ? "the port is not there"
				 : port->error[0] ? port->error
						  : "it does not say why");
	}
	return 0;
}

static void fill(const struct openvswitch *now, struct errand_members *errand)
{
	errand->count = 0;
	for (size_t i = 0; i < now->n_ports && errand->count < ERRAND_MEMBERS_MAX; i++) {
		const struct openvswitch_port *port = &now->ports[i];
		struct errand_member *row = &errand->rows[errand->count];
		uint32_t network;
		*row = (struct errand_member){.verb = MEMBER_IS_THERE};
		if (!openvswitch_parse_tag(port->tag, errand->instance, &network) ||
		    strlen(port->vlan.name) >= IFNAMSIZ || strlen(port->bridge) >= IFNAMSIZ)
			continue;
		row->network = network;
		memcpy(row->member.ifname, port->vlan.name, strlen(port->vlan.name));
		memcpy(row->member.bridge, port->bridge, strlen(port->bridge));
		row->member.isolated = port->isolated;
		row->member.vlans = port->vlans;
		errand->count++;
	}
}

static int carry_out(struct work *work, struct error *err)
{
	struct openvswitch now = {0};
	json_t *answer = NULL;
	int r = look(&work->ovsdb, &work->before, &work->answer, err);
	for (uint32_t i = 0; r == 0 && i < work->errand->count; i++)
		r = check(work, &work->errand->rows[i], err);
	if (r == 0 && work->errand->count == 0) {
		fill(&work->before, work->errand);
		return 0;
	}
	if (r == 0)
		r = take_out(work, err);
	if (r == 0)
		r = put_in(work, err);
	if (r == 0)
		r = look(&work->ovsdb, &now, &answer, err);
	if (r == 0)
		r = confirm(work->errand, &now, err);
	if (r == 0)
		fill(&now, work->errand);
	openvswitch_done(&now);
	json_decref(answer);
	return r;
}

void members_serve(struct errand_members *errand)
{
	struct work work = {.errand = errand};
	struct error err = {0};
	clock_gettime(CLOCK_MONOTONIC, &work.end);
	work.end.tv_sec += PATIENCE_MS / 1000;
	errand->code = ovsdb_open(&work.ovsdb, &err);
	if (errand->code == 0)
		errand->code = carry_out(&work, &err);
	openvswitch_done(&work.before);
	json_decref(work.answer);
	ovsdb_close(&work.ovsdb);
	if (errand->code < 0)
		errand->count = 0;
	snprintf(errand->text, sizeof(errand->text), "%s", err.text);
}

void members_show(struct errand_switch *errand)
{
	struct openvswitch now = {0};
	struct ovsdb ovsdb;
	struct error err = {0};
	json_t *answer = NULL;
	errand->count = errand->more = 0;
	errand->code = ovsdb_open(&ovsdb, &err);
	if (errand->code == 0)
		errand->code = look(&ovsdb, &now, &answer, &err);
	if (errand->code == 0 && !openvswitch_has_bridge(&now, errand->bridge))
		errand->code =
			error_set(&err, ENODEV, "Open vSwitch has no bridge '%s'", errand->bridge);
	for (size_t i = 0; errand->code == 0 && i < now.n_ports; i++) {
		if (strcmp(now.ports[i].bridge, errand->bridge) != 0)
			continue;
		if (errand->count < ERRAND_SWITCH_MAX)
			errand->rows[errand->count++] = now.ports[i].vlan;
		else
			errand->more++;
	}
	snprintf(errand->text, sizeof(errand->text), "%s", err.text);
	openvswitch_done(&now);
	json_decref(answer);
	ovsdb_close(&ovsdb);
}
