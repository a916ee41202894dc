/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a new row of seats would meet: seats of the same number, ports with their MACs, interfaces
 * with their names, programs that listen on their TCP ports, and seats whose ports are those of
 * others. Looked at where the machines will run, before anything is changed.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "ipc/varlink_client.h"
#include "verbs/seats.h"

#define TOLD_MAX 10

struct look {
	const json_t *ports, *links, *listeners; /* what there is */
	const struct seat *seats;		 /* what is to come */
	const json_t *wanted;
};

static int check_port(const struct look *look, size_t place, const json_t *port, struct error *err)
{
	const struct seat *seat = &look->seats[place];
	const json_t *wanted = json_array_get(look->wanted, place);
	const char *id = text_of(port, "id"), *network = text_of(port, "network");
	const char *ifname = text_of(port, "ifname"), *mac = text_of(port, "mac");
	if (seat_of_port(port) == seat->number)
		return error_set(err, EEXIST,
				 "seat %u is there already, as %s on network '%s'; 'lanyard seat "
				 "remove %u' makes room",
				 seat->number, ifname, network, seat->number);
	if (strcmp(ifname, text_of(wanted, "ifname")) == 0)
		return error_set(err, EEXIST,
				 "seat %u: interface %s is port %s of network '%s'; choose another "
				 "prefix, or remove it: lanyard port remove %s",
				 seat->number, ifname, id, network, id);
	if (strcmp(network, text_of(wanted, "network")) == 0 &&
	    strcmp(mac, text_of(wanted, "mac")) == 0)
		return error_set(err, EEXIST,
				 "seat %u: its MAC %s is that of port %s%s%s; leave the seat out, "
				 "or remove it: lanyard port remove %s",
				 seat->number, mac, id, *text_of(port, "machine") ? " of " : "",
				 text_of(port, "machine"), id);
	return 0;
}

static int check_link(const struct look *look, size_t place, const json_t *link, struct error *err)
{
	const char *ifname = text_of(json_array_get(look->wanted, place), "ifname");
	if (strcmp(text_of(link, "name"), ifname) != 0)
		return 0;
	return error_set(err, EEXIST,
			 "seat %u: there is an interface %s already, which somebody else made; "
			 "choose another prefix, or remove it: ip link del %s",
			 look->seats[place].number, ifname, ifname);
}

static int check_listener(const struct look *look, size_t place, const json_t *listener,
			  struct error *err)
{
	const struct seat *seat = &look->seats[place];
	json_int_t port = json_integer_value(json_object_get(listener, "port"));
	for (size_t i = 0; i < SEAT_PORTS; i++)
		if (port == seat->ports[i] && strcmp(text_of(listener, "protocol"), "tcp") == 0)
			return error_set(
				err, EEXIST,
				"seat %u: something of uid %lld listens on %s port %lld, its %s "
				"port; end that ('ss -ltnp sport = %lld' names it), or leave the "
				"seat out",
				seat->number,
				(long long)json_integer_value(json_object_get(listener, "uid")),
				text_of(listener, "address"), (long long)port, seat_port_name(i),
				(long long)port);
	return 0;
}

/* The numbers of one kind of port run into those of another. */
static int check_other(const struct seat *seat, const struct seat *other, struct error *err)
{
	for (size_t i = 0; i < SEAT_PORTS; i++)
		for (size_t j = 0; j < SEAT_PORTS; j++)
			if (seat->ports[i] && seat->ports[i] == other->ports[j])
				return error_set(err, EEXIST,
						 "seat %u: its %s port %u is the %s port of seat "
						 "%u; leave one of them out",
						 seat->number, seat_port_name(i), seat->ports[i],
						 seat_port_name(j), other->number);
	return 0;
}

static int check_others(const struct look *look, size_t place, struct error *err)
{
	int r = 0;
	size_t index;
	json_t *port;
	json_array_foreach (look->ports, index, port) {
		struct seat other;
		uint32_t number = r == 0 ? seat_of_port(port) : 0;
		if (number && seat_make(number, &other, NULL) == 0)
			r = check_other(&look->seats[place], &other, err);
	}
	for (size_t i = 0; r == 0 && i < place; i++)
		r = check_other(&look->seats[place], &look->seats[i], err);
	return r;
}

/* The first thing in the way of one seat. */
static int check_seat(const struct look *look, size_t place, struct error *err)
{
	const struct {
		const json_t *list;
		int (*check)(const struct look *look, size_t place, const json_t *item,
			     struct error *err);
	} checks[] = {{look->ports, check_port},
		      {look->links, check_link},
		      {look->listeners, check_listener}};
	int r = 0;
	size_t index;
	json_t *item;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		json_array_foreach (checks[i].list, index, item)
			if (r == 0)
				r = checks[i].check(look, place, item, err);
	return r < 0 ? r : check_others(look, place, err);
}

/* All but the last are told here, the last by whoever tells errors. */
static int check_all(const struct look *look, size_t n_seats, struct error *err)
{
	size_t n_told = 0;
	for (size_t i = 0; i < n_seats; i++) {
		struct error why = {0};
		if (check_seat(look, i, &why) == 0)
			continue;
		if (n_told == TOLD_MAX)
			return error_set(err, EEXIST,
					 "seat %u and perhaps more; nothing was changed",
					 look->seats[i].number);
		if (n_told++ > 0)
			output_error(err);
		*err = why;
	}
	return n_told ? -EEXIST : 0;
}

int seat_check(struct invocation *invocation, const struct seat *seats, size_t n_seats,
	       const json_t *wanted, struct error *err)
{
	struct varlink_answer answer = {0};
	json_t *ports = seat_ask(invocation, "ListPorts", NULL, "ports", err);
	int result = ports ? client_call(invocation, "Diagnose",
					 json_pack("{s:s}", "question", "facts"), &answer, err)
			   : -err->code;
	if (result == 0) {
		const json_t *facts = json_object_get(answer.parameters, "answer");
		const struct look look = {.ports = ports,
					  .links = json_object_get(facts, "links"),
					  .listeners = json_object_get(facts, "listeners"),
					  .seats = seats,
					  .wanted = wanted};
		result = check_all(&look, n_seats, err);
	}
	varlink_answer_done(&answer);
	json_decref(ports);
	return result;
}
