/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ipc/errand_permits.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "ipc/errand.h"

size_t errand_permits_size(const struct errand_permits *errand)
{
	return offsetof(struct errand_permits, rows) + errand->count * sizeof(errand->rows[0]);
}

static int check_row(const struct errand_permit *row, struct error *err)
{
	struct object object = {.kind = OBJECT_PERMIT, .network = row->network};
	object.permit = row->permit;
	if (row->verb > PERMIT_REMOVE || row->reserved)
		return error_set(err, EBADMSG, "a permit without sense");
	/* Nobody lets the host's own NIC through by us. */
	if (row->verb != PERMIT_IS_THERE && strncmp(row->permit.ifname, "ly", 2) != 0)
		return error_set(err, EBADMSG, "no interface of ours");
	return object_check(&object, err);
}

int errand_permits_check(const struct errand_permits *errand, size_t size, struct error *err)
{
	if (size < offsetof(struct errand_permits, rows) || errand->count > ERRAND_PERMITS_MAX ||
	    size != errand_permits_size(errand) || errand->version != ERRAND_VERSION ||
	    errand->verb != ERRAND_PERMITS || !errand_is_instance(errand->instance) ||
	    !memchr(errand->text, '\0', sizeof(errand->text)))
		return error_set(err, EBADMSG, "a bad list of permits");
	for (uint32_t i = 0; i < errand->count; i++) {
		int r = check_row(&errand->rows[i], err);
		if (r < 0)
			return error_set(err, EBADMSG, "permit %u: %s", i, err->text);
	}
	return 0;
}

int errand_permits_call(const struct paths *paths, struct errand_permits *errand, struct error *err)
{
	size_t size = 0;
	errand->version = ERRAND_VERSION;
	errand->verb = ERRAND_PERMITS;
	memcpy(errand->instance, paths->instance, sizeof(errand->instance));
	int r = errand_exchange(paths, errand, errand_permits_size(errand), sizeof(*errand), &size,
				err);
	if (r < 0)
		return r;
	if (errand_permits_check(errand, size, err) < 0)
		return error_set(err, EPROTO, "lanyard-steward does not answer");
	return errand->code < 0 ? error_set(err, errand->code, "%s", errand->text) : 0;
}
