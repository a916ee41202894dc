/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lanyard seat: numbered rows of persistent taps for a class room, as ordinary ports. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "cli/table.h"
#include "ipc/varlink_client.h"
#include "model/port.h"
#include "verbs/seats.h"
#include "verbs/verbs.h"

/* Rows of numbers among the arguments; each number once, in order. */
struct numbers {
	bool are_in[SEAT_MAX + 1];
	size_t count;
	char *text; /* "1-20, 25" */
};

static void numbers_free(struct numbers *numbers)
{
	if (numbers)
		free(numbers->text);
	free(numbers);
}
AUTO_DEFINE(numbers)

static int add_row(struct numbers *numbers, const char *word, struct error *err)
{
	uint32_t first, last;
	int result = seat_read_row(word, &first, &last, err);
	if (result < 0)
		return result;
	for (uint32_t number = first; number <= last; number++) {
		numbers->count += !numbers->are_in[number];
		numbers->are_in[number] = true;
	}
	char *text = numbers->text ? text_format("%s, %s", numbers->text, word) : text_copy(word);
	free(numbers->text);
	numbers->text = text;
	return 0;
}

static struct numbers *read_numbers(const char *const *words, size_t n_words, struct error *err)
{
	AUTO(numbers) struct numbers *numbers = memory_zero(1, sizeof(*numbers));
	for (size_t i = 0; i < n_words; i++)
		if (add_row(numbers, words[i], err) < 0)
			return NULL;
	return TAKE(numbers);
}

/* By number or by name. */
static int find_account(const char *what, const char *name, uint32_t *ret, struct error *err)
{
	bool is_user = strcmp(what, "owner") == 0;
	const struct passwd *account = is_user ? getpwnam(name) : NULL;
	const struct group *group = is_user ? NULL : getgrnam(name);
	char *end;
	unsigned long number = strtoul(name, &end, 10);
	if (account || group)
		*ret = account ? account->pw_uid : group->gr_gid;
	else if (*name >= '0' && *name <= '9' && !*end && number < (uint32_t)-1)
		*ret = (uint32_t)number;
	else
		return error_set(err, EINVAL, "%s: there is no %s '%s' on this computer", what,
				 is_user ? "user" : "group", name);
	return 0;
}

/* In a user instance nobody else is there who could open one. */
static int check_own(struct invocation *invocation, const char *what, uint32_t id,
		     struct error *err)
{
	uint32_t own = strcmp(what, "owner") == 0 ? geteuid() : getegid();
	int result = client_paths(invocation, err);
	if (result < 0 || invocation->paths.system || id == own)
		return result;
	return error_set(err, EINVAL,
			 "%s: in your own instance there is nobody else; leave it out, or use "
			 "'lanyard --system'",
			 what);
}

static int set_account(struct invocation *invocation, json_t *port, const char *what,
		       const char *name, struct error *err)
{
	uint32_t id = geteuid();
	int result = *name ? find_account(what, name, &id, err) : 0;
	if (result == 0 && *name)
		result = check_own(invocation, what, id, err);
	if (result == 0)
		json_object_set_new(port, what, json_integer(id));
	return result;
}

/* What the ports of the row have in common. */
static json_t *describe_row(struct invocation *invocation, const struct seat_row *row,
			    struct error *err)
{
	if (*row->owner && *row->group) {
		error_set(err, EINVAL, "owner and group exclude each other");
		return NULL;
	}
	json_t *port = json_pack("{s:s,s:s,s:I,s:b}", "network", invocation->arguments[0], "kind",
				 port_kind_name(PORT_TAP_NAMED), "queues", (json_int_t)row->queues,
				 "isolated", row->isolated);
	if (set_account(invocation, port, *row->group ? "group" : "owner",
			*row->group ? row->group : row->owner, err) == 0)
		return port;
	json_decref(port);
	return NULL;
}

/* The ports of the row, and the seats that they are. */
static json_t *describe_seats(const struct numbers *numbers, const char *prefix, json_t *common,
			      struct seat *seats, struct error *err)
{
	json_t *ports = json_array();
	size_t n_seats = 0;
	for (uint32_t number = 1; number <= SEAT_MAX; number++) {
		char ifname[IFNAMSIZ], mac[MAC_TEXT_SIZE];
		struct seat *seat = &seats[n_seats];
		if (!numbers->are_in[number])
			continue;
		if (seat_make(number, seat, err) < 0 ||
		    seat_ifname(seat, prefix, ifname, err) < 0) {
			json_decref(ports);
			return NULL;
		}
		json_t *port = json_copy(common);
		json_object_set_new(port, "ifname", json_string(ifname));
		json_object_set_new(port, "mac", json_string(mac_format(&seat->mac, mac)));
		json_array_append_new(ports, port);
		n_seats++;
	}
	return ports;
}

/* The broker's field is a seat. */
static void name_seat(const struct seat *seats, size_t n_seats, struct error *err)
{
	size_t place = 0;
	int length = 0;
	if (sscanf(err->text, "parameters.ports[%zu]: %n", &place, &length) < 1 || !length ||
	    place >= n_seats)
		return;
	memmove(err->text, err->text + length, strlen(err->text + length) + 1);
	error_prefix(err, "seat %u", seats[place].number);
}

static int add_seats(struct invocation *invocation, const struct numbers *numbers,
		     const struct seat_row *row, struct error *err)
{
	json_t *common = describe_row(invocation, row, err);
	if (!common)
		return -err->code;
	AUTO_FREE struct seat *seats = memory_zero(numbers->count, sizeof(*seats));
	json_t *ports = describe_seats(numbers, row->prefix, common, seats, err);
	json_decref(common);
	if (!ports)
		return -err->code;
	int result =
		invocation->asks ? 0 : seat_check(invocation, seats, numbers->count, ports, err);
	struct varlink_answer answer = {0};
	if (result == 0) {
		result = client_change(invocation, "AddPorts", json_pack("{s:O}", "ports", ports),
				       &answer, err);
		if (result < 0)
			name_seat(seats, numbers->count, err);
	}
	varlink_answer_done(&answer);
	json_decref(ports);
	return result;
}

static int add_run(struct invocation *invocation, struct error *err)
{
	struct seat_row row = {.prefix = SEAT_PREFIX, .queues = 1};
	size_t n_rows = 0;
	const char *const *words = invocation->arguments + 1;
	while (n_rows + 1 < invocation->n_arguments && !strchr(words[n_rows], '='))
		n_rows++;
	if (n_rows == 0)
		return error_set(err, EINVAL, "say which seats: lanyard seat add %.64s 1-20",
				 invocation->arguments[0]);
	AUTO(numbers) struct numbers *numbers = read_numbers(words, n_rows, err);
	json_t *named = numbers ? settings_read(&seat_schema, &row, words + n_rows,
						invocation->n_arguments - 1 - n_rows, err)
				: NULL;
	json_decref(named);
	if (numbers && !named)
		error_prefix(err, "seat");
	if (!named)
		return -EINVAL;
	int result = add_seats(invocation, numbers, &row, err);
	if (result == 0 && !invocation->dry_run)
		output_line("seat%s %s added to network %s; 'lanyard seat list' shows %s",
			    numbers->count == 1 ? "" : "s", numbers->text, invocation->arguments[0],
			    numbers->count == 1 ? "it" : "them");
	return result;
}

static void print_table(const json_t *views)
{
	static const char *const titles[] = {"SEAT",	   "TAP",    "FOR",	"MAC", "IPV4",
					     "LINK-LOCAL", "SCREEN", "CONSOLE", "SSH"};
	static const char *const columns[] = {"seat",	    "ifname", "who",	 "mac", "ipv4",
					      "link_local", "screen", "console", "ssh"};
	const size_t n_columns = sizeof(titles) / sizeof(titles[0]);
	static const char *const spare[] = {"LINK-LOCAL", "MAC", "SSH", "CONSOLE", "SCREEN", NULL};
	struct table table;
	table_init(&table, titles, n_columns);
	table.spare = spare;
	size_t index;
	json_t *view;
	json_array_foreach (views, index, view)
		table_add_members(&table, view, columns, n_columns);
	table_print(&table, "there are no seats; 'lanyard seat add NETWORK 1-20' makes a row");
}

static int list_run(struct invocation *invocation, struct error *err)
{
	const char *network = invocation->n_arguments ? invocation->arguments[0] : NULL;
	json_t *views = seat_views(invocation, network, err);
	if (!views)
		return -err->code;
	if (output_is_json())
		output_json(json_incref(views));
	else
		print_table(views);
	json_decref(views);
	return 0;
}

static int find_nothing(const char *row, struct error *err)
{
	return error_set(err, ENOENT,
			 "there is no seat %s; 'lanyard seat list' shows those that there are",
			 row);
}

static int show_run(struct invocation *invocation, struct error *err)
{
	uint32_t number, last;
	int result = seat_read_row(invocation->arguments[0], &number, &last, err);
	json_t *views = result == 0 ? seat_views(invocation, NULL, err) : NULL, *view;
	if (!views)
		return -err->code;
	size_t index, n_shown = 0;
	if (number != last)
		output_several();
	json_array_foreach (views, index, view) {
		json_int_t its = json_integer_value(json_object_get(view, "seat"));
		if (its < number || its > last)
			continue;
		if (!output_is_json() && n_shown > 0)
			output_line("%s", "");
		if (output_is_json())
			output_json(json_incref(view));
		else
			output_map(view);
		n_shown++;
	}
	json_decref(views);
	return n_shown ? 0 : find_nothing(invocation->arguments[0], err);
}

static json_t *find_ids(const json_t *ports, const struct numbers *numbers)
{
	json_t *ids = json_array(), *port;
	size_t index;
	json_array_foreach (ports, index, port) {
		uint32_t number = seat_of_port(port);
		if (number && numbers->are_in[number])
			json_array_append(ids, json_object_get(port, "id"));
	}
	return ids;
}

/* Of a row those that are there. */
static int remove_run(struct invocation *invocation, struct error *err)
{
	AUTO(numbers)
	struct numbers *numbers = read_numbers(invocation->arguments, invocation->n_arguments, err);
	json_t *ports = numbers ? seat_ask(invocation, "ListPorts", NULL, "ports", err) : NULL;
	if (!ports)
		return -err->code;
	json_t *ids = find_ids(ports, numbers);
	size_t n_ids = json_array_size(ids);
	json_decref(ports);
	if (n_ids == 0) {
		json_decref(ids);
		return find_nothing(numbers->text, err);
	}
	struct varlink_answer answer = {0};
	int result = client_change(invocation, "RemovePorts", json_pack("{s:o}", "ids", ids),
				   &answer, err);
	if (result == 0 && !invocation->dry_run)
		output_line("%zu seat%s removed", n_ids, n_ids == 1 ? "" : "s");
	varlink_answer_done(&answer);
	return result;
}

const struct verb seat_verbs[] = {
	{.group = "seat",
	 .name = "add",
	 .arguments = "NETWORK SEATS... [KEY=VALUE]...",
	 .help = "make rows of numbered seats, all or none",
	 .details = "SEATS is a number or a row, 1-20. Seat N is a persistent tap whose machine "
		    "has the MAC\nba:ad:ca:fe:HH:LL (N in hexadecimal); its screen is for TCP port "
		    "5900+N, its serial console\nfor 2300+N, SSH for 2200+N. What stands in the "
		    "way of any of that is said, and nothing is made.",
	 .examples = "lanyard seat add default 1-20 group=pupils\n"
		     "lanyard seat add default 21 owner=alice prefix=tap\n",
	 .min = 2,
	 .max = -1,
	 .completes = {COMPLETE_NETWORK, COMPLETE_SEAT_KEY, COMPLETE_SEAT_KEY},
	 .run = add_run},
	{.group = "seat",
	 .name = "list",
	 .arguments = "[NETWORK]",
	 .help = "list the seats",
	 .max = 1,
	 .completes = {COMPLETE_NETWORK},
	 .run = list_run},
	{.group = "seat",
	 .name = "show",
	 .arguments = "SEAT",
	 .help = "show a seat, and the words that its QEMU needs",
	 .min = 1,
	 .max = 1,
	 .completes = {COMPLETE_SEAT},
	 .run = show_run},
	{.group = "seat",
	 .name = "remove",
	 .arguments = "SEATS...",
	 .help = "remove seats, those of a row that are there",
	 .min = 1,
	 .max = -1,
	 .completes = {COMPLETE_SEAT, COMPLETE_SEAT, COMPLETE_SEAT},
	 .run = remove_run},
	{0},
};
