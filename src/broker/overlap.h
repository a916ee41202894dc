/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prefixes of ours that the host has come to reach by another way since they were chosen (a VPN
 * came up, the laptop moved to another LAN): nothing is changed, but it is said.
 */
#pragma once

struct broker;

/* Looks at the host's routes; a network's `overlap` says what was found, and the log when it came
 * or went. For a system instance; nothing in others. */
void overlap_consider(struct broker *broker);
/* The same, when something is to be taken back: a new prefix has been looked at before. */
void overlap_reconsider(struct broker *broker);
