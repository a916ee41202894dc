/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/members.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "broker/broker.h"
#include "ipc/errand.h"
#include "ipc/errand_members.h"
#include "kern/vlan_list.h"

#define FOLDER	       "/run/openvswitch" /* of its sockets, which only root may look into */
#define PAUSE_USEC     1000000u
#define PAUSE_MAX_USEC 60000000u

/* Of the last look, and of putting back; "" none. Told when they become so. */
static char look_failure[ERROR_TEXT_SIZE], back_failure[ERROR_TEXT_SIZE];
/* Rows of ours may be there though no network asks for them: at first, and after a failure. */
static bool may_be_left = true;
static sd_event_source *again, *watch; /* the time of the next look; the steward's word */
static uint64_t pause_usec;

static bool has_switch(const struct state *state)
{
	for (size_t i = 0; i < state->n_networks; i++)
		if (state->networks[i]->openvswitch)
			return true;
	return false;
}

const char *members_failure(void)
{
	return look_failure[0] ? look_failure : back_failure;
}

static void note_failure(char failure[ERROR_TEXT_SIZE], const struct error *why)
{
	if (strcmp(failure, why->text) != 0)
		log_warning("ports on Open vSwitch bridges: %s", why->text);
	snprintf(failure, ERROR_TEXT_SIZE, "%s", why->text);
}

static int on_again(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	again = sd_event_source_disable_unref(again);
	broker_repair_soon(data);
	return 0;
}

/* Nobody tells when a service that does not run is started. */
static void look_again(struct broker *broker)
{
	if (again)
		return;
	pause_usec = clock_backoff(pause_usec, PAUSE_USEC, PAUSE_MAX_USEC);
	(void)sd_event_add_time_relative(broker->event, &again, CLOCK_MONOTONIC, pause_usec,
					 PAUSE_USEC / 10, on_again, broker);
}

/* The steward's word that somebody changed a port of ours */

static void stop_watching(void)
{
	if (watch)
		close(sd_event_source_get_io_fd(watch));
	watch = sd_event_source_disable_unref(watch);
}

static int on_word(sd_event_source *source, int fd, uint32_t events, void *data)
{
	(void)source;
	(void)events;
	struct broker *broker = data;
	struct errand_answer answer;
	ssize_t got = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got != (ssize_t)sizeof(answer) || answer.code < 0) {
		stop_watching();
		look_again(broker);
	} else
		broker_repair_soon(broker);
	return 0;
}

/* Nothing of this waits; the first word says that it has begun. */
static void start_watching(struct broker *broker)
{
	struct errand_members errand = {.version = ERRAND_VERSION, .verb = ERRAND_WATCH};
	struct error why = {0};
	if (watch)
		return;
	memcpy(errand.instance, broker->paths.instance, sizeof(errand.instance));
	AUTO_CLOSE int fd = errand_connect(&broker->paths, &why);
	size_t size = errand_members_size(&errand);
	if (fd >= 0 && send(fd, &errand, size, MSG_NOSIGNAL) == (ssize_t)size &&
	    sd_event_add_io(broker->event, &watch, fd, EPOLLIN, on_word, broker) >= 0)
		(void)TAKE_FD(fd);
	else
		look_again(broker);
}

void members_end(void)
{
	stop_watching();
	again = sd_event_source_disable_unref(again);
}

/* Dump */

static void assume(const struct state *state, struct object_list *actual)
{
	struct object_list wanted = {0};
	object_expand(state->networks, state->n_networks, state->ports, state->n_ports, &wanted);
	for (size_t i = 0; i < wanted.count; i++)
		if (wanted.items[i].kind == OBJECT_MEMBER)
			*object_list_add(actual, OBJECT_MEMBER, 0) = wanted.items[i];
	object_list_done(&wanted);
}

static size_t count_wanted(const struct state *state)
{
	struct object_list wanted = {0};
	assume(state, &wanted);
	size_t count = wanted.count;
	object_list_done(&wanted);
	return count;
}

static void take_answer(const struct errand_members *answer, struct object_list *actual)
{
	for (uint32_t i = 0; i < answer->count; i++)
		object_list_add(actual, OBJECT_MEMBER, answer->rows[i].network)->member =
			answer->rows[i].member;
}

void members_dump(struct broker *broker, struct object_list *actual)
{
	struct error why = {0};
	bool wanted = has_switch(&broker->state);
	if (!broker->paths.system || (!wanted && !may_be_left))
		return;
	if (!wanted && access(FOLDER, F_OK) != 0) {
		may_be_left = false; /* Open vSwitch has not run since the computer was started */
		return;
	}
	AUTO_FREE struct errand_members *answer = memory_zero(1, sizeof(*answer));
	int r = errand_members_call(&broker->paths, answer, &why);
	if (r < 0) {
		if (wanted)
			note_failure(look_failure, &why);
		assume(&broker->state, actual);
		if (wanted || r != -ENOENT)
			look_again(broker);
		return;
	}
	look_failure[0] = '\0';
	if (answer->count >= count_wanted(&broker->state)) {
		back_failure[0] = '\0';
		pause_usec = 0;
	}
	may_be_left = answer->count > 0;
	take_answer(answer, actual);
	if (wanted)
		start_watching(broker);
	else
		stop_watching();
}

int members_is_switch(const struct broker *broker, const char *bridge, struct error *err)
{
	AUTO_FREE struct errand_switch *errand = memory_zero(1, sizeof(*errand));
	if (access(FOLDER, F_OK) != 0)
		return 0;
	memcpy(errand->bridge, bridge, strnlen(bridge, IFNAMSIZ - 1));
	int r = errand_switch_call(&broker->paths, errand, err);
	if (r != -ENODEV)
		return r == 0 ? 1 : r;
	*err = (struct error){0};
	return 0;
}

/* Operations */

static uint16_t verb_of(const struct operation *operation)
{
	static const uint16_t verbs[] = {[PLAN_CREATE] = MEMBER_MAKE,
					 [PLAN_CHANGE] = MEMBER_SET,
					 [PLAN_DELETE] = MEMBER_REMOVE};
	return verbs[operation->verb];
}

static int run(struct broker *broker, struct errand_members *errand, struct error *err)
{
	if (errand->count == 0)
		return 0;
	may_be_left = true;
	int r = errand_members_call(&broker->paths, errand, err);
	return r == -ENOENT ? error_set(err, ENOTCONN,
					"Open vSwitch's ports are the steward's work, and no "
					"lanyard-steward is running")
			    : r;
}

/* Those that chosen names of these operations, as one errand or several. */
static int run_chosen(struct broker *broker, const struct operation *operations, size_t count,
		      const bool *chosen, struct error *err)
{
	AUTO_FREE struct errand_members *errand = NULL;
	int r = 0;
	for (size_t i = 0; r == 0 && i < count; i++) {
		if (!chosen[i])
			continue;
		if (!errand)
			errand = memory_zero(1, sizeof(*errand));
		struct errand_member *row = &errand->rows[errand->count++];
		row->network = operations[i].object.network;
		row->verb = verb_of(&operations[i]);
		row->member = operations[i].object.member;
		if (errand->count < ERRAND_MEMBERS_MAX)
			continue;
		r = run(broker, errand, err);
		memset(errand, 0, sizeof(*errand));
	}
	return errand && r == 0 ? run(broker, errand, err) : r;
}

/* What it is in the present model too. */
static bool is_old(const struct state *state, const struct operation *operation)
{
	const struct port *port = state_port_ifname(state, operation->object.member.ifname);
	const struct network *network = port ? state_network(state, port->network) : NULL;
	return network && network->openvswitch && network->id == operation->object.network &&
	       strcmp(network->bridge, operation->object.member.bridge) == 0;
}

/* One that cannot be put back does not keep the others away. A switch that does not look at its
 * database is asked once: the rows are there. */
static void put_back(struct broker *broker, const struct operation *operations, size_t count,
		     bool *chosen)
{
	struct error why = {0};
	int r = run_chosen(broker, operations, count, chosen, &why);
	if (r == 0)
		return;
	for (size_t i = 0; i < count && r != -ETIMEDOUT; i++) {
		bool only = chosen[i];
		struct error one = {0};
		if (only && run_chosen(broker, &operations[i], 1, &only, &one) < 0)
			why = one;
	}
	note_failure(back_failure, &why);
	look_again(broker);
}

int members_run(struct broker *broker, const struct operation *operations, size_t count,
		enum members_part part, struct error *err)
{
	AUTO_FREE bool *now = memory_zero(count + 1, sizeof(bool));
	AUTO_FREE bool *back = memory_zero(count + 1, sizeof(bool));
	bool any_back = false;
	for (size_t i = 0; i < count; i++) {
		bool goes = operations[i].verb == PLAN_DELETE;
		if (!members_is_stewards(&operations[i]) || goes != (part == MEMBERS_GO))
			continue;
		back[i] = part == MEMBERS_CHANGE && is_old(&broker->state, &operations[i]);
		now[i] = !back[i];
		any_back |= back[i];
	}
	int r = run_chosen(broker, operations, count, now, err);
	if (r == 0 && any_back)
		put_back(broker, operations, count, back);
	return r;
}

/* What others see */

/* A bridge of ours has a silent port too, which is nobody's. */
static json_t *ports_json(const struct broker *broker, const struct network *network,
			  const struct vlan_port *ports, size_t count)
{
	json_t *list = json_array();
	for (size_t i = 0; i < count; i++) {
		const struct port *port = state_port_ifname(&broker->state, ports[i].name);
		if (!port && !network->bridge[0])
			continue;
		json_t *json = vlan_port_json(&ports[i]);
		if (port)
			json_object_set_new(json, "port", json_string(port->id));
		json_array_append_new(list, json);
	}
	return list;
}

static json_t *switch_ports(const struct broker *broker, const struct network *network,
			    struct error *err)
{
	AUTO_FREE struct errand_switch *errand = memory_zero(1, sizeof(*errand));
	memcpy(errand->bridge, network->bridge, IFNAMSIZ);
	if (errand_switch_call(&broker->paths, errand, err) < 0)
		return NULL;
	return ports_json(broker, network, errand->rows, errand->count);
}

json_t *members_ports(const struct broker *broker, const struct network *network, struct error *err)
{
	if (!broker->paths.system || (!network->bridge[0] && !network->vlan_filtering))
		return NULL;
	if (network->openvswitch)
		return switch_ports(broker, network, err);
	struct vlan_port *ports = NULL;
	size_t count = 0;
	int r = vlan_list(network->ifname, &ports, &count, err);
	json_t *list = r > 0 ? ports_json(broker, network, ports, count) : NULL;
	free(ports);
	return list;
}
