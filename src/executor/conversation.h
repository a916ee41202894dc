/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The executor's end of the conversation with the broker (ipc/record.h). */
#pragma once

#include "ipc/record.h"

struct executor;

/* Greets who has connected; the socket is the conversation's from now on. */
void conversation_adopt(struct executor *executor, int socket);
void conversation_end_all(struct executor *executor);
/* Tells the broker, if there is one. */
void conversation_tell(struct executor *executor, enum record_event event, const char *text);
