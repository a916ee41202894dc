/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The model on disk: what lies where, and what a broker finds that follows one which was killed, an
 * older one, or a full disk. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "broker/state.h"

struct world {
	char folder[64];
	struct paths paths;
	struct state state;
};

static int setup(void **ret)
{
	struct world *world = calloc(1, sizeof(*world));
	strcpy(world->folder, "/tmp/state.XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	world->paths.system = true;
	world->paths.runtime = text_format("%s/run", world->folder);
	world->paths.state = text_format("%s/state", world->folder);
	state_init(&world->state, &world->paths);
	assert_int_equal(state_load(&world->state, NULL), 0);
	*ret = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	AUTO_FREE char *command = text_format("rm -r %s", world->folder);
	state_done(&world->state);
	assert_int_equal(system(command), 0);
	free(world->paths.runtime);
	free(world->paths.state);
	free(world);
	return 0;
}

static void add_network(struct state *state, const char *name, bool unconfirmed)
{
	struct network *network = network_new();
	strcpy(network->name, name);
	network->ipv4_choice = network->ipv6_choice = FAMILY_NONE;
	network->unconfirmed = unconfirmed;
	assert_int_equal(network_settle(network, NULL), 0);
	state_put_network(state, network);
}

static struct port *add_port(struct state *state, const char *network, const char *id,
			     enum port_kind kind)
{
	struct port port = {.kind = kind, .owner = (uint32_t)-1, .group = (uint32_t)-1};
	strcpy(port.id, id);
	strcpy(port.network, network);
	port.mac = mac_hash(id, 0);
	if (kind == PORT_TAP_NAMED)
		port.owner = 1234;
	if (kind == PORT_VETH || kind == PORT_NETNS)
		snprintf(port.peer, sizeof(port.peer), "lyp%s", id);
	if (kind == PORT_ADOPT)
		strcpy(port.ifname, "nic0");
	assert_int_equal(port_settle(&port, NULL), 0);
	return state_add_port(state, &port, 1000);
}

static void persist(struct world *world, struct state *candidate)
{
	struct error err = {0};
	assert_int_equal(state_persist(&world->state, candidate, &err), 0);
	state_done(&world->state);
	world->state = *candidate;
}

/* As the next broker does. */
static void load_again(struct world *world)
{
	state_done(&world->state);
	assert_int_equal(state_load(&world->state, NULL), 0);
}

static bool has_file(const char *folder, const char *name)
{
	AUTO_FREE char *path = text_format("%s/%s", folder, name);
	return access(path, F_OK) == 0;
}

static void move(const char *from, const char *to, const char *name)
{
	AUTO_FREE char *old = text_format("%s/%s", from, name);
	AUTO_FREE char *new = text_format("%s/%s", to, name);
	assert_int_equal(rename(old, new), 0);
}

static void write_text(const char *folder, const char *name, const char *text)
{
	AUTO_FREE char *path = text_format("%s/%s", folder, name);
	assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, false, NULL), 0);
}

static void read_text(const char *folder, const char *name, char **ret)
{
	AUTO_FREE char *path = text_format("%s/%s", folder, name);
	assert_true(file_read(path, 1 << 20, ret, NULL) >= 0);
}

/* One network with a port of each kind. */
static void fill(struct world *world)
{
	static const char *const ids[PORT_KINDS] = {"tap0", "named0", "netns0", "veth0", "adopt0"};
	struct state candidate;
	state_copy(&world->state, &candidate);
	add_network(&candidate, "lab", false);
	for (int kind = 0; kind < PORT_KINDS; kind++)
		add_port(&candidate, "lab", ids[kind], (enum port_kind)kind);
	persist(world, &candidate);
}

static void what_lasts_is_kept(void **state)
{
	struct world *world = *state;
	const char *kept = world->paths.state, *live = world->paths.runtime;
	fill(world);
	assert_true(has_file(kept, "ports/named0.json") && has_file(kept, "ports/veth0.json"));
	assert_true(has_file(live, "ports/tap0.json") && has_file(live, "ports/netns0.json"));
	assert_true(has_file(live, "ports/adopt0.json"));
	assert_false(has_file(live, "ports/named0.json") || has_file(kept, "ports/tap0.json"));
	struct port before = *state_port(&world->state, "named0");

	AUTO_FREE char *command = text_format("rm -r %s", live);
	assert_int_equal(system(command), 0);
	load_again(world);
	assert_int_equal(world->state.n_ports, 2);
	const struct port *after = state_port(&world->state, "named0");
	assert_true(port_equal(&before, after));
	assert_int_equal(state_port_creator(after), 1000);

	state_unlink_port(&world->state, "named0");
	load_again(world);
	assert_int_equal(world->state.n_ports, 1);
}

static void older_versions_files_are_moved(void **state)
{
	struct world *world = *state;
	const char *kept = world->paths.state, *live = world->paths.runtime;
	fill(world);
	move(kept, live, "ports/named0.json");
	load_again(world);
	assert_true(has_file(kept, "ports/named0.json"));
	assert_false(has_file(live, "ports/named0.json"));
	/* cut off between writing and removing: what is kept counts */
	AUTO_FREE char *text = NULL;
	read_text(kept, "ports/named0.json", &text);
	*strstr(text, "1234") = '5';
	write_text(live, "ports/named0.json", text);
	load_again(world);
	assert_int_equal(world->state.n_ports, PORT_KINDS);
	assert_int_equal(state_port(&world->state, "named0")->owner, 1234);
	assert_false(has_file(live, "ports/named0.json"));
	/* it cannot be moved: it is used where it lies */
	move(kept, live, "ports/named0.json");
	AUTO_FREE char *way = text_format("%s/ports/named0.json", kept);
	assert_int_equal(mkdir(way, 0700), 0);
	load_again(world);
	assert_int_equal(world->state.n_ports, PORT_KINDS);
	assert_true(has_file(live, "ports/named0.json"));
}

static void a_row_is_there_or_not(void **state)
{
	struct world *world = *state;
	const char *kept = world->paths.state;
	fill(world);
	AUTO_FREE char *text = NULL;
	read_text(kept, "ports/named0.json", &text);
	AUTO_FREE char *network = NULL;
	read_text(kept, "networks/lab.yaml", &network);
	/* a broker that was killed when the note was written, and half of the files */
	json_t *note = json_pack("{s:{}, s:[], s:{s:{s:s}, s:[s]}}", "write", "remove", "ports",
				 "write", "named0", text, "remove", "veth0");
	AUTO_FREE char *note_text = json_dumps(note, 0);
	json_decref(note);
	state_unlink_port(&world->state, "named0");
	write_text(kept, "networks/all.yaml.change", note_text);
	load_again(world);
	assert_non_null(state_port(&world->state, "named0"));
	assert_null(state_port(&world->state, "veth0"));
	assert_false(has_file(kept, "networks/all.yaml.change"));
	/* one of an older version says nothing of ports; names are no way out of the folder */
	write_text(kept, "networks/all.yaml.change",
		   "{\"write\": {\"../../evil\": \"\"}, \"remove\": [\"nothing\", \"../ports\"]}");
	load_again(world);
	assert_non_null(state_port(&world->state, "named0"));
	assert_false(has_file(world->folder, "evil.yaml"));
}

static void a_failure_leaves_all_as_before(void **state)
{
	struct world *world = *state;
	const char *kept = world->paths.state;
	struct state candidate;
	struct error err = {0};
	fill(world);
	AUTO_FREE char *text = NULL;
	read_text(kept, "ports/named0.json", &text);
	state_copy(&world->state, &candidate);
	state_port(&candidate, "named0")->isolated = true;
	add_port(&candidate, "lab", "row1", PORT_TAP_NAMED);
	add_port(&candidate, "lab", "row2", PORT_TAP_NAMED);
	state_remove_port(&candidate, "veth0");
	AUTO_FREE char *way = text_format("%s/ports/row2.json", kept);
	assert_int_equal(mkdir(way, 0700), 0);
	assert_int_equal(state_persist(&world->state, &candidate, &err), -EISDIR);
	assert_int_equal(rmdir(way), 0);
	AUTO_FREE char *after = NULL;
	read_text(kept, "ports/named0.json", &after);
	assert_string_equal(text, after);
	assert_true(has_file(kept, "ports/veth0.json"));
	assert_false(has_file(kept, "ports/row1.json"));
	assert_false(has_file(kept, "networks/all.yaml.change"));
	persist(world, &candidate);
	load_again(world);
	assert_int_equal(world->state.n_ports, PORT_KINDS + 1);
}

/* Until an uplink is confirmed nothing of its network may outlive a restart of the computer. */
static void ports_follow_their_network(void **state)
{
	struct world *world = *state;
	const char *kept = world->paths.state, *live = world->paths.runtime;
	struct state candidate;
	state_copy(&world->state, &candidate);
	add_network(&candidate, "lan", true);
	add_port(&candidate, "lan", "named0", PORT_TAP_NAMED);
	persist(world, &candidate);
	assert_true(has_file(live, "ports/named0.json") && has_file(live, "networks/lan.yaml"));
	load_again(world);
	assert_int_equal(world->state.n_ports, 1);
	state_copy(&world->state, &candidate);
	state_network(&candidate, "lan")->unconfirmed = false;
	persist(world, &candidate);
	assert_true(has_file(kept, "ports/named0.json") && has_file(kept, "networks/lan.yaml"));
	assert_false(has_file(live, "ports/named0.json") || has_file(live, "networks/lan.yaml"));
	/* and with it they go, also when it was removed by hand */
	AUTO_FREE char *definition = text_format("%s/networks/lan.yaml", kept);
	AUTO_FREE char *text = NULL;
	read_text(kept, "networks/lan.yaml", &text);
	write_text(kept, "networks/lan.yaml", "name: [");
	load_again(world);
	assert_int_equal(world->state.n_ports, 0);
	write_text(kept, "networks/lan.yaml", text);
	load_again(world);
	assert_int_equal(world->state.n_ports, 1);
	assert_int_equal(unlink(definition), 0);
	load_again(world);
	assert_false(has_file(kept, "ports/named0.json"));
}

static void of_two_with_one_interface_the_first_counts(void **state)
{
	struct world *world = *state;
	const char *kept = world->paths.state;
	fill(world);
	AUTO_FREE char *text = NULL;
	read_text(kept, "ports/named0.json", &text);
	memcpy(strstr(text, "\"named0\""), "\"a00000\"", 8);
	assert_non_null(strstr(text, "\"lynamed0\""));
	write_text(kept, "ports/a00000.json", text);
	for (int i = 0; i < 2; i++) {
		load_again(world);
		assert_int_equal(world->state.n_ports, PORT_KINDS);
		assert_non_null(state_port(&world->state, "a00000"));
		assert_true(has_file(kept, "ports/named0.json"));
	}
}

/* What a broker leaves that was killed between making a new port's file and writing it. */
static void an_unfinished_port_is_forgotten(void **state)
{
	struct world *world = *state;
	fill(world);
	write_text(world->paths.runtime, "ports/half00.json", "");
	load_again(world);
	assert_int_equal(world->state.n_ports, PORT_KINDS);
	assert_false(has_file(world->paths.runtime, "ports/half00.json"));
	assert_true(has_file(world->paths.runtime, "ports/tap0.json"));
}

#define MANY 1000

static void add_many(struct state *state)
{
	for (int i = 0; i < MANY; i++) {
		char id[PORT_ID_SIZE];
		snprintf(id, sizeof(id), "p%d", i);
		add_port(state, i % 2 ? "odd" : "even", id, PORT_TAP);
	}
}

static void assert_found(const struct state *state, int i, bool there)
{
	AUTO_FREE char *id = text_format("p%d", i), *ifname = text_format("lyp%d", i);
	struct mac mac = mac_hash(id, 0);
	const char *own = i % 2 ? "odd" : "even", *other = i % 2 ? "even" : "odd";
	const struct port *port = state_port(state, id);
	assert_int_equal(port != NULL, there);
	assert_true(!port || strcmp(port->id, id) == 0);
	assert_ptr_equal(state_port(state, ifname), port);
	assert_ptr_equal(state_port_ifname(state, ifname), port);
	assert_null(state_port_ifname(state, id));
	assert_ptr_equal(state_port_mac(state, &mac, own, ""), port);
	assert_null(state_port_mac(state, &mac, own, id));
	assert_null(state_port_mac(state, &mac, other, ""));
}

static void each_of_many_is_found(void **state)
{
	struct world *world = *state;
	struct state copy;
	assert_found(&world->state, 0, false);
	add_many(&world->state);
	for (int i = 0; i < MANY; i += 3) {
		AUTO_FREE char *id = text_format("p%d", i);
		state_remove_port(&world->state, id);
	}
	state_copy(&world->state, &copy);
	for (int i = 0; i < MANY; i++) {
		assert_found(&world->state, i, i % 3 != 0);
		assert_found(&copy, i, i % 3 != 0);
	}
	struct port port = *state_port(&copy, "p1");
	port.mac = mac_hash("another", 0);
	assert_ptr_equal(state_put_port(&copy, &port), state_port(&copy, "p1"));
	assert_ptr_equal(state_port_mac(&copy, &port.mac, "odd", ""), state_port(&copy, "p1"));
	assert_null(state_port_mac(&world->state, &port.mac, "odd", ""));
	assert_int_equal(state_port_creator(state_port(&copy, "p1")), 1000);
	state_done(&copy);
}

int main(void)
{
	log_init("state", LOG_LEVEL_ERROR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_lasts_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(older_versions_files_are_moved, setup, teardown),
		cmocka_unit_test_setup_teardown(a_row_is_there_or_not, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failure_leaves_all_as_before, setup, teardown),
		cmocka_unit_test_setup_teardown(ports_follow_their_network, setup, teardown),
		cmocka_unit_test_setup_teardown(of_two_with_one_interface_the_first_counts, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_unfinished_port_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(each_of_many_is_found, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
