/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * firewalld, by its D-Bus interface: a zone of ours (target ACCEPT) with our interfaces, and two
 * policies, from it to everywhere and from everywhere to it. All three are permanent, so they are
 * there after `firewall-cmd --reload`, and their description says whose they are. What passes them
 * is still judged by our own table. A zone of this name that is not ours is left alone.
 */
#include "steward/permit_forms.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#define SERVICE	      "org.fedoraproject.FirewallD1"
#define PATH	      "/org/fedoraproject/FirewallD1"
#define CONFIG_PATH   PATH "/config"
#define CONFIG	      SERVICE ".config"
#define ZONE	      SERVICE ".zone"
#define CONFIG_ZONE   CONFIG ".zone"
#define CONFIG_POLICY CONFIG ".policy"
#define NAME_LIMIT    (PERMIT_ZONE_SIZE + 8)

struct firewalld {
	sd_bus *bus;
	char zone[PERMIT_ZONE_SIZE];
	char policies[2][NAME_LIMIT]; /* out of the zone, into it */
	char tag[INSTANCE_SIZE + 16];
};

static int fail(struct error *err, int code, const sd_bus_error *reason, const char *what)
{
	return error_set(err, code < 0 ? -code : code, "firewalld: %s: %s", what,
			 reason->message ? reason->message : strerror(code < 0 ? -code : code));
}

/* false: it does not run. It is never started by us. */
static bool open_bus(struct firewalld *firewalld, const char *instance)
{
	sd_bus_message *answer = NULL;
	int has_owner = 0;
	*firewalld = (struct firewalld){0};
	permit_zone_name(instance, firewalld->zone);
	snprintf(firewalld->policies[0], NAME_LIMIT, "%s-out", firewalld->zone);
	snprintf(firewalld->policies[1], NAME_LIMIT, "%s-in", firewalld->zone);
	snprintf(firewalld->tag, sizeof(firewalld->tag), "lanyard:%s", instance);
	if (sd_bus_open_system(&firewalld->bus) < 0)
		return false;
	if (sd_bus_call_method(firewalld->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
			       "org.freedesktop.DBus", "NameHasOwner", NULL, &answer, "s",
			       SERVICE) >= 0)
		sd_bus_message_read(answer, "b", &has_owner);
	sd_bus_message_unref(answer);
	if (has_owner)
		return true;
	sd_bus_flush_close_unref(firewalld->bus);
	firewalld->bus = NULL;
	return false;
}

static void close_bus(struct firewalld *firewalld)
{
	sd_bus_flush_close_unref(firewalld->bus);
}

static bool is_active(void)
{
	struct firewalld firewalld;
	bool active = open_bus(&firewalld, "");
	if (active)
		close_bus(&firewalld);
	return active;
}

/* Lists of names: is one among them? */
static int has_name(struct firewalld *firewalld, const char *path, const char *interface,
		    const char *method, const char *name, struct error *err)
{
	sd_bus_error reason = SD_BUS_ERROR_NULL;
	sd_bus_message *answer = NULL;
	const char *word;
	bool found = false;
	int r = sd_bus_call_method(firewalld->bus, SERVICE, path, interface, method, &reason,
				   &answer, "");
	if (r >= 0)
		r = sd_bus_message_enter_container(answer, 'a', "s");
	while (r >= 0 && (r = sd_bus_message_read(answer, "s", &word)) > 0)
		found |= strcmp(word, name) == 0;
	r = r < 0 ? fail(err, r, &reason, method) : found;
	sd_bus_error_free(&reason);
	sd_bus_message_unref(answer);
	return r;
}

/* The object of a permanent zone or policy; NULL: there is none. The caller frees it. */
static char *find(struct firewalld *firewalld, const char *method, const char *name)
{
	sd_bus_message *answer = NULL;
	const char *path = NULL;
	char *copy = NULL;
	if (sd_bus_call_method(firewalld->bus, SERVICE, CONFIG_PATH, CONFIG, method, NULL, &answer,
			       "s", name) >= 0 &&
	    sd_bus_message_read(answer, "o", &path) >= 0)
		copy = text_copy(path);
	sd_bus_message_unref(answer);
	return copy;
}

/* Whether the description in a dictionary of settings is our tag. */
static bool is_ours(struct firewalld *firewalld, const char *path, const char *interface,
		    const char *method)
{
	sd_bus_message *answer = NULL;
	const char *key, *text;
	bool ours = false;
	int r = sd_bus_call_method(firewalld->bus, SERVICE, path, interface, method, NULL, &answer,
				   "");
	if (r >= 0)
		r = sd_bus_message_enter_container(answer, 'a', "{sv}");
	while (r >= 0 && (r = sd_bus_message_enter_container(answer, 'e', "sv")) > 0) {
		r = sd_bus_message_read(answer, "s", &key);
		if (r >= 0 && strcmp(key, "description") == 0)
			ours = (r = sd_bus_message_read(answer, "v", "s", &text)) >= 0 &&
			       strcmp(text, firewalld->tag) == 0;
		else if (r >= 0)
			r = sd_bus_message_skip(answer, "v");
		if (r >= 0)
			r = sd_bus_message_exit_container(answer);
	}
	sd_bus_message_unref(answer);
	return ours;
}

static int call(struct firewalld *firewalld, const char *path, const char *interface,
		const char *method, const char *one, const char *other, struct error *err)
{
	sd_bus_error reason = SD_BUS_ERROR_NULL;
	int r;
	if (other)
		r = sd_bus_call_method(firewalld->bus, SERVICE, path, interface, method, &reason,
				       NULL, "ss", one, other);
	else if (one)
		r = sd_bus_call_method(firewalld->bus, SERVICE, path, interface, method, &reason,
				       NULL, "s", one);
	else
		r = sd_bus_call_method(firewalld->bus, SERVICE, path, interface, method, &reason,
				       NULL, "");
	r = r < 0 ? fail(err, r, &reason, method) : 0;
	sd_bus_error_free(&reason);
	return r;
}

/* A permanent zone or policy with the settings that every one of ours has, and lists of zones. */
static int add(struct firewalld *firewalld, const char *method, const char *name, const char *from,
	       const char *to, struct error *err)
{
	sd_bus_error reason = SD_BUS_ERROR_NULL;
	int r;
	if (from)
		r = sd_bus_call_method(firewalld->bus, SERVICE, CONFIG_PATH, CONFIG, method,
				       &reason, NULL, "sa{sv}", name, 5, "target", "s", "ACCEPT",
				       "short", "s", "Lanyard", "description", "s", firewalld->tag,
				       "ingress_zones", "as", 1, from, "egress_zones", "as", 1, to);
	else
		r = sd_bus_call_method(firewalld->bus, SERVICE, CONFIG_PATH, CONFIG, method,
				       &reason, NULL, "sa{sv}", name, 3, "target", "s", "ACCEPT",
				       "short", "s", "Lanyard", "description", "s", firewalld->tag);
	r = r < 0 ? fail(err, r, &reason, method) : 0;
	sd_bus_error_free(&reason);
	return r;
}

static int ensure_policy(struct firewalld *firewalld, size_t which, struct error *err)
{
	const char *name = firewalld->policies[which];
	AUTO_FREE char *path = find(firewalld, "getPolicyByName", name);
	if (!path)
		return add(firewalld, "addPolicy", name, which ? "ANY" : firewalld->zone,
			   which ? firewalld->zone : "ANY", err);
	return is_ours(firewalld, path, CONFIG_POLICY, "getSettings")
		       ? 0
		       : error_set(err, EEXIST, "firewalld: somebody else's policy is called '%s'",
				   name);
}

/* Zone and policies, permanent and in force. *ret_path: the zone's object, the caller's. */
static int ensure(struct firewalld *firewalld, char **ret_path, struct error *err)
{
	int r = 0;
	*ret_path = find(firewalld, "getZoneByName", firewalld->zone);
	if (!*ret_path) {
		r = add(firewalld, "addZone2", firewalld->zone, NULL, NULL, err);
		*ret_path = r < 0 ? NULL : find(firewalld, "getZoneByName", firewalld->zone);
	} else if (!is_ours(firewalld, *ret_path, CONFIG_ZONE, "getSettings2")) {
		r = error_set(err, EEXIST, "firewalld: somebody else's zone is called '%s'",
			      firewalld->zone);
	}
	for (size_t i = 0; i < 2 && r == 0; i++)
		r = ensure_policy(firewalld, i, err);
	int in_force =
		r == 0 ? has_name(firewalld, PATH, ZONE, "getZones", firewalld->zone, err) : r;
	for (size_t i = 0; i < 2 && in_force > 0; i++)
		in_force = has_name(firewalld, PATH, SERVICE ".policy", "getPolicies",
				    firewalld->policies[i], err);
	if (in_force < 0)
		return in_force;
	return in_force ? 0 : call(firewalld, PATH, SERVICE, "reload", NULL, NULL, err);
}

/* firewalld keeps what was removed as FILE.old. */
static void forget_file(const char *folder, const char *name)
{
	AUTO_FREE char *path = text_format("/etc/firewalld/%s/%s.xml.old", folder, name);
	unlink(path);
}

static int remove_all(struct firewalld *firewalld, const char *zone, struct error *err)
{
	int r = 0;
	for (size_t i = 0; i < 2 && r == 0; i++) {
		AUTO_FREE char *path = find(firewalld, "getPolicyByName", firewalld->policies[i]);
		if (path && is_ours(firewalld, path, CONFIG_POLICY, "getSettings"))
			r = call(firewalld, path, CONFIG_POLICY, "remove", NULL, NULL, err);
		if (r == 0 && path)
			forget_file("policies", firewalld->policies[i]);
	}
	if (r == 0)
		r = call(firewalld, zone, CONFIG_ZONE, "remove", NULL, NULL, err);
	if (r == 0)
		forget_file("zones", firewalld->zone);
	return r < 0 ? r : call(firewalld, PATH, SERVICE, "reload", NULL, NULL, err);
}

static int set_row(struct firewalld *firewalld, const char *zone, const char *ifname,
		   struct error *err)
{
	int r = has_name(firewalld, zone, CONFIG_ZONE, "getInterfaces", ifname, err);
	if (r == 0)
		r = call(firewalld, zone, CONFIG_ZONE, "addInterface", ifname, NULL, err);
	if (r < 0)
		return r;
	r = call(firewalld, PATH, ZONE, "changeZoneOfInterface", firewalld->zone, ifname, err);
	if (r == 0)
		log_info("firewalld: %s is in zone %s (%s)", ifname, firewalld->zone,
			 firewalld->tag);
	return r;
}

/* In force it may be gone already. */
static int remove_row(struct firewalld *firewalld, const char *zone, const char *ifname,
		      struct error *err)
{
	struct error ignored = {0};
	int r = has_name(firewalld, zone, CONFIG_ZONE, "getInterfaces", ifname, err);
	if (r > 0)
		r = call(firewalld, zone, CONFIG_ZONE, "removeInterface", ifname, NULL, err);
	if (r >= 0) {
		call(firewalld, PATH, ZONE, "removeInterface", firewalld->zone, ifname, &ignored);
		log_info("firewalld: %s is in zone %s no more", ifname, firewalld->zone);
	}
	return r;
}

static int count_interfaces(struct firewalld *firewalld, const char *zone, struct error *err)
{
	sd_bus_error reason = SD_BUS_ERROR_NULL;
	sd_bus_message *answer = NULL;
	const char *word;
	int count = 0;
	int r = sd_bus_call_method(firewalld->bus, SERVICE, zone, CONFIG_ZONE, "getInterfaces",
				   &reason, &answer, "");
	if (r >= 0)
		r = sd_bus_message_enter_container(answer, 'a', "s");
	while (r >= 0 && (r = sd_bus_message_read(answer, "s", &word)) > 0)
		count++;
	r = r < 0 ? fail(err, r, &reason, "getInterfaces") : count;
	sd_bus_error_free(&reason);
	sd_bus_message_unref(answer);
	return r;
}

static int apply_rows(struct firewalld *firewalld, const struct errand_permits *request,
		      struct error *err)
{
	AUTO_FREE char *zone = NULL;
	bool sets = false;
	int r = 0;
	for (uint32_t i = 0; i < request->count; i++)
		sets |= request->rows[i].permit.owner == PERMIT_FIREWALLD &&
			request->rows[i].verb == PERMIT_SET;
	if (sets)
		r = ensure(firewalld, &zone, err);
	else
		zone = find(firewalld, "getZoneByName", firewalld->zone);
	if (r == 0 && zone && !is_ours(firewalld, zone, CONFIG_ZONE, "getSettings2"))
		return 0;
	for (uint32_t i = 0; i < request->count && r >= 0 && zone; i++) {
		const struct errand_permit *row = &request->rows[i];
		if (row->permit.owner == PERMIT_FIREWALLD)
			r = row->verb == PERMIT_SET
				    ? set_row(firewalld, zone, row->permit.ifname, err)
				    : remove_row(firewalld, zone, row->permit.ifname, err);
	}
	if (r >= 0 && zone && (r = count_interfaces(firewalld, zone, err)) == 0)
		r = remove_all(firewalld, zone, err);
	return r < 0 ? r : 0;
}

static int apply(const struct errand_permits *request, struct error *err)
{
	struct firewalld firewalld;
	if (!open_bus(&firewalld, request->instance))
		return 0; /* it has stopped; it will be asked again when it runs */
	int r = apply_rows(&firewalld, request, err);
	close_bus(&firewalld);
	return r;
}

/* The zone in which an interface is at this moment. */
static bool is_in_force(struct firewalld *firewalld, const char *ifname)
{
	sd_bus_message *answer = NULL;
	const char *zone = "";
	bool result = sd_bus_call_method(firewalld->bus, SERVICE, PATH, ZONE, "getZoneOfInterface",
					 NULL, &answer, "s", ifname) >= 0 &&
		      sd_bus_message_read(answer, "s", &zone) >= 0 &&
		      strcmp(zone, firewalld->zone) == 0;
	sd_bus_message_unref(answer);
	return result;
}

static int list_zone(struct firewalld *firewalld, const char *zone, struct errand_permits *answer,
		     struct error *err)
{
	sd_bus_error reason = SD_BUS_ERROR_NULL;
	sd_bus_message *names = NULL;
	const char *ifname;
	bool whole = true;
	for (size_t i = 0; i < 2; i++) {
		AUTO_FREE char *path = find(firewalld, "getPolicyByName", firewalld->policies[i]);
		whole &= path != NULL;
	}
	int r = sd_bus_call_method(firewalld->bus, SERVICE, zone, CONFIG_ZONE, "getInterfaces",
				   &reason, &names, "");
	if (r >= 0)
		r = sd_bus_message_enter_container(names, 'a', "s");
	while (r >= 0 && (r = sd_bus_message_read(names, "s", &ifname)) > 0)
		permit_add(answer, PERMIT_FIREWALLD, ifname, 0,
			   whole && is_in_force(firewalld, ifname) ? PERMIT_INPUT | PERMIT_FORWARD
								   : 0);
	r = r < 0 ? fail(err, r, &reason, "getInterfaces") : 0;
	sd_bus_error_free(&reason);
	sd_bus_message_unref(names);
	return r;
}

static int list(struct errand_permits *answer, struct error *err)
{
	struct firewalld firewalld;
	if (!open_bus(&firewalld, answer->instance))
		return 0;
	AUTO_FREE char *zone = find(&firewalld, "getZoneByName", firewalld.zone);
	int r = 0;
	if (zone && is_ours(&firewalld, zone, CONFIG_ZONE, "getSettings2"))
		r = list_zone(&firewalld, zone, answer, err);
	close_bus(&firewalld);
	return r;
}

const struct permit_form permit_firewalld = {PERMIT_FIREWALLD, is_active, list, apply};
