/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "steward/permit_forms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

static const struct permit_form *const forms[] = {&permit_ufw, &permit_firewalld};
#define FORMS (sizeof(forms) / sizeof(forms[0]))

void permit_add(struct errand_permits *answer, enum permit_owner owner, const char *ifname,
		uint32_t network, uint8_t parts)
{
	for (uint32_t i = 0; i < answer->count; i++) {
		struct errand_permit *row = &answer->rows[i];
		if (row->permit.owner == owner && strcmp(row->permit.ifname, ifname) == 0) {
			row->permit.parts |= parts;
			return;
		}
	}
	if (answer->count == ERRAND_PERMITS_MAX || strlen(ifname) >= IFNAMSIZ)
		return;
	struct errand_permit *row = &answer->rows[answer->count++];
	*row = (struct errand_permit){.network = network};
	memcpy(row->permit.ifname, ifname, strlen(ifname));
	row->permit.owner = (uint8_t)owner;
	row->permit.parts = parts;
}

bool permit_tag_parse(const char *tag, const char *instance, uint32_t *ret_network)
{
	static const char word[] = "lanyard:";
	size_t length = strlen(instance);
	if (strncmp(tag, word, sizeof(word) - 1) != 0)
		return false;
	tag += sizeof(word) - 1;
	if (strncmp(tag, instance, length) != 0 || tag[length] != ':')
		return false;
	*ret_network = (uint32_t)strtoul(tag + length + 1, NULL, 10);
	return true;
}

static bool concerns(const struct errand_permits *errand, enum permit_owner owner)
{
	for (uint32_t i = 0; i < errand->count; i++)
		if (errand->rows[i].permit.owner == owner)
			return true;
	return false;
}

void permit_serve(struct errand_permits *errand)
{
	struct error err = {0};
	int r = 0;
	for (size_t i = 0; i < FORMS && r == 0; i++)
		if (concerns(errand, forms[i]->owner))
			r = forms[i]->apply(errand, &err);
	errand->count = 0;
	errand->owners = 0;
	for (size_t i = 0; i < FORMS && r == 0; i++) {
		if (forms[i]->is_active())
			errand->owners |= 1u << forms[i]->owner;
		r = forms[i]->list(errand, &err);
	}
	errand->code = r;
	snprintf(errand->text, sizeof(errand->text), "%.*s", (int)sizeof(errand->text) - 1,
		 r < 0 ? err.text : "");
	if (r < 0)
		log_warning("%s", err.text);
}
