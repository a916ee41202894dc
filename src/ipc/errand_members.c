/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ipc/errand_members.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "ipc/errand.h"
#include "model/name.h"

size_t errand_members_size(const struct errand_members *errand)
{
	return offsetof(struct errand_members, rows) + errand->count * sizeof(errand->rows[0]);
}

size_t errand_switch_size(const struct errand_switch *errand)
{
	return offsetof(struct errand_switch, rows) + errand->count * sizeof(errand->rows[0]);
}

static int check_row(const struct errand_member *row, struct error *err)
{
	struct object object = {.kind = OBJECT_MEMBER, .network = row->network};
	object.member = row->member;
	if (row->verb > MEMBER_REMOVE || row->reserved)
		return error_set(err, EBADMSG, "a member without sense");
	return object_check(&object, err);
}

int errand_members_check(const struct errand_members *errand, size_t size, struct error *err)
{
	if (size < offsetof(struct errand_members, rows) || errand->count > ERRAND_MEMBERS_MAX ||
	    size != errand_members_size(errand) || errand->version != ERRAND_VERSION ||
	    (errand->verb != ERRAND_MEMBERS && errand->verb != ERRAND_WATCH) ||
	    !errand_is_instance(errand->instance) ||
	    !memchr(errand->text, '\0', sizeof(errand->text)))
		return error_set(err, EBADMSG, "a bad list of members");
	for (uint32_t i = 0; i < errand->count; i++) {
		int r = check_row(&errand->rows[i], err);
		if (r < 0)
			return error_set(err, EBADMSG, "member %u: %s", i, err->text);
	}
	return 0;
}

int errand_switch_check(const struct errand_switch *errand, size_t size, struct error *err)
{
	if (size < offsetof(struct errand_switch, rows) || errand->count > ERRAND_SWITCH_MAX ||
	    size != errand_switch_size(errand) || errand->version != ERRAND_VERSION ||
	    errand->verb != ERRAND_SWITCH || !memchr(errand->bridge, '\0', IFNAMSIZ) ||
	    !name_is_interface(errand->bridge) || !memchr(errand->text, '\0', sizeof(errand->text)))
		return error_set(err, EBADMSG, "a bad question about a switch");
	for (uint32_t i = 0; i < errand->count; i++)
		if (!memchr(errand->rows[i].name, '\0', VLAN_NAME_SIZE) ||
		    errand->rows[i].mode >= VLAN_MODES || errand->rows[i].tag >= VLAN_COUNT)
			return error_set(err, EBADMSG, "a bad port of a switch");
	return 0;
}

static int no_answer(struct error *err)
{
	return error_set(err, EPROTO, "lanyard-steward does not answer");
}

int errand_members_call(const struct paths *paths, struct errand_members *errand, struct error *err)
{
	size_t size = 0;
	errand->version = ERRAND_VERSION;
	errand->verb = ERRAND_MEMBERS;
	memcpy(errand->instance, paths->instance, sizeof(errand->instance));
	int r = errand_exchange(paths, errand, errand_members_size(errand), sizeof(*errand), &size,
				err);
	if (r < 0)
		return r;
	if (errand_members_check(errand, size, err) < 0)
		return no_answer(err);
	return errand->code < 0 ? error_set(err, errand->code, "%s", errand->text) : 0;
}

int errand_switch_call(const struct paths *paths, struct errand_switch *errand, struct error *err)
{
	size_t size = 0;
	errand->version = ERRAND_VERSION;
	errand->verb = ERRAND_SWITCH;
	int r = errand_exchange(paths, errand, errand_switch_size(errand), sizeof(*errand), &size,
				err);
	if (r < 0)
		return r;
	if (errand_switch_check(errand, size, err) < 0)
		return no_answer(err);
	return errand->code < 0 ? error_set(err, errand->code, "%s", errand->text) : 0;
}
