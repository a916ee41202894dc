/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machines' names on the host: tells systemd-resolved, through the steward, which name server
 * knows each network's domain; again when it was started anew or an interface was made anew.
 * Nothing waits for it: a host whose resolver does not know resolves as before.
 *
 * Theory of operation. What was told is remembered per interface as the message itself; an update
 * makes the messages of the present model and sends, one after the other, those that differ. While
 * resolved does not run (the bus says so, which anybody may ask) nothing is sent; when its name
 * gets an owner all is forgotten, so all is told. What went with its interface needs no message.
 */
#pragma once

struct broker;
struct host_names;

/* NULL for a user instance: its networks are not the host's. */
struct host_names *host_names_new(struct broker *broker);
void host_names_free(struct host_names *names);
/* To be called after every change of the model or the kernel; NULL is right. */
void host_names_update(struct host_names *names);
