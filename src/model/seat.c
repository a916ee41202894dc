/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/seat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "model/port.h"

static const uint8_t prefix[4] = {0xba, 0xad, 0xca, 0xfe};

static const struct {
	const char *name;
	uint32_t base;
} ports[SEAT_PORTS] = {
	[SEAT_SCREEN] = {"screen", 5900},
	[SEAT_CONSOLE] = {"console", 2300},
	[SEAT_SSH] = {"SSH", 2200},
};

const char *seat_port_name(enum seat_port port)
{
	return ports[port].name;
}

int seat_make(uint64_t number, struct seat *ret, struct error *err)
{
	static const struct ip link_local = {
		.family = AF_INET6, .length = 64, .bytes = {0xfe, 0x80}};
	if (number < 1 || number > SEAT_MAX)
		return error_set(err, EINVAL, "there is no seat %llu; seats are 1 to %d",
				 (unsigned long long)number, SEAT_MAX);
	*ret = (struct seat){.number = (uint32_t)number};
	memcpy(ret->mac.bytes, prefix, sizeof(prefix));
	ret->mac.bytes[4] = (uint8_t)(number >> 8);
	ret->mac.bytes[5] = (uint8_t)number;
	ret->link_local = mac_eui64(&ret->mac, &link_local);
	for (size_t i = 0; i < SEAT_PORTS; i++)
		if (ports[i].base + number <= UINT16_MAX)
			ret->ports[i] = (uint16_t)(ports[i].base + number);
	return 0;
}

uint32_t seat_of_mac(const struct mac *mac)
{
	if (memcmp(mac->bytes, prefix, sizeof(prefix)) != 0)
		return 0;
	return (uint32_t)(mac->bytes[4] << 8 | mac->bytes[5]);
}

/* Digits as far as they go; -1: none, or more than any seat has. */
static long read_number(const char **text)
{
	size_t length = strspn(*text, "0123456789");
	long number = length > 0 && length < 9 ? strtol(*text, NULL, 10) : -1;
	*text += length;
	return number;
}

int seat_read_row(const char *text, uint32_t *ret_first, uint32_t *ret_last, struct error *err)
{
	const char *rest = text;
	long first = read_number(&rest), last = first;
	if (*rest == '-') {
		rest++;
		last = read_number(&rest);
	}
	if (*rest || first < 1 || last < 1 || first > SEAT_MAX || last > SEAT_MAX)
		return error_set(err, EINVAL,
				 "'%.40s' is no row of seats; write a number from 1 to %d, or two "
				 "with '-' between them",
				 text, SEAT_MAX);
	if (last < first)
		return error_set(err, EINVAL, "'%.40s': the row ends before it begins", text);
	*ret_first = (uint32_t)first;
	*ret_last = (uint32_t)last;
	return 0;
}

int seat_ifname(const struct seat *seat, const char *before, char ret[IFNAMSIZ], struct error *err)
{
	char name[2 * IFNAMSIZ];
	snprintf(name, sizeof(name), "%s%u", before, seat->number);
	if (strlen(name) >= IFNAMSIZ)
		return error_set(err, EINVAL,
				 "prefix '%s': '%s' has more than %d letters; choose a shorter one",
				 before, name, IFNAMSIZ - 1);
	strcpy(ret, name);
	return 0;
}

#define MEMBER(name)                                                                               \
	.offset = offsetof(struct seat_row, name), .size = sizeof(((struct seat_row *)0)->name)

static const struct schema_key row_keys[] = {
	{.key = "prefix",
	 .type = SCHEMA_TEXT,
	 MEMBER(prefix),
	 .fallback = SEAT_PREFIX,
	 .help = "what the taps are called, before the number"},
	{.key = "owner",
	 .type = SCHEMA_TEXT,
	 MEMBER(owner),
	 .help = "the user who may open the taps; you, unless a group may"},
	{.key = "group",
	 .type = SCHEMA_TEXT,
	 MEMBER(group),
	 .help = "the group whose members may open them"},
	{.key = "queues",
	 .type = SCHEMA_COUNT,
	 MEMBER(queues),
	 .min = 1,
	 .max = PORT_QUEUES_MAX,
	 .fallback = "1",
	 .help = "queue pairs of a tap"},
	{.key = "isolated",
	 .type = SCHEMA_BOOL,
	 MEMBER(isolated),
	 .fallback = "false",
	 .help = "they do not reach each other"},
};

const struct schema seat_schema = {
	.entity = "seat",
	.help = "A numbered place in a class room.",
	.keys = row_keys,
	.n_keys = sizeof(row_keys) / sizeof(row_keys[0]),
};
