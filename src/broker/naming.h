/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Networks of several users may have one name. In the model every name is there once: whoever comes
 * second has theirs as NAME-USER, and goes on calling it NAME (network.called). What they send is
 * put into the model's names before anything looks at it, what they get, sentences too, into theirs
 * after, so that nothing between the two knows. Root, who sees all, sees the model's names. A name
 * that the caller can see is taken, as ever.
 */
#pragma once

#include <jansson.h>

struct broker;
struct method;
struct varlink_peer;

/* The names in a call's parameters, from the caller's into the model's; those of new networks are
 * chosen. Once for a call. */
void naming_receive(const struct broker *broker, const struct method *method, json_t *parameters);
/* The same for one name, where a parameter may be something else as well. */
const char *naming_received(const struct broker *broker, const char *name);
/* varlink_server_present of the broker: from the model's into the caller's. */
void naming_present(const struct varlink_peer *peer, json_t *parameters, void *data);
