/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/host_claims.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "broker/broker.h"
#include "ipc/errand.h"

#define SERVICE	   "org.freedesktop.NetworkManager"
#define DEVICE	   SERVICE ".Device"
#define PROPERTIES "org.freedesktop.DBus.Properties"

/* As far as it can be told here: the steward looks for our alias. The bridge of a NIC is
 * NetworkManager's as well, where it has the NIC. */
static bool is_ours_alone(const struct state *state, const char *ifname)
{
	for (size_t i = 0; i < state->n_networks; i++)
		if (strcmp(state->networks[i]->ifname, ifname) == 0)
			return !state->networks[i]->uplink[0];
	return state_port_ifname(state, ifname) || strncmp(ifname, "ly", 2) == 0;
}

/* The steward says in the log what it did; its answer is not waited for. */
static void ask_steward(const struct broker *broker, const char *ifname)
{
	struct errand errand = {.version = ERRAND_VERSION, .verb = ERRAND_UNCLAIM};
	struct error err = {0};
	snprintf(errand.nic, sizeof(errand.nic), "%s", ifname);
	AUTO_CLOSE int socket = errand_connect(&broker->paths, &err);
	if (socket < 0)
		log_warning("NetworkManager has taken %s: %s", ifname, err.text);
	else
		send(socket, &errand, sizeof(errand), MSG_NOSIGNAL);
}

static int on_interface(sd_bus_message *reply, void *data, sd_bus_error *failure)
{
	const struct broker *broker = data;
	const char *ifname;
	(void)failure;
	if (!sd_bus_message_is_method_error(reply, NULL) &&
	    sd_bus_message_read(reply, "v", "s", &ifname) >= 0 &&
	    is_ours_alone(&broker->state, ifname))
		ask_steward(broker, ifname);
	return 0;
}

/* PropertiesChanged: is Managed among them, and true? */
static bool is_claim(sd_bus_message *message)
{
	const char *name;
	int managed = 0;
	if (sd_bus_message_skip(message, "s") < 0 ||
	    sd_bus_message_enter_container(message, 'a', "{sv}") < 0)
		return false;
	while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
		if (sd_bus_message_read(message, "s", &name) < 0)
			return false;
		bool is_it = strcmp(name, "Managed") == 0;
		int r = is_it ? sd_bus_message_read(message, "v", "b", &managed)
			      : sd_bus_message_skip(message, "v");
		if (is_it || r < 0 || sd_bus_message_exit_container(message) < 0)
			return r >= 0 && managed;
	}
	return false;
}

static int on_changed(sd_bus_message *message, void *data, sd_bus_error *failure)
{
	(void)failure;
	if (is_claim(message))
		sd_bus_call_method_async(sd_bus_message_get_bus(message), NULL, SERVICE,
					 sd_bus_message_get_path(message), PROPERTIES, "Get",
					 on_interface, data, "ss", DEVICE, "Interface");
	return 0;
}

int host_claims_watch(sd_bus *bus, struct broker *broker)
{
	return sd_bus_add_match_async(bus, NULL,
				      "type='signal',sender='" SERVICE "',interface='" PROPERTIES
				      "',member='PropertiesChanged',path_namespace='"
				      "/org/freedesktop/NetworkManager/Devices',arg0='" DEVICE "'",
				      on_changed, NULL, broker);
}
