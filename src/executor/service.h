/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One network's dnsmasq, as services.c, service_process.c (the process and its supervision) and
 * service_files.c (what it reads) see it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "model/object.h"
#include "svc/dnsmasq.h"

struct error;
struct services;

#define SERVICE_LINE_SIZE 256

struct service {
	struct services *services;
	uint32_t network;
	struct object_name *names; /* sorted by name */
	size_t n_names, names_room;

	bool is_wanted; /* false: only names so far */
	struct object_service object;
	unsigned ifindex; /* of the interface when it was started */
	pid_t pid;	  /* 0: down */
	bool is_ready;
	bool reload; /* SIGHUP as soon as it is ready */
	int words;   /* read end of its standard error, -1 */
	sd_event_source *words_source, *again;
	uint64_t started; /* CLOCK_MONOTONIC microseconds */
	unsigned failures;
	char line[SERVICE_LINE_SIZE]; /* being received */
	size_t line_used;
	char last[SERVICE_LINE_SIZE]; /* the last complete one */
};

/* The process. Starting one returns before it is ready: then read what it says. */
int service_spawn(struct service *service, struct error *err);
/* Reads what it said. False at the end of the stream. */
bool service_listen(struct service *service);
void service_stop_listening(struct service *service);
/* From the event loop on. */
void service_watch(struct service *service);
/* SIGHUP, as soon as it is ready. */
void service_reload(struct service *service);
/* Sends a signal (gently: SIGTERM, else SIGKILL) and listens no more. */
void service_end(struct service *service, bool gently);
/* Waits for the end that service_end has asked for. */
void service_reap(struct service *service);
/* Starts it again, at once or after a pause that grows with its failures. */
void service_start_again(struct service *service);
/* Its process is gone, with this status of waitpid(2): tells, and starts it again. */
void service_ended(struct service *service, int status);
void service_describe_end(int status, char *text, size_t size);

/* The files in its folder. */
int service_write_names(const struct service *service, struct error *err);
int service_write_servers(const struct service *service, struct error *err);
int service_write_all(const struct service *service, struct error *err);
/* Whether dnsmasq.conf would be the same for these settings. */
bool service_has_same_conf(const struct service *service, const struct object_service *other);
void service_remove_folder(const char *services_folder, uint32_t network);
